//! Authentication: is this the user's password?

pub(crate) mod basic;
pub(crate) mod connection;
#[cfg(httpd = "2.4")]
pub(crate) mod extras;
pub(crate) mod provider;
