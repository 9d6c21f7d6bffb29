//! Hashes that would be right without something added on their way into the file.

use esauth_engine::hash::{Description, Family, describe};
use unicode_normalization::UnicodeNormalization;

use super::spelling::unseen;
use crate::text::is_invisible;

/// A sound hash inside an invalid field, and the reason why the field is invalid.
pub(super) struct Disguise {
    pub(super) family: Family,
    pub(super) added: String,
}

/// The hash inside `field`, which is not a hash itself.
pub(super) fn of(field: &[u8]) -> Option<Disguise> {
    let text = std::str::from_utf8(field).ok()?;
    let sound = |candidate: &str, added: String| {
        let told = describe(candidate.as_bytes());
        (is_hash(told) && candidate != text).then_some(Disguise { family: told.family, added })
    };
    let is_seen = |character: char| !is_invisible(character) && character != ' ';
    if let Some((hash, _)) = text.split_once(char::is_whitespace).filter(|(_, rest)| rest.contains(is_seen)) {
        if let Some(disguise) = sound(hash, "text behind it (httpd knows no comments at the end of a line)".to_owned())
        {
            return Some(disguise);
        }
    }
    if let Some(disguise) = sound(&text.replace("$$", "$"), "each $ twice".to_owned()) {
        return Some(disguise);
    }
    let is_added = |character: char| is_invisible(character) || matches!(character, ' ' | '"' | '\'' | '\\' | '`');
    let composed: String = text.nfkc().filter(|&character| !is_added(character)).collect();
    let first = text.char_indices().find(|&(_, character)| is_added(character) || !character.is_ascii());
    let (place, character) = first?;
    let what = match character {
        ' ' => "a blank".to_owned(),
        '"' | '\'' | '`' => "quotation marks".to_owned(),
        '\\' => "backslashes".to_owned(),
        hidden if is_invisible(hidden) => unseen(hidden),
        foreign => return sound(&composed, format!("{foreign} where a character of ASCII belongs")),
    };
    let place = if place == 0 && what != "quotation marks" { " in front of it" } else { "" };
    sound(&composed, format!("{what}{place}"))
}

/// A word of thirteen letters has the form of a DES hash, but is most likely a password.
fn is_hash(told: Description<'_>) -> bool {
    told.usable && told.family != Family::Des
}

/// The character in place of the colon, in a line without one that ends in a hash.
pub(super) fn instead_of_colon(line: &[u8]) -> Option<char> {
    let text = std::str::from_utf8(line).ok()?;
    let is_sign = |character: char| matches!(character, '=' | ';' | ',' | '|' | '\u{ff1a}' | '\u{a789}' | '\u{2236}');
    let separators = text.char_indices().filter(|&(_, character)| character.is_whitespace() || is_sign(character));
    let mut signs =
        separators.filter(|&(place, sign)| is_hash(describe(text[place + sign.len_utf8()..].trim().as_bytes())));
    signs.next().map(|(_, sign)| sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APR1: &str = "$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071";

    #[test]
    fn a_hash_is_found_beneath_additions() {
        for (field, added) in [
            (format!(" {APR1}"), "a blank in front of it"),
            (format!("\t{APR1}"), "U+0009 (tab) in front of it"),
            (format!("\u{a0}{APR1}"), "U+00A0 (no-break space) in front of it"),
            (format!("{APR1}\u{200b}"), "U+200B (zero width space)"),
            (format!("\"{APR1}\""), "quotation marks"),
            (APR1.replace('$', "\\$"), "backslashes in front of it"),
            (APR1.replace('$', "$$"), "each $ twice"),
            (APR1.replace('$', "\u{ff04}"), "\u{ff04} where a character of ASCII belongs"),
            (format!("{APR1} # Alice"), "text behind it (httpd knows no comments at the end of a line)"),
        ] {
            assert_eq!(of(field.as_bytes()).map(|found| found.added).as_deref(), Some(added), "{field:?}");
        }
        for field in ["", "secret", " secret", "thirteen chars", "$apr1$cut", APR1] {
            assert!(of(field.as_bytes()).is_none(), "{field:?}");
        }
    }

    #[test]
    fn the_character_in_place_of_the_colon_is_found() {
        for (separator, found) in [(" ", ' '), ("\t", '\t'), (" = ", '='), ("=", '='), ("\u{ff1a}", '\u{ff1a}')] {
            assert_eq!(instead_of_colon(format!("alice{separator}{APR1}").as_bytes()), Some(found));
        }
        assert_eq!(instead_of_colon(b"alice secret"), None);
    }
}
