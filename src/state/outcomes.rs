//! The outcome of each request, counted once, and noted for the access log.
//!
//! A request may be authenticated several times (subrequests, internal redirects), by this module's hook or by another
//! module that calls it as its provider, and then be denied by a `Require`. So the progress is kept with the client's
//! request ([`Progress`]), and counted when httpd logs it.

use std::ffi::{CStr, c_int};
use std::time::Duration;

pub(crate) use esauth_engine::verification::Outcome;

use crate::httpd::bindings::{DECLINED, OK};
use crate::httpd::boundary::guard;
use crate::httpd::log::{Level, log_request};
use crate::httpd::per_request::{data, data_if_any};
use crate::httpd::request::Request;
use crate::state::{files, verdicts};

/// The notes for the access log: `%{esauth-verdict}n` and `%{esauth-hash-us}n`.
const VERDICT_NOTE: &CStr = c"esauth-verdict";
const HASH_NOTE: &CStr = c"esauth-hash-us";

/// Runs `body`, the content of a function that httpd calls for a request. If it panics, the answer is `refusal`, the
/// request is counted as an error, and its log gets a line. The panic's own text has then gone to the main error log.
pub(crate) fn guard_request<T>(request: Request<'_>, refusal: T, body: impl FnOnce() -> T) -> T {
    let answer = guard(None, || Some(body()));
    answer.unwrap_or_else(|| {
        guard((), || {
            note(request, Outcome::Error);
            log_request!(
                request,
                Level::Error,
                0,
                b"rust_esauth: internal error, the request is refused; please report it with the line of the main error \
                  log that starts with 'thread'",
            );
        });
        refusal
    })
}

/// Notes the outcome of authentication. If the request is authenticated again, the later outcome counts.
pub(crate) fn note(request: Request<'_>, outcome: Outcome) {
    let (initial, is_side) = Initial::of(request);
    let before = initial.progress();
    // A side request (an included file, an entry of a listing, the text of an error) does not change the outcome of a
    // request that was authenticated itself.
    if before.outcome().is_none() || before.is_side() || !is_side {
        initial.set(Progress::new(outcome, is_side));
    }
}

/// Notes that the user, whom any module has authenticated, makes too many requests.
pub(crate) fn note_rate_limited(request: Request<'_>) {
    if Initial::of(request).0.progress().outcome().is_none() {
        return note(request, Outcome::RateLimited);
    }
    note_unmet(request, Outcome::RateLimited);
}

/// True for the first call for a request of the client's, wherever it was redirected.
pub(crate) fn is_first_count(request: Request<'_>) -> bool {
    !data(Initial::of(request).0.0).is_counted.replace(true)
}

/// Notes an unmet requirement; it counts if no other requirement is met either.
pub(crate) fn note_unmet(request: Request<'_>, outcome: Outcome) {
    note_authorization(request, |progress| progress.unmet(outcome));
}

/// Adds the outcome of authorization, if the request is the one that its progress is about, not a side request.
fn note_authorization(request: Request<'_>, change: impl FnOnce(Progress) -> Progress) {
    let (initial, is_side) = Initial::of(request);
    let before = initial.progress();
    if before.outcome().is_some() && before.is_side() == is_side {
        initial.set(change(before));
    }
}

/// Notes the duration of a hash computed for this request.
pub(crate) fn note_hash(request: Request<'_>, took: Duration) {
    let microseconds = request.pool().join(&[took.as_micros().to_string().as_bytes()]);
    Initial::of(request).0.0.notes().set(HASH_NOTE, microseconds);
}

/// Called for a request that httpd has admitted.
pub(crate) extern "C" fn let_in(request: Option<Request<'_>>) -> c_int {
    guard(DECLINED, || {
        if let Some(request) = request {
            note_authorization(request, Progress::let_in);
        }
        DECLINED
    })
}

/// Called when the answer has been sent, with the client's request.
pub(crate) extern "C" fn log_transaction(request: Option<Request<'_>>) -> c_int {
    guard(OK as c_int, || {
        if let Some(request) = request {
            count(request);
        }
        files::give_back_unused();
        OK as c_int
    })
}

fn count(request: Request<'_>) {
    let last = request.last();
    let Some(outcome) = Initial(request).progress().concluded(last.status()) else { return };
    if let Some(cache) = verdicts::verifier() {
        cache.counters().count(outcome);
    }
    // The access log shows the notes of the last redirected request.
    last.notes().set(VERDICT_NOTE, outcome.reason_c());
    if last != request {
        if let Some(microseconds) = request.notes().get(HASH_NOTE) {
            last.notes().set(HASH_NOTE, microseconds);
        }
    }
}

/// The client's request, which holds the progress.
#[derive(Clone, Copy)]
struct Initial<'r>(Request<'r>);

impl<'r> Initial<'r> {
    /// The initial request of `request`, and whether that is a side request: a subrequest, or one for the text of an
    /// error.
    fn of(request: Request<'r>) -> (Initial<'r>, bool) {
        let (mut initial, mut is_side) = (request, false);
        loop {
            if let Some(main) = initial.main() {
                (initial, is_side) = (main, true);
            } else if let Some(previous) = initial.previous() {
                is_side |= previous.status() >= 400;
                initial = previous;
            } else {
                return (Initial(initial), is_side);
            }
        }
    }

    fn progress(self) -> Progress {
        Progress(data_if_any(self.0).map_or(0, |data| data.progress.get()))
    }

    fn set(self, progress: Progress) {
        data(self.0).progress.set(progress.0);
    }
}

/// The progress of a request's authentication, in one word. 0: none.
///
/// From the lowest bits: the outcome of authentication, that of authorization (each 0 or one more than the outcome's
/// number), whether the request was admitted, whether only side requests were authenticated.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Progress(usize);

const UNMET: u32 = 8;
const LET_IN: usize = 1 << 16;
const SIDE: usize = 1 << 17;

impl Progress {
    fn new(outcome: Outcome, is_side: bool) -> Progress {
        Progress((outcome as usize + 1) | if is_side { SIDE } else { 0 })
    }

    fn unmet(self, outcome: Outcome) -> Progress {
        Progress((self.0 & !(0xff << UNMET)) | ((outcome as usize + 1) << UNMET))
    }

    fn let_in(self) -> Progress {
        Progress(self.0 | LET_IN)
    }

    fn is_side(self) -> bool {
        self.0 & SIDE != 0
    }

    fn outcome(self) -> Option<Outcome> {
        Outcome::ALL.get((self.0 & 0xff).checked_sub(1)?).copied()
    }

    /// The final outcome of a request answered with `status`. `None` if our authentication did not decide.
    fn concluded(self, status: c_int) -> Option<Outcome> {
        let outcome = self.outcome()?;
        match outcome {
            // For example, a file left out of a listing.
            _ if self.is_side() && outcome != Outcome::Granted && status < 400 => None,
            Outcome::Granted if self.0 & LET_IN == 0 => {
                let unmet = ((self.0 >> UNMET) & 0xff).checked_sub(1).and_then(|number| Outcome::ALL.get(number));
                Some(unmet.copied().unwrap_or(Outcome::OtherRequirement))
            }
            Outcome::Granted => Some(Outcome::Granted),
            // A module asked after us admitted it.
            _ if self.0 & LET_IN != 0 => None,
            _ => Some(outcome),
        }
    }
}
