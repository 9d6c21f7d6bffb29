//! What the cache remembers of a credential instead of the credential: a keyed digest.
//!
//! BLAKE3 in its keyed mode, over the stored hash and the password, each with its length in front, so that no two pairs
//! give the same input. (Where clients can be locked out, the client's network and the user are further parts.) Without
//! the key, which exists only in the memory the children share, a digest tells nothing of the password and cannot be
//! searched for it. The stored hash is part of the input: when a user's line changes, what is remembered of the old one
//! can no longer be found.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

use crate::wipe::wipe_stack;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;

/// Up to this many bytes the input is put together on the stack, which is faster than feeding it in parts.
const SHORT: usize = 256;

/// 192 bits of a keyed digest, as the words that a table entry stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Digest(pub(super) [u64; 3]);

impl Digest {
    /// Of a stored hash, a password, and whatever else is to make a difference.
    pub(super) fn of<const N: usize>(key: &[u8; KEY_BYTES], parts: [&[u8]; N]) -> Digest {
        let digest = Digest::compute(key, parts);
        wipe_stack::<4096>();
        digest
    }

    #[inline(never)]
    fn compute<const N: usize>(key: &[u8; KEY_BYTES], parts: [&[u8]; N]) -> Digest {
        let with_lengths = parts.map(|part| ((part.len() as u64).to_le_bytes(), part));
        let mut input = [0; SHORT];
        let bytes = if parts.iter().map(|part| part.len() + 8).sum::<usize>() <= SHORT {
            let mut end = 0;
            for (length, part) in &with_lengths {
                for bytes in [&length[..], part] {
                    input[end..end + bytes.len()].copy_from_slice(bytes);
                    end += bytes.len();
                }
            }
            let output = blake3::keyed_hash(key, &input[..end]);
            input[..end].zeroize();
            output
        } else {
            let mut hasher = blake3::Hasher::new_keyed(key);
            for (length, part) in &with_lengths {
                hasher.update(length).update(part);
            }
            let output = hasher.finalize();
            // Its buffer holds the end of the password.
            hasher.zeroize();
            output
        };
        let bytes = bytes.as_bytes();
        Digest([word(bytes, 0), word(bytes, 1), word(bytes, 2)])
    }

    /// A number from the digest that its other bits do not depend on: where in a table to look.
    pub(super) fn place(&self) -> u64 {
        self.0[0]
    }

    /// Equality in a time that does not depend on the digests.
    pub(super) fn same(&self, other: &Digest) -> Choice {
        let difference = self.0.iter().zip(other.0).fold(0, |bits, (ours, theirs)| bits | (ours ^ theirs));
        difference.ct_eq(&0)
    }
}

/// A number that an outsider can neither foresee nor influence, from bytes an outsider may choose.
pub(super) fn keyed_number(key: &[u8; KEY_BYTES], bytes: &[u8]) -> u64 {
    word(blake3::keyed_hash(key, bytes).as_bytes(), 3)
}

fn word(bytes: &[u8; 32], index: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

    #[test]
    fn a_digest_depends_on_key_stored_hash_and_password() {
        let digest = Digest::of(&KEY, [b"hash", b"password"]);
        assert_eq!(digest, Digest::of(&KEY, [b"hash", b"password"]));
        assert_ne!(digest, Digest::of(&[8; KEY_BYTES], [b"hash", b"password"]));
        assert_ne!(digest, Digest::of(&KEY, [b"hasH", b"password"]));
        assert_ne!(digest, Digest::of(&KEY, [b"hash", b"Password"]));
    }

    #[test]
    fn short_and_long_inputs_are_digested_alike() {
        let long = [b'x'; SHORT];
        for length in [SHORT - 17, SHORT - 16, SHORT - 15] {
            let mut hasher = blake3::Hasher::new_keyed(&KEY);
            hasher
                .update(&1u64.to_le_bytes())
                .update(b"h")
                .update(&(length as u64).to_le_bytes())
                .update(&long[..length]);
            let expected = hasher.finalize();
            let digest = Digest::of(&KEY, [b"h", &long[..length]]);
            assert_eq!(digest.0.map(u64::to_le_bytes).concat(), expected.as_bytes()[..24]);
        }
    }

    #[test]
    fn moving_bytes_between_hash_and_password_gives_another_digest() {
        assert_ne!(Digest::of(&KEY, [b"ab", b"c"]), Digest::of(&KEY, [b"a", b"bc"]));
        assert_ne!(Digest::of(&KEY, [b"", b"abc"]), Digest::of(&KEY, [b"abc", b""]));
    }
}
