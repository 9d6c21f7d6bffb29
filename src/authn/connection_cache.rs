//! The connection cache: the credentials last granted on a connection. If a client repeats them with every request,
//! they are decoded, looked up and judged only once a second.

use std::ffi::CStr;
use std::ptr;

use esauth_engine::verification::{Grant, Presented};
use esauth_engine::{Passwords, Snapshot};

use crate::config::section::DirConfig;
use crate::httpd::request::Request;
use crate::state::verdicts;

/// Longest user name remembered, in bytes.
const LONGEST_USER: usize = 56;

/// In the connection's pool; of fixed size, so that it can be overwritten as often as the user changes.
#[derive(Clone, Copy)]
struct LastGrant {
    grant: Grant,
    user_length: usize,
    user: [u8; LONGEST_USER],
}

/// The user, if the request repeats the header last granted on its connection, and the password file is the same and
/// unchanged.
pub(crate) fn recall<'r>(request: Request<'r>, header: &CStr) -> Option<&'r CStr> {
    // SAFETY: null, or a value that `remember` put there.
    let last = unsafe { request.connection_data().cast::<LastGrant>().as_ref() }?;
    let path = DirConfig::of(request).user_file?;
    if !verdicts::verifier()?.recalls(&last.grant, &presented(request, header), path) {
        return None;
    }
    // A copy, since the next request on the connection may be answered before this one is logged.
    Some(request.pool().join(&[last.user.get(..last.user_length)?]))
}

/// True if the request repeats the header last granted on its connection, however long ago.
pub(crate) fn has_granted(request: Request<'_>, header: &CStr) -> bool {
    // SAFETY: as in `recall`.
    let last = unsafe { request.connection_data().cast::<LastGrant>().as_ref() };
    last.zip(verdicts::verifier())
        .is_some_and(|(last, cache)| cache.has_granted(&last.grant, &presented(request, header)))
}

/// Remembers that `user` was granted with this header by the content of `file`.
pub(crate) fn remember(request: Request<'_>, header: &CStr, file: &Snapshot<Passwords>, user: &CStr) {
    let name = user.to_bytes();
    let Some(cache) = verdicts::verifier() else { return };
    let Some(grant) = cache.grant(&presented(request, header), file).filter(|_| name.len() <= LONGEST_USER) else {
        return;
    };
    let mut user = [0; LONGEST_USER];
    user[..name.len()].copy_from_slice(name);
    let last = LastGrant { grant, user_length: name.len(), user };
    let place = request.connection_data().cast::<LastGrant>();
    if place.is_null() {
        request.set_connection_data(ptr::from_mut(request.connection_pool().value(last)).cast());
    } else {
        // SAFETY: the place that an earlier call allocated in the connection's pool; only this thread serves the
        // connection.
        unsafe { place.write(last) };
    }
}

fn presented<'r>(request: Request<'r>, header: &'r CStr) -> Presented<'r> {
    Presented { text: header.to_bytes(), client: request.client_address().to_bytes() }
}
