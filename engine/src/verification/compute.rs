//! Computing a hash, in the caller's thread or in one that gives way to others.

use std::{io, thread};

use crate::hash;

/// How much a hash gives way: in a contest with one thread of usual priority it gets a tenth of a processor, so that it
/// ends within seconds whatever else goes on.
const NICE: libc::c_int = 10;

/// Whether `password` is the one that `stored` was made from. Fails where that could not be computed.
pub(super) fn hash(password: &[u8], stored: &[u8], gives_way: bool) -> io::Result<bool> {
    if gives_way { hash_giving_way(password, stored) } else { hash::try_verify(password, stored) }
}

/// A thread of its own, since without privileges a thread cannot take back a priority it has lowered; it costs little
/// beside a hash.
fn hash_giving_way(password: &[u8], stored: &[u8]) -> io::Result<bool> {
    thread::scope(|scope| {
        let work = || {
            // SAFETY: changes the priority of the calling thread, which ends with this hash.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
            hash::try_verify(password, stored)
        };
        let builder = thread::Builder::new().name("esauth-hash".into()).stack_size(256 * 1024);
        match without_signals(|| builder.spawn_scoped(scope, work)) {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(io::Error::other("a panic"))),
            // No thread to be had: the hash is still owed.
            Err(_) => hash::try_verify(password, stored),
        }
    })
}

/// Runs `spawn` with all signals blocked, which the thread that it starts inherits: the process's signals are for the
/// threads of its own.
fn without_signals<T>(spawn: impl FnOnce() -> T) -> T {
    // SAFETY: two signal sets on the stack, the first filled before it is used and the second by the call that is given it.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let result = spawn();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}
