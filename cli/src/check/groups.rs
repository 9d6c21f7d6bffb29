//! Faults in a group file.

use std::collections::HashMap;

use esauth_engine::hash::describe;
use esauth_engine::{Listed, Listing};

use super::findings::{Content, Findings};
use super::lines::{File, NamedFile, check_lines, check_spelling};
use super::names::Names;
use super::spelling;
use crate::finding::Code;
use crate::text::printable;

/// Judges every line.
pub(super) fn check(file: &NamedFile<'_>, findings: &mut Findings<'_>) -> Content {
    let NamedFile { file: File { listing, bytes, .. }, numbers, names, are_compared } = *file;
    check_lines(file, findings, |first, last| bytes.is_one_list(first, last));
    check_kind(listing, findings);
    if let Some(line) = listing.stock_stops_at() {
        findings.add(Code::LineTooLong, line, b"", || {
            "has 16 MiB or more: it and all lines behind it are ignored".to_owned()
        });
    }
    // A group may have several lines, and its name is compared without regard to ASCII case.
    let mut groups: HashMap<Vec<u8>, (Listed<'_>, bool)> = HashMap::new();
    let mut is_in_group = vec![false; names.count()];
    let mut numbers = numbers.iter();
    for line in listing.lines() {
        if !check_spelling(file, line, findings) {
            // A line has members if it has a colon, and so may a comment.
            line.members().zip(numbers.by_ref()).for_each(drop);
            continue;
        }
        if !line.has_colon() {
            findings.add(Code::NoColon, line.number(), line.name(), || {
                "has no colon, so the group has no members".to_owned()
            });
        }
        let (_, has_members) = groups.entry(line.name().to_ascii_lowercase()).or_insert((line, false));
        for (member, &number) in line.members().zip(numbers.by_ref()) {
            *has_members = true;
            is_in_group[number] = true;
            check_member(line, member, are_compared.then(|| names.is_user(number)), names, findings);
        }
    }
    let mut empty: Vec<_> = groups.values().filter(|(_, has_members)| !has_members).map(|&(line, _)| line).collect();
    empty.sort_by_key(|line| line.number());
    for line in empty {
        findings.add(Code::EmptyGroup, line.number(), line.name(), || "is a group without members".to_owned());
    }
    Content::Groups { groups: groups.len(), members: is_in_group.into_iter().filter(|&is_in| is_in).count() }
}

/// `is_user` if there are password files to decide it.
fn check_member(
    line: Listed<'_>,
    member: &[u8],
    is_user: Option<bool>,
    names: &Names<'_>,
    findings: &mut Findings<'_>,
) {
    if is_user == Some(true) {
        return;
    }
    if let Some((kind, message)) = spelling::fault(member) {
        findings.add(kind, line.number(), member, || message);
    }
    if member.starts_with(b"#") {
        findings.add(Code::TrailingComment, line.number(), member, || {
            "is a member like every word behind it: httpd knows no comments at the end of a line".to_owned()
        });
    }
    if member.contains(&b',') {
        findings.add(Code::CommaInMember, line.number(), member, || {
            "is one member: blanks separate members, commas do not".to_owned()
        });
    } else if is_user == Some(false) {
        findings.add(Code::UnknownMember, line.number(), member, || match names.user_like(member) {
            Some(user) => {
                format!("is a member but not a user in the password files; did you mean {}?", printable(user))
            }
            None => "is a member but not a user in the password files".to_owned(),
        });
    }
}

/// A password file, `user:hash`, given as a group file.
fn check_kind(listing: &Listing, findings: &mut Findings<'_>) {
    let is_of_passwords = |line: Listed<'_>| {
        let mut members = line.members();
        members.next().is_some_and(|member| describe(member).usable) && members.next().is_none()
    };
    if listing.lines().next().is_some() && listing.lines().all(is_of_passwords) {
        findings.add(Code::WrongKind, 1, b"", || "looks like a password file, but was passed with --groups".to_owned());
    }
}
