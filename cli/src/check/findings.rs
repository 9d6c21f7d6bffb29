//! The findings in a file.

use std::collections::BTreeMap;

use serde::Serialize;

use super::timing::Measured;
use crate::arguments::CheckOptions;
use crate::finding::Code;
use crate::text::printable;

/// Maximum of findings shown of each kind and file, unless all are requested.
pub(super) const SHOWN: usize = 10;

/// A fault in a line.
#[derive(Serialize)]
pub(super) struct Finding {
    pub(super) kind: Code,
    pub(super) line: usize,
    /// The user or group; bytes that are not UTF-8 are replaced.
    pub(super) name: String,
    pub(super) message: String,
}

/// The findings in one file: all are counted, and those to be shown are kept.
#[derive(Default)]
pub(super) struct Findings<'a> {
    kept: Vec<Finding>,
    counts: BTreeMap<Code, usize>,
    allowed: &'a [Code],
    /// Maximum of each kind that is kept.
    limit: Option<usize>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(options: &'a CheckOptions) -> Self {
        let limit = (!options.all && !options.json).then_some(SHOWN);
        Findings { allowed: &options.allow, limit, ..Findings::default() }
    }

    /// Composes the message only if it is kept: a million lines may have the same fault.
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

/// A user whose old password is valid beside the new one.
#[derive(Serialize)]
pub(super) struct Rotating {
    pub(super) name: String,
    /// The moment at which that ends, such as `2026-12-31T00:00:00Z`.
    pub(super) until: String,
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
        /// Users with a line.
        users: usize,
        /// Users that some password admits.
        can_log_in: usize,
        hashes: Vec<Measured>,
        /// Users with two passwords, for a while.
        rotations: Vec<Rotating>,
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
