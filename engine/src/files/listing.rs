//! A password or group file line by line, for people: every line that the snapshots are made of, with its position.

use std::ffi::CStr;
use std::ops::Range;

use super::groups::{self, MemberWords, c_string};
use super::htpasswd::{self, word};
use super::identity::{Opened, ReadError};
use super::lines::{Line, LineCutter, LineRules};
use super::rotation::Rotation;

/// The lines of one file, cut, joined, trimmed and split by the same code that makes [`Passwords`](crate::Passwords)
/// and [`Groups`](crate::Groups).
pub struct Listing {
    text: Box<[u8]>,
    lines: Vec<Entry>,
    /// Offsets of the members of all group lines, line by line.
    members: Vec<u32>,
    /// First and last physical lines of comments that continue in another line.
    long_comments: Vec<(usize, usize)>,
    /// Comments that are meant as rotations.
    rotations: Vec<Line>,
    stock_stops_at: Option<usize>,
}

struct Entry {
    line: Line,
    /// Range of the password field, or first and last of the line's members.
    fields: (u32, u32),
    /// Whether a colon separates name and fields.
    has_colon: bool,
}

/// One line of a [`Listing`].
#[derive(Clone, Copy)]
pub struct Listed<'a> {
    listing: &'a Listing,
    entry: &'a Entry,
}

impl Listing {
    /// Reads the file at `path` like the snapshots: refuses a file that is not regular, without waiting.
    pub fn read(path: &CStr) -> Result<Vec<u8>, ReadError> {
        Opened::open(path)?.read(None)
    }

    /// The lines of a password file.
    pub fn of_passwords(text: Vec<u8>, rules: LineRules) -> Self {
        let cutter = LineCutter::new(text, rules, htpasswd::TOO_LONG_LINE);
        Listing::of(cutter, false, |text, line, _| {
            let (name, start) = word(text, line.start);
            let has_colon = start > line.start + name.len();
            let field = word(text, start).0;
            Entry { line, fields: (start as u32, (start + field.len()) as u32), has_colon }
        })
    }

    /// The lines of a group file, up to the one whose length ends the reading.
    pub fn of_groups(text: Vec<u8>, rules: LineRules) -> Self {
        let cutter = LineCutter::new(text, rules, groups::TOO_LONG_LINE);
        Listing::of(cutter, true, |text, line, members| {
            let has_colon = text[line.start..line.end].contains(&b':');
            let first = members.len() as u32;
            let mut words = MemberWords::new(text, line);
            while let Some(member) = words.next(text) {
                members.push(member);
            }
            Entry { line, fields: (first, members.len() as u32), has_colon }
        })
    }

    fn of(mut cutter: LineCutter, long_ends: bool, entry: impl Fn(&mut [u8], Line, &mut Vec<u32>) -> Entry) -> Self {
        let (mut lines, mut members) = (Vec::new(), Vec::new());
        let (mut long_comments, mut rotations) = (Vec::new(), Vec::new());
        while let Some(line) = cutter.next_line() {
            if cutter.has_content(line) {
                if long_ends && cutter.too_long().is_some() {
                    break;
                }
                lines.push(entry(cutter.text_mut(), line, &mut members));
                continue;
            }
            if Rotation::is_meant(&cutter.text()[line.start..line.end]) {
                rotations.push(line);
            }
            if line.last_number > line.number {
                long_comments.push((line.number, line.last_number));
            }
        }
        let stock_stops_at = cutter.too_long();
        Listing { text: cutter.into_text(), lines, members, long_comments, rotations, stock_stops_at }
    }

    /// Number of the first line at which stock httpd would stop reading the file because of its length.
    pub fn stock_stops_at(&self) -> Option<usize> {
        self.stock_stops_at
    }

    /// The lines that are neither empty nor comments, in the order of the file.
    pub fn lines(&self) -> impl Iterator<Item = Listed<'_>> {
        self.lines.iter().map(|entry| Listed { listing: self, entry })
    }

    /// The comments that are meant as rotations of a password file: number of the first and last physical line, and the
    /// rotation, or `None` if it is incomplete.
    pub fn rotations(&self) -> impl Iterator<Item = (usize, usize, Option<Rotation<'_>>)> {
        let read = |line: &Line| Rotation::parse(&self.text[line.start..line.end]);
        self.rotations.iter().map(move |line| (line.number, line.last_number, read(line)))
    }

    /// Number of the first and last physical line of each comment (or empty line) that a backslash joins with others.
    pub fn long_comments(&self) -> &[(usize, usize)] {
        &self.long_comments
    }
}

