//! Describes a stored hash: its family, its cost, and whether any password could match it. Nothing is hashed here.
//!
//! The formats are those of the verifying code ([`super::verify`]) and, for the families of crypt(3), of libxcrypt's
//! crypt(5). A text in the form of a family's output could have been made by that family.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::crypt64::{is_base64, is_hash, value};
use super::family::Family;
use super::{apr1, bcrypt, sha1};

/// Result of [`describe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description<'a> {
    /// The family, named by the text's first bytes.
    pub family: Family,
    /// The part of the text that states the work factor, as written: `10` for bcrypt, `rounds=5000`, `j9T` for
    /// yescrypt; empty if the family's work is fixed or not stated.
    pub cost: &'a str,
    /// False if no password at all matches.
    pub usable: bool,
}

/// Describes `stored`, a password field.
pub fn describe(stored: &[u8]) -> Description<'_> {
    let Ok(text) = std::str::from_utf8(stored) else {
        return Description { family: Family::Plain, cost: "", usable: false };
    };
    let (family, parts) = parse(text);
    Description { family, cost: parts.unwrap_or(""), usable: parts.is_some() }
}

impl Family {
    /// The family that a stored hash looks like.
    pub fn of(stored: &[u8]) -> Family {
        describe(stored).family
    }
}

/// The family, and the cost if the text has the form of the family's hashes.
fn parse(text: &str) -> (Family, Option<&str>) {
    type Form = fn(&str) -> Option<&str>;
    const FAMILIES: &[(&str, Family, Form)] = &[
        ("$2a$", Family::Bcrypt, bcrypt_cost),
        ("$2b$", Family::Bcrypt, bcrypt_cost),
        ("$2y$", Family::Bcrypt, bcrypt_cost),
        ("$2x$", Family::BcryptFaulty, bcrypt_cost),
        ("$y$", Family::Yescrypt, |rest| yescrypt(&rest[3..])),
        ("$gy$", Family::GostYescrypt, |rest| yescrypt(&rest[4..])),
        ("$7$", Family::Scrypt, scrypt),
        ("$6$", Family::Sha512Crypt, |text| rounds_salt_hash(&text[3..], 86, 4)),
        ("$5$", Family::Sha256Crypt, |text| rounds_salt_hash(&text[3..], 43, 16)),
        ("$sha1$", Family::Sha1Crypt, sha1_rounds),
        ("$md5", Family::SunMd5, sun_md5),
        ("$apr1$", Family::Apr1, |text| apr1::is_well_formed(text.as_bytes()).then_some("")),
        ("$1$", Family::Md5Crypt, |text| salt_hash(&text[3..], 8, 22, 4).then_some("")),
        ("{SHA}", Family::Sha1, sha1),
        ("$3$", Family::Nt, |text| text.strip_prefix("$3$$").filter(|hash| is_hex(hash)).map(|_| "")),
        ("_", Family::ExtendedDes, |text| (text.len() == 20 && is_des(&text[1..])).then(|| &text[1..5])),
    ];
    if text.is_empty() {
        return (Family::Empty, None);
    }
    if let Some((_, family, form)) = FAMILIES.iter().find(|(prefix, ..)| text.starts_with(prefix)) {
        let parts = form(text);
        // An underscore alone does not make a word a hash.
        if parts.is_some() || *family != Family::ExtendedDes {
            return (*family, parts);
        }
    }
    if text.len() == 13 && is_des(text) {
        (Family::Des, Some(""))
    } else if text.starts_with('$') || (text.starts_with('{') && text.contains('}')) {
        (Family::Unknown, None)
    } else {
        (Family::Plain, None)
    }
}

fn bcrypt_cost(text: &str) -> Option<&str> {
    bcrypt::is_well_formed(text.as_bytes()).then(|| &text[4..6])
}

fn sha1(text: &str) -> Option<&str> {
    let digest = STANDARD.decode(&text[sha1::PREFIX.len()..]).ok()?;
    (digest.len() == 20).then_some("")
}

