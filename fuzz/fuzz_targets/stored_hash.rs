//! Any bytes as a stored hash and a password: the engine's verdict is that of the C library's crypt(3).

#![no_main]

use esauth_fuzz::plain::compare_verdicts;

libfuzzer_sys::fuzz_target!(|input: &[u8]| compare_verdicts(input));
