//! What httpd calls the words of a requirement: how `Require group a "b c"` names its groups.

use std::ffi::CStr;

use crate::httpd::bindings::ap_getword_conf;
use crate::httpd::generation;
use crate::httpd::pool::Pool;
use crate::httpd::request::{Request, c_str};

/// The names that the text of a requirement holds. In 2.4 the first empty one ends them.
pub(crate) fn words<'r>(request: Request<'r>, text: &'r CStr) -> impl Iterator<Item = &'r CStr> {
    split(request.pool(), text).take_while(|word| !(generation::EMPTY_WORD_ENDS && word.is_empty()))
}

/// The words of `text`, split as httpd splits its configuration, quotes and backslashes included.
pub(crate) fn split<'p>(pool: Pool<'p>, text: &'p CStr) -> impl Iterator<Item = &'p CStr> {
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
