//! The authentication provider: is the user in the password file, and is this the password?
//!
//! Registered as `esauth` and as `file`, for mod_auth_basic, mod_auth_digest and other modules that drive providers.

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

use esauth_engine::verification::{Credential, Lockout, Scope, Verdict};
use esauth_engine::{Moment, Passwords, Seldom, Snapshot};

#[cfg(httpd = "2.4")]
use crate::authn::connection_cache;
use crate::config::section::DirConfig;
use crate::httpd::bindings::{
    AUTH_DENIED, AUTH_GENERAL_ERROR, AUTH_GRANTED, AUTH_USER_FOUND, AUTH_USER_NOT_FOUND, authn_provider, authn_status,
};
use crate::httpd::generation::tag;
#[cfg(httpd = "2.4")]
use crate::httpd::late;
use crate::httpd::log::{Level, log_request};
use crate::httpd::provider::authn_provider_of;
use crate::httpd::request::Request;
use crate::httpd::text::Text;
use crate::state::outcomes::{self, Outcome, guard_request};
use crate::state::{files, fleet, verdicts};

/// The functions that httpd calls; the same under both names.
///
/// Unlike the stock provider it hands nothing to mod_authn_socache. That cache would then answer before us, with hash
/// strings as old as its timeout, and compute a hash each time.
pub(crate) static PROVIDER: authn_provider = authn_provider_of(provider_check_password, provider_get_realm_hash);

/// True for [`PROVIDER`], found under either name.
pub(crate) fn is_ours(provider: &authn_provider) -> bool {
    ptr::eq(provider, &PROVIDER)
}

/// True if no provider but this module's is asked.
pub(crate) fn has_only_ours(config: &DirConfig<'_>) -> bool {
    config.providers.iter().all(|listed| is_ours(listed.provider))
}

/// True if this module's provider decides, by the password file's hash only.
pub(crate) fn asks_only_our_file(config: &DirConfig<'_>) -> bool {
    config.providers.len() <= 1 && has_only_ours(config) && !config.uses_digest_algorithm()
}

/// A provider's answer: httpd's `authn_status`, with the further cases of our own hook.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthnStatus {
    Granted,
    Denied,
    UserFound,
    UserNotFound,
    Error,
    /// The queue for hashes is full. Other modules only see an error.
    Overloaded,
    /// The hash could not be computed. Other modules only see an error.
    NotComputed,
    /// The client has failed too often, and may retry after this many seconds. Other modules only see an error.
    LockedOut {
        seconds: u64,
    },
}

impl AuthnStatus {
    pub(crate) fn from_raw(raw: authn_status) -> AuthnStatus {
        match raw {
            AUTH_GRANTED => AuthnStatus::Granted,
            AUTH_DENIED => AuthnStatus::Denied,
            AUTH_USER_FOUND => AuthnStatus::UserFound,
            AUTH_USER_NOT_FOUND => AuthnStatus::UserNotFound,
            _ => AuthnStatus::Error,
        }
    }

    /// The outcome to count for a request with this answer.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            AuthnStatus::Granted => Outcome::Granted,
            AuthnStatus::Denied => Outcome::WrongPassword,
            AuthnStatus::UserNotFound => Outcome::UnknownUser,
            AuthnStatus::Overloaded => Outcome::QueueFull,
            AuthnStatus::LockedOut { .. } => Outcome::LockedOut,
            AuthnStatus::UserFound | AuthnStatus::NotComputed | AuthnStatus::Error => Outcome::Error,
        }
    }

    fn raw(self) -> authn_status {
        match self {
            AuthnStatus::Granted => AUTH_GRANTED,
            AuthnStatus::Denied => AUTH_DENIED,
            AuthnStatus::UserFound => AUTH_USER_FOUND,
            AuthnStatus::UserNotFound => AUTH_USER_NOT_FOUND,
            AuthnStatus::Error | AuthnStatus::Overloaded | AuthnStatus::NotComputed | AuthnStatus::LockedOut { .. } => {
                AUTH_GENERAL_ERROR
            }
        }
    }
}

/// As a provider: answers unknown to the stock modules become errors, which they answer with 500.
fn check_password(request: Request<'_>, user: &CStr, password: &CStr) -> AuthnStatus {
    let verdict = match passwords(request) {
        Ok(file) => judge(request, &file, user, password, false, TO_OTHERS),
        Err(verdict) => return verdict,
    };
    if verdict == AuthnStatus::Overloaded {
        log_overload(request, TO_OTHERS);
    }
    verdict
}

