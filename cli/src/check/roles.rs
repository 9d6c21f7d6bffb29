//! Faults in a roles file, and between it and the group files.

use std::collections::HashSet;

use esauth_engine::Listing;
use esauth_roles::{Roles, may_overlap};

use super::findings::{Content, Findings};
use crate::finding::Code;

/// Checks a file with these bytes. With group files, compares roles and groups.
pub(super) fn check(text: &[u8], groups: &[&Listing], findings: &mut Findings<'_>) -> Content {
    let roles = match Roles::parse(text) {
        Ok(roles) => roles,
        Err(faults) => {
            for fault in &faults {
                findings.add(Code::RolesFault, fault.line, b"", || format!("{}; all requests are refused", fault.text));
            }
            return Content::Roles { roles: 0 };
        }
    };
    check_overlaps(&roles, findings);
    if !groups.is_empty() {
        check_groups(&roles, groups, findings);
    }
    Content::Roles { roles: roles.iter().count() }
}

fn check_overlaps(roles: &Roles, findings: &mut Findings<'_>) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for role in roles.iter() {
        // `*` overlaps with everything, which needs no finding.
        let patterns: Vec<&str> = role.patterns().filter(|pattern| *pattern != "*").collect();
        let overlap = patterns.iter().find_map(|pattern| {
            let other = seen.iter().find(|(_, other)| may_overlap(pattern, other))?;
            Some((pattern, other))
        });
        if let Some((pattern, (name, other))) = overlap {
            findings.add(Code::OverlappingPatterns, role.line(), role.name().as_bytes(), || {
                format!("has the pattern {pattern}, and role {name} has {other}: they share names")
            });
        }
        seen.extend(patterns.into_iter().map(|pattern| (role.name(), pattern)));
    }
}

fn check_groups(roles: &Roles, groups: &[&Listing], findings: &mut Findings<'_>) {
    let lines = || groups.iter().flat_map(|listing| listing.lines());
    let held: HashSet<&[u8]> = lines().filter(|line| line.members().next().is_some()).map(|line| line.name()).collect();
    for role in roles.iter().filter(|role| !held.contains(role.name().as_bytes())) {
        findings.add(Code::UnusedRole, role.line(), role.name().as_bytes(), || "is a role that nobody has".to_owned());
    }
    let mut missing: Vec<&[u8]> = held.into_iter().filter(|group| roles.role(group).is_none()).collect();
    missing.sort_unstable();
    for group in missing {
        findings.add(Code::NoRole, 1, group, || {
            "is a group without a role of its name: it gives no rights by EsAuthRoles".to_owned()
        });
    }
}
