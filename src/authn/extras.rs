//! `AuthBasicFake` and `AuthBasicUseDigestAlgorithm`, which mod_auth_basic has in 2.4 only.
//!
//! Ours counts where mod_auth_basic is not loaded. Where it is, a section with these is left to it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use crate::authn::provider::Verdict;
use crate::config::{CommandFunction, DirConfig, command, refuse};
use crate::hooks;
use crate::httpd::bindings::{
    AP_EXPR_FLAG_STRING_RESULT, DECLINED, HTTP_INTERNAL_SERVER_ERROR, OK, TAKE1, TAKE12, ap_expr_info_t,
    ap_expr_parse_cmd_mi, ap_expr_str_exec, ap_md5, ap_pbase64encode, authn_provider, cmd_parms, command_rec,
    request_rec,
};
use crate::httpd::boundary::{guard, guard_request};
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::{Request, c_str};
use crate::module_index;

/// What the two directives say about a section.
#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Extras {
    fake_user: *const ap_expr_info_t,
    fake_password: *const ap_expr_info_t,
    fake_is_set: bool,
    digest_is_set: bool,
    digest: bool,
}

impl Extras {
    pub(crate) const EMPTY: Extras =
        Extras { fake_user: null(), fake_password: null(), fake_is_set: false, digest_is_set: false, digest: false };

    /// What counts in a section inside another.
    pub(crate) fn or(&self, outer: &Extras) -> Extras {
        let fake = if self.fake_is_set { self } else { outer };
        let digest = if self.digest_is_set { self } else { outer };
        Extras { digest: digest.digest, digest_is_set: digest.digest_is_set, ..*fake }
    }

    pub(crate) fn verifies_by_digest(&self) -> bool {
        self.digest
    }
}

pub(crate) const AUTH_BASIC_FAKE: command_rec = command(
    c"AuthBasicFake",
    CommandFunction { take2: set_fake },
    TAKE12,
    0,
    c"Fake basic authentication using the given expressions for username and password, 'off' to disable. Password \
      defaults to 'password' if missing.",
);

pub(crate) const AUTH_BASIC_USE_DIGEST_ALGORITHM: command_rec = command(
    c"AuthBasicUseDigestAlgorithm",
    CommandFunction { take1: set_digest_algorithm },
    TAKE1,
    0,
    c"Set to 'MD5' to use the auth provider's authentication check for digest auth, using a hash of 'user:realm:pass'",
);

unsafe extern "C" fn set_fake(
    cmd: *mut cmd_parms,
    config: *mut c_void,
    user: *const c_char,
    password: *const c_char,
) -> *const c_char {
    guard(c"rust_esauth: internal error".as_ptr(), || {
        // SAFETY: httpd's arguments of a directive: one or two C strings, and our part of the configuration.
        let (user, password, config) =
            unsafe { (c_str(user).unwrap_or(c""), c_str(password), &mut *config.cast::<DirConfig>()) };
        let extras = &mut config.extras;
        extras.fake_is_set = true;
        if user.to_bytes().eq_ignore_ascii_case(b"off") {
            (extras.fake_user, extras.fake_password) = (null(), null());
            return null();
        }
        // SAFETY: httpd's `cmd`, and C strings.
        let (user_expression, password_expression) =
            unsafe { (parse(cmd, user), parse(cmd, password.unwrap_or(c"password"))) };
        let user = user.to_bytes();
        match (user_expression, password_expression) {
            (Ok(user), Ok(password)) => {
                (extras.fake_user, extras.fake_password) = (user, password);
                null()
            }
            (Err(error), _) => {
                let text: [&[u8]; 4] = [b"Could not parse fake username expression '", user, b"': ", error.to_bytes()];
                // SAFETY: httpd's `cmd`.
                unsafe { refuse(cmd, &text) }
            }
            (_, Err(error)) => {
                let what = b"Could not parse fake password expression associated to user '";
                // SAFETY: httpd's `cmd`.
                unsafe { refuse(cmd, &[what, user, b"': ", error.to_bytes()]) }
            }
        }
    })
}

/// # Safety
/// `cmd` is httpd's argument of a directive.
unsafe fn parse(cmd: *mut cmd_parms, text: &CStr) -> Result<*const ap_expr_info_t, &CStr> {
    let mut error = null();
    let flags = AP_EXPR_FLAG_STRING_RESULT;
    // SAFETY: as the caller promises; a C string, and a place for the error's text.
    unsafe {
        let expression = ap_expr_parse_cmd_mi(cmd, text.as_ptr(), flags, &raw mut error, None, module_index());
        c_str(error).map_or(Ok(expression.cast_const()), Err)
    }
}

unsafe extern "C" fn set_digest_algorithm(
    cmd: *mut cmd_parms,
    config: *mut c_void,
    algorithm: *const c_char,
) -> *const c_char {
    guard(c"rust_esauth: internal error".as_ptr(), || {
        // SAFETY: httpd's arguments of a directive: a C string, and our part of the configuration.
        let (algorithm, config) = unsafe { (c_str(algorithm).unwrap_or(c""), &mut *config.cast::<DirConfig>()) };
        let algorithm = algorithm.to_bytes();
        let md5 = algorithm.eq_ignore_ascii_case(b"MD5");
        if !md5 && !algorithm.eq_ignore_ascii_case(b"Off") {
            // SAFETY: httpd's `cmd`.
            return unsafe { refuse(cmd, &[b"Invalid algorithm in AuthBasicUseDigestAlgorithm: ", algorithm]) };
        }
        config.extras.digest_is_set = true;
        config.extras.digest = md5;
        null()
    })
}

