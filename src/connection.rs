//! What a connection remembers: the credentials that were last granted on it. A client that sends them with every request
//! has them decoded, digested and looked up once in a second.

use std::ffi::CStr;

use esauth_engine::cache::{Cache, Grant, Presented};
use esauth_engine::{Passwords, Snapshot};

use crate::generation::client_address;
use crate::request::Request;
use crate::verdicts;

/// Bytes of a user name that is remembered.
const LONGEST_USER: usize = 56;

/// Kept in the connection's pool, of the same size for all users, so that it can be written anew however often they change.
#[derive(Clone, Copy)]
struct LastGrant {
    grant: Grant,
    user_length: usize,
    user: [u8; LONGEST_USER],
}

/// A request's credentials, and the connection that may remember them.
#[derive(Clone, Copy)]
pub(crate) struct Memory<'r> {
    request: Request<'r>,
    cache: &'static Cache,
    presented: Presented<'r>,
}

impl<'r> Memory<'r> {
    /// `None` before there is a cache, which is never once httpd serves.
    pub(crate) fn of(request: Request<'r>, encoded: &'r CStr, file: &Snapshot<Passwords>) -> Option<Self> {
        let (text, client) = (encoded.to_bytes(), client_address(request).to_bytes());
        let presented = Presented { text, client, snapshot: file.serial() };
        Some(Memory { request, cache: verdicts::cache()?, presented })
    }

    /// The user, where these are the credentials that were last granted on the connection.
    pub(crate) fn recall(self) -> Option<&'r CStr> {
        // SAFETY: null, or what `remember` has kept.
        let last = unsafe { self.request.connection_data().cast::<LastGrant>().as_ref() }?;
        if !self.cache.recalls(&last.grant, &self.presented) {
            return None;
        }
        // A copy, since the next request on the connection may be answered before this one is logged.
        Some(self.request.pool().join(&[last.user.get(..last.user_length)?]))
    }

    /// Remembers that these were granted, as credentials of `user`.
    pub(crate) fn remember(self, user: &CStr) {
        let name = user.to_bytes();
        let Some(grant) = self.cache.grant(&self.presented).filter(|_| name.len() <= LONGEST_USER) else { return };
        let mut user = [0; LONGEST_USER];
        user[..name.len()].copy_from_slice(name);
        let last = LastGrant { grant, user_length: name.len(), user };
        let place = self.request.connection_data().cast::<LastGrant>();
        if place.is_null() {
            let place = self.request.connection_pool().value(last);
            self.request.set_connection_data(std::ptr::from_mut(place).cast());
        } else {
            // SAFETY: what an earlier call has put there, in the connection's pool; only this thread serves the connection.
            unsafe { place.write(last) };
        }
    }
}
