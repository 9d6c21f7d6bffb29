//! The pages that show the server's counters: one for Prometheus, and a section of mod_status's.

pub(crate) mod prometheus;
pub(crate) mod status;
