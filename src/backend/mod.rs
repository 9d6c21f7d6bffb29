//! `EsAuthBackendCredentials` and `EsAuthBackendUser`: what a back end is told about a request's user.
//!
//! * [`identity`]: the user's, by the files as they are now;
//! * [`headers`]: those that tell of an identity, the client's and ours;
//! * [`handover`]: mod_proxy's hooks, from the request to the back end's answer.

pub(crate) mod handover;
mod headers;
mod identity;
