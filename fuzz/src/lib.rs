//! Shared by the fuzz targets.

pub mod authorization;

/// The line rules in their plain form, and the comparison of the engine with it.
#[path = "../../engine/tests/plain/mod.rs"]
pub mod plain;
