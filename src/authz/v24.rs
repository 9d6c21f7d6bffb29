//! `Require group` and `Require file-group`, as providers of mod_authz_core.

use std::ffi::{CStr, c_char, c_void};
use std::mem::transmute;
use std::ptr::null;
use std::sync::atomic::{AtomicPtr, Ordering};

use esauth_engine::Memberships;

use crate::authz::groups::{self, Membership, log_refusal};
use crate::config::section::DirConfig;
use crate::httpd::bindings::{
    AUTHZ_DENIED, AUTHZ_DENIED_NO_USER, AUTHZ_GENERAL_ERROR, AUTHZ_GRANTED, apr_dynamic_fn_retrieve, authz_provider,
    authz_status, cmd_parms, request_rec,
};
use crate::httpd::boundary::guard;
use crate::httpd::command::{Command, Refusal};
use crate::httpd::expression::Expression;
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::httpd::text::c_str;
use crate::state::outcomes::{self, Outcome, guard_request};

/// The group that authorization providers are registered in (`AUTHZ_PROVIDER_GROUP`).
pub(crate) const GROUP: &CStr = c"authz";
/// The version of their interface (`AUTHZ_PROVIDER_VERSION`).
pub(crate) const VERSION: &CStr = c"0";

pub(crate) static GROUP_PROVIDER: authz_provider =
    authz_provider { check_authorization: Some(check_group), parse_require_line: Some(parse_group) };

pub(crate) static FILE_GROUP_PROVIDER: authz_provider =
    authz_provider { check_authorization: Some(check_file_group), parse_require_line: None };

/// What the stock module says when it denies, which differs in number and level between the two requirements.
struct Lines {
    no_group_file: &'static [u8],
    cannot_open: &'static [u8],
    in_no_group: &'static [u8],
    in_no_group_level: Level,
}

const GROUP_LINES: Lines = Lines {
    no_group_file: b"AH01664: ",
    cannot_open: b"AH01665: ",
    in_no_group: b"AH01666: ",
    in_no_group_level: Level::Info,
};

const FILE_GROUP_LINES: Lines = Lines {
    no_group_file: b"AH01668: ",
    cannot_open: b"AH01669: ",
    in_no_group: b"AH01670: ",
    in_no_group_level: Level::Error,
};

/// `Require group NAME …`, where the names are an expression of httpd's.
unsafe extern "C" fn check_group(
    raw: *mut request_rec,
    _arguments: *const c_char,
    parsed: *const c_void,
) -> authz_status {
    // SAFETY: mod_authz_core calls its providers with a live request.
    let Some(request) = (unsafe { Request::new(raw) }) else { return AUTHZ_GENERAL_ERROR };
    guard_request(request, AUTHZ_DENIED, || {
        // SAFETY: what `parse_group` has put there for this requirement.
        let expression = unsafe { Expression::from_ptr(parsed) };
        authorize(request, &GROUP_LINES, |memberships| {
            let required = match expression.map_or(Ok(None), |expression| expression.evaluate(request)) {
                Ok(required) => required.unwrap_or(c""),
                Err(error) => {
                    let text = b"authz_groupfile authorize: require group: Can't evaluate require expression: ";
                    log_request!(request, Level::Error, 0, b"AH02592: ", text, error.to_bytes());
                    return false;
                }
            };
            let member = groups::names_one_of(request, required, memberships);
            if !member {
                let reason = b"user is not part of the 'require'ed group(s).";
                log_refusal(request, Level::Debug, b"AH01667: ", reason);
            }
            member
        })
    })
}

