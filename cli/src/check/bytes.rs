//! A file's encoding, and bytes that end or join lines unexpectedly.

use super::findings::Findings;
use crate::finding::Code;
use crate::text::{BYTE_ORDER_MARK, wide};

/// Facts about a file's bytes, gathered before its lines are cut.
#[derive(Default)]
pub(super) struct Bytes {
    /// An encoding with several bytes for each character.
    wide: Option<&'static str>,
    /// Whether it begins with a UTF-8 byte order mark.
    pub(super) has_mark: bool,
    /// Numbers of lines with a NUL.
    nul_lines: Vec<usize>,
    /// Numbers of lines with a carriage return in front of other text.
    return_lines: Vec<usize>,
    /// In the order of the lines.
    joins: Vec<Join>,
}

/// A physical line that ends in a backslash.
struct Join {
    line: usize,
    /// Whether the next line is empty or a comment.
    is_before_comment: bool,
    /// Whether the next line reads like the rest of a list.
    is_list: bool,
}

impl Bytes {
    pub(super) fn of(text: &[u8]) -> Self {
        if let Some(wide) = wide(text) {
            return Bytes { wide: Some(wide), ..Bytes::default() };
        }
        let mut bytes = Bytes { has_mark: text.starts_with(BYTE_ORDER_MARK), ..Bytes::default() };
        // Nearly all files have none of these, and need not be cut into lines here.
        if !b"\0\r\\".iter().any(|byte| text.contains(byte)) {
            return bytes;
        }
        let mut lines = text.split(|&byte| byte == b'\n').peekable();
        let mut number = 0;
        while let Some(line) = lines.next() {
            number += 1;
            if line.contains(&0) {
                bytes.nul_lines.push(number);
            }
            let line = without_returns(line);
            if line.contains(&b'\r') {
                bytes.return_lines.push(number);
            }
            if let (Some(start), Some(next)) = (line.strip_suffix(b"\\"), lines.peek()) {
                bytes.joins.push(Join::of(number, start, next));
            }
        }
        bytes
    }

    /// True if httpd, which reads bytes, finds nothing useful in the file.
    pub(super) fn is_wide(&self) -> bool {
        self.wide.is_some()
    }

    /// The findings common to both kinds of files.
    pub(super) fn check(&self, findings: &mut Findings<'_>) {
        if let Some(encoding) = self.wide {
            findings.add(Code::WideEncoding, 1, b"", || {
                format!("the file is in {encoding}, which httpd cannot read: save it as UTF-8")
            });
        }
        for &line in &self.nul_lines {
            findings.add(Code::NulByte, line, b"", || "has a NUL byte: httpd reads nothing behind it".to_owned());
        }
        for &line in &self.return_lines {
            findings.add(Code::LoneReturn, line, b"", || {
                "has a carriage return, which ends no line for httpd: the text behind it belongs to this line"
                    .to_owned()
            });
        }
    }

    /// Whether a comment in these lines swallows one that is meant to count.
    pub(super) fn hides_a_line(&self, first: usize, last: usize) -> bool {
        self.joins(first, last).any(|join| !join.is_before_comment)
    }

    /// Whether these lines of a group file look like one group on several lines.
    pub(super) fn is_one_list(&self, first: usize, last: usize) -> bool {
        self.joins(first, last).all(|join| join.is_list)
    }

    /// The joins that make one line of `first` to `last`.
    fn joins(&self, first: usize, last: usize) -> impl Iterator<Item = &Join> {
        let from = self.joins.partition_point(|join| join.line < first);
        self.joins[from..].iter().take_while(move |join| join.line < last)
    }
}

impl Join {
    /// For a line with this text in front of the backslash, and the next one.
    fn of(line: usize, start: &[u8], next: &[u8]) -> Self {
        let content = next.trim_ascii();
        let is_before_comment = content.is_empty() || content.starts_with(b"#");
        // Without a blank on either side, the two words merge.
        let is_apart = start.last().is_none_or(|last| last.is_ascii_whitespace() || *last == b':')
            || next.first().is_none_or(u8::is_ascii_whitespace);
        let is_list = content.is_empty() || (is_apart && !content.starts_with(b"#") && !content.contains(&b':'));
        Join { line, is_before_comment, is_list }
    }
}

/// Without the carriage returns at its end.
fn without_returns(line: &[u8]) -> &[u8] {
    let length = line.iter().rposition(|&byte| byte != b'\r').map_or(0, |last| last + 1);
    &line[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continued_lists_are_told_from_lines_that_were_taken_in() {
        for (text, is_list) in [
            ("g: a \\\nb \\\n\tc\n", true),
            ("g:\\\na\n", true),
            ("g: a \\\n\n", true),
            ("g: a\\\nb\n", false),
            ("g: a \\\nh: b\n", false),
            ("g: a \\\n# h\n", false),
        ] {
            assert_eq!(Bytes::of(text.as_bytes()).is_one_list(1, 4), is_list, "{text:?}");
        }
        assert!(Bytes::of(b"# a \\\nalice:x\n").hides_a_line(1, 2));
        assert!(!Bytes::of(b"# a \\\n# b\n").hides_a_line(1, 2));
    }
}
