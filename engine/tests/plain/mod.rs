//! A second, deliberately plain implementation of the line rules of password and group files: lines and words are
//! copied, and every question searches the whole file. The property tests next to it and the fuzz targets in `fuzz/`
//! compare the engine with it, and the engine's verdicts on passwords with the C library's crypt(3).

#![allow(unreachable_pub, reason = "the fuzz targets are crates of their own")]

mod compare;
mod hash;

use std::collections::BTreeSet;

use esauth_engine::LineRules;

pub use compare::{compare_groups, compare_passwords, unfold};
pub use hash::compare_verdicts;

/// A line of a password file with this many bytes before its LF is too long for stock httpd.
pub const TOO_LONG_FOR_PASSWORDS: usize = 8191;

/// The same for a group file: nothing from that line on counts.
const TOO_LONG_FOR_GROUPS: usize = 16 << 20;

/// The lines of a password file, each cut into user, second word and third word.
pub struct PasswordFile {
    pub lines: Vec<[Vec<u8>; 3]>,
    pub too_long: Option<usize>,
}

impl PasswordFile {
    pub fn read(file: &[u8], rules: LineRules) -> Self {
        let (lines, too_long) = content_lines(file, rules, TOO_LONG_FOR_PASSWORDS);
        PasswordFile { lines: lines.iter().map(|line| three_words(&line.text)).collect(), too_long }
    }

    pub fn users(&self) -> BTreeSet<&[u8]> {
        self.lines.iter().map(|[user, ..]| &user[..]).collect()
    }

    pub fn stored_hash(&self, user: &[u8]) -> Option<&[u8]> {
        self.lines.iter().find(|line| line[0] == user).map(|line| &line[1][..])
    }

    pub fn realm_hash(&self, user: &[u8], realm: &[u8]) -> Option<&[u8]> {
        self.lines.iter().find(|line| line[0] == user && line[1] == realm).map(|line| &line[2][..])
    }
}

/// The lines of a group file: a group's name and its members.
pub struct GroupFile {
    pub lines: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    pub too_long: Option<usize>,
}

impl GroupFile {
    pub fn read(file: &[u8], rules: LineRules) -> Self {
        let (lines, too_long) = content_lines(file, rules, TOO_LONG_FOR_GROUPS);
        let read = lines.iter().filter(|line| too_long.is_none_or(|number| line.number < number));
        let lines = read.map(|line| {
            let name: Vec<u8> = line.text.iter().copied().take_while(|&byte| byte != b':').collect();
            let members = without_leading(&line.text[name.len()..], |byte| byte == b':');
            (without_trailing_space(&name).to_vec(), quoted_words(members))
        });
        GroupFile { lines: lines.collect(), too_long }
    }

    pub fn members(&self) -> BTreeSet<&[u8]> {
        self.lines.iter().flat_map(|(_, members)| members).map(Vec::as_slice).collect()
    }

    /// The groups of a user, in lower case.
    pub fn groups_of(&self, user: &[u8]) -> BTreeSet<Vec<u8>> {
        let with_user = self.lines.iter().filter(|(_, members)| members.iter().any(|member| member == user));
        with_user.map(|(group, _)| group.to_ascii_lowercase()).collect()
    }
}

struct ContentLine {
    /// Number, from 1, of its first physical line.
    number: usize,
    text: Vec<u8>,
}

/// The lines that are neither empty nor comments, and the number of the first line of any kind that is too long.
fn content_lines(file: &[u8], rules: LineRules, limit: usize) -> (Vec<ContentLine>, Option<usize>) {
    let mut content = Vec::new();
    let mut too_long = None;
    let mut physical = file.split_inclusive(|&byte| byte == b'\n').zip(1..);
    while let Some((line, number)) = physical.next() {
        let mut joined = Vec::new();
        let mut next = Some(line);
        let complete = loop {
            // The file ends after a line that continues.
            let Some(line) = next else { break rules == LineRules::Httpd24 };
            let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
            let (text, has_lf) = line.strip_suffix(b"\n").map_or((line, false), |text| (text, true));
            // The backslash of a join must fit, too: stock httpd must see the LF behind it.
            if joined.len() + text.len() >= limit {
                too_long = too_long.or(Some(number));
            }
            let joins = match rules {
                LineRules::Httpd24 => {
                    joined.extend_from_slice(text);
                    match without_cr(&joined).strip_suffix(b"\\") {
                        Some(kept) if has_lf => {
                            joined = kept.to_vec();
                            true
                        }
                        _ => false,
                    }
                }
                LineRules::Httpd22 => match without_cr(text).strip_suffix(b"\\") {
                    Some(kept) if has_lf => {
                        joined.extend_from_slice(kept);
                        !kept.ends_with(b"\\")
                    }
                    _ => {
                        joined.extend_from_slice(text);
                        false
                    }
                },
            };
            if !joins {
                break true;
            }
            next = physical.next().map(|(line, _)| line);
        };
        let text = without_leading(without_trailing_space(&joined), is_space);
        if complete && !text.is_empty() && !text.starts_with(b"#") {
            content.push(ContentLine { number, text: text.to_vec() });
        }
    }
    (content, too_long)
}

fn is_space(byte: u8) -> bool {
    b" \t\n\x0b\x0c\r".contains(&byte)
}

fn without_cr(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\r").unwrap_or(text)
}

fn without_leading(text: &[u8], unwanted: impl Fn(u8) -> bool) -> &[u8] {
    let count = text.iter().take_while(|&&byte| unwanted(byte)).count();
    &text[count..]
}

fn without_trailing_space(text: &[u8]) -> &[u8] {
    let count = text.iter().rev().take_while(|&&byte| is_space(byte)).count();
    &text[..text.len() - count]
}

/// The text before the first run of `:`, before the second and before the third.
fn three_words(line: &[u8]) -> [Vec<u8>; 3] {
    let mut rest = line;
    [(); 3].map(|()| {
        let word: Vec<u8> = rest.iter().copied().take_while(|&byte| byte != b':').collect();
        rest = without_leading(&rest[word.len()..], |byte| byte == b':');
        word
    })
}

/// Words separated by white space or in quotes, without quotes and escaping backslashes.
fn quoted_words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut bytes = text.iter().copied().peekable();
    loop {
        while bytes.next_if(|&byte| is_space(byte)).is_some() {}
        if bytes.peek().is_none() {
            return words;
        }
        let quote = bytes.next_if(|byte| b"\"'".contains(byte));
        let mut word = Vec::new();
        while let Some(byte) = bytes.next() {
            if quote.map_or(is_space(byte), |quote| byte == quote) {
                break;
            }
            let escaped =
                if byte == b'\\' { bytes.next_if(|&next| next == b'\\' || Some(next) == quote) } else { None };
            word.push(escaped.unwrap_or(byte));
        }
        words.push(word);
    }
}
