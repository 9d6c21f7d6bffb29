//! Any bytes as a password file: the engine answers as the plain implementation of its rules does.

#![no_main]

use esauth_fuzz::plain::{compare_passwords, unfold};

libfuzzer_sys::fuzz_target!(|input: &[u8]| compare_passwords(&unfold(input)));
