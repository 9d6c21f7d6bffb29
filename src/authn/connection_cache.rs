//! What a connection remembers: the credentials that were last granted on it. A client that sends them with every request
//! has them decoded, looked up and judged once in a second.

use std::ffi::CStr;
use std::ptr;

use esauth_engine::verification::{Grant, Presented};
use esauth_engine::{Passwords, Snapshot};

use crate::config::section::DirConfig;
use crate::httpd::request::Request;
use crate::state::verdicts;

/// Bytes of a user name that is remembered.
const LONGEST_USER: usize = 56;

/// Kept in the connection's pool, of the same size for all users, so that it can be written anew however often they change.
#[derive(Clone, Copy)]
struct LastGrant {
    grant: Grant,
    user_length: usize,
    user: [u8; LONGEST_USER],
}

/// The user, where the request has the header that was last granted on its connection, and its password file is the same
/// and has not changed.
pub(crate) fn recall<'r>(request: Request<'r>, header: &CStr) -> Option<&'r CStr> {
    // SAFETY: null, or what `remember` has kept.
    let last = unsafe { request.connection_data().cast::<LastGrant>().as_ref() }?;
    let path = DirConfig::of(request).user_file?;
    if !verdicts::verifier()?.recalls(&last.grant, &presented(request, header), path) {
        return None;
    }
    // A copy, since the next request on the connection may be answered before this one is logged.
    Some(request.pool().join(&[last.user.get(..last.user_length)?]))
}

/// True where the request has the header that was last granted on its connection, however long ago.
pub(crate) fn has_granted(request: Request<'_>, header: &CStr) -> bool {
    // SAFETY: as in `recall`.
    let last = unsafe { request.connection_data().cast::<LastGrant>().as_ref() };
    last.zip(verdicts::verifier())
        .is_some_and(|(last, cache)| cache.has_granted(&last.grant, &presented(request, header)))
}

/// Remembers that by what `file` says, `user` was granted with this header.
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
        // SAFETY: what an earlier call has put there, in the connection's pool; only this thread serves the connection.
        unsafe { place.write(last) };
    }
}

fn presented<'r>(request: Request<'r>, header: &'r CStr) -> Presented<'r> {
    Presented { text: header.to_bytes(), client: request.client_address().to_bytes() }
}
