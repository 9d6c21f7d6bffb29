//! The connection cache: the credentials last granted on a connection. If a client repeats them with every request,
//! they are decoded, looked up and judged only once a second.

use std::cell::{Ref, RefCell};
use std::ffi::CStr;

use esauth_engine::verification::{Grant, Presented};
use esauth_engine::{Passwords, Snapshot};

use crate::config::section::DirConfig;
use crate::httpd::request::{ConnectionData, Request};
use crate::state::verdicts;

/// Longest user name remembered, in bytes.
const LONGEST_USER: usize = 56;

/// Of fixed size, so that it can be overwritten as often as the user changes.
struct LastGrant {
    grant: Grant,
    user_length: usize,
    user: [u8; LONGEST_USER],
}

// SAFETY: the only such type of this module.
unsafe impl ConnectionData for RefCell<LastGrant> {}

fn last_grant(request: Request<'_>) -> Option<Ref<'_, LastGrant>> {
    request.connection_data::<RefCell<LastGrant>>()?.try_borrow().ok()
}

/// The user, if the request repeats the header last granted on its connection, and the password file is the same and
/// unchanged.
pub(crate) fn recall<'r>(request: Request<'r>, header: &CStr) -> Option<&'r CStr> {
    let last = last_grant(request)?;
    let path = DirConfig::of(request).user_file?;
    if !verdicts::verifier()?.recalls(&last.grant, &presented(request, header), path) {
        return None;
    }
    // A copy, since the next request on the connection may be answered before this one is logged.
    Some(request.pool().join(&[last.user.get(..last.user_length)?]))
}

/// True if the request repeats the header last granted on its connection, however long ago.
pub(crate) fn has_granted(request: Request<'_>, header: &CStr) -> bool {
    last_grant(request)
        .zip(verdicts::verifier())
        .is_some_and(|(last, cache)| cache.has_granted(&last.grant, &presented(request, header)))
}

/// True if a user was granted on the connection: it may be a proxy's, and others' requests come over it.
#[cfg(httpd = "2.4")]
pub(crate) fn has_admitted(request: Request<'_>) -> bool {
    last_grant(request).is_some()
}

/// Remembers that `user` was granted with this header by the content of `file`.
pub(crate) fn remember(request: Request<'_>, header: &CStr, file: &Snapshot<Passwords>, user: &CStr) {
    let name = user.to_bytes();
    let Some(cache) = verdicts::verifier() else { return };
    let until = file.accepted(name).and_then(|accepted| accepted.until);
    let Some(grant) = cache.grant(&presented(request, header), file, until).filter(|_| name.len() <= LONGEST_USER)
    else {
        return;
    };
    let mut user = [0; LONGEST_USER];
    user[..name.len()].copy_from_slice(name);
    let last = LastGrant { grant, user_length: name.len(), user };
    match request.connection_data::<RefCell<LastGrant>>() {
        Some(place) => drop(place.replace(last)),
        None => request.set_connection_data(RefCell::new(last)),
    }
}

fn presented<'r>(request: Request<'r>, header: &'r CStr) -> Presented<'r> {
    Presented { text: header.to_bytes(), client: request.client_address().to_bytes() }
}
