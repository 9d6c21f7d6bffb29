//! The outcome of each request: counted once, when it is logged, and in variables for the access log.

use crate::config::server::MainConfig;
use crate::nginx::bindings::{ngx_http_request_t, ngx_int_t};
use crate::nginx::boundary::guard;
use crate::nginx::configuration::Reading;
use crate::nginx::module::index;
use crate::nginx::request::Request;
use crate::nginx::status::Status;
use crate::nginx::variable::{Variable, add};
use crate::worker::visit::{Noted, Visit};

use esauth_engine::verification::Outcome;

/// Adds the variables. False if nginx cannot.
pub(crate) fn add_variables(reading: Reading<'_>) -> bool {
    add::<Verdict>(reading) && add::<HashTime>(reading)
}

/// The outcome so far, in the words of the metrics.
struct Verdict;

impl Variable for Verdict {
    const NAME: &'static [u8] = b"esauth_verdict";

    fn value(request: Request<'_>) -> Option<&[u8]> {
        let noted = Visit::existing(request)?.with(|state| state.noted)??;
        Some(noted.outcome.reason().as_bytes())
    }
}

/// The seconds that the hash computed for this request took, with microseconds behind the point.
struct HashTime;

impl Variable for HashTime {
    const NAME: &'static [u8] = b"esauth_hash_time";

    fn value(request: Request<'_>) -> Option<&[u8]> {
        let took = Visit::existing(request)?.with(|state| state.hashed_for)??;
        let seconds = format!("{}.{:06}", took.as_secs(), took.subsec_micros());
        request.pool()?.join(&[seconds.as_bytes()])
    }
}

/// The handler of the log phase.
pub(crate) unsafe extern "C" fn count(raw: *mut ngx_http_request_t) -> ngx_int_t {
    guard(Status::OK, || {
        // SAFETY: the request that nginx logs, and this module's main configuration.
        let Some(request) = (unsafe { Request::new(raw) }).filter(|request| request.is_main()) else {
            return Status::OK;
        };
        let noted = Visit::existing(request).and_then(|visit| visit.with(|state| state.noted)).flatten();
        // SAFETY: as above.
        let verifier = unsafe { request.main::<MainConfig>(index()) }.and_then(|main| main.verifier.as_ref());
        if let (Some(noted), Some(verifier)) = (noted, verifier) {
            if !was_admitted_by_others(request, noted) {
                verifier.counters().count(noted.outcome);
            }
        }
        Status::OK
    })
    .0
}

fn was_admitted_by_others(request: Request<'_>, noted: Noted) -> bool {
    noted.others_may_admit && noted.outcome != Outcome::Granted && !matches!(request.answered_with(), 401 | 403)
}
