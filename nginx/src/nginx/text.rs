//! nginx's strings: a length and bytes that need not end with a NUL.

use std::slice;

use super::bindings::ngx_str_t;

/// A string for nginx.
pub(crate) const fn text(bytes: &'static [u8]) -> ngx_str_t {
    ngx_str_t { len: bytes.len(), data: bytes.as_ptr().cast_mut() }
}

/// A string for nginx that borrows from `bytes`.
pub(crate) fn borrowed(bytes: &[u8]) -> ngx_str_t {
    ngx_str_t { len: bytes.len(), data: bytes.as_ptr().cast_mut() }
}

/// The bytes of a string.
///
/// # Safety
///
/// The string is unset or valid, and is not changed or freed during `'t`.
pub(crate) unsafe fn bytes<'t>(text: ngx_str_t) -> &'t [u8] {
    if text.data.is_null() || text.len == 0 {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { slice::from_raw_parts(text.data, text.len) }
}
