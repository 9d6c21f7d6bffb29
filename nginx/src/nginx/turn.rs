//! The turns of the event loop: in each, it handles what has come until the turn's beginning.

use std::num::NonZeroUsize;

use super::bindings::{esauth_follow_turns, esauth_turn};

/// A turn of this worker. None is like another.
pub(crate) type Turn = NonZeroUsize;

/// Has the turns of this worker counted. For its start.
pub(crate) fn follow() {
    // SAFETY: called in the thread of the event loop, before the loop.
    unsafe { esauth_follow_turns() };
}

/// The current turn; `None` while the event loop does something else, such as what a turn has left to do.
pub(crate) fn current() -> Option<Turn> {
    // SAFETY: only the event loop's thread uses it, which this is: handlers of requests run there.
    NonZeroUsize::new(unsafe { (&raw const esauth_turn).read() })
}