/// `Require file-group`: the group that owns the requested file, which mod_authz_owner tells.
unsafe extern "C" fn check_file_group(
    raw: *mut request_rec,
    _arguments: *const c_char,
    _parsed: *const c_void,
) -> authz_status {
    // SAFETY: mod_authz_core calls its providers with a live request.
    let Some(request) = (unsafe { Request::new(raw) }) else { return AUTHZ_GENERAL_ERROR };
    guard_request(request, AUTHZ_DENIED, || {
        authorize(request, &FILE_GROUP_LINES, |memberships| {
            // Where it cannot tell, it has said why.
            let Some(owner) = file_owner_group(request) else { return false };
            let member = memberships.contains(owner.to_bytes());
            if !member {
                let reason = b"user is not part of the 'require'ed file group.";
                log_refusal(request, Level::Debug, b"AH01671: ", reason);
            }
            member
        })
    })
}

fn authorize(request: Request<'_>, lines: &Lines, is_member: impl FnOnce(Memberships<'_>) -> bool) -> authz_status {
    let Some(user) = request.user() else { return AUTHZ_DENIED_NO_USER };
    let Some(path) = DirConfig::of(request).group_file else {
        let text = b"No group file was specified in the configuration";
        log_request!(request, Level::Error, 0, lines.no_group_file, text);
        outcomes::note_unmet(request, Outcome::Error);
        return AUTHZ_DENIED;
    };
    match groups::membership(request, path, user, is_member) {
        Membership::Member => return AUTHZ_GRANTED,
        // Told where it was found out.
        Membership::NotMember => {}
        Membership::InNoGroup => {
            log_refusal(request, lines.in_no_group_level, lines.in_no_group, groups::in_no_group(request, path));
        }
        Membership::Unknown(status) => groups::log_cannot_open(request, lines.cannot_open, path, status),
    }
    AUTHZ_DENIED
}

/// httpd's call for each `Require group` it reads.
unsafe extern "C" fn parse_group(
    cmd: *mut cmd_parms,
    arguments: *const c_char,
    parsed: *mut *const c_void,
) -> *const c_char {
    guard(c"rust_esauth: internal error".as_ptr(), || {
        // SAFETY: httpd's arguments of this call: a directive, and a text in its pool.
        let (command, arguments) = unsafe { (Command::new(cmd), c_str(arguments).unwrap_or(c"")) };
        let Some(command) = command else { return null() };
        let refused = match Expression::parse(command, arguments) {
            Ok(expression) => {
                // SAFETY: httpd's place for what the provider wants back at each request.
                unsafe { parsed.write(expression.as_ptr()) };
                Ok(())
            }
            Err(error) => command.refuse(&[b"Cannot parse expression in require line: ", error.to_bytes()]),
        };
        refused.map_or_else(Refusal::as_ptr, |()| null())
    })
}

/// mod_authz_owner's function, null where that is not loaded.
static GET_FILE_GROUP: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// httpd's call when all modules have offered their optional functions.
pub(crate) unsafe extern "C" fn retrieve_optional_functions() {
    guard((), || {
        // SAFETY: a C string.
        let found = unsafe { apr_dynamic_fn_retrieve(c"authz_owner_get_file_group".as_ptr()) };
        // SAFETY: a function pointer, or none, is a pointer.
        GET_FILE_GROUP
            .store(unsafe { transmute::<Option<unsafe extern "C" fn()>, *mut c_void>(found) }, Ordering::Relaxed);
    });
}

fn file_owner_group(request: Request<'_>) -> Option<&CStr> {
    type GetFileGroup = unsafe extern "C" fn(*mut request_rec) -> *mut c_char;
    let found = GET_FILE_GROUP.load(Ordering::Relaxed);
    // SAFETY: null, or the function that mod_authz_owner registered under this name, whose type is that of its header.
    let Some(get) = (unsafe { transmute::<*mut c_void, Option<GetFileGroup>>(found) }) else {
        log_request!(
            request,
            Level::Error,
            0,
            b"rust_esauth: 'Require file-group' needs mod_authz_owner, which is not loaded; the request is denied",
        );
        return None;
    };
    // SAFETY: called as its type says, with a live request; the name lives in the request's pool.
    unsafe { c_str(get(request.as_ptr())) }
}
