//! The key that the servers of a fleet have in common, and nobody else.

use std::fmt::Write as _;
use std::io;

use esauth_engine::fill_with_random;
use zeroize::{Zeroize, Zeroizing};

const BYTES: usize = 32;

/// Two keys derived from that of the file, so that the output of one says nothing about the other.
#[derive(Clone)]
pub struct Key {
    /// For names of entries.
    pub(crate) names: [u8; BYTES],
    /// For what vouches for their values.
    pub(crate) values: [u8; BYTES],
}

impl Key {
    /// The key in a file's content: a line of 64 hexadecimal digits, besides empty lines and comments (`#`). `None` for
    /// any other content.
    pub fn parse(content: &[u8]) -> Option<Key> {
        let lines = content.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let mut lines = lines.filter(|line| !line.is_empty() && line[0] != b'#');
        let line = lines.next().filter(|line| line.len() == 2 * BYTES)?;
        if lines.next().is_some() {
            return None;
        }
        let mut bytes = Zeroizing::new([0; BYTES]);
        for (byte, digits) in bytes.iter_mut().zip(line.chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        let key = |context| blake3::derive_key(context, &*bytes);
        Some(Key {
            names: key("rust_esauth 2026-11-29 fleet names"),
            values: key("rust_esauth 2026-11-29 fleet values"),
        })
    }

    /// The content of a new key's file. Fails if there are no random numbers.
    pub fn make() -> io::Result<Zeroizing<String>> {
        let mut random = Zeroizing::new([0; BYTES]);
        fill_with_random(&mut *random)?;
        Ok(Key::content(&random))
    }

    pub(crate) fn content(random: &[u8; BYTES]) -> Zeroizing<String> {
        // At once as large as needed: growing would leave copies behind.
        let mut text = Zeroizing::new(String::with_capacity(2 * BYTES + 1));
        for byte in random {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
        text
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

impl Drop for Key {
    fn drop(&mut self) {
        self.names.zeroize();
        self.values.zeroize();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]

    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let content = Key::content(&[0xa7; BYTES]);
        let key = Key::parse(content.as_bytes()).unwrap();
        let with_comment = format!("# of the fleet\n\n  {}\r\n", content.trim().to_uppercase());
        assert_eq!(Key::parse(with_comment.as_bytes()).unwrap().names, key.names);
        assert_ne!(key.names, key.values);
        let other = Key::content(&[0xa8; BYTES]);
        assert_ne!(Key::parse(other.as_bytes()).unwrap().names, key.names);
        let two = format!("{}{}", *content, *content);
        for bad in ["", "# nothing", "abc", &content[1..], &format!("0{}", *content), &two, &"g".repeat(64)] {
            assert!(Key::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
