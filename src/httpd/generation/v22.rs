//! httpd 2.2.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{from_ref, null};

use esauth_engine::LineRules;

use crate::authn::basic;
use crate::authn::provider::{self, Verdict};
use crate::authz::v22 as authz;
use crate::config::DirConfig;
use crate::httpd::bindings::{
    self, APR_HOOK_MIDDLE, ap_custom_response, ap_exists_config_define, ap_hook_auth_checker, ap_hook_check_user_id,
    ap_register_provider, apr_pool_t, authn_provider,
};
use crate::httpd::request::{Request, c_str};

/// How httpd 2.2 joins lines.
pub(crate) const LINE_RULES: LineRules = LineRules::Httpd22;

/// What this is built for.
pub(crate) const HTTPD: &str = "2.2";

/// What to tell about a line of a password file that is too long for the stock module.
pub(crate) const LONG_PASSWORD_LINE: &[u8] =
    b" has 8191 bytes or more: it counts as one line, but stock httpd cuts it there and takes the rest for another";

/// About a line of a group file that is too long for ours: the stock module cuts that, too, after 8191 bytes.
pub(crate) const LONG_GROUP_LINE: &[u8] =
    b" has 16 MiB or more: it and the lines after it are ignored; split it in two";

/// What may stand between the scheme and the credentials, besides nothing.
pub(crate) const SPACES_BEFORE_CREDENTIALS: &[u8] = b" \t\n\x0b\x0c\r";

/// Whether `Require group "" staff` names no group.
pub(crate) const EMPTY_WORD_ENDS: bool = false;

/// 2.2 has no tags in front of its lines.
pub(crate) const fn tag(_tag: &str) -> &[u8] {
    b""
}

/// The client's address.
pub(crate) fn client_address(request: Request<'_>) -> &CStr {
    // SAFETY: a live request and its connection; null or a C string that lives as long.
    unsafe { c_str((*(*request.as_ptr()).connection).remote_ip) }.unwrap_or(c"")
}

/// What `AUTH_TYPE` shows: always the same text.
pub(crate) const fn auth_type(_written: &CStr) -> &'static CStr {
    c"Basic"
}

/// The status for a client that is to come back later. To 2.2, which does not know it, it is an unknown one: those get the
/// status line and the page of 500 unless they bring their own.
pub(crate) fn too_many_requests(request: Request<'_>) -> c_int {
    const STATUS: c_int = 429;
    // What 2.4 says.
    const PAGE: &CStr = c"<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n\
        <title>429 Too Many Requests</title>\n</head><body>\n<h1>Too Many Requests</h1>\n\
        <p>The user has sent too many requests\nin a given amount of time.</p>\n</body></html>\n";
    // SAFETY: a live request, which is ours to change during a hook; a constant, and a text that is copied.
    unsafe {
        (*request.as_ptr()).status_line = c"429 Too Many Requests".as_ptr();
        ap_custom_response(request.as_ptr(), STATUS, PAGE.as_ptr());
    }
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

/// 2.2 has no AuthBasicUseDigestAlgorithm.
pub(crate) const fn verifies_by_digest(_config: &DirConfig) -> bool {
    false
}

/// Never asked for; see [`verifies_by_digest`].
pub(crate) const fn check_by_digest(
    _request: Request<'_>,
    _provider: &authn_provider,
    _user: &CStr,
    _realm: &CStr,
    _password: &CStr,
) -> Verdict {
    Verdict::Error
}

/// Names of modules, ended by null.
struct Names<const N: usize>([*const c_char; N]);

// SAFETY: constants that point to constants; httpd only reads them.
unsafe impl<const N: usize> Sync for Names<N> {}

/// # Safety
/// Called by httpd's `register_hooks`, with its pool.
pub(crate) unsafe fn register_hooks(_pool: *mut apr_pool_t) {
    static BASIC: Names<2> = Names([c"mod_auth_basic.c".as_ptr(), null()]);
    static GROUPS: Names<2> = Names([c"mod_authz_groupfile.c".as_ptr(), null()]);
    static OWNER: Names<2> = Names([c"mod_authz_owner.c".as_ptr(), null()]);

    let middle = APR_HOOK_MIDDLE as c_int;
    // SAFETY: httpd's registration functions, with functions of the right types and names that stay. mod_authz_owner
    // leaves the note that `Require file-group` needs, and so comes first.
    unsafe {
        ap_hook_check_user_id(Some(basic::check_authn), null(), BASIC.0.as_ptr(), middle);
        ap_hook_auth_checker(Some(authz::check_groups), OWNER.0.as_ptr(), GROUPS.0.as_ptr(), middle);
    }
}

/// # Safety
/// `pool` is the configuration's, and all modules are loaded.
pub(crate) unsafe fn register_providers(pool: *mut apr_pool_t) {
    let authn = from_ref(&provider::PROVIDER).cast::<c_void>();
    let (group, version) = (provider::GROUP.as_ptr(), provider::VERSION.as_ptr());
    // SAFETY: the caller's pool; names and a provider that stay as long as this library is loaded.
    unsafe {
        ap_register_provider(pool, group, c"esauth".as_ptr(), version, authn);
        ap_register_provider(pool, group, c"file".as_ptr(), version, authn);
        authz::look_for_mod_authz_groupfile();
    }
}
