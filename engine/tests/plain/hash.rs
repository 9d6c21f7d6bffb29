//! Asks the engine and the C library's crypt(3) the same question about a stored hash and a password.

use std::ffi::{CStr, CString, c_char};
use std::sync::{Mutex, PoisonError};

use esauth_engine::hash::{describe, verify};

/// crypt(3) refuses passwords from this many bytes on; APR's bcrypt does not.
const TOO_LONG_FOR_CRYPT: usize = 512;

unsafe extern "C" {
    /// Of <unistd.h>: hashes `phrase` as `setting` says, in memory of its own; null, or a text with `*`, on failure.
    fn crypt(phrase: *const c_char, setting: *const c_char) -> *const c_char;
}

/// Held while crypt's result is in use: there is only one buffer for it.
static CRYPT: Mutex<()> = Mutex::new(());

/// Fails if the two differ. The first line of `input` is the stored hash, the rest the password. Slow hashes are
/// skipped, and `{SHA}` and `$apr1$`, which crypt does not know, only need to get an answer.
pub fn compare_verdicts(input: &[u8]) {
    let (stored, password) = input.split_at(input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len()));
    let password = password.strip_prefix(b"\n").unwrap_or(password);
    if input.contains(&0) || !is_quick(stored) {
        return;
    }
    let matches = verify(password, stored);
    let told = describe(stored);
    assert!(!matches || told.usable, "{}: {told:?}", stored.escape_ascii());
    if stored.starts_with(b"{SHA}") || stored.starts_with(b"$apr1$") || password.len() >= TOO_LONG_FOR_CRYPT {
        return;
    }
    let computed = by_crypt(password, stored);
    assert_eq!(matches, computed.as_deref() == Some(stored), "{}", stored.escape_ascii());
    // crypt accepts every usable hash as a setting, and its output has the same salt and length.
    let salt_ends = stored.iter().rposition(|&byte| byte == b'$').map_or(2.min(stored.len()), |last| last + 1);
    let like_it = |made: &Vec<u8>| made.len() == stored.len() && made[..salt_ends] == stored[..salt_ends];
    let could_match = computed.as_ref().is_some_and(like_it);
    assert!(!told.usable || could_match, "{}: {told:?}", stored.escape_ascii());
    // Hardly any input has the right hash; the one that crypt computes is right, unless the password is too long for
    // crypt.
    if let Some(stored) = computed {
        let matches = by_crypt(password, &stored).as_ref() == Some(&stored);
        assert_eq!(verify(password, &stored), matches, "{}", stored.escape_ascii());
    }
}

/// The hash; `None` if crypt cannot compute one.
fn by_crypt(password: &[u8], setting: &[u8]) -> Option<Vec<u8>> {
    let (phrase, setting) = (CString::new(password).ok()?, CString::new(setting).ok()?);
    let _alone = CRYPT.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: both end with a NUL, and no other thread is in crypt.
    let computed = unsafe { crypt(phrase.as_ptr(), setting.as_ptr()) };
    if computed.is_null() {
        return None;
    }
    // SAFETY: a C string, valid until crypt is called again.
    let computed = unsafe { CStr::from_ptr(computed) }.to_bytes();
    (!computed.starts_with(b"*")).then(|| computed.to_vec())
}

/// True if computing the hash takes milliseconds at most; slower ones are skipped, valid or not.
fn is_quick(stored: &[u8]) -> bool {
    let Some(rest) = stored.strip_prefix(b"$") else {
        return !stored.starts_with(b"_") || stored.get(3..5).is_none_or(|high_digits| high_digits == b"..");
    };
    let (method, rest) = rest.split_at(rest.iter().position(|&byte| byte == b'$').unwrap_or(rest.len()));
    let longest_number = rest.split(|byte| !byte.is_ascii_digit()).map(<[u8]>::len).max();
    match method {
        [b'2', ..] => rest.get(1..3).is_none_or(|cost| cost <= b"05" || !cost.iter().all(u8::is_ascii_digit)),
        b"5" | b"6" | b"sm3" => !rest.starts_with(b"$rounds=") || longest_number < Some(5),
        b"7" => rest.get(1..12).is_none_or(|cost| cost[0] <= b'6' && &cost[1..] == b"U..../...."),
        b"y" | b"gy" | b"sm3y" => rest.starts_with(b"$j75$"),
        // A negative number of rounds counts as a very large one (strtoul).
        _ if method.starts_with(b"sha1") || method.starts_with(b"md5") => {
            longest_number < Some(5) && !rest.contains(&b'-')
        }
        _ => true,
    }
}
