//! What directives say: [`section`] of a section, [`server`] of the server.

pub(crate) mod section;
pub(crate) mod server;
