//! C strings from httpd.

use std::ffi::{CStr, c_char};

/// A text from httpd, if there is one.
///
/// # Safety
///
/// `raw` is null or a C string that lives, unchanged, for `'a`.
pub(crate) unsafe fn c_str<'a>(raw: *const c_char) -> Option<&'a CStr> {
    // SAFETY: as the caller promises.
    (!raw.is_null()).then(|| unsafe { CStr::from_ptr(raw) })
}
