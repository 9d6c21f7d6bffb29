//! APR tables: texts by name, with case-insensitive names.

use std::ffi::CStr;
use std::marker::PhantomData;

#[cfg(httpd = "2.4")]
use crate::httpd::bindings;
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
        let same = |known: &&CStr| known.to_bytes().eq_ignore_ascii_case(name.to_bytes());
        self.names().filter(same).count()
    }

    /// The names in their order, each as often as it is there.
    #[cfg(httpd = "2.4")]
    pub(crate) fn names(self) -> impl Iterator<Item = &'r CStr> {
        // SAFETY: a live table, whose entries are as many and of this type; their texts live in the request's pool.
        unsafe {
            let list = &*bindings::apr_table_elts(self.raw);
            let entries = list.elts.cast::<bindings::apr_table_entry_t>();
            let count = usize::try_from(list.nelts).unwrap_or(0);
            (0..count).filter_map(move |number| c_str((*entries.add(number)).key))
        }
    }

    pub(crate) fn unset(self, name: &CStr) {
        // SAFETY: a live table.
        unsafe { apr_table_unset(self.raw, name.as_ptr()) }
    }
}
