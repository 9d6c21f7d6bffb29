//! HTTP Basic authentication (RFC 7617) like mod_auth_basic: from the request's header to a status.

use std::ffi::{CStr, c_int};

use crate::authn::challenge::{challenge, is_basic};
use crate::authn::connection_cache;
use crate::authn::credentials::{Credentials, Missing, authorization};
use crate::authn::digest;
use crate::authn::provider::{self, AuthnStatus};
use crate::config::section::{DirConfig, Listed};
use crate::httpd::bindings::{DECLINED, HTTP_INTERNAL_SERVER_ERROR, HTTP_SERVICE_UNAVAILABLE, HTTP_UNAUTHORIZED, OK};
use crate::httpd::generation::{tag, too_many_requests};
use crate::httpd::loaded;
use crate::httpd::log::{Level, log_request};
use crate::httpd::provider::{NAME_NOTE, check_password};
use crate::httpd::request::Request;
use crate::state::outcomes::{self, Outcome, guard_request};

/// The authentication hook (2.4: `check_authn`, 2.2: `check_user_id`).
pub(crate) extern "C" fn check_authn(request: Option<Request<'_>>) -> c_int {
    let Some(request) = request else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
    guard_request(request, HTTP_INTERNAL_SERVER_ERROR as c_int, || authenticate(request))
}

fn authenticate(request: Request<'_>) -> c_int {
    let config = DirConfig::of(request);
    if loaded::mod_auth_basic() && wants_mod_auth_basic(config) {
        return DECLINED;
    }
    let Some(auth_type) = request.auth_type().filter(|written| is_basic(written)) else { return DECLINED };
    let Some(realm) = request.auth_name() else {
        log_request!(request, Level::Error, 0, tag("AH01615: "), b"need AuthName: ", request.uri().to_bytes());
        outcomes::note(request, Outcome::Error);
        return HTTP_INTERNAL_SERVER_ERROR as c_int;
    };
    request.set_auth_type(shown(auth_type));
    let header = authorization(request);
    if provider::asks_only_our_file(config) {
        if let Some(user) = header.and_then(|header| connection_cache::recall(request, header)) {
            request.set_user(user);
            outcomes::note(request, Outcome::Granted);
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
            outcomes::note(request, missing.outcome());
            challenge(request);
            return HTTP_UNAUTHORIZED as c_int;
        }
    };
    // Set before verification, so that a failed name is logged, too.
    request.set_user(credentials.user);
    let status = ask_providers(request, config, realm, &credentials);
    outcomes::note(request, status.outcome());
    answer(request, config, credentials.user, status)
}

/// The value of `AUTH_TYPE`: the directive's own text; in 2.2 always the same.
const fn shown(auth_type: &CStr) -> &CStr {
    if cfg!(httpd = "2.2") { c"Basic" } else { auth_type }
}

/// True if only mod_auth_basic can do what the section asks for while both are loaded: it must then answer alone, or
/// its log lines would come twice.
fn wants_mod_auth_basic(config: &DirConfig<'_>) -> bool {
    config.uses_digest_algorithm() || !provider::has_only_ours(config) || !config.authoritative()
}

/// Asks one provider after another until one knows the user.
fn ask_providers(
    request: Request<'_>,
    config: &DirConfig<'_>,
    realm: &CStr,
    credentials: &Credentials<'_>,
) -> AuthnStatus {
    let mut status = None;
    for listed in config.providers {
        let asked = ask(request, config, listed, realm, credentials);
        status = Some(asked);
        if asked != AuthnStatus::UserNotFound {
            break;
        }
    }
    // None is named: use the provider `file`, which is ours.
    status.unwrap_or_else(|| {
        let ours = Listed { name: c"file", provider: &provider::PROVIDER };
        ask(request, config, &ours, realm, credentials)
    })
}

fn ask(
    request: Request<'_>,
    config: &DirConfig<'_>,
    listed: &Listed<'_>,
    realm: &CStr,
    credentials: &Credentials<'_>,
) -> AuthnStatus {
    let uses_digest = config.uses_digest_algorithm();
    if provider::is_ours(listed.provider) && !uses_digest {
        return ask_our_file(request, credentials);
    }
    // A provider may serve under several names, and finds here the one it was called by.
    request.notes().set(NAME_NOTE, request.pool().join(&[listed.name.to_bytes()]));
    let (user, password) = (credentials.user, credentials.password());
    let status = if uses_digest {
        digest::check_password(request, listed.provider, user, realm, password)
    } else {
        AuthnStatus::from_raw(check_password(listed.provider, request, user, password))
    };
    request.notes().unset(NAME_NOTE);
    status
}

fn ask_our_file(request: Request<'_>, credentials: &Credentials<'_>) -> AuthnStatus {
    let file = match provider::passwords(request) {
        Ok(file) => file,
        Err(status) => return status,
    };
    let proven = connection_cache::has_granted(request, credentials.header);
    let (user, password) = (credentials.user, credentials.password());
    let status = provider::judge(request, &file, user, password, proven, provider::TO_CLIENTS);
    if status == AuthnStatus::Granted {
        connection_cache::remember(request, credentials.header, &file, credentials.user);
    }
    status
}

fn answer(request: Request<'_>, config: &DirConfig<'_>, user: &CStr, status: AuthnStatus) -> c_int {
    let (user, uri) = (user.to_bytes(), request.uri().to_bytes());
    match status {
        AuthnStatus::Granted => return OK as c_int,
        AuthnStatus::Denied => {
            let (to, why) = (b": authentication failure for \"", b"\": Password Mismatch");
            log_request!(request, Level::Error, 0, tag("AH01617: "), b"user ", user, to, uri, why);
        }
        AuthnStatus::Overloaded => {
            provider::log_overload(request, provider::TO_CLIENTS);
            request.err_headers_out().set(c"Retry-After", c"5");
            return HTTP_SERVICE_UNAVAILABLE as c_int;
        }
        AuthnStatus::NotComputed => {
            request.err_headers_out().set(c"Retry-After", c"5");
            return HTTP_SERVICE_UNAVAILABLE as c_int;
        }
        AuthnStatus::LockedOut { seconds } => {
            let seconds = request.pool().join(&[seconds.to_string().as_bytes()]);
            request.err_headers_out().set(c"Retry-After", seconds);
            return too_many_requests(request);
        }
        // A section that is not authoritative only refuses wrong passwords.
        _ if !config.authoritative() => return DECLINED,
        AuthnStatus::UserNotFound => {
            log_request!(request, Level::Error, 0, tag("AH01618: "), b"user ", user, b" not found: ", uri);
        }
        // The place that met the error has logged it.
        AuthnStatus::UserFound | AuthnStatus::Error => return HTTP_INTERNAL_SERVER_ERROR as c_int,
    }
    challenge(request);
    HTTP_UNAUTHORIZED as c_int
}
