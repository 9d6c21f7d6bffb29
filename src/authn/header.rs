//! What an `Authorization` header says, by the rules of mod_auth_basic. Bytes only, so that `make fuzz` can compare it with a
//! plain implementation.

use std::ffi::CStr;

use zeroize::Zeroize;

/// Bytes allowed between the scheme and the credentials.
#[cfg(not(httpd = "2.2"))]
const SPACES: &[u8] = b" \t";
#[cfg(httpd = "2.2")]
const SPACES: &[u8] = b" \t\n\x0b\x0c\r";

/// The text in base64 behind the scheme; `None` if the scheme is not Basic.
pub(crate) fn encoded(header: &CStr) -> Option<&CStr> {
    let text = header.to_bytes_with_nul();
    // The scheme ends at the first space or at the header's end: `Basic` alone is the empty user.
    let scheme_ends = text.iter().position(|&byte| byte == b' ' || byte == 0).unwrap_or(0);
    let (scheme, rest) = text.split_at(scheme_ends);
    if !scheme.eq_ignore_ascii_case(b"Basic") {
        return None;
    }
    let spaces = rest.iter().take_while(|byte| SPACES.contains(byte)).count();
    Some(CStr::from_bytes_until_nul(&rest[spaces..]).unwrap_or(c""))
}

/// Splits decoded credentials with a NUL at their end: into the user's name, and the bytes behind it that begin with the
/// password, up to a NUL.
pub(crate) fn split(text: &mut [u8]) -> (&CStr, &mut [u8]) {
    let user_ends = text.iter().position(|&byte| byte == b':' || byte == 0).unwrap_or(0);
    let has_password = text.get(user_ends) == Some(&b':');
    let (user, rest) = text.split_at_mut((user_ends + 1).min(text.len()));
    if let Some(end) = user.last_mut() {
        *end = 0;
    }
    if !has_password {
        // Bytes behind a NUL do not count.
        rest.zeroize();
    }
    (CStr::from_bytes_until_nul(user).unwrap_or(c""), rest)
}

/// The password at the start of the bytes behind the user's name.
pub(crate) fn password(rest: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(rest).unwrap_or(c"")
}
