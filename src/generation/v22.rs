//! httpd 2.2.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{from_ref, null};
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};

use esauth_engine::{LineRules, Memberships, cache};

use crate::basic;
use crate::bindings::{
    self, APR_HOOK_MIDDLE, DECLINED, HTTP_INTERNAL_SERVER_ERROR, HTTP_UNAUTHORIZED, OK, ap_custom_response,
    ap_exists_config_define, ap_find_linked_module, ap_getword_white, ap_hook_auth_checker, ap_hook_check_user_id,
    ap_note_auth_failure, ap_register_provider, ap_requires, apr_pool_t, authn_provider, request_rec, require_line,
};
use crate::boundary::guard_request;
use crate::config::DirConfig;
use crate::log::{Level, log_request};
use crate::metrics;
use crate::provider::{self, Verdict};
use crate::request::{Request, c_str};
use crate::store;
use crate::words::words;

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
        ap_hook_auth_checker(Some(check_groups), OWNER.0.as_ptr(), GROUPS.0.as_ptr(), middle);
    }
}

static MOD_AUTHZ_GROUPFILE: AtomicBool = AtomicBool::new(false);

/// # Safety
/// `pool` is the configuration's, and all modules are loaded.
pub(crate) unsafe fn register_providers(pool: *mut apr_pool_t) {
    let authn = from_ref(&provider::PROVIDER).cast::<c_void>();
    let (group, version) = (provider::GROUP.as_ptr(), provider::VERSION.as_ptr());
    // SAFETY: the caller's pool; names and a provider that stay as long as this library is loaded.
    unsafe {
        ap_register_provider(pool, group, c"esauth".as_ptr(), version, authn);
        ap_register_provider(pool, group, c"file".as_ptr(), version, authn);
        let groupfile = ap_find_linked_module(c"mod_authz_groupfile.c".as_ptr());
        MOD_AUTHZ_GROUPFILE.store(!groupfile.is_null(), Ordering::Relaxed);
    }
}

/// The authorization hook: `Require group` and `Require file-group`.
unsafe extern "C" fn check_groups(raw: *mut request_rec) -> c_int {
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
    let file = match store::groups(request, path) {
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
