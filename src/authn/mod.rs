//! Authentication: is this the user's password?
//!
//! * [`basic`]: the hook, from the request's header to a status; [`credentials`] with [`header`], and [`challenge`]: the
//!   client's header and ours;
//! * [`provider`]: the lookup in the password file, also offered to other modules;
//! * [`connection_cache`]: the credentials last granted on a connection;
//! * [`digest`] and `fake`: AuthBasicUseDigestAlgorithm and AuthBasicFake, in 2.4 only.

pub(crate) mod basic;
pub(crate) mod challenge;
mod connection_cache;
mod credentials;
mod digest;
#[cfg(httpd = "2.4")]
pub(crate) mod fake;
mod header;
pub(crate) mod provider;
