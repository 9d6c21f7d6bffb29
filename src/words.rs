//! What httpd calls the words of a requirement: how `Require group a "b c"` names its groups.

use std::ffi::CStr;

use crate::bindings::ap_getword_conf;
use crate::generation;
use crate::request::{Request, c_str};

/// The words of `text`, split as httpd splits its configuration, quotes and backslashes included. In 2.4 the first empty
/// one ends them.
pub(crate) fn words<'r>(request: Request<'r>, text: &'r CStr) -> impl Iterator<Item = &'r CStr> {
    let mut rest = text.as_ptr();
    std::iter::from_fn(move || {
        // SAFETY: `rest` points into `text`, or to its end.
        if unsafe { rest.read() } == 0 {
            return None;
        }
        // SAFETY: httpd's function on a live pool; `rest` points into `text`, or to its end.
        let word = unsafe { c_str(ap_getword_conf(request.pool().as_ptr(), &raw mut rest)) };
        word.filter(|word| !(generation::EMPTY_WORD_ENDS && word.is_empty()))
    })
}
