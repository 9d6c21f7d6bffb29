//! Words of a text, split like the lines of httpd's configuration.

use std::ffi::{CStr, c_char};

use crate::httpd::bindings::{ap_getword_conf, apr_pool_t};
use crate::httpd::pool::Pool;
use crate::httpd::text::c_str;

/// The words of `text`, split like httpd's configuration, with quotes and backslashes.
pub(crate) fn words<'p>(pool: Pool<'p>, text: &'p CStr) -> impl Iterator<Item = &'p CStr> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word;
        (word, rest) = split(pool, Some(rest).filter(|rest| !rest.is_empty())?, ap_getword_conf);
        Some(word)
    })
}

/// The first word of a text without quotes, and the text behind it and the space that follows.
#[cfg(httpd = "2.2")]
pub(crate) fn first_word<'p>(pool: Pool<'p>, text: &'p CStr) -> (&'p CStr, &'p CStr) {
    split(pool, text, crate::httpd::bindings::ap_getword_white)
}

fn split<'p>(
    pool: Pool<'p>,
    text: &'p CStr,
    split: unsafe extern "C" fn(*mut apr_pool_t, *mut *const c_char) -> *mut c_char,
) -> (&'p CStr, &'p CStr) {
    let mut rest = text.as_ptr();
    // SAFETY: httpd's functions take a word from a C string, into a live pool, and leave the pointer in the text or at its
    // end.
    let (word, rest) = unsafe { (c_str(split(pool.as_ptr(), &raw mut rest)), c_str(rest)) };
    (word.unwrap_or(c""), rest.unwrap_or(c""))
}
