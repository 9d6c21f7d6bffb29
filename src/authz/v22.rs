//! `Require group` and `Require file-group` in httpd 2.2: an authorization hook.

use std::ffi::{CStr, c_int};
use std::slice;

use esauth_engine::Memberships;

use crate::authz::groups::{self, Membership};
use crate::config::section::DirConfig;
use crate::httpd::bindings::{
    DECLINED, HTTP_INTERNAL_SERVER_ERROR, HTTP_UNAUTHORIZED, OK, ap_getword_white, ap_note_auth_failure, ap_requires,
    request_rec, require_line,
};
use crate::httpd::loaded;
use crate::httpd::log::Level;
use crate::httpd::request::Request;
use crate::httpd::text::c_str;
use crate::state::outcomes::guard_request;

/// The authorization hook for `Require group` and `Require file-group`, before mod_authz_user. The first of the two
/// modules that decides wins, so the order must be that of the stock module.
pub(crate) unsafe extern "C" fn check_groups_before_users(raw: *mut request_rec) -> c_int {
    // SAFETY: as httpd calls this function.
    unsafe { check_groups(raw, true) }
}

/// The same, after mod_authz_user.
pub(crate) unsafe extern "C" fn check_groups_after_users(raw: *mut request_rec) -> c_int {
    // SAFETY: as httpd calls this function.
    unsafe { check_groups(raw, false) }
}

/// # Safety
///
/// `raw` is a live request, as httpd passes it to hooks.
unsafe fn check_groups(raw: *mut request_rec, before_users: bool) -> c_int {
    // SAFETY: as the caller promises.
    let Some(request) = (unsafe { Request::new(raw) }) else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
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
    // SAFETY: a live request.
    unsafe { ap_note_auth_failure(request.as_ptr()) };
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
fn group_requirements(request: Request<'_>) -> Option<Vec<Requirement<'_>>> {
    // SAFETY: a live request; the array holds `require_line`s, in the configuration's pool.
    let lines = unsafe {
        let array = ap_requires(request.as_ptr()).as_ref()?;
        match array.nelts {
            0 => &[],
            count => slice::from_raw_parts(array.elts.cast::<require_line>(), count as usize),
        }
    };
    let method = request.method_number();
    let for_method = |line: &&require_line| line.method_mask & (1 << method) != 0;
    let requirement = |line: &require_line| {
        let mut rest = line.requirement.cast_const();
        // SAFETY: a C string of the configuration; the rest stays in it.
        let (word, rest) = unsafe { (c_str(ap_getword_white(request.pool().as_ptr(), &raw mut rest)), c_str(rest)) };
        match word?.to_bytes() {
            word if word.eq_ignore_ascii_case(b"group") => rest.map(Requirement::Groups),
            // mod_authz_owner, if loaded, leaves the note and the decision to us.
            word if word.eq_ignore_ascii_case(b"file-group") => {
                request.notes().get(c"authz_group_note").map(Requirement::FileGroup)
            }
            _ => None,
        }
    };
    Some(lines.iter().filter(for_method).filter_map(requirement).collect())
}
