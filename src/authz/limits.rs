//! `EsAuthLimit`: requests of authenticated users, counted before authorization, whichever module has authenticated them.

use std::convert::Infallible;
use std::ffi::{CStr, c_int};

use esauth_engine::Seldom;
use esauth_engine::verification::{Limit, Rate, Spent};

use crate::config::section::DirConfig;
use crate::httpd::bindings::{DECLINED, DONE, HTTP_INTERNAL_SERVER_ERROR};
use crate::httpd::generation::too_many_requests;
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::state::outcomes::{self, guard_request};
use crate::state::{answer, files, fleet, verdicts};

/// The authorization hook, before all others. DECLINED leaves the request to them.
pub(crate) extern "C" fn check_limit(request: Option<Request<'_>>) -> c_int {
    let Some(request) = request else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
    guard_request(request, HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        let config = DirConfig::of(request);
        // Subrequests belong to a request of the client's.
        if config.limits.is_empty() || request.main().is_some() {
            return DECLINED;
        }
        limit(request, config)
    })
}

fn limit(request: Request<'_>, config: &DirConfig<'_>) -> c_int {
    let Some((user, rate)) = request.user().and_then(|user| Some((user, rate(request, config, user)?))) else {
        return DECLINED;
    };
    // The page of an error, or another target of a redirect, is no further request of the client's.
    if !outcomes::is_first_count(request) {
        return DECLINED;
    }
    let Some(cache) = verdicts::verifier() else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
    let file = config.user_file.unwrap_or(c"").to_bytes();
    match cache.spend(file, user.to_bytes(), rate, fleet::peers()) {
        Spent::Admitted => DECLINED,
        Spent::Refused { seconds, begins } => {
            if begins {
                log_refusal(request, user, rate);
            }
            refuse(request, rate, seconds)
        }
    }
}

/// The rate that counts for a user; see [`Limit::of_user`].
fn rate(request: Request<'_>, config: &DirConfig<'_>, user: &CStr) -> Option<Rate> {
    let groups = || match config.group_file {
        Some(path) => files::groups(request, path).ok(),
        None => {
            log_no_groups(request);
            None
        }
    };
    let Ok(rate) = Limit::of_user(config.limits, user.to_bytes(), || Ok::<_, Infallible>(groups()));
    rate
}

fn refuse(request: Request<'_>, rate: Rate, seconds: u64) -> c_int {
    outcomes::note_rate_limited(request);
    let after = request.pool().join(&[seconds.to_string().as_bytes()]);
    request.err_headers_out().set(c"Retry-After", after);
    let status = too_many_requests(request);
    if !answer::wants_json(request) {
        return status;
    }
    request.answer(429, answer::JSON, rate.refusal(seconds).as_bytes());
    DONE
}

/// Once until the user has been within the limit for a while: refused requests leave no line of their own.
fn log_refusal(request: Request<'_>, user: &CStr, rate: Rate) {
    let rate = format!("{}/{}", rate.requests, rate.seconds);
    log_request!(
        request,
        Level::Warning,
        0,
        b"rust_esauth: user ",
        user.to_bytes(),
        b" at ",
        request.client_address().to_bytes(),
        b" is over EsAuthLimit ",
        rate.as_bytes(),
        b", answered with 429; slow down the user's programs, or raise the limit",
    );
}

fn log_no_groups(request: Request<'_>) {
    static LAST: Seldom = Seldom::new();
    if LAST.is_due(60) {
        let text =
            b"rust_esauth: EsAuthLimit names groups, but the section has no AuthGroupFile; until it has one, the \
                     lowest limit counts for every user without a line";
        log_request!(request, Level::Error, 0, text);
    }
}
