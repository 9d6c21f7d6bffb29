//! Names that differ from their appearance.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::finding::Code;
use crate::text::is_invisible;

/// True for a name of ASCII letters, digits and signs only, as nearly all are: it is what it looks like.
pub(super) fn is_plain(name: &[u8]) -> bool {
    name.iter().all(u8::is_ascii_graphic)
}

/// The fault in the characters of a name.
pub(super) fn fault(name: &[u8]) -> Option<(Code, String)> {
    if is_plain(name) {
        return None;
    }
    let Ok(text) = std::str::from_utf8(name) else {
        let message = "is not in UTF-8, in which clients send names: most cannot log in with it";
        return Some((Code::NameEncoding, message.to_owned()));
    };
    if let Some(character) = text.chars().find(|&character| is_invisible(character)) {
        let message = format!("has the invisible character {}, which is part of the name", unseen(character));
        return Some((Code::InvisibleInName, message));
    }
    (!is_nfc(text)).then(|| {
        let message =
            "has letters and accents as separate characters; clients send composed ones (NFC) and do not match";
        (Code::NameEncoding, message.to_owned())
    })
}

/// `U+00A0`, with its name if it is a common one.
pub(super) fn unseen(character: char) -> String {
    let name = match character {
        '\t' => " (tab)",
        '\u{a0}' => " (no-break space)",
        '\u{ad}' => " (soft hyphen)",
        '\u{200b}' => " (zero width space)",
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => " (direction of writing)",
        '\u{feff}' => " (byte order mark)",
        _ => "",
    };
    format!("U+{:04X}{name}", u32::from(character))
}

/// The appearance of a name: composed, without invisible characters and surrounding blanks. People cannot distinguish
/// names of the same appearance.
pub(super) fn look(name: &[u8]) -> String {
    if is_plain(name) {
        return String::from_utf8_lossy(name).into_owned();
    }
    let text = String::from_utf8_lossy(name);
    // White space of any kind looks like a blank.
    let as_seen = |character: char| match character {
        blank if blank.is_whitespace() => Some(' '),
        character => Some(character).filter(|&character| !is_invisible(character)),
    };
    let seen: String = text.chars().filter_map(as_seen).nfc().collect();
    seen.trim().to_owned()
}

/// True if the name differs from its appearance.
pub(super) fn is_deceptive(name: &[u8]) -> bool {
    !is_plain(name) && look(name).as_bytes() != name
}
