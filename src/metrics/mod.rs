//! The pages that show an operator what the server has counted: one for Prometheus, a section of mod_status's.

pub(crate) mod prometheus;
pub(crate) mod status;
