//! Any bytes as an `Authorization` header: the module finds the user and password that a plain reading finds.

#![no_main]

use std::ffi::CString;

use esauth_fuzz::authorization::{read, read_plainly};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(header) = CString::new(input) else { return };
    assert_eq!(read(&header), read_plainly(input));
});
