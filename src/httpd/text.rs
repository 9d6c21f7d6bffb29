//! C strings from httpd.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A C string that lives, unchanged, for `'a`: an argument of a function that httpd calls.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    raw: NonNull<c_char>,
    lives: PhantomData<&'a CStr>,
}

impl<'a> Text<'a> {
    #[cfg(httpd = "2.4")]
    pub(crate) fn new(text: &'a CStr) -> Self {
        Text { raw: NonNull::from(text).cast(), lives: PhantomData }
    }

    pub(crate) fn c_str(self) -> &'a CStr {
        // SAFETY: as the type says.
        unsafe { CStr::from_ptr(self.raw.as_ptr()) }
    }
}

/// A text from httpd, if there is one.
///
/// # Safety
///
/// `raw` is null or a C string that lives, unchanged, for `'a`.
pub(crate) unsafe fn c_str<'a>(raw: *const c_char) -> Option<&'a CStr> {
    NonNull::new(raw.cast_mut()).map(|raw| Text { raw, lives: PhantomData }.c_str())
}
