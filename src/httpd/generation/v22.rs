//! httpd 2.2.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null;
use std::slice;

use esauth_engine::LineRules;

use crate::httpd::bindings::{
    self, APR_HOOK_MIDDLE, APR_HOOK_REALLY_FIRST, ap_custom_response, ap_hook_auth_checker, ap_hook_check_user_id,
    ap_register_provider, ap_requires, require_line,
};
use crate::httpd::hook::{OnRequest, raw};
use crate::httpd::loaded::is_defined;
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;
use crate::httpd::text::c_str;

/// The httpd generation of this build.
pub(crate) const HTTPD: &str = "2.2";

/// httpd 2.2's rules for joining lines.
pub(crate) const LINE_RULES: LineRules = LineRules::Httpd22;

/// 2.2 logs lines without tags.
pub(crate) const fn tag(_tag: &str) -> &[u8] {
    b""
}

/// The status for a client that must retry later. 2.2 does not know it: unknown statuses get the status line and page
/// of 500 unless the module brings its own.
pub(crate) fn too_many_requests(request: Request<'_>) -> c_int {
    const STATUS: c_int = 429;
    // The text of 2.4.
    const PAGE: &CStr = c"<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n\
        <title>429 Too Many Requests</title>\n</head><body>\n<h1>Too Many Requests</h1>\n\
        <p>The user has sent too many requests\nin a given amount of time.</p>\n</body></html>\n";
    request.set_status_line(c"429 Too Many Requests");
    // SAFETY: a live request, which a hook may change; the text is copied.
    unsafe { ap_custom_response(request.as_ptr(), STATUS, PAGE.as_ptr()) }
    STATUS
}

/// The `Require` lines that apply to the request's method, `None` if the section requires nothing at all.
pub(crate) fn requirements<'r>(request: Request<'r>) -> Option<impl Iterator<Item = &'r CStr>> {
    // SAFETY: a live request; the array holds `require_line`s, in the configuration's pool.
    let lines = unsafe {
        let array = ap_requires(request.as_ptr()).as_ref()?;
        match array.nelts {
            0 => &[],
            count => slice::from_raw_parts(array.elts.cast::<require_line>(), count as usize),
        }
    };
    let method = request.method_number();
    let for_method = lines.iter().filter(move |line| line.method_mask & (1 << method) != 0);
    // SAFETY: null or a C string of the configuration.
    Some(for_method.filter_map(|line| unsafe { c_str(line.requirement) }))
}

/// Whether `httpd -t` reads the configuration, not `httpd -S` or `httpd -M`, which only display parts of it.
pub(crate) fn is_configuration_test() -> bool {
    let dumps = [c"DUMP_VHOSTS", c"DUMP_MODULES"];
    !dumps.into_iter().any(is_defined)
}

/// The numeric user and group of `User` and `Group`.
pub(crate) fn run_user() -> (u32, u32) {
    // SAFETY: written while httpd reads its configuration, by this thread.
    unsafe {
        let unix = (&raw const bindings::unixd_config).read();
        (unix.user_id, unix.group_id)
    }
}

/// Registers the authentication hook, to be called before that of the modules named in `before`.
///
/// # Safety
///
/// Hooks may be registered now; `before` ends with null and stays as long as this library is loaded.
pub(crate) unsafe fn hook_authentication(hook: OnRequest, before: *const *const c_char) {
    // SAFETY: as the caller promises.
    unsafe { ap_hook_check_user_id(Some(raw(hook)), null(), before, APR_HOOK_MIDDLE as c_int) }
}

/// Registers a hook for authenticated requests, to be called before they are authorized.
///
/// # Safety
///
/// Hooks may be registered now.
pub(crate) unsafe fn hook_before_authorization(hook: OnRequest) {
    // SAFETY: as the caller promises.
    unsafe { ap_hook_auth_checker(Some(raw(hook)), null(), null(), APR_HOOK_REALLY_FIRST as c_int) }
}

/// Registers a provider, replacing another of the same name.
///
/// # Safety
///
/// `pool` is the configuration's, while registrations are allowed; `provider` has the type that belongs to `group` and
/// `version`, and stays as long as this library is loaded.
pub(crate) unsafe fn register_provider(
    pool: Pool<'_>,
    group: &'static CStr,
    name: &'static CStr,
    version: &'static CStr,
    provider: *const c_void,
) {
    // SAFETY: as the caller promises.
    unsafe { ap_register_provider(pool.as_ptr(), group.as_ptr(), name.as_ptr(), version.as_ptr(), provider) };
}
