//! A mutex in memory that processes share, which the kernel frees when its holder is killed.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::time::Duration;

/// A robust, process-shared POSIX mutex. Lives in shared memory and is initialised once, there.
#[repr(C)]
pub(super) struct RobustMutex(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a mutex is for threads to share; all access goes through pthread functions.
unsafe impl Sync for RobustMutex {}

/// A hold on a [`RobustMutex`], which ends when this is dropped: in the thread that took it, to which it is bound.
pub(super) struct Held<'m> {
    mutex: &'m RobustMutex,
    not_send: PhantomData<*const ()>,
}

/// The end of an attempt to take a mutex.
pub(super) enum Taken<'m> {
    /// Free before.
    Clean(Held<'m>),
    /// Its holder died holding it: what it guards may be half done.
    Abandoned(Held<'m>),
    /// Held by somebody alive.
    Busy,
}

impl<'m> Taken<'m> {
    /// The hold, whatever state its predecessor left.
    pub(super) fn held(self) -> Option<Held<'m>> {
        match self {
            Taken::Clean(held) | Taken::Abandoned(held) => Some(held),
            Taken::Busy => None,
        }
    }
}

impl RobustMutex {
    /// Initialises the mutex at its final place.
    ///
    /// # Safety
    /// No other thread or process uses it yet, and it is not moved afterwards.
    pub(super) unsafe fn initialise(&self) -> std::io::Result<()> {
        // SAFETY: an attribute object on the stack, initialised before it is used and destroyed at the end; the mutex is
        // ours alone, as the caller promises.
        unsafe {
            let mut attributes = std::mem::zeroed::<libc::pthread_mutexattr_t>();
            check(libc::pthread_mutexattr_init(&mut attributes))?;
            let result = check(libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED))
                .and_then(|()| check(libc::pthread_mutexattr_setrobust(&mut attributes, libc::PTHREAD_MUTEX_ROBUST)))
                .and_then(|()| check(libc::pthread_mutex_init(self.0.get(), &attributes)));
            libc::pthread_mutexattr_destroy(&mut attributes);
            result
        }
    }

    /// Waits for the mutex.
    pub(super) fn lock(&self) -> Taken<'_> {
        // SAFETY: an initialised mutex.
        self.taken(unsafe { libc::pthread_mutex_lock(self.0.get()) })
    }

    /// Waits for the mutex, but no longer than `patience`.
    pub(super) fn lock_within(&self, patience: Duration) -> Taken<'_> {
        let mut deadline = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a place for the time; then an initialised mutex.
        unsafe {
            libc::clock_gettime(libc::CLOCK_REALTIME, &mut deadline);
            let nanoseconds = deadline.tv_nsec as u64 + u64::from(patience.subsec_nanos());
            deadline.tv_sec += (patience.as_secs() + nanoseconds / 1_000_000_000) as libc::time_t;
            deadline.tv_nsec = (nanoseconds % 1_000_000_000) as libc::c_long;
            self.taken(libc::pthread_mutex_timedlock(self.0.get(), &deadline))
        }
    }

    /// Takes the mutex if it is free.
    pub(super) fn try_lock(&self) -> Taken<'_> {
        // SAFETY: an initialised mutex.
        self.taken(unsafe { libc::pthread_mutex_trylock(self.0.get()) })
    }

    fn taken(&self, result: libc::c_int) -> Taken<'_> {
        match result {
            0 => Taken::Clean(Held { mutex: self, not_send: PhantomData }),
            libc::EOWNERDEAD => {
                // SAFETY: held by this thread since the call returned so.
                unsafe { libc::pthread_mutex_consistent(self.0.get()) };
                Taken::Abandoned(Held { mutex: self, not_send: PhantomData })
            }
            _ => Taken::Busy,
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // SAFETY: held by this thread, to which the guard is bound.
        unsafe { libc::pthread_mutex_unlock(self.mutex.0.get()) };
    }
}

fn check(result: libc::c_int) -> std::io::Result<()> {
    if result == 0 { Ok(()) } else { Err(std::io::Error::from_raw_os_error(result)) }
}
