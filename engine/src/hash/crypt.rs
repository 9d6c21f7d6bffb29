//! The C library's crypt(3): `$1$`, `$2b$`, `$5$`, `$6$`, `$7$`, `$y$`, DES and whatever else it knows.

use std::ffi::{CStr, c_char, c_void};
use std::io;

use zeroize::Zeroizing;

use super::compare::same;

unsafe extern "C" {
    /// From <crypt.h>: hashes `phrase` as `setting` says, within `data`; null, or a text that starts with `*`, on
    /// failure.
    fn crypt_r(phrase: *const c_char, setting: *const c_char, data: *mut c_void) -> *mut c_char;
    /// Size of `struct crypt_data` in bytes (native/crypt.c).
    safe fn esauth_crypt_data_size() -> usize;
}

/// `struct crypt_data` may be aligned as strictly as its widest member; 16 bytes is the strictest alignment of any C
/// type.
#[repr(C, align(16))]
#[derive(Clone, Copy, Default)]
struct Block([u8; 16]);

impl zeroize::DefaultIsZeroes for Block {}

/// Fails if crypt(3) fails, for lack of memory or because it cannot parse the hash: its error number does not always
/// tell which.
pub(super) fn verify(password: &[u8], stored: &[u8]) -> io::Result<bool> {
    let phrase = with_nul(password)?;
    let setting = with_nul(stored)?;
    let size = esauth_crypt_data_size().div_ceil(size_of::<Block>());
    // Wiped when dropped: crypt_r leaves the password and its key schedule in it.
    let mut data = Zeroizing::new(Vec::new());
    data.try_reserve_exact(size)?;
    data.resize(size, Block::default());
    // SAFETY: `phrase` and `setting` end with a NUL, and `data` is zeroed, aligned and as large as crypt_r expects. The
    // error number is this thread's own.
    let computed = unsafe {
        *libc::__errno_location() = 0;
        crypt_r(phrase.as_ptr().cast(), setting.as_ptr().cast(), data.as_mut_ptr().cast())
    };
    let error = io::Error::last_os_error();
    // SAFETY: if not null, a C string inside `data`, which lives until the end of this function.
    let computed = (!computed.is_null()).then(|| unsafe { CStr::from_ptr(computed) }.to_bytes());
    match computed.filter(|hash| !hash.starts_with(b"*")) {
        Some(hash) => Ok(same(hash, stored)),
        None => Err(error),
    }
}

fn with_nul(bytes: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut copy = Zeroizing::new(Vec::new());
    copy.try_reserve_exact(bytes.len() + 1)?;
    copy.extend_from_slice(bytes);
    copy.push(0);
    Ok(copy)
}
