//! The directives: those of a [`section`], of which [`backend`] and [`limit`] have some, and those of the [`server`],
//! of which [`fleet`] has some.

pub(crate) mod backend;
pub(crate) mod files;
pub(crate) mod fleet;
pub(crate) mod limit;
pub(crate) mod section;
pub(crate) mod server;
