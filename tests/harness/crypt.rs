//! The C library's crypt(3), which makes the hashes that are not httpd's own.

use std::ffi::{CStr, CString, c_char, c_int, c_ulong};
use std::sync::Mutex;

#[link(name = "crypt")]
unsafe extern "C" {
    fn crypt(phrase: *const c_char, setting: *const c_char) -> *const c_char;
    fn crypt_gensalt(prefix: *const c_char, count: c_ulong, bytes: *const c_char, length: c_int) -> *const c_char;
}

/// Both functions answer in a static buffer.
static BUFFER: Mutex<()> = Mutex::new(());

/// The hash of `password`, or None if the library does not know the method or refuses the password.
pub(crate) fn hash(password: &[u8], setting: &str) -> Option<String> {
    let (password, setting) = (CString::new(password).unwrap(), CString::new(setting).unwrap());
    let _held = BUFFER.lock().unwrap();
    // SAFETY: two C strings; the buffer is ours until the lock is let go.
    let hash = unsafe { text(crypt(password.as_ptr(), setting.as_ptr())) }?;
    (!hash.starts_with('*')).then_some(hash)
}

/// A setting for `hash`: method, cost (0: the method's default) and a salt, which is always the same.
pub(crate) fn setting(prefix: &str, cost: u32) -> Option<String> {
    let prefix = CString::new(prefix).unwrap();
    let salt = b"a salt that has enough bytes for every method's taste";
    let _held = BUFFER.lock().unwrap();
    // SAFETY: a C string, and as many bytes as it is told; the buffer is ours until the lock is let go.
    unsafe { text(crypt_gensalt(prefix.as_ptr(), cost.into(), salt.as_ptr().cast(), 32)) }
}

/// # Safety
/// Null or a C string.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