/// The statuses sent to clients, by this module's own hook and through another module.
pub(crate) struct Refusals {
    overloaded: &'static [u8],
    locked_out: &'static [u8],
}

pub(crate) const TO_CLIENTS: &Refusals = &Refusals { overloaded: b"503", locked_out: b"429" };
const TO_OTHERS: &Refusals = &Refusals { overloaded: b"500", locked_out: b"500" };

/// Logs that a request was refused because the hash queue is full: once a second, or a flood would fill the log's disk.
pub(crate) fn log_overload(request: Request<'_>, answered: &Refusals) {
    static LAST: Seldom = Seldom::new();
    if !LAST.is_due(1) {
        return;
    }
    log_request!(
        request,
        Level::Warning,
        0,
        b"rust_esauth: password hash queue is full, answered with ",
        answered.overloaded,
        b"; unless these are guesses, raise MaxRequestWorkers or lower the cost of the hashes",
    );
}

/// The current content of the section's password file; if there is none, a verdict whose reason has been logged.
pub(crate) fn passwords(request: Request<'_>) -> Result<Arc<Snapshot<Passwords>>, AuthnStatus> {
    let Some(path) = DirConfig::of(request).user_file else {
        let text = b"AuthUserFile not specified in the configuration";
        log_request!(request, Level::Error, 0, tag("AH01619: "), text);
        return Err(AuthnStatus::Error);
    };
    files::passwords(request, path).map_err(|unreadable| {
        let text = b"Could not open password file: ";
        log_request!(request, Level::Error, unreadable.0, tag("AH01620: "), text, path.to_bytes());
        AuthnStatus::Error
    })
}

/// Whether `password` is that of `user` in the section's password file with the content `file`.
///
/// Every verdict that a connection does not recall comes through here, from our own hook or from another module that
/// calls us as its provider. `proven`: the same credentials were granted before on the same connection.
pub(crate) fn judge(
    request: Request<'_>,
    file: &Passwords,
    user: &CStr,
    password: &CStr,
    proven: bool,
    answered: &Refusals,
) -> AuthnStatus {
    let config = DirConfig::of(request);
    let accepted = file.accepted(user.to_bytes());
    // Without the cache, nothing would limit guessing.
    let Some(cache) = verdicts::verifier() else {
        log_request!(
            request,
            Level::Error,
            0,
            b"rust_esauth: without the verified cache, every login is refused; restart httpd"
        );
        return AuthnStatus::Error;
    };
    // If others may know the user, its absence here is no secret, and no failure is counted.
    if accepted.is_none() && (!has_only_ours(config) || !config.authoritative()) {
        return AuthnStatus::UserNotFound;
    }
    let Some(of_file) = cache.credential(file, accepted, user.to_bytes()) else { return AuthnStatus::UserNotFound };
    let client = request.client_address().to_str().unwrap_or("");
    let credential = Credential {
        password: password.to_bytes(),
        client,
        proven,
        exempt: verdicts::is_exempt(client),
        file: config.user_file.unwrap_or(c"").to_bytes(),
        ..of_file
    };
    let judgement = cache.judge_among(&credential, fleet::peers());
    if let Some(duration) = judgement.hashed_for {
        outcomes::note_hash(request, duration);
        let duration = duration.as_micros().to_string();
        let (for_user, took) = (b"rust_esauth: computed a hash for user ", b", microseconds: ");
        log_request!(request, Level::Debug, 0, for_user, user.to_bytes(), took, duration.as_bytes());
    }
    if let Some(until) = accepted.and_then(|accepted| accepted.until).filter(|_| judgement.by_later_hash) {
        log_old_password(request, user, until);
    }
    #[cfg(httpd = "2.4")]
    if cache.may_answer_late(&credential, &judgement) && !connection_cache::has_admitted(request) {
        late::answer_late(request);
    }
    if let Some(begins) = judgement.lockout.filter(|_| judgement.begins) {
        cache.keep_name(&credential);
        log_lockout(request, user, &begins, answered);
    }
    match judgement.verdict {
        Verdict::Granted => AuthnStatus::Granted,
        Verdict::Denied => {
            if accepted.is_none() {
                AuthnStatus::UserNotFound
            } else {
                AuthnStatus::Denied
            }
        }
        Verdict::Overloaded => AuthnStatus::Overloaded,
        Verdict::NotComputed => {
            let advice =
                b"; the request is refused, and the client may retry. Give httpd more memory, or lower the cost of the hash";
            let what = b"rust_esauth: cannot compute the password hash of user ";
            log_request!(request, Level::Error, 0, what, user.to_bytes(), advice);
            AuthnStatus::NotComputed
        }
        Verdict::LockedOut => AuthnStatus::LockedOut { seconds: judgement.lockout.map_or(1, |lasts| lasts.seconds) },
    }
}

