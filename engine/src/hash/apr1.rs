//! `$apr1$`: the MD5-based crypt of FreeBSD with its own magic string (`apr_md5_encode` in APR-util).
//!
//! `$apr1$SALT$HASH`, up to 8 characters of salt, 22 of hash. The whole password counts, at any length.

use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::compare::same;
use super::crypt64;

pub(super) const PREFIX: &[u8] = b"$apr1$";

const LONGEST_SALT: usize = 8;
const ROUNDS: usize = 1000;

pub(super) fn verify(password: &[u8], stored: &[u8]) -> bool {
    let Some((salt, hash)) = parse(stored) else { return false };
    same(&encode(&digest(password, salt)), hash)
}

/// True if some password could have this hash.
pub(super) fn is_well_formed(stored: &[u8]) -> bool {
    // The last character holds two bits.
    parse(stored).is_some_and(|(_, hash)| crypt64::is_hash(hash, 22, 4))
}

/// Salt and hash.
fn parse(stored: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = stored.strip_prefix(PREFIX)?;
    let salt_ends = rest.iter().take(LONGEST_SALT + 1).position(|&byte| byte == b'$')?;
    Some((&rest[..salt_ends], &rest[salt_ends + 1..]))
}

fn digest(password: &[u8], salt: &[u8]) -> Zeroizing<[u8; 16]> {
    let alternate = Zeroizing::new(<[u8; 16]>::from(
        Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize(),
    ));
    let mut context = Md5::new();
    context.update(password);
    context.update(PREFIX);
    context.update(salt);
    for piece in password.chunks(alternate.len()) {
        context.update(&alternate[..piece.len()]);
    }
    // The original reads a byte from a buffer that it has just cleared; existing files depend on that.
    let mut bits = password.len();
    while bits != 0 {
        context.update(if bits & 1 == 1 { &[0][..] } else { &password[..1] });
        bits >>= 1;
    }
    let mut state = Zeroizing::new(<[u8; 16]>::from(context.finalize()));
    // A message assembled first is hashed faster than its parts one by one.
    let mut message = Zeroizing::new(Vec::with_capacity(2 * password.len() + salt.len() + state.len()));
    for round in 0..ROUNDS {
        let odd = round & 1 == 1;
        message.clear();
        message.extend_from_slice(if odd { password } else { &state[..] });
        message.extend_from_slice(if round % 3 == 0 { &[] } else { salt });
        message.extend_from_slice(if round % 7 == 0 { &[] } else { password });
        message.extend_from_slice(if odd { &state[..] } else { password });
        state.copy_from_slice(&Md5::digest(&message[..]));
    }
    state
}

/// Encodes 16 bytes as 22 characters, six bits each from the low end, in the format's order.
fn encode(state: &[u8; 16]) -> [u8; 22] {
    const TRIPLES: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    let mut encoded = [0; 22];
    let mut put = |at: usize, count: usize, mut bits: u32| {
        for character in &mut encoded[at..at + count] {
            *character = crypt64::ALPHABET[(bits & 0x3f) as usize];
            bits >>= 6;
        }
    };
    for (index, [high, middle, low]) in TRIPLES.into_iter().enumerate() {
        let bits = u32::from(state[high]) << 16 | u32::from(state[middle]) << 8 | u32::from(state[low]);
        put(index * 4, 4, bits);
    }
    put(20, 2, u32::from(state[11]));
    encoded
}
