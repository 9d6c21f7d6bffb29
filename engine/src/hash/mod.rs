//! Compares a password with a stored hash, for every family that httpd accepts on Linux.
//!
//! Families, and the code that decides about each, follow `apr_password_validate` of APR-util: bcrypt (`$2a$`, `$2y$`),
//! `$apr1$` and `{SHA}` are computed here; the C library's crypt(3) decides about all others. A hash that cannot be
//! parsed is a mismatch.

mod apr1;
mod bcrypt;
mod compare;
mod crypt;
mod crypt64;
mod description;
mod family;
mod sha1;

use std::hint::black_box;
use std::io;

use crate::random::fill_with_random;
use crate::wipe::wipe_stack;

pub use description::{Description, describe};
pub use family::Family;

/// True if `stored` was made from `password`; false also if that could not be computed.
pub fn verify(password: &[u8], stored: &[u8]) -> bool {
    try_verify(password, stored).unwrap_or(false)
}

/// Whether `stored` was made from `password`.
///
/// Both are bytes without NUL. Takes as long as the hash: from a microsecond for `{SHA}` to seconds for bcrypt of high
/// cost. Wipes every copy made of the password before it returns. Fails if the system could not compute the hash, for
/// example for lack of memory, which is no verdict on the password.
pub fn try_verify(password: &[u8], stored: &[u8]) -> io::Result<bool> {
    if is_cheap(stored) {
        let matches = verify_cheap(password, stored);
        wipe_stack::<2048>();
        Ok(matches)
    } else {
        let matches = verify_slow(password, stored);
        wipe_stack::<32_768>();
        matches
    }
}

/// A bcrypt hash (`$2y$`) of `password`, with a random salt. `cost` is between 4 and 31; each step doubles the time.
///
/// bcrypt uses the first 72 bytes of the password. Wipes every copy made of it before it returns. Fails if the system has
/// no random numbers.
pub fn make(password: &[u8], cost: u32) -> io::Result<String> {
    let mut salt = [0; 16];
    fill_with_random(&mut salt)?;
    let stored = make_slow(password, cost, salt);
    wipe_stack::<32_768>();
    Ok(stored)
}

#[inline(never)]
fn make_slow(password: &[u8], cost: u32, salt: [u8; 16]) -> String {
    bcrypt::make(password, cost, salt)
}

#[inline(never)]
fn verify_cheap(password: &[u8], stored: &[u8]) -> bool {
    sha1::verify(password, stored)
}

#[inline(never)]
fn verify_slow(password: &[u8], stored: &[u8]) -> io::Result<bool> {
    let verdict = if bcrypt::is_bcrypt(stored) {
        bcrypt::verify(password, stored)
    } else if stored.starts_with(apr1::PREFIX) {
        Ok(apr1::verify(password, stored))
    } else {
        crypt::verify(password, stored)
    };
    // A hash that crypt(3) cannot parse is a mismatch, as is a password too long for it.
    verdict.or_else(|error| if is_lack_of_memory(&error, stored) { Err(error) } else { Ok(false) })
}

/// libxcrypt also reports EINVAL if a family that needs megabytes could not allocate them. So for a well-formed hash of
/// such a family, lack of memory is assumed only if memory is scarce indeed.
fn is_lack_of_memory(error: &io::Error, stored: &[u8]) -> bool {
    let takes_much = |family| matches!(family, Family::Yescrypt | Family::GostYescrypt | Family::Scrypt);
    let Description { family, usable, .. } = describe(stored);
    error.kind() == io::ErrorKind::OutOfMemory || (usable && takes_much(family) && memory_is_scarce())
}

/// True if this process cannot allocate another gigabyte, more than any hash in use needs.
fn memory_is_scarce() -> bool {
    const MUCH: usize = 1 << 30;
    let mut memory = Vec::<u8>::new();
    let is_refused = memory.try_reserve_exact(MUCH).is_err();
    // Nobody uses it; without this, the compiler need not allocate it at all.
    black_box(&memory);
    is_refused
}

/// True for a family whose hash takes less time than looking up a verdict: one round of SHA-1.
pub fn is_cheap(stored: &[u8]) -> bool {
    stored.starts_with(sha1::PREFIX)
}

#[cfg(test)]
mod tests {
    use super::{Family, describe, verify};

    /// A hash of "secret" in each family, made by `htpasswd` or the system's crypt(3).
    const OF_SECRET: &[&str] = &[
        "$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu",
        "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
        "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2",
        "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/",
        "$y$j75$saltsalt$0gBD67sgmJgRX3RZ6wHHO7sHimQEWGCWN85o4Twogh2",
        "$7$6U..../....saltsalt$X5U8SQsYxdKoV4YFGbCO2to1JJbjQrcIM4GkaM41m96",
        "_J9..rasmz0.F/jqjWck",
        "abNANd1rDfiNc",
    ];

    #[test]
    fn each_family_accepts_the_right_password_only() {
        for stored in OF_SECRET {
            assert!(verify(b"secret", stored.as_bytes()), "{stored}");
            for wrong in [&b"Secret"[..], b"secre", b"secret ", b""] {
                assert!(!verify(wrong, stored.as_bytes()), "{stored} {wrong:?}");
            }
        }
    }

    #[test]
    fn each_hash_is_counted_by_its_family() {
        let names: Vec<_> = OF_SECRET.iter().map(|stored| Family::of(stored.as_bytes()).label()).collect();
        let expected = [
            "apr1",
            "sha1",
            "bcrypt",
            "bcrypt",
            "bcrypt",
            "md5crypt",
            "sha256crypt",
            "sha512crypt",
            "yescrypt",
            "scrypt",
            "des",
            "des",
        ];
        assert_eq!(names, expected);
        assert!(
            ["", "secret", "$9$x", "{SSHA}56789012"].iter().all(|text| Family::of(text.as_bytes()).label() == "other")
        );
    }

    #[test]
    fn text_behind_a_hash_or_a_missing_end_is_a_mismatch() {
        for stored in OF_SECRET {
            assert!(!verify(b"secret", format!("{stored}x").as_bytes()), "{stored}");
            for end in 0..stored.len() {
                assert!(!verify(b"secret", &stored.as_bytes()[..end]), "{}", &stored[..end]);
            }
        }
    }

    #[test]
    fn a_hash_is_described_as_usable_while_it_is_whole() {
        for stored in OF_SECRET {
            let told = describe(stored.as_bytes());
            assert!(told.usable, "{stored}: {told:?}");
            assert!(!describe(format!("{stored}x").as_bytes()).usable, "{stored}");
            for end in 0..stored.len() {
                assert!(!describe(&stored.as_bytes()[..end]).usable, "{}", &stored[..end]);
            }
        }
    }

    #[test]
    fn plain_text_and_empty_hashes_never_match() {
        for (password, stored) in [("secret", "secret"), ("", ""), ("ab", "ab"), ("*0", "*0"), ("{SHA}", "{SHA}")] {
            assert!(!verify(password.as_bytes(), stored.as_bytes()), "{stored}");
        }
    }
}
