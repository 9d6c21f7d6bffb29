//! HTTP Basic authentication (RFC 7617), as mod_auth_basic does it: from the request's header to a status.

use std::ffi::{CStr, c_int};

use esauth_engine::cache::Outcome;
use zeroize::Zeroize;

use crate::authn::connection;
use crate::authn::provider::{self, Verdict};
use crate::config::{DirConfig, Listed};
use crate::hooks;
use crate::httpd::bindings::{
    DECLINED, HTTP_INTERNAL_SERVER_ERROR, HTTP_SERVICE_UNAVAILABLE, HTTP_UNAUTHORIZED, OK, apr_base64_decode,
    apr_base64_decode_len, request_rec,
};
use crate::httpd::boundary::guard_request;
use crate::httpd::generation::{self, tag};
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::metrics;

/// The authentication hook (2.4: `check_authn`, 2.2: `check_user_id`).
pub(crate) unsafe extern "C" fn check_authn(raw: *mut request_rec) -> c_int {
    // SAFETY: httpd calls its hooks with a live request, in the one thread that serves it.
    let Some(request) = (unsafe { Request::new(raw) }) else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
    guard_request(request, HTTP_INTERNAL_SERVER_ERROR as c_int, || authenticate(request))
}

fn authenticate(request: Request<'_>) -> c_int {
    let config = request.config();
    if hooks::mod_auth_basic_is_loaded() && config.wants_mod_auth_basic() {
        return DECLINED;
    }
    let Some(auth_type) = request.auth_type().filter(|written| is_basic(written)) else { return DECLINED };
    let Some(realm) = request.auth_name() else {
        log_request!(request, Level::Error, 0, tag("AH01615: "), b"need AuthName: ", request.uri().to_bytes());
        metrics::note(request, Outcome::Error);
        return HTTP_INTERNAL_SERVER_ERROR as c_int;
    };
    request.set_auth_type(generation::auth_type(auth_type));
    let header = authorization(request);
    if config.asks_only_our_file() {
        if let Some(user) = header.and_then(|header| connection::recall(request, header)) {
            request.set_user(user);
            metrics::note(request, Outcome::Granted);
            return OK as c_int;
        }
    }
    let credentials = match Credentials::of(request, header) {
        Ok(credentials) => credentials,
        Err(missing) => {
            if missing == Missing::OtherScheme {
                let uri = request.uri().to_bytes();
                let text = b"client used wrong authentication scheme: ";
                log_request!(request, Level::Error, 0, tag("AH01614: "), text, uri);
            }
            metrics::note(request, missing.outcome());
            challenge(request);
            return HTTP_UNAUTHORIZED as c_int;
        }
    };
    // The failed name is to be logged too, so it is set before it is verified.
    request.set_user(credentials.user);
    let verdict = ask_providers(request, config, realm, &credentials);
    metrics::note(request, verdict.outcome());
    answer(request, config, credentials.user, verdict)
}

pub(crate) fn is_basic(auth_type: &CStr) -> bool {
    auth_type.to_bytes().eq_ignore_ascii_case(b"Basic")
}

/// Tells the client which realm wants a password.
pub(crate) fn challenge(request: Request<'_>) {
    let name = if request.is_forward_proxy() { c"Proxy-Authenticate" } else { c"WWW-Authenticate" };
    let value = match request.auth_name() {
        Some(realm) => request.pool().join(&[b"Basic realm=\"", realm.to_bytes(), b"\""]),
        None => c"Basic realm=\"",
    };
    request.err_headers_out().set(name, value);
}

fn authorization(request: Request<'_>) -> Option<&CStr> {
    let name = if request.is_forward_proxy() { c"Proxy-Authorization" } else { c"Authorization" };
    request.headers_in().get(name)
}

/// A user name and password as the client sent them. The password is wiped when this is dropped.
pub(crate) struct Credentials<'r> {
    /// The header that they came in.
    header: &'r CStr,
    /// Lives as long as the request.
    pub(crate) user: &'r CStr,
    /// The bytes behind the user's NUL: the password up to a NUL, and whatever base64 held behind that.
    rest: &'r mut [u8],
}

#[derive(PartialEq, Eq)]
enum Missing {
    Header,
    OtherScheme,
}

impl Missing {
    /// What a request without credentials of ours is counted as.
    fn outcome(&self) -> Outcome {
        match self {
            Missing::Header => Outcome::NoCredentials,
            Missing::OtherScheme => Outcome::OtherScheme,
        }
    }
}

impl<'r> Credentials<'r> {
    fn of(request: Request<'r>, header: Option<&'r CStr>) -> Result<Self, Missing> {
        let header = header.ok_or(Missing::Header)?;
        let text = header.to_bytes_with_nul();
        // The scheme ends at the first space or with the header: `Basic` alone is the empty user.
        let scheme_ends = text.iter().position(|&byte| byte == b' ' || byte == 0).unwrap_or(0);
        let (scheme, rest) = text.split_at(scheme_ends);
        if !scheme.eq_ignore_ascii_case(b"Basic") {
            return Err(Missing::OtherScheme);
        }
        let spaces = rest.iter().take_while(|byte| generation::SPACES_BEFORE_CREDENTIALS.contains(byte)).count();
        let encoded = CStr::from_bytes_until_nul(&rest[spaces..]).unwrap_or(c"");
        Ok(Credentials::decode(request, header, encoded))
    }

