//! Encodings, as httpd and APR compute them.

use std::ffi::CStr;

#[cfg(httpd = "2.4")]
use crate::httpd::bindings::ap_pbase64encode;
use crate::httpd::bindings::{ap_md5, apr_base64_decode, apr_base64_decode_len};
use crate::httpd::pool::Pool;
use crate::httpd::text::c_str;

/// The bytes that a text in base64 stands for, and a NUL behind them. Faulty text is decoded as far as it goes: httpd's
/// treatment of it decides about access.
pub(crate) fn base64_decode<'p>(pool: Pool<'p>, encoded: &CStr) -> &'p mut [u8] {
    // SAFETY: a C string, and memory as large as the decoder asked for; decoding stops at the C string's end.
    let (text, length) = unsafe {
        let room = apr_base64_decode_len(encoded.as_ptr()) as usize;
        let text = pool.bytes(room + 1);
        let length = apr_base64_decode(text.as_mut_ptr().cast(), encoded.as_ptr()) as usize;
        (text, length.min(room))
    };
    text[length] = 0;
    text
}

/// A text in base64.
#[cfg(httpd = "2.4")]
pub(crate) fn base64_encode<'p>(pool: Pool<'p>, text: &CStr) -> &'p CStr {
    // SAFETY: a live pool and a C string, which the function only reads.
    unsafe { c_str(ap_pbase64encode(pool.as_ptr(), text.as_ptr().cast_mut())) }.unwrap_or(c"")
}

/// The MD5 hash of a text, in hexadecimal digits.
pub(crate) fn md5<'p>(pool: Pool<'p>, text: &CStr) -> Option<&'p CStr> {
    // SAFETY: a live pool and a C string, which the function only reads.
    unsafe { c_str(ap_md5(pool.as_ptr(), text.as_ptr().cast())) }
}
