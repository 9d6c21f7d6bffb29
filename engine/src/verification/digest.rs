//! The keyed digest that the cache remembers instead of a credential.
//!
//! BLAKE3 in keyed mode over the stored hash, the password and the user, each preceded by its length, so that no two
//! credentials give the same input. (If clients can be locked out, the client's network is a further part.) Without the
//! key, which exists only in the memory shared by the children, a digest reveals nothing about the password and cannot
//! be searched for it. The stored hash is part of the input: when a user's line changes, the old verdicts can no longer
//! be found.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::wipe::wipe_stack;

/// Size of a key in bytes.
pub(super) const KEY_BYTES: usize = 32;

/// A key for each use, so that the output of one says nothing about the others.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Keys {
    /// For verdicts, and for attempts counted against them.
    pub(super) verdicts: [u8; KEY_BYTES],
    /// For [`keyed_number`].
    pub(super) numbers: [u8; KEY_BYTES],
    /// For users whose requests are counted.
    pub(super) rates: [u8; KEY_BYTES],
    /// For the memory of a connection: SipHash takes no longer key.
    pub(super) recall: [u8; 16],
}

impl Keys {
    /// Derives all of them from one random key, by BLAKE3's key derivation.
    pub(super) fn derive(random: &Zeroizing<[u8; KEY_BYTES]>) -> Keys {
        let key = |context| blake3::derive_key(context, &**random);
        let mut recall = [0; 16];
        recall.copy_from_slice(&key("rust_esauth 2026-11-28 recall")[..16]);
        Keys {
            verdicts: key("rust_esauth 2026-11-28 verdicts"),
            numbers: key("rust_esauth 2026-11-28 numbers"),
            rates: key("rust_esauth 2026-11-29 rates"),
            recall,
        }
    }
}

/// Input up to this size is assembled on the stack, which is faster than feeding it in parts.
const SHORT: usize = 256;

/// Upper bound of the stack used for digesting; unoptimised code uses more.
const STACK_FOR_SHORT: usize = if cfg!(debug_assertions) { 4096 } else { 2048 };
const STACK_FOR_LONG: usize = 2 * STACK_FOR_SHORT;

/// 192 bits of a keyed digest, in the words that a table entry stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Digest(pub(super) [u64; 3]);

impl Digest {
    /// Digest of a stored hash, a password and any further parts.
    ///
    /// The copy of the password is not wiped by itself but with the stack, which is faster.
    pub(super) fn of<const N: usize>(key: &[u8; KEY_BYTES], parts: [&[u8]; N]) -> Digest {
        if is_short(parts) {
            let digest = Digest::from(hash_short(key, parts));
            wipe_stack::<STACK_FOR_SHORT>();
            digest
        } else {
            let digest = Digest::from(hash_long(key, parts));
            wipe_stack::<STACK_FOR_LONG>();
            digest
        }
    }

    /// A number that the digest's other bits do not depend on: the position in a table.
    pub(super) fn index(&self) -> u64 {
        self.0[0]
    }

    /// Compares in a time that does not depend on the digests.
    pub(super) fn same(&self, other: &Digest) -> Choice {
        let difference = self.0.iter().zip(other.0).fold(0, |bits, (ours, theirs)| bits | (ours ^ theirs));
        difference.ct_eq(&0)
    }
}

#[cfg(all(test, not(loom)))]
impl Digest {
    /// A digest for tests of what stores it: FNV-1a, each word mixed as by SplitMix64. An interpreter needs a good part of
    /// a second for BLAKE3.
    pub(super) fn example(of: &[u8]) -> Digest {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for &byte in of {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Digest([1, 2, 3].map(|word: u64| {
            let mixed = hash.wrapping_add(word.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ mixed >> 31
        }))
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Digest {
        Digest([0, 1, 2].map(|index| word(hash.as_bytes(), index)))
    }
}

/// All 256 bits of such a digest, for a key that outlives this server.
pub(super) fn whole_digest<const N: usize>(key: &[u8; KEY_BYTES], parts: [&[u8]; N]) -> [u8; KEY_BYTES] {
    let hash = if is_short(parts) { hash_short(key, parts) } else { hash_long(key, parts) };
    wipe_stack::<STACK_FOR_LONG>();
    *hash.as_bytes()
}

fn is_short<const N: usize>(parts: [&[u8]; N]) -> bool {
    parts.iter().map(|part| part.len() + 8).sum::<usize>() <= SHORT
}

#[inline(never)]
fn hash_short<const N: usize>(key: &[u8; KEY_BYTES], parts: [&[u8]; N]) -> blake3::Hash {
    let mut input = [0; SHORT];
    let mut end = 0;
    for (length, part) in with_lengths(parts) {
        for bytes in [&length[..], part] {
            input[end..end + bytes.len()].copy_from_slice(bytes);
            end += bytes.len();
        }
    }
    blake3::keyed_hash(key, &input[..end])
}

#[inline(never)]
fn hash_long<const N: usize>(key: &[u8; KEY_BYTES], parts: [&[u8]; N]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for (length, part) in with_lengths(parts) {
        hasher.update(&length).update(part);
    }
    hasher.finalize()
}

fn with_lengths<const N: usize>(parts: [&[u8]; N]) -> [([u8; 8], &[u8]); N] {
    parts.map(|part| ((part.len() as u64).to_le_bytes(), part))
}

/// A number that outsiders can neither predict nor influence, from bytes they may choose.
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
    use std::hint::black_box;
    use std::mem::MaybeUninit;

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

    /// Whether a part of `secret` is on the stack below the caller.
    #[inline(never)]
    fn is_below(secret: &[u8]) -> bool {
        let mut below = MaybeUninit::<[u8; 16_384]>::uninit();
        // As far as the compiler can tell, this fills it.
        black_box(&mut below);
        // SAFETY: bytes of this function's frame, formerly of earlier functions; any value is a valid byte.
        let below = unsafe { below.assume_init_ref() }.to_vec();
        below.windows(16).any(|window| secret.windows(16).any(|part| part == window))
    }

    #[test]
    #[cfg_attr(miri, ignore = "looks at the stack of a compiled program")]
    fn nothing_of_a_password_is_left_on_the_stack() {
        for length in [32, SHORT - 40, SHORT, 1100] {
            let secret: Vec<u8> = (0..length).map(|index| 0x80 | (index % 101) as u8).collect();
            let parts = [b"hash", &secret[..]];
            black_box(if length < SHORT { hash_short(&KEY, parts) } else { hash_long(&KEY, parts) });
            assert!(is_below(&secret), "the test sees what is left of {length} bytes");
            black_box(Digest::of(&KEY, parts));
            assert!(!is_below(&secret), "{length} bytes");
            black_box(whole_digest(&KEY, parts));
            assert!(!is_below(&secret), "{length} bytes");
        }
    }
}
