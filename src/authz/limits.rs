//! `EsAuthLimit`: requests of authenticated users, counted before authorization, whichever module has authenticated them.

use std::ffi::{CStr, c_int};

use esauth_engine::Seldom;
use esauth_engine::verification::{Rate, Spent};

use crate::config::limit::{Limit, Whose};
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

/// The rate of a user: that of the first line with the user's name, else of the first line with one of the user's groups,
/// else of the line without names.
fn rate(request: Request<'_>, config: &DirConfig<'_>, user: &CStr) -> Option<Rate> {
    let limits = config.limits;
    let named = |limit: &&Limit<'_>| matches!(limit.whose, Whose::Users(names) if names.contains(&user));
    if let Some(limit) = limits.iter().find(named) {
        return limit.rate;
    }
    let everybodys = || limits.iter().find(|limit| limit.is_everybodys()).and_then(|limit| limit.rate);
    if !limits.iter().any(|limit| matches!(limit.whose, Whose::Groups(_))) {
        return everybodys();
    }
    let file = match config.group_file {
        Some(path) => files::groups(request, path).ok(),
        None => {
            log_no_groups(request);
            None
        }
    };
    let Some(file) = file else { return lowest(limits) };
    let memberships = file.of(user.to_bytes());
    let is_member = |group: &&CStr| memberships.is_some_and(|groups| groups.contains(group.to_bytes()));
    let of_group = |limit: &&Limit<'_>| matches!(limit.whose, Whose::Groups(names) if names.iter().any(is_member));
    limits.iter().find(of_group).map_or_else(everybodys, |limit| limit.rate)
}

/// The lowest rate of a user whose groups are unknown.
fn lowest(limits: &[Limit<'_>]) -> Option<Rate> {
    let rates = limits.iter().filter(|limit| !matches!(limit.whose, Whose::Users(_))).filter_map(|limit| limit.rate);
    let in_a_day = |rate: &Rate| u64::from(rate.requests) * 86_400 * 1000 / u64::from(rate.seconds);
    rates.min_by_key(in_a_day)
}

fn refuse(request: Request<'_>, rate: Rate, seconds: u64) -> c_int {
    outcomes::note_rate_limited(request);
    let after = request.pool().join(&[seconds.to_string().as_bytes()]);
    request.err_headers_out().set(c"Retry-After", after);
    let status = too_many_requests(request);
    if !answer::wants_json(request) {
        return status;
    }
    let Rate { requests, seconds: window } = rate;
    let reason = format!("the user's limit is {requests} requests in {window} seconds; retry after {seconds} seconds");
    // Elasticsearch's own type of 429, at which its clients wait and retry.
    answer::refuse_as(request, 429, "es_rejected_execution_exception", &reason);
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
