//! The directives: those of a [`section`] and those of the [`server`].

pub(crate) mod section;
pub(crate) mod server;
