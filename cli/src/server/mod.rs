//! Connections to a server, and what is needed for them: its address, whom to trust, passwords.

pub(crate) mod http;
pub(crate) mod secrets;
pub(crate) mod target;
pub(crate) mod tls;