/// True where the section's passwords are checked as Digest would, against hashes of `user:realm:password`.
pub(crate) fn verifies_by_digest(config: &DirConfig) -> bool {
    config.extras.verifies_by_digest()
}

/// Asks a provider for the hash of `user` in `realm` and compares it with the password's.
pub(crate) fn check_by_digest(
    request: Request<'_>,
    provider: &authn_provider,
    user: &CStr,
    realm: &CStr,
    password: &CStr,
) -> Verdict {
    let Some(get_realm_hash) = provider.get_realm_hash else {
        let text = b"Authn provider does not support AuthBasicUseDigestAlgorithm";
        log_request!(request, Level::Error, 0, b"AH02493: ", text);
        return Verdict::Error;
    };
    let mut hash = null_mut();
    // SAFETY: a registered provider's function, called as its type says.
    let verdict =
        Verdict::from_raw(unsafe { get_realm_hash(request.as_ptr(), user.as_ptr(), realm.as_ptr(), &raw mut hash) });
    if verdict != Verdict::UserFound {
        return verdict;
    }
    let parts = [user.to_bytes(), b":", realm.to_bytes(), b":", password.to_bytes()];
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let text = request.pool().bytes(length + 1);
    let mut end = 0;
    for part in parts {
        text[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    // SAFETY: a live pool, and a C string; then a C string from the provider.
    let (computed, stored) = unsafe { (c_str(ap_md5(request.pool().as_ptr(), text.as_ptr())), c_str(hash)) };
    zeroize::Zeroize::zeroize(text);
    if computed.is_some() && computed == stored { Verdict::Granted } else { Verdict::Denied }
}

/// `AuthBasicFake`: an Authorization header for whoever is behind us.
pub(crate) unsafe extern "C" fn fake_authorization(raw: *mut request_rec) -> c_int {
    // SAFETY: httpd calls its hooks with a live request.
    let Some(request) = (unsafe { Request::new(raw) }) else { return DECLINED };
    guard_request(request, HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        let extras = &request.config().extras;
        if extras.fake_user.is_null() || hooks::mod_auth_basic_is_loaded() {
            return DECLINED;
        }
        let user = match evaluate(request, extras.fake_user, &USER_LINES) {
            Ok(user) => user,
            Err(status) => return status,
        };
        let password = match evaluate(request, extras.fake_password, &PASSWORD_LINES) {
            Ok(password) => password,
            Err(status) => return status,
        };
        let pair = request.pool().join(&[user.to_bytes(), b":", password.to_bytes()]);
        // SAFETY: a live pool and a C string, which the function only reads.
        let encoded = unsafe { c_str(ap_pbase64encode(request.pool().as_ptr(), pair.as_ptr().cast_mut())) };
        let header = request.pool().join(&[b"Basic ", encoded.unwrap_or(c"").to_bytes()]);
        request.headers_in().set(c"Authorization", header);
        // The stock line AH02457 shows the header, password and all; ours does not.
        log_request!(request, Level::Info, 0, b"AH02457: AuthBasicFake: \"Authorization: Basic ...\"");
        OK as c_int
    })
}

/// What the stock module says about one of the two expressions.
struct FakeLines {
    cannot_evaluate: [&'static [u8]; 2],
    is_empty: [&'static [u8]; 2],
}

const USER_LINES: FakeLines =
    FakeLines { cannot_evaluate: [b"AH02455: ", b"user"], is_empty: [b"AH02458: ", b"username"] };

const PASSWORD_LINES: FakeLines =
    FakeLines { cannot_evaluate: [b"AH02456: ", b"password"], is_empty: [b"AH02459: ", b"password"] };

/// The value of an expression for this request, or the status to answer with.
fn evaluate<'r>(request: Request<'r>, expression: *const ap_expr_info_t, lines: &FakeLines) -> Result<&'r CStr, c_int> {
    let mut error = null();
    // SAFETY: a live request, an expression of its configuration, and a place for the error's text.
    let (value, error) = unsafe {
        let value = ap_expr_str_exec(request.as_ptr(), expression, &raw mut error);
        (c_str(value), c_str(error))
    };
    let uri = request.uri().to_bytes();
    if let Some(error) = error {
        let [tag, what] = lines.cannot_evaluate;
        let (before, after) = (b"AuthBasicFake: could not evaluate ", b" expression for URI '");
        log_request!(request, Level::Error, 0, tag, before, what, after, uri, b"': ", error.to_bytes());
        return Err(HTTP_INTERNAL_SERVER_ERROR as c_int);
    }
    match value.filter(|value| !value.is_empty()) {
        Some(value) => Ok(value),
        None => {
            let [tag, what] = lines.is_empty;
            let after = b" expression for URI '";
            log_request!(request, Level::Info, 0, tag, b"AuthBasicFake: empty ", what, after, uri, b"', ignoring");
            request.headers_in().unset(c"Authorization");
            Err(DECLINED)
        }
    }
}
