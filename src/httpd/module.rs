//! This module as httpd knows it: its version, and its index in vectors with one pointer for each module.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering};

use crate::httpd::bindings::ap_conf_vector_t;

/// This module's version, as in the start-up line and the metrics.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Assigned by httpd at each load of the module.
static INDEX: AtomicI32 = AtomicI32::new(-1);

/// Stores the index that httpd has written into the module's record. For `register_hooks`, httpd's first call into a
/// module.
pub(crate) fn set_index(index: c_int) {
    INDEX.store(index, Ordering::Relaxed);
}

pub(crate) fn index() -> c_int {
    INDEX.load(Ordering::Relaxed)
}

/// This module's own pointer in a vector.
pub(crate) fn entry(vector: *mut ap_conf_vector_t) -> *mut *mut c_void {
    vector.cast::<*mut c_void>().wrapping_add(index() as usize)
}
