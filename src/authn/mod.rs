//! Authentication: is this the user's password?
//!
//! * [`basic`]: the hook, from the request's header to a status; [`credentials`] and [`challenge`]: the header and ours;
//! * [`provider`]: the look-up in the password file, also offered to other modules;
//! * [`connection_cache`]: what a connection remembers of the credentials it brought last;
//! * [`digest`] and `fake`: AuthBasicUseDigestAlgorithm and AuthBasicFake, which only 2.4 has.

pub(crate) mod basic;
pub(crate) mod challenge;
mod connection_cache;
mod credentials;
mod digest;
#[cfg(httpd = "2.4")]
pub(crate) mod fake;
pub(crate) mod provider;
