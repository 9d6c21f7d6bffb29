//! Texts of httpd's: C strings, and how httpd splits them into words.

use std::ffi::{CStr, c_char};

use crate::httpd::bindings::ap_getword_conf;
use crate::httpd::pool::Pool;

/// A text of httpd's, if there is one.
///
/// # Safety
/// `raw` is null or a C string that lives, unchanged, for `'a`.
pub(crate) unsafe fn c_str<'a>(raw: *const c_char) -> Option<&'a CStr> {
    // SAFETY: as the caller promises.
    (!raw.is_null()).then(|| unsafe { CStr::from_ptr(raw) })
}

/// The words of `text`, split as httpd splits its configuration, quotes and backslashes included.
pub(crate) fn words<'p>(pool: Pool<'p>, text: &'p CStr) -> impl Iterator<Item = &'p CStr> {
    let mut rest = text.as_ptr();
    std::iter::from_fn(move || {
        // SAFETY: `rest` points into `text`, or to its end.
        if unsafe { rest.read() } == 0 {
            return None;
        }
        // SAFETY: httpd's function on a live pool; `rest` points into `text`, or to its end.
        unsafe { c_str(ap_getword_conf(pool.as_ptr(), &raw mut rest)) }
    })
}