impl<'a> Listed<'a> {
    /// Number, from 1, of its first physical line.
    pub fn number(self) -> usize {
        self.entry.line.number
    }

    /// Number of its last physical line, a higher one if a backslash joins lines.
    pub fn last_number(self) -> usize {
        self.entry.line.last_number
    }

    /// True if it has a `:`.
    pub fn has_colon(self) -> bool {
        self.entry.has_colon
    }

    /// The user's or group's name: empty if the line begins with a `:`.
    pub fn name(self) -> &'a [u8] {
        // In a group file the name ends with a NUL, in a password file with a colon or NUL.
        word(&self.listing.text, self.entry.line.start).0
    }

    /// The password field of a line of a password file.
    pub fn stored_hash(self) -> &'a [u8] {
        let (start, end) = self.entry.fields;
        &self.listing.text[start as usize..end as usize]
    }

    /// Offsets of the password field in the file, for a program that replaces it. `None` if backslashes join lines, which
    /// moves the text behind them.
    pub fn hash_position(self) -> Option<Range<usize>> {
        let (start, end) = self.entry.fields;
        (self.last_number() == self.number()).then_some(start as usize..end as usize)
    }

    /// The text behind the password field, such as the hash of a line that `htdigest` made.
    pub fn rest(self) -> &'a [u8] {
        let end = self.entry.fields.1 as usize;
        let rest = &self.listing.text[end..self.entry.line.end.max(end)];
        let colons = rest.iter().take_while(|&&byte| byte == b':').count();
        &rest[colons..]
    }

    /// The members that a line of a group file names.
    pub fn members(self) -> impl Iterator<Item = &'a [u8]> {
        let (first, last) = self.entry.fields;
        self.listing.members[first as usize..last as usize].iter().map(|&at| c_string(&self.listing.text, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_password_file_have_their_numbers_and_parts() {
        let text = b"# c \\\nalice:swallowed\n\nbob::h1:rest:x\ncarol\ndave:a\\\nb\n";
        let listing = Listing::of_passwords(text.to_vec(), LineRules::Httpd24);
        let seen: Vec<_> =
            listing.lines().map(|line| (line.number(), line.last_number(), line.name(), line.stored_hash())).collect();
        let expected: &[(usize, usize, &[u8], &[u8])] =
            &[(4, 4, b"bob", b"h1"), (5, 5, b"carol", b""), (6, 7, b"dave", b"ab")];
        assert_eq!(seen, expected);
        assert_eq!(listing.lines().map(Listed::rest).collect::<Vec<_>>(), [&b"rest:x"[..], b"", b""]);
        assert_eq!(listing.lines().map(Listed::has_colon).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(listing.long_comments(), [(1, 2)]);
    }

    #[test]
    fn the_password_field_of_a_line_without_joins_is_where_the_file_has_it() {
        let text = b"x:\\\ny\\\nz\n \tbob::h1:rest \r\ncarol \ndave:\n";
        let listing = Listing::of_passwords(text.to_vec(), LineRules::Httpd24);
        let found: Vec<_> = listing.lines().map(|line| line.hash_position().map(|at| (at.start, &text[at]))).collect();
        let expected: [Option<(usize, &[u8])>; 4] = [None, Some((16, b"h1")), Some((31, b"")), Some((38, b""))];
        assert_eq!(found, expected);
    }

    #[test]
    fn rotations_are_listed_with_their_numbers_even_if_they_are_incomplete() {
        let text = b"# c\nalice:n\n#esauth-also until 2026-12-31T00:00:00Z alice:n:o\n#esauth-also x \\\ny\n";
        let listing = Listing::of_passwords(text.to_vec(), LineRules::Httpd24);
        let seen: Vec<_> =
            listing.rotations().map(|(first, last, read)| (first, last, read.map(|read| read.old))).collect();
        assert_eq!(seen, [(3, 3, Some(&b"o"[..])), (4, 5, None)]);
        assert_eq!(listing.long_comments(), [(4, 5)]);
    }

    #[test]
    fn lines_of_a_group_file_have_their_members() {
        let listing = Listing::of_groups(b"g : alice \"a b\"\nempty:\nnone\n".to_vec(), LineRules::Httpd24);
        let seen: Vec<(&[u8], Vec<&[u8]>)> =
            listing.lines().map(|line| (line.name(), line.members().collect())).collect();
        assert_eq!(seen, [(&b"g"[..], vec![&b"alice"[..], b"a b"]), (b"empty", vec![]), (b"none", vec![])]);
        assert_eq!(listing.lines().map(Listed::has_colon).collect::<Vec<_>>(), [true, true, false]);
    }
}
