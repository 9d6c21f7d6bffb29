//! A descriptor that the event loop reads for this module.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::bindings::{esauth_follow, esauth_unfollow};
use super::boundary::guard;
use super::status::Status;

/// What reads a descriptor.
pub(crate) trait Reads {
    /// Called in the event loop when there is something to read. Reads all of it.
    fn read();
}

/// Has the event loop call `R` when there is something to read from the descriptor. False if it cannot, or not in the order
/// that [`super::request::Request::is_behind`] relies on.
pub(crate) fn follow<R: Reads>(descriptor: BorrowedFd<'_>) -> bool {
    // SAFETY: called in the thread of the event loop. It forgets the descriptor before the descriptor is closed: see
    // `unfollow`.
    Status(unsafe { esauth_follow(descriptor.as_raw_fd(), Some(read::<R>)) }) == Status::OK
}

/// Ends that. For the end of a worker, before the descriptor is closed.
pub(crate) fn unfollow() {
    // SAFETY: called in the thread of the event loop.
    unsafe { esauth_unfollow() };
}

unsafe extern "C" fn read<R: Reads>() {
    guard((), R::read);
}
