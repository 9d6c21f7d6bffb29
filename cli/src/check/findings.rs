//! What is found in a file.

use std::collections::BTreeMap;

use serde::Serialize;

use super::timing::Measured;
use crate::arguments::CheckOptions;
use crate::finding::Code;
use crate::text::printable;

/// Findings of one kind that are shown of each file, unless all are asked for.
pub(super) const SHOWN: usize = 10;

/// Something in a line that a person should look at.
#[derive(Serialize)]
pub(super) struct Finding {
    pub(super) kind: Code,
    pub(super) line: usize,
    /// The user or group; bytes that are not UTF-8 are replaced.
    pub(super) name: String,
    pub(super) message: String,
}

/// The findings in one file: all are counted, and those kept that will be shown.
#[derive(Default)]
pub(super) struct Findings<'a> {
    kept: Vec<Finding>,
    counts: BTreeMap<Code, usize>,
    allowed: &'a [Code],
    /// How many of each kind are kept.
    limit: Option<usize>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(options: &'a CheckOptions) -> Self {
        let limit = (!options.all && !options.json).then_some(SHOWN);
        Findings { allowed: &options.allow, limit, ..Findings::default() }
    }

    /// The message is made only where it is kept: a file may have a million lines with the same fault.
    pub(super) fn add(&mut self, kind: Code, line: usize, name: &[u8], message: impl FnOnce() -> String) {
        if self.allowed.contains(&kind) {
            return;
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if self.limit.is_none_or(|limit| *count <= limit) {
            self.kept.push(Finding { kind, line, name: printable(name), message: message() });
        }
    }
}

/// One file, read and judged.
#[derive(Serialize)]
pub(super) struct Checked {
    pub(super) path: String,
    #[serde(flatten)]
    pub(super) content: Content,
    /// How many there are of each kind.
    pub(super) counts: BTreeMap<Code, usize>,
    /// In the order of the lines.
    pub(super) findings: Vec<Finding>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Content {
    Passwords {
        /// Users who have a line.
        users: usize,
        /// Those of them whom some password lets in.
        can_log_in: usize,
        hashes: Vec<Measured>,
    },
    Groups {
        groups: usize,
        members: usize,
    },
    Roles {
        roles: usize,
    },
}

pub(super) fn checked(path: &str, content: Content, findings: Findings<'_>) -> Checked {
    let Findings { kept: mut findings, counts, .. } = findings;
    findings.sort_by_key(|finding| finding.line);
    Checked { path: path.to_owned(), content, counts, findings }
}
