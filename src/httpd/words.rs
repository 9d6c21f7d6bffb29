//! Words of a text, split like the lines of httpd's configuration.

use std::ffi::CStr;

use crate::httpd::bindings::ap_getword_conf;
use crate::httpd::pool::Pool;
use crate::httpd::text::c_str;

/// The words of `text`, split like httpd's configuration, with quotes and backslashes.
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
