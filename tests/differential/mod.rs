//! Generated configurations, the runner that serves them by two servers side by side, and the comparison of the
//! answers.

pub(crate) mod batch;
pub(crate) mod batch_folder;
pub(crate) mod configurations;
pub(crate) mod files;
pub(crate) mod intended;
pub(crate) mod judge;
pub(crate) mod model;
pub(crate) mod random;
pub(crate) mod report;
pub(crate) mod requests;
pub(crate) mod requirements;
pub(crate) mod shrink;
pub(crate) mod talk;
