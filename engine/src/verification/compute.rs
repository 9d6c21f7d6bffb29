//! Computes a hash, in the caller's thread or in one of low priority.

use std::{io, thread};

use rustix::process::setpriority_process;

use crate::hash;

/// Low priority: against one thread of normal priority, a hash gets a tenth of a processor, so it ends within seconds
/// under any load.
const NICE: i32 = 10;

/// Whether `stored` was made from `password`. Fails if that could not be computed.
pub(super) fn hash(password: &[u8], stored: &[u8], gives_way: bool) -> io::Result<bool> {
    if gives_way { hash_giving_way(password, stored) } else { hash::try_verify(password, stored) }
}

/// Uses a thread of its own, since without privileges a thread cannot restore a priority it has lowered; its cost is
/// small beside a hash.
fn hash_giving_way(password: &[u8], stored: &[u8]) -> io::Result<bool> {
    thread::scope(|scope| {
        let work = || {
            // Of the calling thread, which ends with this hash. If it fails, the hash takes its share.
            let _ = setpriority_process(None, NICE);
            hash::try_verify(password, stored)
        };
        let builder = thread::Builder::new().name("esauth-hash".into()).stack_size(256 * 1024);
        match without_signals(|| builder.spawn_scoped(scope, work)) {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(io::Error::other("a panic"))),
            // No thread available: compute the hash here.
            Err(_) => hash::try_verify(password, stored),
        }
    })
}

/// Runs `spawn` with all signals blocked, which the new thread inherits: the process's signals are for its own threads.
fn without_signals<T>(spawn: impl FnOnce() -> T) -> T {
    // SAFETY: two signal sets on the stack; the first is filled before use, the second by the call that receives it.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let result = spawn();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}
