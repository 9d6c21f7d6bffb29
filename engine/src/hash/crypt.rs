//! The C library's crypt(3): `$1$`, `$2b$`, `$5$`, `$6$`, `$7$`, `$y$`, DES and whatever else it knows.

use std::ffi::{CStr, c_char, c_void};

use zeroize::Zeroizing;

use super::compare::same;

unsafe extern "C" {
    /// Of <crypt.h>: hashes `phrase` as `setting` says, within `data`; null, or a text that starts with `*`, on failure.
    fn crypt_r(phrase: *const c_char, setting: *const c_char, data: *mut c_void) -> *mut c_char;
    /// Size of `struct crypt_data` in bytes (native/crypt.c).
    fn esauth_crypt_data_size() -> usize;
}

/// `struct crypt_data` may be as strictly aligned as its widest member; 16 bytes is the strictest of any C type.
#[repr(C, align(16))]
#[derive(Clone, Copy, Default)]
struct Block([u8; 16]);

impl zeroize::DefaultIsZeroes for Block {}

pub(super) fn verify(password: &[u8], stored: &[u8]) -> bool {
    let phrase = with_nul(password);
    let setting = with_nul(stored);
    // SAFETY: takes nothing and returns a constant.
    let size = unsafe { esauth_crypt_data_size() };
    // Wiped when dropped: crypt_r leaves the password and its key schedule in there.
    let mut data = Zeroizing::new(vec![Block::default(); size.div_ceil(size_of::<Block>())]);
    // SAFETY: `phrase` and `setting` end with a NUL, and `data` is zeroed, aligned and as large as crypt_r expects.
    let computed = unsafe { crypt_r(phrase.as_ptr().cast(), setting.as_ptr().cast(), data.as_mut_ptr().cast()) };
    if computed.is_null() {
        return false;
    }
    // SAFETY: not null, so a C string inside `data`, which lives until the end of this function.
    let computed = unsafe { CStr::from_ptr(computed) };
    same(computed.to_bytes(), stored)
}

fn with_nul(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut copy = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    copy.extend_from_slice(bytes);
    copy.push(0);
    copy
}
