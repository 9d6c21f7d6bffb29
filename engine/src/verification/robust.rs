//! A mutex in shared memory, released by the kernel when its holder is killed.
//!
//! If anything goes wrong with it (its state cannot be recovered, its holder was stopped), the caller does not get it,
//! and must do without the guarded state.

#[cfg(any(loom, miri))]
pub(super) use self::in_a_model::{Held, RobustMutex};
#[cfg(not(any(loom, miri)))]
pub(super) use self::shared::{Held, RobustMutex};

/// Result of trying to take a mutex.
pub(super) enum Taken<'m> {
    /// It was free.
    Clean(Held<'m>),
    /// Its holder died while holding it: the guarded state may be half done.
    #[cfg_attr(any(loom, miri), expect(dead_code, reason = "nobody is killed in a model"))]
    Abandoned(Held<'m>),
    /// It cannot be taken.
    Busy,
}

impl<'m> Taken<'m> {
    /// The hold, in whatever state its predecessor left it.
    pub(super) fn held(self) -> Option<Held<'m>> {
        match self {
            Taken::Clean(held) | Taken::Abandoned(held) => Some(held),
            Taken::Busy => None,
        }
    }
}

/// loom's or the standard library's mutex with the same interface: Miri does not know robust ones.
#[cfg(any(loom, miri))]
mod in_a_model {
    #[cfg(loom)]
    use loom::sync::{Mutex, MutexGuard};
    #[cfg(not(loom))]
    use std::sync::{Mutex, MutexGuard};

    use super::Taken;

    #[derive(Default)]
    pub(crate) struct RobustMutex(Mutex<()>);

    pub(crate) struct Held<'m>(#[expect(dead_code, reason = "held until it is dropped")] MutexGuard<'m, ()>);

    impl RobustMutex {
        /// # Safety
        ///
        /// No requirements: it is ready for use.
        pub(crate) unsafe fn initialise(&self) -> std::io::Result<()> {
            Ok(())
        }

        #[cfg(loom)]
        pub(crate) fn lock(&self) -> Taken<'_> {
            self.0.lock().map_or(Taken::Busy, |guard| Taken::Clean(Held(guard)))
        }

        /// Gives up in the end, as the robust one does; later, since an interpreter is slow.
        #[cfg(not(loom))]
        pub(crate) fn lock(&self) -> Taken<'_> {
            let began = std::time::Instant::now();
            loop {
                match self.try_lock() {
                    Taken::Busy if began.elapsed().as_secs() < 5 => std::thread::yield_now(),
                    taken => return taken,
                }
            }
        }

        pub(crate) fn try_lock(&self) -> Taken<'_> {
            self.0.try_lock().map_or(Taken::Busy, |guard| Taken::Clean(Held(guard)))
        }
    }
}

/// Has this thread wait for mutexes of this kind for a moment only: for one that must not wait, such as that of an event
/// loop. If it has waited in vain, it does not wait at all in the next second.
pub fn wait_briefly() {
    #[cfg(not(any(loom, miri)))]
    shared::wait_briefly();
}

#[cfg(not(any(loom, miri)))]
mod shared {
    use std::cell::{Cell, UnsafeCell};
    use std::marker::PhantomData;
    use std::time::Duration;

    use super::Taken;
    use crate::clock::monotonic_milliseconds;

    /// How long a thread waits for a mutex, which is normally held for microseconds.
    const PATIENCE: Duration = Duration::from_secs(1);
    /// The same for a thread that waits briefly. On a busy machine, a holder may be without a processor for as long.
    const BRIEF: Duration = Duration::from_millis(50);

    thread_local! {
        /// For a thread that waits briefly: the time until which it does not wait at all.
        static BUSY_UNTIL: Cell<Option<u64>> = const { Cell::new(None) };
    }

    pub(super) fn wait_briefly() {
        BUSY_UNTIL.set(Some(0));
    }

    /// A robust, process-shared POSIX mutex. Lives in shared memory and is initialised there once.
    #[repr(C)]
    pub(crate) struct RobustMutex(UnsafeCell<libc::pthread_mutex_t>);

    // SAFETY: a mutex may be shared by threads; all access goes through pthread functions.
    unsafe impl Sync for RobustMutex {}