/// Logs a client that still uses the old one of two passwords, when its hash is computed.
fn log_old_password(request: Request<'_>, user: &CStr, until: u64) {
    let until = Moment(until).to_string();
    log_request!(
        request,
        Level::Notice,
        0,
        b"rust_esauth: user ",
        user.to_bytes(),
        b" at ",
        request.client_address().to_bytes(),
        b" logged in with the old password, which ends at ",
        until.as_bytes(),
    );
}

/// Logs a lockout when it begins; requests that it refuses leave no line.
fn log_lockout(request: Request<'_>, user: &CStr, lockout: &Lockout, answered: &Refusals) {
    let (what, why): (&[u8], &[u8]) = match lockout.scope {
        Scope::User => (
            b"user ",
            b", after too many wrong passwords. Unless this is an attack, correct the client's password or raise \
              EsAuthMaxFailures; if the address is a proxy's, load mod_remoteip",
        ),
        Scope::Password => (
            b"a wrong password of user ",
            b", which the client keeps repeating. A program there may still use an old password",
        ),
    };
    let (seconds, address) = (lockout.seconds.to_string(), request.client_address().to_bytes());
    log_request!(
        request,
        Level::Warning,
        0,
        b"rust_esauth: locked out for ",
        seconds.as_bytes(),
        b" seconds, answered with ",
        answered.locked_out,
        b": ",
        what,
        user.to_bytes(),
        b" at ",
        address,
        why,
    );
}

/// The hash of `user:realm:password` in an htdigest file, in the request's pool.
fn realm_hash<'r>(request: Request<'r>, user: &CStr, realm: &CStr) -> Result<&'r CStr, AuthnStatus> {
    let Some(path) = DirConfig::of(request).user_file else {
        let text = b"AuthUserFile not specified in the configuration";
        log_request!(request, Level::Error, 0, tag("AH01621: "), text);
        return Err(AuthnStatus::Error);
    };
    let file = files::passwords(request, path).map_err(|unreadable| {
        let text = b"Could not open password file: ";
        log_request!(request, Level::Error, unreadable.0, tag("AH01622: "), text, path.to_bytes());
        AuthnStatus::Error
    })?;
    let hash = file.realm_hash(user.to_bytes(), realm.to_bytes()).map_err(|error| {
        let reason = error.to_string();
        let text = b"rust_esauth: cannot build the index of realms: ";
        log_request!(request, Level::Error, 0, text, reason.as_bytes());
        AuthnStatus::Error
    })?;
    let hash = hash.ok_or(AuthnStatus::UserNotFound)?;
    Ok(request.pool().join(&[hash]))
}

extern "C" fn provider_check_password(
    request: Option<Request<'_>>,
    user: Option<Text<'_>>,
    password: Option<Text<'_>>,
) -> authn_status {
    let (Some(request), Some(user), Some(password)) = (request, user, password) else { return AUTH_GENERAL_ERROR };
    guard_request(request, AUTH_GENERAL_ERROR, || {
        let verdict = check_password(request, user.c_str(), password.c_str());
        outcomes::note(request, verdict.outcome());
        verdict.raw()
    })
}

extern "C" fn provider_get_realm_hash(
    request: Option<Request<'_>>,
    user: Option<Text<'_>>,
    realm: Option<Text<'_>>,
    place: Option<&mut MaybeUninit<*mut c_char>>,
) -> authn_status {
    let (Some(request), Some(user), Some(realm)) = (request, user, realm) else { return AUTH_GENERAL_ERROR };
    let Some(place) = place else { return AUTH_GENERAL_ERROR };
    guard_request(request, AUTH_GENERAL_ERROR, || match realm_hash(request, user.c_str(), realm.c_str()) {
        Ok(hash) => {
            place.write(hash.as_ptr().cast_mut());
            AUTH_USER_FOUND
        }
        Err(verdict) => verdict.raw(),
    })
}
