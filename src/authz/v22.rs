//! `Require group` and `Require file-group` in httpd 2.2: an authorization hook.

use std::ffi::{CStr, c_int};
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};

use esauth_engine::{Memberships, cache};

use crate::config::DirConfig;
use crate::httpd::bindings::{
    DECLINED, HTTP_INTERNAL_SERVER_ERROR, HTTP_UNAUTHORIZED, OK, ap_find_linked_module, ap_getword_white,
    ap_note_auth_failure, ap_requires, request_rec, require_line,
};
use crate::httpd::boundary::guard_request;
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::{Request, c_str};
use crate::httpd::words::words;
use crate::metrics;
use crate::state::files;

static MOD_AUTHZ_GROUPFILE: AtomicBool = AtomicBool::new(false);

/// Looks whether mod_authz_groupfile is loaded as well.
///
/// # Safety
/// All modules are loaded.
pub(crate) unsafe fn look_for_mod_authz_groupfile() {
    // SAFETY: a C string; httpd's list of modules is complete.
    let groupfile = unsafe { ap_find_linked_module(c"mod_authz_groupfile.c".as_ptr()) };
    MOD_AUTHZ_GROUPFILE.store(!groupfile.is_null(), Ordering::Relaxed);
}

/// The authorization hook: `Require group` and `Require file-group`.
pub(crate) unsafe extern "C" fn check_groups(raw: *mut request_rec) -> c_int {
    // SAFETY: httpd calls its hooks with a live request.
    let Some(request) = (unsafe { Request::new(raw) }) else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
    guard_request(request, HTTP_INTERNAL_SERVER_ERROR as c_int, || authorize(request))
}

/// How a requirement about groups came out.
enum Outcome {
    Member,
    /// Not a member, and a later requirement may still be met.
    NotMember,
    /// Refused, whatever the later requirements say; the reason's parts.
    Refused(&'static [u8], Vec<u8>),
}

fn authorize(request: Request<'_>) -> c_int {
    let config = request.config();
    let Some(path) = config.group_file() else { return DECLINED };
    // Where both are loaded and this one would decline, the stock module would do and say everything again.
    if MOD_AUTHZ_GROUPFILE.load(Ordering::Relaxed) && !config.groups_authoritative() {
        return DECLINED;
    }
    let requirements = group_requirements(request);
    let Some(requirements) = requirements else { return DECLINED };
    let Some(user) = request.user() else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
    if requirements.is_empty() {
        return DECLINED;
    }
    let file = match files::groups(request, path) {
        Ok(file) => file,
        Err(unreadable) => {
            let text = b"Could not open group file: ";
            log_request!(request, Level::Error, unreadable.0, text, path.to_bytes());
            metrics::note_unmet(request, cache::Outcome::Error);
            return HTTP_INTERNAL_SERVER_ERROR as c_int;
        }
    };
    let mut reason: Vec<u8> = b"user is not part of the 'require'ed group(s).".to_vec();
    match file.of(user.to_bytes()) {
        None => reason = [b"user doesn't appear in group file (", path.to_bytes(), b")."].concat(),
        Some(memberships) => {
            for requirement in &requirements {
                match requirement.outcome(request, config, memberships) {
                    Outcome::Member => return OK as c_int,
                    Outcome::NotMember => {}
                    Outcome::Refused(before, name) => {
                        reason = [before, &name, b"' does not match."].concat();
                        break;
                    }
                }
            }
        }
    }
    metrics::note_unmet(request, cache::Outcome::NotInGroup);
    if !config.groups_authoritative() {
        return DECLINED;
    }
    let (user, uri) = (user.to_bytes(), request.uri().to_bytes());
    let (to, failed) = (b" to access ", b" failed, reason: ");
    log_request!(request, Level::Error, 0, b"Authorization of user ", user, to, uri, failed, reason);
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
    fn outcome(&self, request: Request<'_>, config: &DirConfig, memberships: Memberships<'_>) -> Outcome {
        match *self {
            Requirement::Groups(names) => {
                let member = words(request, names).any(|name| memberships.contains(name.to_bytes()));
                if member { Outcome::Member } else { Outcome::NotMember }
            }
            Requirement::FileGroup(owner) if memberships.contains(owner.to_bytes()) => Outcome::Member,
            Requirement::FileGroup(owner) if config.groups_authoritative() => {
                Outcome::Refused(b"file group '", owner.to_bytes().to_vec())
            }
            Requirement::FileGroup(_) => Outcome::NotMember,
        }
    }
}

/// The requirements about groups, `None` where the section requires nothing at all.
fn group_requirements(request: Request<'_>) -> Option<Vec<Requirement<'_>>> {
    // SAFETY: a live request; the array holds `require_line`s, in the configuration's pool.
    let (lines, method) = unsafe {
        let array = ap_requires(request.as_ptr()).as_ref()?;
        let lines = match array.nelts {
            0 => &[],
            count => slice::from_raw_parts(array.elts.cast::<require_line>(), count as usize),
        };
        (lines, (*request.as_ptr()).method_number)
    };
    let for_method = |line: &&require_line| line.method_mask & (1 << method) != 0;
    let requirement = |line: &require_line| {
        let mut rest = line.requirement.cast_const();
        // SAFETY: a C string of the configuration; what is left of it stays in it.
        let (word, rest) = unsafe { (c_str(ap_getword_white(request.pool().as_ptr(), &raw mut rest)), c_str(rest)) };
        match word?.to_bytes() {
            word if word.eq_ignore_ascii_case(b"group") => rest.map(Requirement::Groups),
            // mod_authz_owner leaves the note where it is loaded and leaves the decision to us.
            word if word.eq_ignore_ascii_case(b"file-group") => {
                request.notes().get(c"authz_group_note").map(Requirement::FileGroup)
            }
            _ => None,
        }
    };
    Some(lines.iter().filter(for_method).filter_map(requirement).collect())
}
