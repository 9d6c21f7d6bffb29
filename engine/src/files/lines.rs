//! Apache httpd's rules for the lines of its text files (`ap_cfg_getline` in server/util.c), applied in place.
//!
//! A line ends at LF. A backslash right before the LF joins it with the next line. White space around the whole is
//! dropped. A NUL ends the text of its line.
//!
//! Joining and trimming only ever shorten a line, so the result is written over the file's own bytes: a snapshot needs
//! no second copy of the file, and its index is nothing but offsets.

use memchr::memchr;

/// The httpd generation whose rules for joining lines apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineRules {
    /// 2.4: every backslash before a line's end joins, even one left over by a join.
    Httpd24,
    /// 2.2: an escaped backslash loses its escape and does not join, and a file that ends in a join loses that line.
    Httpd22,
}

/// The text of a file being cut into logical lines, which stay where they are in [`LineCutter::text`].
pub(crate) struct LineCutter {
    /// The file's bytes plus a NUL, which leaves room for the last line's terminator.
    text: Vec<u8>,
    /// Length of the file: everything before the additional NUL.
    length: usize,
    position: usize,
    line_number: usize,
    rules: LineRules,
    /// A line, or comment, with at least this many bytes before its LF is too long for stock httpd.
    limit: usize,
    /// Number of the first such line.
    too_long: Option<usize>,
    /// Checked once for the whole file: almost no file has a NUL, and then lines need not be searched for one.
    has_nul: bool,
}

/// One logical line: the range of its trimmed text in the cutter's text, ended by a NUL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Offset of its first byte.
    pub(crate) start: usize,
    /// Offset after its last byte; a NUL is there.
    pub(crate) end: usize,
    /// Number, from 1, of its first physical line.
    pub(crate) number: usize,
    /// Number of its last physical line, a higher one if lines were joined.
    pub(crate) last_number: usize,
}

impl LineCutter {
    /// Takes the bytes of a file, and the line length from which on stock httpd stops reading.
    pub(crate) fn new(mut text: Vec<u8>, rules: LineRules, limit: usize) -> Self {
        let has_nul = memchr(0, &text).is_some();
        let length = text.len();
        text.push(0);
        LineCutter { text, length, position: 0, line_number: 0, rules, limit, too_long: None, has_nul }
    }

    /// The text, with the lines returned so far in their final form.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The text, for a parser that shortens a line further (quotes, escapes) within its own bounds.
    pub(crate) fn text_mut(&mut self) -> &mut [u8] {
        &mut self.text
    }

    /// Number, from 1, of the first physical line of the first logical line seen so far that is too long for stock
    /// httpd.
    pub(crate) fn too_long(&self) -> Option<usize> {
        self.too_long
    }

    /// Ends the cutting and hands the text to a snapshot.
    pub(crate) fn into_text(self) -> Box<[u8]> {
        self.text.into_boxed_slice()
    }

    /// The next logical line that is neither empty nor a comment.
    pub(crate) fn next_content(&mut self) -> Option<Line> {
        while let Some(line) = self.next_line() {
            if self.has_content(line) {
                return Some(line);
            }
        }
        None
    }

    /// False for an empty line and for a comment.
    pub(crate) fn has_content(&self, line: Line) -> bool {
        line.start < line.end && self.text[line.start] != b'#'
    }

    /// The next logical line of any kind.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        let start = self.position;
        let number = self.line_number + 1;
        let mut end = start;
        loop {
            if self.position >= self.length {
                let lost = end == start || self.rules == LineRules::Httpd22;
                if lost {
                    return None;
                }
                break;
            }
            let part = end;
            let complete = self.append_physical_line(&mut end);
            // Includes what was joined before and the joining backslash, and precedes trimming, as in httpd.
            if end - start >= self.limit {
                self.too_long.get_or_insert(number);
            }
            if !complete || !self.joins_next(start, part, &mut end) {
                break;
            }
        }
        let (start, end) = trim(&self.text, start, end);
        // In bounds: `end` is at most the position of the LF or NUL that ended the line, or of the additional NUL.
        self.text[end] = 0;
        Some(Line { start, end, number, last_number: self.line_number })
    }

    /// Moves the next physical line down to `end`. True if it ended in LF, false if a NUL or the file's end cut it.
    fn append_physical_line(&mut self, end: &mut usize) -> bool {
        self.line_number += 1;
        let from = self.position;
        let (mut to, has_lf) = match memchr(b'\n', &self.text[from..self.length]) {
            Some(distance) => (from + distance, true),
            None => (self.length, false),
        };
        self.position = if has_lf { to + 1 } else { to };
        let mut complete = has_lf;
        if self.has_nul {
            if let Some(distance) = memchr(0, &self.text[from..to]) {
                to = from + distance;
                complete = false;
            }
        }
        if from != *end {
            self.text.copy_within(from..to, *end);
        }
        *end += to - from;
        complete
    }

    /// Whether the text before `end`, in front of a LF, continues in the next line; drops the backslash that says so.
    /// `start` is the beginning of the logical line, `part` that of the physical line just appended.
    fn joins_next(&self, start: usize, part: usize, end: &mut usize) -> bool {
        let visible_from = match self.rules {
            LineRules::Httpd24 => start,
            LineRules::Httpd22 => part,
        };
        let mut cursor = *end;
        if cursor > visible_from && self.text[cursor - 1] == b'\r' {
            cursor -= 1;
        }
        if cursor == visible_from || self.text[cursor - 1] != b'\\' {
            return false;
        }
        cursor -= 1;
        *end = cursor;
        let escaped = cursor > visible_from && self.text[cursor - 1] == b'\\';
        self.rules == LineRules::Httpd24 || !escaped
    }
}

