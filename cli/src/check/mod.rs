//! `esauth check`: faults in password and group files.

mod groups;
mod names;
mod passwords;
mod report;
mod timing;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::ValueEnum;
use esauth_engine::{LineRules, Listing};
use serde::Serialize;

use self::names::Names;
use crate::Outcome;
use crate::arguments::CheckOptions;
use crate::terminal::printable;

/// The kinds of findings. Their names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    /// The user has a line further up, which is the one that counts.
    DuplicateUser,
    /// No colon, or nothing behind it: nobody can log in.
    NoHash,
    /// What should be a hash is plain text: nobody can log in.
    PlainText,
    /// A hash of no family that httpd knows: nobody can log in.
    UnknownHash,
    /// A hash that no password has, such as one that was cut off: nobody can log in.
    MalformedHash,
    /// A line that htdigest made: of no use to Basic.
    DigestLine,
    /// A hash that is quickly guessed once the file is stolen.
    WeakHash,
    /// Who gives no name is let in with this line's password.
    EmptyName,
    /// A blank before the colon is part of the user's name.
    BlankInName,
    /// A backslash joins lines.
    JoinedLines,
    /// The stock modules stop reading the file here.
    LineTooLong,
    /// The file has the look of the other kind.
    WrongKind,
    /// A line of a group file without a colon.
    NoColon,
    /// A group that nobody is in.
    EmptyGroup,
    /// A member who has no line in a password file.
    UnknownMember,
    /// A user who is in no group.
    NoGroup,
}

impl Code {
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Something in a line that a person should look at.
#[derive(Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: Code,
    pub(crate) line: usize,
    /// The user or group; bytes that are not UTF-8 are replaced.
    pub(crate) name: String,
    pub(crate) message: String,
}

/// The findings in one file: all are counted, and those kept that will be shown.
#[derive(Default)]
pub(crate) struct Findings<'a> {
    kept: Vec<Finding>,
    counts: BTreeMap<Code, usize>,
    allowed: &'a [Code],
    /// How many of each kind are kept.
    limit: Option<usize>,
}

impl<'a> Findings<'a> {
    fn new(options: &'a CheckOptions) -> Self {
        let limit = (!options.all && !options.json).then_some(report::SHOWN);
        Findings { allowed: &options.allow, limit, ..Findings::default() }
    }

    /// The message is made only where it is kept: a file may have a million lines with the same fault.
    fn add(&mut self, kind: Code, line: usize, name: &[u8], message: impl FnOnce() -> String) {
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
pub(crate) struct Checked {
    pub(crate) path: String,
    #[serde(flatten)]
    pub(crate) content: Content,
    /// How many there are of each kind.
    pub(crate) counts: BTreeMap<Code, usize>,
    /// In the order of the lines.
    pub(crate) findings: Vec<Finding>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Content {
    Passwords {
        /// Users who have a line.
        users: usize,
        /// Those of them whom some password lets in.
        can_log_in: usize,
        hashes: Vec<timing::Measured>,
    },
    Groups {
        groups: usize,
        members: usize,
    },
}

/// A file and the numbers of the users or members in it.
struct NamedFile<'a> {
    listing: &'a Listing,
    numbers: &'a [usize],
    names: &'a Names<'a>,
    /// Whether there are files of both kinds, so that users are to be members and members users.
    are_compared: bool,
}

pub(crate) fn run(options: &CheckOptions) -> Result<Outcome, String> {
    let mut timer = timing::Timer::start();
    let rules = LineRules::from(options.httpd);
    let read = |path: &Path| read(path).map(|text| (path.display().to_string(), text));
    let password_files: Vec<_> = options.files.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let group_files: Vec<_> = options.groups.iter().map(|path| read(path)).collect::<Result<_, _>>()?;
    let users: Vec<_> =
        password_files.into_iter().map(|(path, text)| (path, Listing::of_passwords(text, rules))).collect();
    let groups: Vec<_> = group_files.into_iter().map(|(path, text)| (path, Listing::of_groups(text, rules))).collect();

    let mut names = Names::default();
    names.reserve_for(users.iter().map(|(_, listing)| listing));
    let users_by_number: Vec<_> = users.iter().map(|(_, listing)| names.of_users(listing)).collect();
    let members_by_number: Vec<_> = groups.iter().map(|(_, listing)| names.of_members(listing)).collect();
    let are_compared = !users.is_empty() && !groups.is_empty();

    let mut files = Vec::new();
    for ((path, listing), numbers) in users.iter().zip(&users_by_number) {
        let mut findings = Findings::new(options);
        let file = NamedFile { listing, numbers, names: &names, are_compared };
        let content = passwords::check(&file, options.min_bcrypt_cost, &mut timer, &mut findings);
        files.push(checked(path, content, findings));
    }
    for ((path, listing), numbers) in groups.iter().zip(&members_by_number) {
        let mut findings = Findings::new(options);
        let content = groups::check(&NamedFile { listing, numbers, names: &names, are_compared }, &mut findings);
        files.push(checked(path, content, findings));
    }
    report::print(&files, options)?;
    let is_clean = files.iter().all(|file| file.counts.is_empty());
    Ok(if is_clean { Outcome::Good } else { Outcome::Bad })
}

fn checked(path: &str, content: Content, findings: Findings<'_>) -> Checked {
    let Findings { kept: mut findings, counts, .. } = findings;
    findings.sort_by_key(|finding| finding.line);
    Checked { path: path.to_owned(), content, counts, findings }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |why: String| format!("{}: {why}", path.display());
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|error| failed(error.to_string()))?;
    Listing::read(&name).map_err(|error| failed(error.to_string()))
}

/// What both kinds of files can have.
fn check_lines(listing: &Listing, findings: &mut Findings<'_>) {
    for &(number, last) in listing.long_comments() {
        findings.add(Code::JoinedLines, number, b"", || {
            format!("this comment ends in a backslash, so the lines up to {last} belong to it and name nobody")
        });
    }
    for line in listing.lines().filter(|line| line.last_number() > line.number()) {
        findings.add(Code::JoinedLines, line.number(), line.name(), || {
            format!("ends in a backslash, so the lines up to {} belong to it", line.last_number())
        });
    }
}
