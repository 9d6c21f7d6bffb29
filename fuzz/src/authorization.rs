//! An `Authorization` header read by the module's own code, and by a plain implementation of its rules.

use std::ffi::{CStr, c_char, c_int};

#[path = "../../src/authn/header.rs"]
#[allow(dead_code)]
mod header;

unsafe extern "C" {
    fn apr_base64_decode_len(encoded: *const c_char) -> c_int;
    fn apr_base64_decode(decoded: *mut c_char, encoded: *const c_char) -> c_int;
}

/// User and password.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The pair in a header as the module reads it. `None`: the header has another scheme.
pub fn read(header: &CStr) -> Option<Pair> {
    let encoded = header::encoded(header)?;
    // As `base64_decode` in src/httpd/encoding.rs, which needs a pool.
    // SAFETY: a C string, and memory as large as the decoder asks for.
    let mut decoded = unsafe {
        let mut decoded = vec![0_u8; apr_base64_decode_len(encoded.as_ptr()) as usize + 1];
        let length = apr_base64_decode(decoded.as_mut_ptr().cast(), encoded.as_ptr()) as usize;
        assert!(length < decoded.len());
        decoded.truncate(length);
        decoded
    };
    decoded.push(0);
    let (user, rest) = header::split(&mut decoded);
    Some((user.to_bytes().to_vec(), header::password(rest).to_bytes().to_vec()))
}

/// The same, written for another reader: the scheme, blanks, and digits of base64 as far as they go.
pub fn read_plainly(header: &[u8]) -> Option<Pair> {
    let header = header.to_ascii_lowercase().starts_with(b"basic").then(|| &header[5..])?;
    if !header.is_empty() && header[0] != b' ' {
        return None;
    }
    let digits = header.iter().skip_while(|&&byte| byte == b' ' || byte == b'\t').map_while(|&byte| digit(byte));
    let bits: Vec<bool> = digits.flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1 == 1)).collect();
    let bytes: Vec<u8> =
        bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit))).collect();
    // C strings: nothing counts behind a NUL.
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut parts = text.splitn(2, |&byte| byte == b':');
    let user = parts.next().unwrap_or_default().to_vec();
    let password = match parts.next() {
        Some(password) => password.to_vec(),
        None => Vec::new(),
    };
    Some((user, password))
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
