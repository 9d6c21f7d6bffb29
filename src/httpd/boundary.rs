//! The boundary that no panic crosses: httpd's frames are C, and unwinding through them is undefined.

use std::panic::{AssertUnwindSafe, catch_unwind};

use esauth_engine::cache::Outcome;

use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::metrics;

/// Runs `body`, the content of a function that httpd calls. If it panics, the answer is `refusal`.
pub(crate) fn guard<T>(refusal: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(answer) => answer,
        Err(payload) => {
            // Dropping a payload may panic in its turn.
            std::mem::forget(payload);
            refusal
        }
    }
}

/// As [`guard`], with a line in the request's log. The panic's own text has gone to the main error log by then.
pub(crate) fn guard_request<T>(request: Request<'_>, refusal: T, body: impl FnOnce() -> T) -> T {
    let answer = guard(None, || Some(body()));
    answer.unwrap_or_else(|| {
        guard((), || {
            metrics::note(request, Outcome::Error);
            log_request!(
                request,
                Level::Error,
                0,
                b"rust_esauth: internal error, the request is refused; the main error log has a line that starts with \
                  'thread' and names the place: please report it",
            );
        });
        refusal
    })
}