/// White space as in C's `isspace` in the "C" locale.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn trim(text: &[u8], mut start: usize, mut end: usize) -> (usize, usize) {
    while start < end && is_space(text[start]) {
        start += 1;
    }
    while start < end && is_space(text[end - 1]) {
        end -= 1;
    }
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_by(rules: LineRules, text: &str) -> Vec<String> {
        let mut cutter = LineCutter::new(text.as_bytes().to_vec(), rules, usize::MAX);
        let mut found = Vec::new();
        while let Some(line) = cutter.next_content() {
            found.push(String::from_utf8_lossy(&cutter.text()[line.start..line.end]).into_owned());
            assert_eq!(cutter.text()[line.end], 0, "a line is ended by a NUL");
        }
        found
    }

    fn lines(text: &str) -> Vec<String> {
        lines_by(LineRules::Httpd24, text)
    }

    #[test]
    fn lines_are_trimmed_and_empty_ones_and_comments_skipped() {
        assert_eq!(lines(" a:1 \r\n\n\t\n# no\n  # nor this\n\x0bb:2\x0c\nc:3"), ["a:1", "b:2", "c:3"]);
    }

    #[test]
    fn a_backslash_before_the_line_end_joins_with_the_next_line() {
        assert_eq!(lines("a:\\\n1\nb:\\\r\n  2\n"), ["a:1", "b:  2"]);
    }

    #[test]
    fn two_backslashes_join_too_and_leave_one() {
        assert_eq!(lines("a\\\\\nb\n"), ["a\\b"]);
    }

    #[test]
    fn the_backslash_left_by_a_join_joins_once_more_at_an_empty_line() {
        assert_eq!(lines("a\\\\\n\nb\n"), ["ab"]);
    }

    #[test]
    fn a_comment_that_ends_in_a_backslash_swallows_the_next_line() {
        assert_eq!(lines("# gone \\\nalso gone\nkept\n"), ["kept"]);
    }

    #[test]
    fn a_hash_sign_that_a_join_brings_to_the_middle_starts_no_comment() {
        assert_eq!(lines("a\\\n#b\n"), ["a#b"]);
    }

    #[test]
    fn a_nul_ends_the_text_of_its_line_and_hides_a_backslash_behind_it() {
        assert_eq!(lines("a:1\0\\\nb:2\n\0c:3\nd:4\0"), ["a:1", "b:2", "d:4"]);
    }

    #[test]
    fn a_join_at_the_end_of_the_file_keeps_the_text_before_it() {
        assert_eq!(lines("a:1\\\n"), ["a:1"]);
        assert_eq!(lines("\\\n"), Vec::<String>::new());
    }

    #[test]
    fn httpd_22_lets_an_escaped_backslash_stand_and_loses_a_join_at_the_end() {
        assert_eq!(lines_by(LineRules::Httpd22, "a\\\\\nb\\\nc\n"), ["a\\", "bc"]);
        assert_eq!(lines_by(LineRules::Httpd22, "a\nb\\\n"), ["a"]);
    }

    #[test]
    fn the_first_line_that_is_too_long_is_told_by_its_number_before_trimming_and_after_joining() {
        let too_long = |text: &str, limit| {
            let mut cutter = LineCutter::new(text.as_bytes().to_vec(), LineRules::Httpd24, limit);
            while cutter.next_content().is_some() {}
            cutter.too_long()
        };
        let text = "# c\n a\\\nb \nlast\n";
        assert_eq!([3, 4, 5].map(|limit| too_long(text, limit)), [Some(1), Some(2), None]);
        assert_eq!(too_long("a\n\n# a comment counts\n", 10), Some(3));
    }

    #[test]
    fn the_backslash_that_joins_counts_for_the_length_of_a_line() {
        for rules in [LineRules::Httpd24, LineRules::Httpd22] {
            let too_long = |text: &str| {
                let mut cutter = LineCutter::new(text.as_bytes().to_vec(), rules, 5);
                while cutter.next_content().is_some() {}
                cutter.too_long()
            };
            assert_eq!(["abc\\\n\n", "abcd\\\n\n", "abc\\\r\n\n"].map(too_long), [None, Some(1), Some(1)], "{rules:?}");
            assert_eq!(["ab\\\nc\\\n\n", "ab\\\ncd\\\n\n"].map(too_long), [None, Some(1)], "{rules:?}");
        }
    }
}
