//! How each request came out, counted once, and noted for the access log.
//!
//! A request may be authenticated several times (subrequests, internal redirects), by this module's hook or by another
//! module that calls it as its provider, and be denied by a `Require` after that. So what is learned on the way is kept
//! with the request that the client sent ([`Progress`]), and counted when httpd logs it.

use std::ffi::{CStr, c_int, c_void};
use std::ptr::without_provenance_mut;
use std::time::Duration;

use esauth_engine::verification::OUTCOMES;

use crate::httpd::bindings::{DECLINED, OK, request_rec};
use crate::httpd::boundary::guard;
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::state::{files, verdicts};

/// How a request came out, as far as authentication is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    /// It was let in.
    Granted,
    /// The password is not that of the user.
    WrongPassword,
    /// No file has the user.
    UnknownUser,
    /// It came without credentials.
    NoCredentials,
    /// Its credentials were of another scheme than Basic.
    OtherScheme,
    /// The user was authenticated, but is in none of the groups required.
    NotInGroup,
    /// The user was authenticated, but some other requirement was not met.
    OtherRequirement,
    /// It was refused unjudged, after too many failures.
    LockedOut,
    /// The queue for hashes was full.
    QueueFull,
    /// Something is wrong with the configuration, a file or this program.
    Error,
}

impl Outcome {
    /// All of them, in order.
    pub(crate) const ALL: [Outcome; OUTCOMES] = [
        Outcome::Granted,
        Outcome::WrongPassword,
        Outcome::UnknownUser,
        Outcome::NoCredentials,
        Outcome::OtherScheme,
        Outcome::NotInGroup,
        Outcome::OtherRequirement,
        Outcome::LockedOut,
        Outcome::QueueFull,
        Outcome::Error,
    ];
}

/// The notes for the access log: `%{esauth-verdict}n` and `%{esauth-hash-us}n`.
const VERDICT_NOTE: &CStr = c"esauth-verdict";
const HASH_NOTE: &CStr = c"esauth-hash-us";

/// Runs `body`, what a function does that httpd calls for a request. If it panics, the answer is `refusal`, the request
/// is counted as an error and its log has a line. The panic's own text has gone to the main error log by then.
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

/// Notes how authentication came out. If the request is authenticated again, the later outcome counts.
pub(crate) fn note(request: Request<'_>, outcome: Outcome) {
    let (initial, is_side) = Initial::of(request);
    let before = initial.progress();
    // What is asked for on the side (an included file, an entry of a listing, the text of an error) changes nothing for a
    // request that was authenticated itself.
    if before.outcome().is_none() || before.is_side() || !is_side {
        initial.set(Progress::new(outcome, is_side));
    }
}

/// Notes why a requirement was not met; counts if none of the others is met either.
pub(crate) fn note_unmet(request: Request<'_>, outcome: Outcome) {
    note_authorization(request, |progress| progress.unmet(outcome));
}

/// Adds what came of a request after it was authenticated: of the one that its progress is of, not of one on the side.
fn note_authorization(request: Request<'_>, change: impl FnOnce(Progress) -> Progress) {
    let (initial, is_side) = Initial::of(request);
    let before = initial.progress();
    if before.outcome().is_some() && before.is_side() == is_side {
        initial.set(change(before));
    }
}

/// Notes how long a hash took that was computed for this request.
pub(crate) fn note_hash(request: Request<'_>, took: Duration) {
    let microseconds = request.pool().join(&[took.as_micros().to_string().as_bytes()]);
    Initial::of(request).0.0.notes().set(HASH_NOTE, microseconds);
}

/// httpd's call for a request that it has let in.
pub(crate) unsafe extern "C" fn let_in(raw: *mut request_rec) -> c_int {
    guard(DECLINED, || {
        // SAFETY: httpd calls its hooks with a live request.
        if let Some(request) = unsafe { Request::new(raw) } {
            note_authorization(request, Progress::let_in);
        }
        DECLINED
    })
}

/// httpd's call when the answer has been sent, with the request that came from the client.
pub(crate) unsafe extern "C" fn log_transaction(raw: *mut request_rec) -> c_int {
    guard(OK as c_int, || {
        // SAFETY: httpd calls its hooks with a live request.
        if let Some(request) = unsafe { Request::new(raw) } {
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
        cache.counters().count(outcome as u8);
    }
    // The access log shows the notes of the request that was redirected to last.
    last.notes().set(VERDICT_NOTE, reason(outcome));
    if last != request {
        if let Some(microseconds) = request.notes().get(HASH_NOTE) {
            last.notes().set(HASH_NOTE, microseconds);
        }
    }
}

/// The request that came from the client, with which its progress is kept.
#[derive(Clone, Copy)]
struct Initial<'r>(Request<'r>);

impl<'r> Initial<'r> {
    /// That of `request`, and whether this is only asked for on the side: by a subrequest, or for the text of an error.
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
        Progress(self.0.module_data().addr())
    }

    fn set(self, progress: Progress) {
        self.0.set_module_data(without_provenance_mut::<c_void>(progress.0));
    }
}

/// What is known about a request's authentication, in a word, so that keeping it takes no memory. 0: nothing.
///
/// From the lowest bits: the outcome of authentication, that of authorization (each 0 or one more than the outcome's
/// number), whether it was let in, whether all of it was asked for on the side only.
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

    /// The final outcome of a request that was answered with `status`. `None` where authentication of ours did not decide.
    fn concluded(self, status: c_int) -> Option<Outcome> {
        let outcome = self.outcome()?;
        match outcome {
            // A file that was left out of a listing, say.
            _ if self.is_side() && outcome != Outcome::Granted && status < 400 => None,
            Outcome::Granted if self.0 & LET_IN == 0 => {
                let unmet = ((self.0 >> UNMET) & 0xff).checked_sub(1).and_then(|number| Outcome::ALL.get(number));
                Some(unmet.copied().unwrap_or(Outcome::OtherRequirement))
            }
            Outcome::Granted => Some(Outcome::Granted),
            // Whoever was asked after us did let it in.
            _ if self.0 & LET_IN != 0 => None,
            _ => Some(outcome),
        }
    }
}

/// What an outcome is called in the metrics and in the access log.
pub(crate) fn reason(outcome: Outcome) -> &'static CStr {
    match outcome {
        Outcome::Granted => c"granted",
        Outcome::WrongPassword => c"wrong_password",
        Outcome::UnknownUser => c"unknown_user",
        Outcome::NoCredentials => c"no_credentials",
        Outcome::OtherScheme => c"other_scheme",
        Outcome::NotInGroup => c"not_in_group",
        Outcome::OtherRequirement => c"other_requirement",
        Outcome::LockedOut => c"locked_out",
        Outcome::QueueFull => c"queue_full",
        Outcome::Error => c"error",
    }
}

/// The word for several outcomes at once.
pub(crate) fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Granted => "granted",
        // Not judged.
        Outcome::LockedOut | Outcome::QueueFull | Outcome::Error => "failed",
        _ => "denied",
    }
}
