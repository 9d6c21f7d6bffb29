//! Any bytes as a group file: the engine answers like the plain implementation of its rules.

#![no_main]

use esauth_fuzz::plain::compare_groups;

libfuzzer_sys::fuzz_target!(|input: &[u8]| compare_groups(input));