/// `PARAMETERS$SALT$HASH`, with 32 bytes in 43 characters.
fn yescrypt(rest: &str) -> Option<&str> {
    let (parameters, rest) = rest.split_once('$')?;
    let (salt, hash) = rest.split_once('$')?;
    let well_formed = !parameters.is_empty() && is_base64(parameters) && is_whole_bytes(salt) && is_hash(hash, 43, 16);
    well_formed.then_some(parameters)
}

/// `N`, `rrrrr`, `ppppp` and the salt without separators, `$`, 32 bytes in 43 characters.
fn scrypt(text: &str) -> Option<&str> {
    let (parameters, rest) = text.get(3..)?.split_at_checked(11)?;
    let (salt, hash) = rest.split_once('$')?;
    let is_zero = |part: &[u8]| part.iter().all(|&digit| digit == b'.');
    let numbers = parameters.as_bytes();
    let well_formed = is_base64(parameters) && is_base64(salt) && is_hash(hash, 43, 16);
    let has_zero = is_zero(&numbers[..1]) || is_zero(&numbers[1..6]) || is_zero(&numbers[6..]);
    (well_formed && !has_zero).then_some(parameters)
}

/// `rounds=N$` or nothing, salt, hash: of the SHA-2 crypts.
fn rounds_salt_hash(rest: &str, length: usize, last_below: u8) -> Option<&str> {
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        Some(counted) => {
            let (number, after) = counted.split_once('$')?;
            let value = plain_number(number).filter(|value| (1000..=999_999_999).contains(value));
            value?;
            (&rest[..rest.len() - after.len() - 1], after)
        }
        None => ("", rest),
    };
    salt_hash(rest, 16, length, last_below).then_some(rounds)
}

/// `$sha1$ROUNDS$SALT$HASH`; 20 bytes, and one of them again, in 28 characters.
fn sha1_rounds(text: &str) -> Option<&str> {
    let (rounds, rest) = text.get(6..)?.split_once('$')?;
    plain_number(rounds)?;
    let (salt, hash) = rest.split_once('$')?;
    (salt.len() <= 64 && is_base64(salt) && is_hash(hash, 28, 64)).then_some(rounds)
}

/// `$md5`, `,rounds=N` or nothing, `$SALT$` and often another `$`, hash.
fn sun_md5(text: &str) -> Option<&str> {
    let (rounds, rest) = text.get(4..)?.split_once('$')?;
    if !rounds.is_empty() {
        plain_number(rounds.strip_prefix(",rounds=")?)?;
    }
    let (salt, hash) = rest.rsplit_once('$')?;
    let salt = salt.strip_suffix('$').unwrap_or(salt);
    (is_base64(salt) && is_hash(hash, 22, 4)).then(|| rounds.trim_start_matches(','))
}

fn salt_hash(rest: &str, longest_salt: usize, length: usize, last_below: u8) -> bool {
    let Some((salt, hash)) = rest.split_once('$') else { return false };
    salt.len() <= longest_salt && is_salt(salt) && is_hash(hash, length, last_below)
}

/// A number without sign and leading zeros.
fn plain_number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| digits)
}

/// A salt that crypt(3) accepts: printable, without characters that passwd(5) reserves.
fn is_salt(salt: &str) -> bool {
    salt.bytes().all(|byte| byte.is_ascii_graphic() && !b"!*:;\\$".contains(&byte))
}

/// Up to 64 bytes in crypt's base64.
fn is_whole_bytes(salt: &str) -> bool {
    let last_below = match salt.len() % 4 {
        0 => 64,
        // 4 of 12 bits are spare and zero, 2 of 18.
        2 => 4,
        3 => 16,
        _ => return false,
    };
    salt.len() <= 86 && (salt.is_empty() || is_hash(salt, salt.len(), last_below))
}

fn is_hex(hash: &str) -> bool {
    hash.len() == 32 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Salt and hash, 64 bits of it in 11 characters from the high end: the last two bits are spare and zero.
fn is_des(text: &str) -> bool {
    is_base64(text) && text.bytes().last().and_then(value).is_some_and(|value| value % 4 == 0)
}
