//! Any bytes as a password file: the engine answers like the plain implementation of its rules.

#![no_main]

use esauth_fuzz::plain::{compare_passwords, unfold};

libfuzzer_sys::fuzz_target!(|input: &[u8]| compare_passwords(&unfold(input)));
