//! Characters that are invisible, or that change how others are displayed; encodings that httpd cannot read.

/// The bytes of U+FEFF in UTF-8 at the beginning of a file.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// True for control characters, white space other than a blank, and characters without width: Unicode's
/// Default_Ignorable_Code_Point, interlinear annotation, the empty Braille pattern.
pub(crate) fn is_invisible(character: char) -> bool {
    character != ' '
        && (character.is_control()
            || character.is_whitespace()
            || matches!(
                character,
                '\u{ad}'
                    | '\u{34f}'
                    | '\u{61c}'
                    | '\u{115f}'..='\u{1160}'
                    | '\u{17b4}'..='\u{17b5}'
                    | '\u{180b}'..='\u{180f}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{202a}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{2800}'
                    | '\u{3164}'
                    | '\u{fe00}'..='\u{fe0f}'
                    | '\u{feff}'
                    | '\u{ffa0}'
                    | '\u{fff0}'..='\u{fffb}'
                    | '\u{1bca0}'..='\u{1bca3}'
                    | '\u{1d173}'..='\u{1d17a}'
                    | '\u{e0000}'..='\u{e0fff}'
            ))
}

/// A name from a file or a server in readable form, safe for a terminal: an invisible character as `\u{202e}`, a byte
/// that is not UTF-8 as `\xff`.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_invisible(character) {
                text.extend(character.escape_unicode());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// The encoding of a file with several bytes for each character, recognized by its byte order mark or by every second byte
/// being 0.
pub(crate) fn wide(text: &[u8]) -> Option<&'static str> {
    const UTF_16: &str = "UTF-16";
    if text.starts_with(b"\xff\xfe\0\0") || text.starts_with(b"\0\0\xfe\xff") {
        return Some("UTF-32");
    }
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Some(UTF_16);
    }
    let start = &text[..text.len().min(4096)];
    let zeros = |parity: usize| start.iter().skip(parity).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    (start.len() >= 4 && even.max(odd) > start.len() * 2 / 5 && even.min(odd) == 0).then_some(UTF_16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_invisible_characters_are_escaped() {
        for (bytes, text) in [
            (&b"DOMAIN\\al ice"[..], "DOMAIN\\al ice"),
            ("réne علي".as_bytes(), "réne علي"),
            ("a\u{202e}b\u{a0}".as_bytes(), "a\\u{202e}b\\u{a0}"),
            (b"a\x1b[2J\t", "a\\u{1b}[2J\\u{9}"),
            (b"ren\xe9", "ren\\xe9"),
        ] {
            assert_eq!(printable(bytes), text);
        }
    }
    #[test]
    fn encodings_are_told_with_and_without_a_mark() {
        let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for text in ["alice:x\n", "\u{feff}alice:x\n"] {
            assert_eq!([wide(&little(text)), wide(&big(text))], [Some("UTF-16"); 2], "{text:?}");
        }
        for text in ["", "alice:x\n", "\u{feff}alice:x\n", "a\0b:x\n"] {
            assert_eq!(wide(text.as_bytes()), None, "{text:?}");
        }
    }
}
