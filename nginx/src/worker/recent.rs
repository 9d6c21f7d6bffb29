//! The credentials that this worker granted a moment ago. A client that sends them again need not be looked up in the
//! server's memory.

use esauth_engine::verification::{Presented, Recent, Verifier};
use esauth_engine::{Passwords, Snapshot};

use crate::nginx::local::Local;
use crate::nginx::request::Request;

static RECENT: Local<Recent> = Local::new();

fn with<R>(work: impl FnOnce(&mut Recent) -> R) -> Option<R> {
    // SAFETY: everything in this file is called by the event loop.
    unsafe { RECENT.with(Recent::default, work) }
}

/// Frees the memory, at the end of the process.
pub(super) fn end() {
    // SAFETY: as above.
    unsafe { RECENT.clear() };
}

/// True if this content of the password file has granted the request's credentials a moment ago.
pub(crate) fn recalls(verifier: &Verifier, request: Request<'_>, file: &Snapshot<Passwords>) -> bool {
    with(|recent| verifier.recalls_from(recent, &presented(request), file)).unwrap_or(false)
}

/// Remembers that this content of the password file has just granted the request's credentials, which end at
/// `valid_until` in seconds of Unix time.
pub(crate) fn note(verifier: &Verifier, request: Request<'_>, file: &Snapshot<Passwords>, valid_until: Option<u64>) {
    with(|recent| verifier.note_in(recent, &presented(request), file, valid_until));
}

/// nginx refuses headers with a NUL.
fn presented(request: Request<'_>) -> Presented<'_> {
    Presented { text: request.authorization(), client: request.client() }
}
