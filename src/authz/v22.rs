//! `Require group` and `Require file-group` in httpd 2.2: an authorization hook.

use std::ffi::{CStr, c_int};

use esauth_engine::Memberships;

use crate::authz::groups::{self, Membership};
use crate::config::section::DirConfig;
use crate::httpd::bindings::{DECLINED, HTTP_INTERNAL_SERVER_ERROR, HTTP_UNAUTHORIZED, OK};
use crate::httpd::generation::requirements;
use crate::httpd::loaded;
use crate::httpd::log::Level;
use crate::httpd::request::Request;
use crate::httpd::words::first_word;
use crate::state::outcomes::guard_request;

/// The authorization hook for `Require group` and `Require file-group`, before mod_authz_user. The first of the two
/// modules that decides wins, so the order must be that of the stock module.
pub(crate) extern "C" fn check_groups_before_users(request: Option<Request<'_>>) -> c_int {
    check_groups(request, true)
}

/// The same, after mod_authz_user.
pub(crate) extern "C" fn check_groups_after_users(request: Option<Request<'_>>) -> c_int {
    check_groups(request, false)
}

fn check_groups(request: Option<Request<'_>>, before_users: bool) -> c_int {
    let Some(request) = request else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
    if loaded::groups_come_before_users() != before_users {
        return DECLINED;
    }
    guard_request(request, HTTP_INTERNAL_SERVER_ERROR as c_int, || authorize(request))
}

fn authorize(request: Request<'_>) -> c_int {
    let config = DirConfig::of(request);
    let Some(path) = config.group_file else { return DECLINED };
    let Some(requirements) = group_requirements(request) else { return DECLINED };
    let Some(user) = request.user() else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
    if requirements.is_empty() {
        return DECLINED;
    }
    let mut reason: &[u8] = b"user is not part of the 'require'ed group(s).";
    let membership = groups::membership(request, path, user, |memberships| {
        for requirement in &requirements {
            match *requirement {
                _ if requirement.is_met(request, memberships) => return Some(true),
                // Refused, whatever later requirements say.
                Requirement::FileGroup(owner) if config.groups_authoritative() => {
                    reason = request.pool().join(&[b"file group '", owner.to_bytes(), b"' does not match."]).to_bytes();
                    return Some(false);
                }
                _ => {}
            }
        }
        Some(false)
    });
    match membership {
        Membership::Member => return OK as c_int,
        Membership::NotMember => {}
        Membership::InNoGroup => reason = groups::in_no_group(request, path),
        Membership::Unknown(status) => {
            groups::log_cannot_open(request, b"", path, status);
            return HTTP_INTERNAL_SERVER_ERROR as c_int;
        }
    }
    if !config.groups_authoritative() {
        return DECLINED;
    }
    groups::log_refusal(request, Level::Error, b"", reason);
    request.note_auth_failure();
    HTTP_UNAUTHORIZED as c_int
}

/// One `Require` about groups that applies to the request's method.
enum Requirement<'r> {
    Groups(&'r CStr),
    FileGroup(&'r CStr),
}

impl Requirement<'_> {
    fn is_met(&self, request: Request<'_>, memberships: Memberships<'_>) -> bool {
        match self {
            Requirement::Groups(names) => groups::names_one_of(request, names, memberships),
            Requirement::FileGroup(owner) => memberships.contains(owner.to_bytes()),
        }
    }
}

/// The requirements about groups, `None` if the section requires nothing at all.
fn group_requirements<'r>(request: Request<'r>) -> Option<Vec<Requirement<'r>>> {
    let requirement = |line: &'r CStr| {
        let (word, rest) = first_word(request.pool(), line);
        match word.to_bytes() {
            word if word.eq_ignore_ascii_case(b"group") => Some(Requirement::Groups(rest)),
            // mod_authz_owner, if loaded, leaves the note and the decision to us.
            word if word.eq_ignore_ascii_case(b"file-group") => {
                request.notes().get(c"authz_group_note").map(Requirement::FileGroup)
            }
            _ => None,
        }
    };
    Some(requirements(request)?.filter_map(requirement).collect())
}
