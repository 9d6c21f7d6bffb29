//! Work that the event loop does again and again.

use super::bindings::esauth_repeat;
use super::boundary::guard;

/// Something to do again and again.
pub(crate) trait Repeated {
    /// Called in the event loop.
    fn work();
}

/// Has the event loop do something again and again, so many milliseconds after each other, until the worker stops. For the
/// start of a worker, once.
pub(crate) fn repeat<R: Repeated>(milliseconds: usize) {
    // SAFETY: called in the thread of the event loop, once it is chosen.
    unsafe { esauth_repeat(Some(work::<R>), milliseconds) };
}

unsafe extern "C" fn work<R: Repeated>() {
    guard((), R::work);
}
