//! An entry: the name of a right password, and the moment until which that counts.
//!
//! The name is a keyed digest, made by the engine. The value is the end and a keyed digest of name and end. So an entry
//! cannot be made without the key, moved to another name, or prolonged; one that was recorded and put back was
//! true, and ends when it would have ended. An attacker who can write to the server can only remove entries.

use subtle::ConstantTimeEq;

use crate::key::Key;

/// Size in bytes of a name and of a digest.
const BYTES: usize = 32;
const VALUE_BYTES: usize = 8 + BYTES;

/// The name as the engine makes it.
pub(crate) type Name = [u8; BYTES];

/// What a value says of its name at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Right,
    /// It did, but its time is over.
    Nothing,
    /// It was made by nobody with the key.
    Forged,
}

/// The things in the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// That a password is right.
    Password,
    /// The failures of a pair of user and network.
    Failures,
    /// The requests of a limited user.
    Requests,
}

/// The beginning of a name in the server.
pub(crate) fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::Password => "esauth:v1:",
        Kind::Failures => "esauth:v1:f:",
        Kind::Requests => "esauth:v1:r:",
    }
}

/// The name in the server: with a prefix of our own, so that people see whose it is and access can be limited to it.
pub(crate) fn server_name(kind: Kind, name: &Name) -> String {
    use std::fmt::Write as _;
    let mut text = prefix(kind).to_owned();
    for byte in name {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The value of a name until `end`, in seconds of Unix time.
pub(crate) fn value(key: &Key, name: &Name, end: u64) -> [u8; VALUE_BYTES] {
    let mut value = [0; VALUE_BYTES];
    value[..8].copy_from_slice(&end.to_le_bytes());
    value[8..].copy_from_slice(voucher(key, name, end).as_bytes());
    value
}

/// What `value` says of a name at time `now`.
pub(crate) fn says(key: &Key, name: &Name, value: &[u8], now: u64) -> Says {
    let Some((end, stored)) = value.split_first_chunk::<8>().filter(|_| value.len() == VALUE_BYTES) else {
        return Says::Forged;
    };
    let end = u64::from_le_bytes(*end);
    if !bool::from(voucher(key, name, end).as_bytes()[..].ct_eq(stored)) {
        return Says::Forged;
    }
    if now < end { Says::Right } else { Says::Nothing }
}

fn voucher(key: &Key, name: &Name, end: u64) -> blake3::Hash {
    let mut input = [0; BYTES + 8];
    input[..BYTES].copy_from_slice(name);
    input[BYTES..].copy_from_slice(&end.to_le_bytes());
    blake3::keyed_hash(&key.values, &input)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]

    use super::*;

    fn key(byte: u8) -> Key {
        Key::parse(Key::content(&[byte; 32]).as_bytes()).unwrap()
    }

    #[test]
    fn a_value_counts_for_its_name_and_key_until_its_end() {
        let (name, other) = ([1; 32], [2; 32]);
        let value = value(&key(7), &name, 1000);
        assert_eq!(says(&key(7), &name, &value, 999), Says::Right);
        assert_eq!(says(&key(7), &name, &value, 1000), Says::Nothing);
        assert_eq!(says(&key(7), &other, &value, 999), Says::Forged);
        assert_eq!(says(&key(8), &name, &value, 999), Says::Forged);
    }

    #[test]
    fn no_changed_value_counts() {
        let name = [1; 32];
        let genuine = value(&key(7), &name, 1000);
        for at in 0..genuine.len() {
            for bit in 0..8 {
                let mut changed = genuine;
                changed[at] ^= 1 << bit;
                assert_eq!(says(&key(7), &name, &changed, 1), Says::Forged, "byte {at} bit {bit}");
            }
        }
        for other in [&genuine[..39], &[&genuine[..], b"0"].concat(), b"", b"1", b"OK"] {
            assert_eq!(says(&key(7), &name, other, 1), Says::Forged);
        }
    }

    #[test]
    fn the_servers_name_shows_whose_it_is_and_differs_with_every_bit() {
        assert_eq!(server_name(Kind::Password, &[0xab; 32]), format!("esauth:v1:{}", "ab".repeat(32)));
        assert_eq!(server_name(Kind::Failures, &[0xab; 32]), format!("esauth:v1:f:{}", "ab".repeat(32)));
    }
}
