//! Shared by the hooks that httpd calls for a request.

use std::ffi::{c_char, c_int};

use crate::httpd::bindings::request_rec;

/// A hook's function.
pub(crate) type RequestHook = unsafe extern "C" fn(*mut request_rec) -> c_int;

/// Names of modules, ended by null: a hook is called before or after theirs.
pub(crate) struct Modules<const N: usize>(pub(crate) [*const c_char; N]);

// SAFETY: constants that point to constants; httpd only reads them.
unsafe impl<const N: usize> Sync for Modules<N> {}