    fn decode(request: Request<'r>, header: &'r CStr, encoded: &CStr) -> Self {
        // httpd's own decoder, since how it treats faulty text decides who is let in.
        // SAFETY: a C string.
        let room = unsafe { apr_base64_decode_len(encoded.as_ptr()) } as usize;
        let text = request.pool().bytes(room + 1);
        // SAFETY: `text` has the room the decoder asked for, and it stops at the C string's end.
        let length = unsafe { apr_base64_decode(text.as_mut_ptr().cast(), encoded.as_ptr()) } as usize;
        text[length.min(room)] = 0;
        let user_ends = text.iter().position(|&byte| byte == b':' || byte == 0).unwrap_or(0);
        let has_password = text[user_ends] == b':';
        text[user_ends] = 0;
        let (user, rest) = text.split_at_mut(user_ends + 1);
        if !has_password {
            // Nothing behind a NUL counts.
            rest.zeroize();
        }
        Credentials { header, user: CStr::from_bytes_until_nul(user).unwrap_or(c""), rest }
    }

    pub(crate) fn password(&self) -> &CStr {
        CStr::from_bytes_until_nul(self.rest).unwrap_or(c"")
    }
}

impl Drop for Credentials<'_> {
    fn drop(&mut self) {
        self.rest.zeroize();
        esauth_engine::wipe_registers();
    }
}

/// Asks one provider after the other until one knows the user.
fn ask_providers(request: Request<'_>, config: &DirConfig, realm: &CStr, credentials: &Credentials<'_>) -> Verdict {
    let mut verdict = None;
    for listed in config.providers() {
        let asked = ask(request, config, &listed, realm, credentials);
        verdict = Some(asked);
        if asked != Verdict::UserNotFound {
            break;
        }
    }
    // Nobody named: the provider `file`, which is ours.
    verdict.unwrap_or_else(|| {
        let ours = Listed { name: c"file", provider: &provider::PROVIDER };
        ask(request, config, &ours, realm, credentials)
    })
}

fn ask(
    request: Request<'_>,
    config: &DirConfig,
    listed: &Listed<'_>,
    realm: &CStr,
    credentials: &Credentials<'_>,
) -> Verdict {
    let Credentials { user, .. } = *credentials;
    let by_digest = generation::verifies_by_digest(config);
    if provider::is_ours(listed.provider) && !by_digest {
        return ask_our_file(request, credentials);
    }
    // A provider may serve under several names, and looks here for the one it was called by.
    request.notes().set(provider::NAME_NOTE, request.pool().join(&[listed.name.to_bytes()]));
    let verdict = if by_digest {
        generation::check_by_digest(request, listed.provider, user, realm, credentials.password())
    } else {
        provider::call_check_password(request, listed.provider, user, credentials.password())
    };
    request.notes().unset(provider::NAME_NOTE);
    verdict
}

fn ask_our_file(request: Request<'_>, credentials: &Credentials<'_>) -> Verdict {
    let file = match provider::passwords(request) {
        Ok(file) => file,
        Err(verdict) => return verdict,
    };
    let verdict = provider::judge(request, &file, credentials.user, credentials.password());
    if verdict == Verdict::Granted {
        connection::remember(request, credentials.header, &file, credentials.user);
    }
    verdict
}

fn answer(request: Request<'_>, config: &DirConfig, user: &CStr, verdict: Verdict) -> c_int {
    let (user, uri) = (user.to_bytes(), request.uri().to_bytes());
    match verdict {
        Verdict::Granted => return OK as c_int,
        Verdict::Denied => {
            let (to, why) = (b": authentication failure for \"", b"\": Password Mismatch");
            log_request!(request, Level::Error, 0, tag("AH01617: "), b"user ", user, to, uri, why);
        }
        Verdict::Overloaded => {
            let advice = b"rust_esauth: too many password hashes are waited for, answered with 503; if these are not \
                guesses, raise EsAuthHashSlots or lower the cost of the hashes";
            log_request!(request, Level::Warning, 0, advice);
            request.err_headers_out().set(c"Retry-After", c"5");
            return HTTP_SERVICE_UNAVAILABLE as c_int;
        }
        Verdict::LockedOut { seconds } => {
            let seconds = request.pool().join(&[seconds.to_string().as_bytes()]);
            request.err_headers_out().set(c"Retry-After", seconds);
            return generation::too_many_requests(request);
        }
        // Someone who is not authoritative only ever refuses a wrong password.
        _ if !config.authoritative() => return DECLINED,
        Verdict::UserNotFound => {
            log_request!(request, Level::Error, 0, tag("AH01618: "), b"user ", user, b" not found: ", uri);
        }
        // Whoever met the error has said what it was.
        Verdict::UserFound | Verdict::Error => return HTTP_INTERNAL_SERVER_ERROR as c_int,
    }
    challenge(request);
    HTTP_UNAUTHORIZED as c_int
}
