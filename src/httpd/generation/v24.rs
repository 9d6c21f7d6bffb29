//! httpd 2.4.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null;

use esauth_engine::LineRules;

use crate::httpd::bindings::{
    self, APR_HOOK_MIDDLE, APR_HOOK_REALLY_FIRST, ap_hook_check_authn, ap_hook_check_authz, ap_lookup_provider,
    ap_register_auth_provider, ap_register_provider, ap_state_query,
};
use crate::httpd::hook::{OnRequest, raw};
use crate::httpd::pool::Pool;
use crate::httpd::request::Request;

/// The httpd generation of this build.
pub(crate) const HTTPD: &str = "2.4";

/// httpd 2.4's rules for joining lines.
pub(crate) const LINE_RULES: LineRules = LineRules::Httpd24;

/// The unique tag in front of 2.4's log lines.
pub(crate) const fn tag(tag: &str) -> &[u8] {
    tag.as_bytes()
}

/// The status for a client that must retry later.
pub(crate) const fn too_many_requests(_request: Request<'_>) -> c_int {
    429
}

/// Whether `httpd -t` reads the configuration, not `httpd -S` or the like, which only display parts of it.
pub(crate) fn is_configuration_test() -> bool {
    // SAFETY: takes a number and returns one.
    unsafe { ap_state_query(bindings::AP_SQ_RUN_MODE as c_int) == bindings::AP_SQ_RM_CONFIG_TEST as c_int }
}

/// The numeric user and group of `User` and `Group`.
pub(crate) fn run_user() -> (u32, u32) {
    // SAFETY: written while httpd reads its configuration, by this thread.
    unsafe {
        let unix = (&raw const bindings::ap_unixd_config).read();
        (unix.user_id, unix.group_id)
    }
}

/// Authentication that is not repeated for a subrequest or internal redirect under the same configuration.
const PER_CONFIGURATION: c_int = bindings::AP_AUTH_INTERNAL_PER_CONF as c_int;

/// Registers the authentication hook, to be called before that of the modules named in `before`.
///
/// # Safety
///
/// Hooks may be registered now; `before` ends with null and stays as long as this library is loaded.
pub(crate) unsafe fn hook_authentication(hook: OnRequest, before: *const *const c_char) {
    // SAFETY: as the caller promises.
    unsafe { ap_hook_check_authn(Some(raw(hook)), null(), before, APR_HOOK_MIDDLE as c_int, PER_CONFIGURATION) }
}

/// Registers a hook for authenticated requests, to be called before they are authorized.
///
/// # Safety
///
/// Hooks may be registered now.
pub(crate) unsafe fn hook_before_authorization(hook: OnRequest) {
    let first = APR_HOOK_REALLY_FIRST as c_int;
    // SAFETY: as the caller promises.
    unsafe { ap_hook_check_authz(Some(raw(hook)), null(), null(), first, PER_CONFIGURATION) }
}

/// Registers a provider, replacing another of the same name.
///
/// httpd compares the number of providers that allow [`PER_CONFIGURATION`] with the number of names, so a provider that
/// takes over a name must not be counted again: it would compensate for a module that wants authentication for every
/// URI.
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
    let (group, name, version) = (group.as_ptr(), name.as_ptr(), version.as_ptr());
    // SAFETY: as the caller promises.
    unsafe {
        if ap_lookup_provider(group, name, version).is_null() {
            ap_register_auth_provider(pool.as_ptr(), group, name, version, provider, PER_CONFIGURATION);
        } else {
            ap_register_provider(pool.as_ptr(), group, name, version, provider);
        }
    }
}
