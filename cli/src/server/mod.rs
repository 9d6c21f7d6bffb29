//! Connections to a server, and their parameters: address, trusted certificates, passwords.

pub(crate) mod front;
pub(crate) mod http;
pub(crate) mod secrets;
pub(crate) mod target;
pub(crate) mod tls;
