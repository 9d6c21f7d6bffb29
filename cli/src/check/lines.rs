//! Shared by checks of password and group files.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use esauth_engine::{Listed, Listing};

use super::bytes::Bytes;
use super::findings::Findings;
use super::names::Names;
use super::spelling;
use crate::finding::Code;

/// A file that was read.
pub(super) struct File {
    pub(super) path: String,
    pub(super) bytes: Bytes,
    pub(super) listing: Listing,
}

impl File {
    pub(super) fn read(path: &Path, listing: impl FnOnce(Vec<u8>) -> Listing) -> Result<Self, String> {
        let text = read(path)?;
        let bytes = Bytes::of(&text);
        // In a file with another encoding, every line would be a meaningless finding.
        let text = if bytes.is_wide() { Vec::new() } else { text };
        Ok(File { path: path.display().to_string(), bytes, listing: listing(text) })
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |why: String| format!("{}: {why}", path.display());
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| failed(error.to_string()))?;
    Listing::read(&name).map_err(|error| failed(error.to_string()))
}

/// A file with the numbers of its users or members.
pub(super) struct NamedFile<'a> {
    pub(super) file: &'a File,
    pub(super) numbers: &'a [usize],
    pub(super) names: &'a Names<'a>,
    /// Whether there are files of both kinds, so that users must be members and members users.
    pub(super) are_compared: bool,
}

/// Faults that both kinds of files can have. `is_meant` accepts lines that may continue in the next one.
pub(super) fn check_lines(file: &NamedFile<'_>, findings: &mut Findings<'_>, is_meant: impl Fn(usize, usize) -> bool) {
    let File { listing, bytes, .. } = file.file;
    bytes.check(findings);
    for &(number, last) in listing.long_comments().iter().filter(|&&(first, last)| bytes.hides_a_line(first, last)) {
        findings.add(Code::JoinedLines, number, b"", || {
            format!("this comment ends in a backslash, so it swallows the lines up to {last}")
        });
    }
    for line in listing.lines() {
        if line.last_number() == line.number() || is_meant(line.number(), line.last_number()) {
            continue;
        }
        findings.add(Code::JoinedLines, line.number(), line.name(), || {
            format!("ends in a backslash, so it swallows the lines up to {}", line.last_number())
        });
    }
}

/// The name in the first line of a file with a byte order mark, without the mark.
fn after_mark<'a>(file: &NamedFile<'_>, line: Listed<'a>) -> Option<&'a [u8]> {
    let is_first = file.file.bytes.has_mark && line.number() == 1;
    is_first.then(|| line.name().strip_prefix("\u{feff}".as_bytes())).flatten()
}

/// Checks the characters of a line's name. False if the line is only a comment or empty line behind a byte order mark.
pub(super) fn check_spelling(file: &NamedFile<'_>, line: Listed<'_>, findings: &mut Findings<'_>) -> bool {
    let marked = after_mark(file, line);
    if let Some(name) = marked {
        let is_line = line.has_colon() && !name.starts_with(b"#");
        findings.add(Code::ByteOrderMark, 1, line.name(), || match is_line {
            true => "begins with a byte order mark, which is part of the name: remove the file's first three bytes"
                .to_owned(),
            false => "is read as a name because of the byte order mark: remove the file's first three bytes".to_owned(),
        });
        if !is_line {
            return false;
        }
    }
    if let Some((kind, message)) = spelling::fault(marked.unwrap_or(line.name())) {
        findings.add(kind, line.number(), line.name(), || message);
    }
    true
}
