//! APR tables: texts by name, with case-insensitive names.

use std::ffi::CStr;
use std::marker::PhantomData;

use crate::httpd::bindings::{apr_table_get, apr_table_setn, apr_table_t, apr_table_unset};
use crate::httpd::text::c_str;

/// A table of a request.
#[derive(Clone, Copy)]
pub(crate) struct Table<'r> {
    raw: *mut apr_table_t,
    lives: PhantomData<&'r ()>,
}

impl<'r> Table<'r> {
    /// # Safety
    ///
    /// `raw` is a table that lives for `'r` and belongs to this thread.
    pub(crate) unsafe fn new(raw: *mut apr_table_t) -> Self {
        Table { raw, lives: PhantomData }
    }

    pub(crate) fn get(self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: a live table; its texts live in the request's pool.
        unsafe { c_str(apr_table_get(self.raw, name.as_ptr())) }
    }

    /// Sets `name`, a text of this library that outlives every request, to `value`.
    pub(crate) fn set(self, name: &'static CStr, value: &'r CStr) {
        // SAFETY: a live table, which keeps the two pointers; both texts live as long as it does.
        unsafe { apr_table_setn(self.raw, name.as_ptr(), value.as_ptr()) }
    }

    /// How often a name is there.
    #[cfg(httpd = "2.4")]
    pub(crate) fn count(self, name: &CStr) -> usize {
        // SAFETY: a live table and a C string.
        let count = unsafe { crate::httpd::bindings::esauth_count_headers(self.raw, name.as_ptr()) };
        usize::try_from(count).unwrap_or(0)
    }

    pub(crate) fn unset(self, name: &CStr) {
        // SAFETY: a live table.
        unsafe { apr_table_unset(self.raw, name.as_ptr()) }
    }
}
