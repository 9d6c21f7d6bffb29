//! bcrypt as APR-util computes it: `$2y$NN$` and `$2a$NN$`, 22 characters of salt, 31 of hash.
//!
//! The format is that of crypt_blowfish: base64 with bcrypt's own alphabet, 16 bytes of salt and 23 of the 24 bytes of
//! the hash. Spare bits must be zero, since httpd compares with the canonical form.

use std::io;

use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use zeroize::Zeroizing;

use super::compare::same;
use super::crypt;

const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);

/// Number of bytes of a password that bcrypt uses, including the NUL behind a shorter one.
const KEY_BYTES: usize = 72;
const SALT_STARTS: usize = 7;
const SALT_ENDS: usize = SALT_STARTS + 22;
const HASH_ENDS: usize = SALT_ENDS + 31;
const HASH_BYTES: usize = 23;

/// True for the prefixes that APR verifies itself as bcrypt. `$2b$` and `$2x$` go through crypt(3).
pub(super) fn is_bcrypt(stored: &[u8]) -> bool {
    stored.starts_with(b"$2a$") || stored.starts_with(b"$2y$")
}

/// Fails if crypt(3) is needed and fails.
pub(super) fn verify(password: &[u8], stored: &[u8]) -> io::Result<bool> {
    let password = &password[..password.len().min(KEY_BYTES)];
    if stored.starts_with(b"$2a$") && password.contains(&0xff) {
        // For some passwords with this byte, crypt_blowfish deliberately computes other `$2a$` hashes, so that those
        // made by an old, faulty version stay unusable. The C library's crypt(3) does the same.
        return crypt::verify(password, stored);
    }
    let Some((cost, salt, expected)) = parse(stored) else { return Ok(false) };
    let mut encoded = [0; HASH_ENDS - SALT_ENDS];
    Ok(BASE64.encode_slice(compute(password, cost, salt), &mut encoded) == Ok(encoded.len())
        && same(&encoded, expected))
}

/// The `$2y$` hash of a password. `cost` is between 4 and 31.
pub(super) fn make(password: &[u8], cost: u32, salt: [u8; 16]) -> String {
    let computed = compute(&password[..password.len().min(KEY_BYTES)], cost, salt);
    format!("$2y${cost:02}${}{}", BASE64.encode(salt), BASE64.encode(computed))
}

/// `password` has at most [`KEY_BYTES`].
fn compute(password: &[u8], cost: u32, salt: [u8; 16]) -> [u8; HASH_BYTES] {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    key[..password.len()].copy_from_slice(password);
    let key_length = KEY_BYTES.min(password.len() + 1);
    let computed = ::bcrypt::bcrypt(cost, salt, &key[..key_length]);
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(&computed[..HASH_BYTES]);
    hash
}

/// True if some password could have this hash, with any of the prefixes.
pub(super) fn is_well_formed(stored: &[u8]) -> bool {
    let spare_bits_are_zero = |hash: &[u8]| BASE64.decode(hash).is_ok_and(|bytes| bytes.len() == HASH_BYTES);
    parse(stored).is_some_and(|(_, _, hash)| spare_bits_are_zero(hash))
}

/// Cost, salt and the hash's characters.
fn parse(stored: &[u8]) -> Option<(u32, [u8; 16], &[u8])> {
    if stored.len() != HASH_ENDS || stored[6] != b'$' {
        return None;
    }
    let digits = std::str::from_utf8(&stored[4..6]).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    let cost = digits.parse().ok().filter(|cost| (4..=31).contains(cost))?;
    let salt = BASE64.decode(&stored[SALT_STARTS..SALT_ENDS]).ok()?.try_into().ok()?;
    Some((cost, salt, &stored[SALT_ENDS..]))
}

#[cfg(test)]
mod tests {
    fn verify(password: &[u8], stored: &[u8]) -> bool {
        super::verify(password, stored).is_ok_and(|matches| matches)
    }

    /// Cost 4, made by `htpasswd`, of 72 times "x".
    const OF_72: &[u8] = b"$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";

    #[test]
    fn a_hash_that_was_made_is_of_its_password() {
        for length in [0, 1, 71, 72, 73, 600] {
            let password = vec![b'x'; length];
            let stored = super::make(&password, 4, [0xa5; 16]);
            assert!(super::is_well_formed(stored.as_bytes()), "{stored}");
            assert!(verify(&password, stored.as_bytes()), "{stored}");
            assert!(!verify(b"xx", stored.as_bytes()), "{stored}");
        }
    }

    #[test]
    fn the_password_ends_at_72_bytes() {
        assert!(verify(&[b'x'; 72], OF_72));
        assert!(verify(&[b'x'; 600], OF_72));
        assert!(!verify(&[b'x'; 71], OF_72));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in an interpreter")]
    fn spare_bits_in_the_salt_or_hash_are_a_mismatch() {
        for index in [super::SALT_ENDS - 1, super::HASH_ENDS - 1] {
            let mut altered = OF_72.to_vec();
            altered[index] += 1;
            assert!(!verify(&[b'x'; 72], &altered), "{}", String::from_utf8_lossy(&altered));
        }
    }

    #[test]
    fn costs_outside_4_to_31_are_a_mismatch() {
        for cost in ["00", "03", "32", "99", "4$", "+4", " 4", "-1"] {
            let mut altered = OF_72.to_vec();
            altered[4..6].copy_from_slice(cost.as_bytes());
            assert!(!verify(&[b'x'; 72], &altered), "{cost}");
        }
    }
}
