//! httpd 2.2.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null;

use esauth_engine::LineRules;

use crate::httpd::bindings::{
    self, APR_HOOK_MIDDLE, ap_custom_response, ap_exists_config_define, ap_hook_check_user_id, ap_register_provider,
    apr_pool_t,
};
use crate::httpd::hook::RequestHook;
use crate::httpd::request::Request;

/// What this is built for.
pub(crate) const HTTPD: &str = "2.2";

/// How httpd 2.2 joins lines.
pub(crate) const LINE_RULES: LineRules = LineRules::Httpd22;

/// 2.2 has no tags in front of its lines.
pub(crate) const fn tag(_tag: &str) -> &[u8] {
    b""
}

/// The status for a client that is to come back later. To 2.2, which does not know it, it is an unknown one: those get the
/// status line and the page of 500 unless they bring their own.
pub(crate) fn too_many_requests(request: Request<'_>) -> c_int {
    const STATUS: c_int = 429;
    // What 2.4 says.
    const PAGE: &CStr = c"<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n\
        <title>429 Too Many Requests</title>\n</head><body>\n<h1>Too Many Requests</h1>\n\
        <p>The user has sent too many requests\nin a given amount of time.</p>\n</body></html>\n";
    request.set_status_line(c"429 Too Many Requests");
    // SAFETY: a live request, which is ours to change during a hook; a text that is copied.
    unsafe { ap_custom_response(request.as_ptr(), STATUS, PAGE.as_ptr()) }
    STATUS
}

/// Whether the configuration is read by `httpd -t`, not by `httpd -S` or `httpd -M`, which only show something of it.
pub(crate) fn is_configuration_test() -> bool {
    let dumps = [c"DUMP_VHOSTS", c"DUMP_MODULES"];
    // SAFETY: a C string, which is only compared.
    !dumps.iter().any(|dump| unsafe { ap_exists_config_define(dump.as_ptr()) } != 0)
}

/// The numbers of the user and the group that `User` and `Group` name.
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
/// This is the time to register hooks; `before` ends with null and stays as long as this library is loaded.
pub(crate) unsafe fn hook_authentication(hook: RequestHook, before: *const *const c_char) {
    // SAFETY: as the caller promises.
    unsafe { ap_hook_check_user_id(Some(hook), null(), before, APR_HOOK_MIDDLE as c_int) }
}

/// Registers a provider, in place of another of the same name where there is one.
///
/// # Safety
/// `pool` is the configuration's, at the time of registrations; `provider` is of the type that belongs to `group` and
/// `version`, and stays as long as this library is loaded.
pub(crate) unsafe fn register_provider(
    pool: *mut apr_pool_t,
    group: &'static CStr,
    name: &'static CStr,
    version: &'static CStr,
    provider: *const c_void,
) {
    // SAFETY: as the caller promises.
    unsafe { ap_register_provider(pool, group.as_ptr(), name.as_ptr(), version.as_ptr(), provider) };
}
