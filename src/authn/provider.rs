//! The authentication provider: who is in the password file, and is this the password?
//!
//! Registered as `esauth` and as `file`, for mod_auth_basic, mod_auth_digest and whoever else drives providers.

use std::ffi::{CStr, c_char};
use std::ptr;
use std::sync::Arc;

use esauth_engine::cache::{self, Credential, Lockout, Outcome, Scope};
use esauth_engine::{Passwords, Snapshot, hash};

use crate::httpd::bindings::{
    AUTH_DENIED, AUTH_GENERAL_ERROR, AUTH_GRANTED, AUTH_USER_FOUND, AUTH_USER_NOT_FOUND, authn_provider, authn_status,
    request_rec,
};
use crate::httpd::boundary::guard_request;
use crate::httpd::generation::{client_address, tag};
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::{Request, c_str};
use crate::metrics;
use crate::state::files;
use crate::state::verdicts;

/// The group that authentication providers are registered in (`AUTHN_PROVIDER_GROUP`).
pub(crate) const GROUP: &CStr = c"authn";
/// The version of their interface (`AUTHN_PROVIDER_VERSION`).
pub(crate) const VERSION: &CStr = c"0";
/// The note that tells a provider by which name it is called (`AUTHN_PROVIDER_NAME_NOTE`).
pub(crate) const NAME_NOTE: &CStr = c"authn_provider_name";

/// What httpd calls; the same under both names.
///
/// Unlike the stock provider it hands nothing to mod_authn_socache. That cache would then answer before us, with hash
/// strings as old as its timeout, and compute a hash each time.
pub(crate) static PROVIDER: authn_provider =
    authn_provider { check_password: Some(provider_check_password), get_realm_hash: Some(provider_get_realm_hash) };

/// True for [`PROVIDER`], under whatever name it was found.
pub(crate) fn is_ours(provider: &authn_provider) -> bool {
    ptr::eq(provider, &PROVIDER)
}

/// A provider's answer (`authn_status`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Granted,
    Denied,
    UserFound,
    UserNotFound,
    Error,
    /// Too many hashes are being waited for. Other modules only see an error.
    Overloaded,
    /// The client has failed too often, and may try again after so many seconds. Other modules only see an error.
    LockedOut {
        seconds: u64,
    },
}

impl Verdict {
    pub(crate) fn from_raw(raw: authn_status) -> Verdict {
        match raw {
            AUTH_GRANTED => Verdict::Granted,
            AUTH_DENIED => Verdict::Denied,
            AUTH_USER_FOUND => Verdict::UserFound,
            AUTH_USER_NOT_FOUND => Verdict::UserNotFound,
            _ => Verdict::Error,
        }
    }

    /// What a request with this verdict is counted as.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Verdict::Granted => Outcome::Granted,
            Verdict::Denied => Outcome::WrongPassword,
            Verdict::UserNotFound => Outcome::UnknownUser,
            Verdict::Overloaded => Outcome::QueueFull,
            Verdict::LockedOut { .. } => Outcome::LockedOut,
            Verdict::UserFound | Verdict::Error => Outcome::Error,
        }
    }

    fn raw(self) -> authn_status {
        match self {
            Verdict::Granted => AUTH_GRANTED,
            Verdict::Denied => AUTH_DENIED,
            Verdict::UserFound => AUTH_USER_FOUND,
            Verdict::UserNotFound => AUTH_USER_NOT_FOUND,
            Verdict::Error | Verdict::Overloaded | Verdict::LockedOut { .. } => AUTH_GENERAL_ERROR,
        }
    }
}

fn check_password(request: Request<'_>, user: &CStr, password: &CStr) -> Verdict {
    match passwords(request) {
        Ok(file) => judge(request, &file, user, password),
        Err(verdict) => verdict,
    }
}

/// The section's password file as of now; where there is none, a verdict, of which the reason has been logged.
pub(crate) fn passwords(request: Request<'_>) -> Result<Arc<Snapshot<Passwords>>, Verdict> {
    let Some(path) = request.config().user_file() else {
        let text = b"AuthUserFile not specified in the configuration";
        log_request!(request, Level::Error, 0, tag("AH01619: "), text);
        return Err(Verdict::Error);
    };
    files::passwords(request, path).map_err(|unreadable| {
        let text = b"Could not open password file: ";
        log_request!(request, Level::Error, unreadable.0, tag("AH01620: "), text, path.to_bytes());
        Verdict::Error
    })
}

