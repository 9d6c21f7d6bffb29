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

/// Keeps this library's code in the process until that ends, for a thread that cannot be ended before.
pub fn stay_loaded() {
    static HERE: u8 = 0;
    let flags = libc::RTLD_NOW | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
    // SAFETY: an address in this library, memory for the answer, and the name in it, which stays while the library does.
    unsafe {
        let mut found: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr((&raw const HERE).cast(), &raw mut found) != 0 && !found.dli_fname.is_null() {
            libc::dlopen(found.dli_fname, flags);
        }
    }
}
