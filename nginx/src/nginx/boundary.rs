//! The boundary that no panic may cross: nginx's frames are C, and unwinding through them is undefined behaviour.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body`, the content of a function called by nginx. If it panics, the answer is `refusal`. The panic's own text
/// has then gone to standard error, which nginx redirects to its error log.
pub(crate) fn guard<T>(refusal: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(answer) => answer,
        Err(payload) => {
            // Dropping a payload may panic as well.
            std::mem::forget(payload);
            refusal
        }
    }
}
