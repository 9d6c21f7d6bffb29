//! Comments of a password file that keep an old password valid for a while.

use std::collections::{HashMap, HashSet};

use esauth_engine::hash::describe;
use esauth_engine::{Listing, Moment, Rotation};

use super::findings::{Findings, Rotating};
use crate::finding::Code;
use crate::text::printable;

/// Judges every such comment. Returns the users that have two passwords now.
pub(super) fn check(listing: &Listing, findings: &mut Findings<'_>) -> Vec<Rotating> {
    let rotations: Vec<_> = listing.rotations().collect();
    if rotations.is_empty() {
        return Vec::new();
    }
    let mut hashes: HashMap<&[u8], &[u8]> = HashMap::new();
    for line in listing.lines() {
        hashes.entry(line.name()).or_insert(line.stored_hash());
    }
    let mut seen = HashSet::new();
    let mut current = Vec::new();
    for (number, _, read) in rotations {
        let Some(rotation) = read else {
            findings.add(Code::MalformedRotation, number, b"", || {
                "is not in the form '#esauth-also until 2026-12-31T00:00:00Z USER:NEW:OLD', so it is only a comment"
                    .to_owned()
            });
            continue;
        };
        let fits = hashes.get(rotation.user) == Some(&rotation.new) && !seen.contains(rotation.user);
        if let Some((kind, message)) = fault(&rotation, hashes.get(rotation.user).copied(), fits) {
            findings.add(kind, number, rotation.user, || message);
        } else {
            current.push(Rotating { name: printable(rotation.user), until: Moment(rotation.until).to_string() });
        }
        if fits {
            seen.insert(rotation.user);
        }
    }
    current
}

/// What is wrong with a rotation. `hash` is the one in the user's line.
fn fault(rotation: &Rotation<'_>, hash: Option<&[u8]>, fits: bool) -> Option<(Code, String)> {
    if rotation.has_ended() {
        let message =
            format!("had an old password until {}: esauth passwd --drop-old removes it", Moment(rotation.until));
        return Some((Code::EndedRotation, message));
    }
    if !describe(rotation.old).usable {
        return Some((Code::MalformedRotation, "would have an old password, but no password has that hash".to_owned()));
    }
    if fits {
        return None;
    }
    let why = match hash {
        None => "is no user of this file",
        Some(hash) if hash != rotation.new => "has a line with another hash",
        Some(_) => "has two of these comments, and the first one counts",
    };
    Some((Code::UnusedRotation, format!("{why}, so this keeps no old password valid")))
}
