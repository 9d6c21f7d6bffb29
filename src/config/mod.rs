//! The directives: those of a [`section`], of which [`backend`] has some, and those of the [`server`].

pub(crate) mod backend;
pub(crate) mod files;
pub(crate) mod section;
pub(crate) mod server;
