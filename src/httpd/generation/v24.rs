//! httpd 2.4.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{from_ref, null};

use esauth_engine::LineRules;

pub(crate) use crate::authn::extras::{
    AUTH_BASIC_FAKE, AUTH_BASIC_USE_DIGEST_ALGORITHM, Extras, check_by_digest, verifies_by_digest,
};
use crate::authn::provider;
use crate::authn::{basic, extras};
use crate::authz::v24 as authz;
use crate::httpd::bindings::{
    self, APR_HOOK_LAST, APR_HOOK_MIDDLE, DECLINED, OK, ap_hook_check_authn, ap_hook_fixups, ap_hook_note_auth_failure,
    ap_hook_optional_fn_retrieve, ap_lookup_provider, ap_register_auth_provider, ap_register_provider, ap_state_query,
    apr_pool_t, request_rec,
};
use crate::httpd::boundary::guard_request;
use crate::httpd::request::{Request, c_str};

/// How httpd 2.4 joins lines.
pub(crate) const LINE_RULES: LineRules = LineRules::Httpd24;

/// What this is built for.
pub(crate) const HTTPD: &str = "2.4";

/// What to tell about a line of a password file that is too long for the stock module.
pub(crate) const LONG_PASSWORD_LINE: &[u8] =
    b" has 8191 bytes or more: it and the lines after it count, but stock httpd ignores them";

/// The same of a group file.
pub(crate) const LONG_GROUP_LINE: &[u8] =
    b" has 16 MiB or more: it and the lines after it are ignored, as by stock httpd; split it in two";

/// What may stand between the scheme and the credentials, besides nothing.
pub(crate) const SPACES_BEFORE_CREDENTIALS: &[u8] = b" \t";

/// Whether `Require group "" staff` names no group.
pub(crate) const EMPTY_WORD_ENDS: bool = true;

/// The unique tag that 2.4 puts in front of a line of its log.
pub(crate) const fn tag(tag: &str) -> &[u8] {
    tag.as_bytes()
}

/// The client's address: that of its user agent, where a proxy is trusted to tell it (mod_remoteip).
pub(crate) fn client_address(request: Request<'_>) -> &CStr {
    // SAFETY: a live request; null or a C string that lives as long.
    unsafe { c_str((*request.as_ptr()).useragent_ip) }.unwrap_or(c"")
}

/// What `AUTH_TYPE` shows: the directive's own text.
pub(crate) const fn auth_type(written: &CStr) -> &CStr {
    written
}

/// The status for a client that is to come back later.
pub(crate) const fn too_many_requests(_request: Request<'_>) -> c_int {
    429
}

/// Whether the configuration is read by `httpd -t`, not by `httpd -S` or the like, which only show something of it.
pub(crate) fn is_configuration_test() -> bool {
    // SAFETY: takes a number and returns one.
    unsafe { ap_state_query(bindings::AP_SQ_RUN_MODE as c_int) == bindings::AP_SQ_RM_CONFIG_TEST as c_int }
}

/// The numbers of the user and the group that `User` and `Group` name.
pub(crate) fn run_user() -> (u32, u32) {
    // SAFETY: written while httpd reads its configuration, by this thread.
    unsafe {
        let unix = (&raw const bindings::ap_unixd_config).read();
        (unix.user_id, unix.group_id)
    }
}

/// Authentication that is not to be repeated for a subrequest or internal redirect under the same configuration.
const PER_CONFIGURATION: c_int = bindings::AP_AUTH_INTERNAL_PER_CONF as c_int;

/// # Safety
/// Called by httpd's `register_hooks`, with its pool.
pub(crate) unsafe fn register_hooks(_pool: *mut apr_pool_t) {
    /// Ours answers first; it leaves to mod_auth_basic what is for that to do.
    struct Names([*const c_char; 2]);
    // SAFETY: constants that point to constants; httpd only reads them.
    unsafe impl Sync for Names {}
    static BEFORE: Names = Names([c"mod_auth_basic.c".as_ptr(), null()]);

    let (middle, last) = (APR_HOOK_MIDDLE as c_int, APR_HOOK_LAST as c_int);
    // SAFETY: httpd's registration functions, with functions of the right types and names that stay.
    unsafe {
        ap_hook_check_authn(Some(basic::check_authn), null(), BEFORE.0.as_ptr(), middle, PER_CONFIGURATION);
        ap_hook_note_auth_failure(Some(note_auth_failure), null(), null(), middle);
        ap_hook_fixups(Some(extras::fake_authorization), null(), null(), last);
        ap_hook_optional_fn_retrieve(Some(authz::retrieve_optional_functions), null(), null(), middle);
    }
}

/// # Safety
/// `pool` is the configuration's, and all modules are loaded.
pub(crate) unsafe fn register_providers(pool: *mut apr_pool_t) {
    let authn = from_ref(&provider::PROVIDER).cast::<c_void>();
    let group = from_ref(&authz::GROUP_PROVIDER).cast::<c_void>();
    let file_group = from_ref(&authz::FILE_GROUP_PROVIDER).cast::<c_void>();
    // SAFETY: the caller's pool; names and providers that stay as long as this library is loaded.
    unsafe {
        register(pool, provider::GROUP, c"esauth", authn);
        register(pool, provider::GROUP, c"file", authn);
        register(pool, authz::GROUP, c"group", group);
        register(pool, authz::GROUP, c"file-group", file_group);
    }
}

/// Registers a provider, in place of another of the same name where there is one.
///
/// httpd compares the number of providers that allow [`PER_CONFIGURATION`] with the number of names, so one that takes
/// over a name must not be counted again: it would make up for a module that wants authentication for every URI.
///
/// # Safety
/// As for [`register_providers`]; `provider` is of the type that belongs to `group`.
unsafe fn register(pool: *mut apr_pool_t, group: &'static CStr, name: &'static CStr, provider: *const c_void) {
    let version = provider::VERSION.as_ptr();
    // SAFETY: as the caller promises.
    unsafe {
        if ap_lookup_provider(group.as_ptr(), name.as_ptr(), version).is_null() {
            ap_register_auth_provider(pool, group.as_ptr(), name.as_ptr(), version, provider, PER_CONFIGURATION);
        } else {
            ap_register_provider(pool, group.as_ptr(), name.as_ptr(), version, provider);
        }
    }
}

/// httpd's call for the header of a refusal that did not come from us, such as that of a `Require`.
unsafe extern "C" fn note_auth_failure(raw: *mut request_rec, auth_type: *const c_char) -> c_int {
    // SAFETY: httpd calls its hooks with a live request and a C string.
    let (request, auth_type) = unsafe { (Request::new(raw), c_str(auth_type)) };
    let (Some(request), Some(auth_type)) = (request, auth_type) else { return DECLINED };
    guard_request(request, DECLINED, || {
        if !basic::is_basic(auth_type) {
            return DECLINED;
        }
        basic::challenge(request);
        OK as c_int
    })
}