    /// A hold on a [`RobustMutex`], released on drop, in the thread that took it.
    pub(crate) struct Held<'m> {
        mutex: &'m RobustMutex,
        not_send: PhantomData<*const ()>,
    }

    impl RobustMutex {
        /// Initialises the mutex at its final address.
        ///
        /// # Safety
        ///
        /// No other thread or process uses it yet, and it is not moved afterwards.
        pub(crate) unsafe fn initialise(&self) -> std::io::Result<()> {
            // SAFETY: an attribute object on the stack, initialised before use and destroyed at the end; the mutex is
            // ours alone, as the caller promises.
            unsafe {
                let mut attributes = std::mem::zeroed::<libc::pthread_mutexattr_t>();
                check(libc::pthread_mutexattr_init(&mut attributes))?;
                let result = check(libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED))
                    .and_then(|()| {
                        check(libc::pthread_mutexattr_setrobust(&mut attributes, libc::PTHREAD_MUTEX_ROBUST))
                    })
                    .and_then(|()| check(libc::pthread_mutex_init(self.0.get(), &attributes)));
                libc::pthread_mutexattr_destroy(&mut attributes);
                result
            }
        }

        /// Waits for the mutex. [`Taken::Busy`] if it has been held for a second (see [`super::wait_briefly`]): by a
        /// process that was stopped, for example in a debugger.
        pub(crate) fn lock(&self) -> Taken<'_> {
            match (self.try_lock(), BUSY_UNTIL.get()) {
                (Taken::Busy, None) => self.lock_within(PATIENCE),
                (Taken::Busy, Some(until)) if monotonic_milliseconds() < until => Taken::Busy,
                (Taken::Busy, Some(_)) => {
                    let taken = self.lock_within(BRIEF);
                    if matches!(taken, Taken::Busy) {
                        BUSY_UNTIL.set(Some(monotonic_milliseconds() + 1000));
                    }
                    taken
                }
                (taken, _) => taken,
            }
        }

        fn lock_within(&self, patience: Duration) -> Taken<'_> {
            let mut deadline = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: valid memory for the time; then an initialised mutex.
            unsafe {
                libc::clock_gettime(libc::CLOCK_REALTIME, &mut deadline);
                let nanoseconds = deadline.tv_nsec as u64 + u64::from(patience.subsec_nanos());
                deadline.tv_sec += (patience.as_secs() + nanoseconds / 1_000_000_000) as libc::time_t;
                deadline.tv_nsec = (nanoseconds % 1_000_000_000) as libc::c_long;
                self.taken(libc::pthread_mutex_timedlock(self.0.get(), &deadline))
            }
        }

        /// Takes the mutex if it is free.
        pub(crate) fn try_lock(&self) -> Taken<'_> {
            // SAFETY: an initialised mutex.
            self.taken(unsafe { libc::pthread_mutex_trylock(self.0.get()) })
        }

        fn taken(&self, result: libc::c_int) -> Taken<'_> {
            match result {
                0 => Taken::Clean(Held { mutex: self, not_send: PhantomData }),
                libc::EOWNERDEAD => {
                    // SAFETY: held by this thread, as the call has just reported.
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
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::{RobustMutex, Taken, wait_briefly};

    #[test]
    fn a_thread_that_waits_briefly_gives_up_soon_and_then_at_once() {
        // SAFETY: a mutex for which zero is valid until it is initialised, and which stays where it is.
        let mutex: &RobustMutex = Box::leak(Box::new(unsafe { std::mem::zeroed() }));
        // SAFETY: nobody uses it yet.
        unsafe { mutex.initialise() }.unwrap();
        let (held, (ends, end)) = (mutex.lock(), channel::<()>());
        let waits = thread::spawn(move || {
            wait_briefly();
            let begin = Instant::now();
            let first = matches!(mutex.lock(), Taken::Busy).then(|| begin.elapsed());
            let second = matches!(mutex.lock(), Taken::Busy).then(|| begin.elapsed());
            end.recv().unwrap();
            (first.unwrap(), second.unwrap(), matches!(mutex.lock(), Taken::Clean(_)))
        });
        thread::sleep(Duration::from_millis(300));
        drop(held);
        ends.send(()).unwrap();
        let (first, second, taken) = waits.join().unwrap();
        assert!(
            first >= Duration::from_millis(50) && second < first + Duration::from_millis(40),
            "{first:?} {second:?}"
        );
        assert!(taken, "a free mutex is taken all the same");
    }
}
