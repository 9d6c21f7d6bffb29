//! Threads in a host's process.

/// Runs `spawn` with all signals blocked, which the new thread inherits: the process's signals are for its own threads.
pub fn without_signals<T>(spawn: impl FnOnce() -> T) -> T {
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