/// Whether `password` is the one of `user` in the section's password file, of which `file` is the content.
///
/// Every verdict that a connection does not recall comes through here, whoever asks: our own hook, or another module that
/// calls us as its provider.
pub(crate) fn judge(request: Request<'_>, file: &Passwords, user: &CStr, password: &CStr) -> Verdict {
    let stored = file.stored_hash(user.to_bytes());
    let Some(cache) = verdicts::cache() else {
        return match stored {
            None => Verdict::UserNotFound,
            Some(stored) if hash::verify(password.to_bytes(), stored) => Verdict::Granted,
            Some(_) => Verdict::Denied,
        };
    };
    let hash = match stored {
        Some(hash) => hash,
        // Where others may know the user, there is no secret in that this one does not, and no failure to be counted.
        None if !request.config().has_only_ours() || !request.config().authoritative() => return Verdict::UserNotFound,
        // An unknown user is to take as long as a wrong password.
        None => match file.decoy(cache.decoy(user.to_bytes())) {
            Some(hash) => hash,
            None => return Verdict::UserNotFound,
        },
    };
    let judgement = cache.judge(&Credential {
        stored: hash,
        password: password.to_bytes(),
        known: stored.is_some(),
        client: client_address(request).to_str().unwrap_or(""),
        user: user.to_bytes(),
        file: request.config().user_file().unwrap_or(c"").to_bytes(),
    });
    if let Some(duration) = judgement.hashed_for {
        metrics::note_hash(request, duration);
        let duration = duration.as_micros().to_string();
        let (for_user, took) = (b"rust_esauth: computed a hash for user ", b", microseconds: ");
        log_request!(request, Level::Debug, 0, for_user, user.to_bytes(), took, duration.as_bytes());
    }
    match judgement.verdict {
        cache::Verdict::Granted => Verdict::Granted,
        cache::Verdict::Denied => {
            if let Some(begins) = judgement.lockout {
                log_lockout(request, user, &begins);
            }
            if stored.is_none() { Verdict::UserNotFound } else { Verdict::Denied }
        }
        cache::Verdict::Overloaded => Verdict::Overloaded,
        cache::Verdict::LockedOut => Verdict::LockedOut { seconds: judgement.lockout.map_or(1, |lasts| lasts.seconds) },
    }
}

/// Tells of a lockout when it begins; the requests that it refuses leave no line.
fn log_lockout(request: Request<'_>, user: &CStr, lockout: &Lockout) {
    let (what, why): (&[u8], &[u8]) = match lockout.scope {
        Scope::User => (
            b"user ",
            b", after too many wrong passwords. If this is no attack, correct the client's password or raise \
              EsAuthMaxFailures; if the address is a proxy's, load mod_remoteip",
        ),
        Scope::Password => (
            b"a wrong password of user ",
            b", which came again and again, and no other. A program there may still use an old one",
        ),
    };
    let (seconds, address) = (lockout.seconds.to_string(), client_address(request).to_bytes());
    log_request!(
        request,
        Level::Warning,
        0,
        b"rust_esauth: locked out for ",
        seconds.as_bytes(),
        b" seconds, answered with 429: ",
        what,
        user.to_bytes(),
        b" at ",
        address,
        why,
    );
}

/// The hash of `user:realm:password` that an htdigest file has, in the request's pool.
fn realm_hash<'r>(request: Request<'r>, user: &CStr, realm: &CStr) -> Result<&'r CStr, Verdict> {
    let Some(path) = request.config().user_file() else {
        let text = b"AuthUserFile not specified in the configuration";
        log_request!(request, Level::Error, 0, tag("AH01621: "), text);
        return Err(Verdict::Error);
    };
    let file = files::passwords(request, path).map_err(|unreadable| {
        let text = b"Could not open password file: ";
        log_request!(request, Level::Error, unreadable.0, tag("AH01622: "), text, path.to_bytes());
        Verdict::Error
    })?;
    let hash = file.realm_hash(user.to_bytes(), realm.to_bytes()).map_err(|error| {
        let reason = error.to_string();
        let text = b"rust_esauth: no index of realms can be made: ";
        log_request!(request, Level::Error, 0, text, reason.as_bytes());
        Verdict::Error
    })?;
    let hash = hash.ok_or(Verdict::UserNotFound)?;
    Ok(request.pool().join(&[hash]))
}

/// Calls the password check of any provider.
pub(crate) fn call_check_password(
    request: Request<'_>,
    provider: &authn_provider,
    user: &CStr,
    password: &CStr,
) -> Verdict {
    let Some(check_password) = provider.check_password else { return Verdict::Error };
    // SAFETY: a registered provider's function, called as its type says: a live request and two C strings.
    Verdict::from_raw(unsafe { check_password(request.as_ptr(), user.as_ptr(), password.as_ptr()) })
}

unsafe extern "C" fn provider_check_password(
    raw: *mut request_rec,
    user: *const c_char,
    password: *const c_char,
) -> authn_status {
    // SAFETY: the caller is a hook of httpd's, with a live request and two C strings.
    let (request, user, password) = unsafe { (Request::new(raw), c_str(user), c_str(password)) };
    let (Some(request), Some(user), Some(password)) = (request, user, password) else { return AUTH_GENERAL_ERROR };
    guard_request(request, AUTH_GENERAL_ERROR, || {
        let verdict = check_password(request, user, password);
        metrics::note(request, verdict.outcome());
        verdict.raw()
    })
}

unsafe extern "C" fn provider_get_realm_hash(
    raw: *mut request_rec,
    user: *const c_char,
    realm: *const c_char,
    place: *mut *mut c_char,
) -> authn_status {
    // SAFETY: as for `provider_check_password`.
    let (request, user, realm) = unsafe { (Request::new(raw), c_str(user), c_str(realm)) };
    let (Some(request), Some(user), Some(realm)) = (request, user, realm) else { return AUTH_GENERAL_ERROR };
    guard_request(request, AUTH_GENERAL_ERROR, || match realm_hash(request, user, realm) {
        Ok(hash) => {
            // SAFETY: the caller's place for a pointer; the hash lives as long as the request.
            unsafe { place.write(hash.as_ptr().cast_mut()) };
            AUTH_USER_FOUND
        }
        Err(verdict) => verdict.raw(),
    })
}
