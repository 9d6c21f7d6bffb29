//! The base64 of crypt(3): six bits a character, with an alphabet of its own.

pub(super) const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The bits of a character.
pub(super) fn value(byte: u8) -> Option<u8> {
    Some(match byte {
        b'.' | b'/' => byte - b'.',
        b'0'..=b'9' => byte - b'0' + 2,
        b'A'..=b'Z' => byte - b'A' + 12,
        b'a'..=b'z' => byte - b'a' + 38,
        _ => return None,
    })
}

/// True if all characters are in the alphabet.
pub(super) fn is_base64(text: impl AsRef<[u8]>) -> bool {
    text.as_ref().iter().all(|&byte| value(byte).is_some())
}

/// True for a hash of `length` characters whose last one has its spare bits zero, and so is below `last_below`.
pub(super) fn is_hash(hash: impl AsRef<[u8]>, length: usize, last_below: u8) -> bool {
    let hash = hash.as_ref();
    hash.len() == length
        && is_base64(hash)
        && hash.last().and_then(|&byte| value(byte)).is_some_and(|value| value < last_below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_has_the_value_of_its_place_in_the_alphabet() {
        for byte in 0..=u8::MAX {
            let index = ALPHABET.iter().position(|&character| character == byte);
            assert_eq!(value(byte).map(usize::from), index, "{byte:#x}");
        }
    }
}
