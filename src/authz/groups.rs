//! Whether a user is in a required group, by the section's group file.

use std::ffi::CStr;

use esauth_engine::Memberships;

use crate::httpd::bindings::apr_status_t;
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::httpd::words::words;
use crate::state::files;
use crate::state::outcomes::{self, Outcome};

/// Relation of a user to the required groups.
pub(super) enum Membership {
    Member,
    NotMember,
    /// In no group at all.
    InNoGroup,
    /// The group file cannot be opened, for the status that stock httpd puts in front of its line.
    Unknown(apr_status_t),
    /// Unknown for another reason, which has been logged.
    #[cfg(httpd = "2.4")]
    Untold,
}

/// Looks up the user in the group file, then asks `is_member`, which returns None if it cannot tell. The lookup comes
/// first, so that a user in no group is refused whatever the requirement. Notes the reason of a refusal.
pub(super) fn membership(
    request: Request<'_>,
    path: &CStr,
    user: &CStr,
    is_member: impl FnOnce(Memberships<'_>) -> Option<bool>,
) -> Membership {
    let membership = match files::groups(request, path) {
        Err(unreadable) => Membership::Unknown(unreadable.0),
        Ok(file) => match file.of(user.to_bytes()).map(is_member) {
            None => Membership::InNoGroup,
            Some(Some(true)) => return Membership::Member,
            #[cfg(httpd = "2.4")]
            Some(None) => Membership::Untold,
            Some(_) => Membership::NotMember,
        },
    };
    let is_error = !matches!(membership, Membership::InNoGroup | Membership::NotMember);
    outcomes::note_unmet(request, if is_error { Outcome::Error } else { Outcome::NotInGroup });
    membership
}

/// Whether one of the groups listed in `names` is among the memberships. In 2.4 the first empty name ends the list.
pub(super) fn names_one_of(request: Request<'_>, names: &CStr, memberships: Memberships<'_>) -> bool {
    let mut names = words(request.pool(), names).take_while(|name| cfg!(httpd = "2.2") || !name.is_empty());
    names.any(|name| memberships.contains(name.to_bytes()))
}

/// The stock modules' line for a group file that cannot be opened.
pub(super) fn log_cannot_open(request: Request<'_>, tag: &[u8], path: &CStr, status: apr_status_t) {
    log_request!(request, Level::Error, status, tag, b"Could not open group file: ", path.to_bytes());
}

/// The stock modules' reason for refusing a user in no group.
pub(super) fn in_no_group<'r>(request: Request<'r>, path: &CStr) -> &'r [u8] {
    request.pool().join(&[b"user doesn't appear in group file (", path.to_bytes(), b")."]).to_bytes()
}

/// The stock modules' line for a refused user.
pub(super) fn log_refusal(request: Request<'_>, level: Level, tag: &[u8], reason: &[u8]) {
    let (user, uri) = (request.user().unwrap_or(c"").to_bytes(), request.uri().to_bytes());
    let (to, failed) = (b" to access ", b" failed, reason: ");
    log_request!(request, level, 0, tag, b"Authorization of user ", user, to, uri, failed, reason);
}
