//! `Require group` and `Require file-group`, as providers of mod_authz_core.

use std::ffi::{CStr, c_char, c_void};
use std::mem::transmute;
use std::ptr::null;
use std::sync::atomic::{AtomicPtr, Ordering};

use esauth_engine::Memberships;
use esauth_engine::cache::Outcome;

use crate::config::refuse;
use crate::httpd::bindings::{
    AP_EXPR_FLAG_STRING_RESULT, AUTHZ_DENIED, AUTHZ_DENIED_NO_USER, AUTHZ_GENERAL_ERROR, AUTHZ_GRANTED, ap_expr_info_t,
    ap_expr_parse_cmd_mi, ap_expr_str_exec, apr_dynamic_fn_retrieve, authz_provider, authz_status, cmd_parms,
    request_rec,
};
use crate::httpd::boundary::{guard, guard_request};
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::{Request, c_str};
use crate::httpd::words::words;
use crate::metrics;
use crate::module_index;
use crate::state::files;

/// The group that authorization providers are registered in (`AUTHZ_PROVIDER_GROUP`).
pub(crate) const GROUP: &CStr = c"authz";

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
        // SAFETY: what `parse_group` returned for this requirement.
        let expression = unsafe { parsed.cast::<ap_expr_info_t>().as_ref() };
        authorize(request, &GROUP_LINES, |memberships| {
            let required = match required_groups(request, expression) {
                Ok(required) => required,
                Err(error) => {
                    let text = b"authz_groupfile authorize: require group: Can't evaluate require expression: ";
                    log_request!(request, Level::Error, 0, b"AH02592: ", text, error.to_bytes());
                    return false;
                }
            };
            let member = words(request, required).any(|group| memberships.contains(group.to_bytes()));
            if !member {
                deny(request, Level::Debug, b"AH01667: ", &[b"user is not part of the 'require'ed group(s)."]);
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
                deny(request, Level::Debug, b"AH01671: ", &[b"user is not part of the 'require'ed file group."]);
            }
            member
        })
    })
}

/// Looks the user up in the section's group file, then asks `is_member`. Membership comes first, so that a user in no
/// group is denied whatever the requirement.
fn authorize(request: Request<'_>, lines: &Lines, is_member: impl FnOnce(Memberships<'_>) -> bool) -> authz_status {
    let Some(user) = request.user() else { return AUTHZ_DENIED_NO_USER };
    let Some(path) = request.config().group_file() else {
        let text = b"No group file was specified in the configuration";
        log_request!(request, Level::Error, 0, lines.no_group_file, text);
        metrics::note_unmet(request, Outcome::Error);
        return AUTHZ_DENIED;
    };
    let file = match files::groups(request, path) {
        Ok(file) => file,
        Err(unreadable) => {
            let text = b"Could not open group file: ";
            log_request!(request, Level::Error, unreadable.0, lines.cannot_open, text, path.to_bytes());
            metrics::note_unmet(request, Outcome::Error);
            return AUTHZ_DENIED;
        }
    };
    let Some(memberships) = file.of(user.to_bytes()) else {
        let reason: [&[u8]; 3] = [b"user doesn't appear in group file (", path.to_bytes(), b")."];
        deny(request, lines.in_no_group_level, lines.in_no_group, &reason);
        metrics::note_unmet(request, Outcome::NotInGroup);
        return AUTHZ_DENIED;
    };
    if is_member(memberships) {
        return AUTHZ_GRANTED;
    }
    metrics::note_unmet(request, Outcome::NotInGroup);
    AUTHZ_DENIED
}

fn deny(request: Request<'_>, level: Level, tag: &[u8], reason: &[&[u8]]) {
    let user = request.user().unwrap_or(c"").to_bytes();
    let reason = request.pool().join(reason).to_bytes();
    let (to, failed) = (b" to access ", b" failed, reason: ");
    log_request!(request, level, 0, tag, b"Authorization of user ", user, to, request.uri().to_bytes(), failed, reason);
}

/// The names that the requirement's expression gives for this request, or why it cannot be evaluated.
fn required_groups<'r>(request: Request<'r>, expression: Option<&ap_expr_info_t>) -> Result<&'r CStr, &'r CStr> {
    let Some(expression) = expression else { return Ok(c"") };
    let mut error = null();
    // SAFETY: a live request, an expression of its configuration, and a place for the error's text.
    let (text, error) = unsafe {
        let text = ap_expr_str_exec(request.as_ptr(), expression, &raw mut error);
        (c_str(text), c_str(error))
    };
    match error {
        Some(error) => Err(error),
        None => Ok(text.unwrap_or(c"")),
    }
}

/// httpd's call for each `Require group` it reads.
unsafe extern "C" fn parse_group(
    cmd: *mut cmd_parms,
    arguments: *const c_char,
    parsed: *mut *const c_void,
) -> *const c_char {
    guard(c"rust_esauth: internal error".as_ptr(), || {
        let mut error = null();
        let flags = AP_EXPR_FLAG_STRING_RESULT;
        // SAFETY: httpd's arguments of this call; no look-up function of our own.
        unsafe {
            let expression = ap_expr_parse_cmd_mi(cmd, arguments, flags, &raw mut error, None, module_index());
            if let Some(error) = c_str(error) {
                return refuse(cmd, &[b"Cannot parse expression in require line: ", error.to_bytes()]);
            }
            parsed.write(expression.cast::<c_void>());
        }
        null()
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
