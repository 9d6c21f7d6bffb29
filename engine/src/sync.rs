//! The atomics used on shared memory, and sleeping on one of them: the standard library's and the kernel's, or loom's
//! when a model is checked (`RUSTFLAGS="--cfg loom"`). Under Miri, sleepers look again and again: rustix's futex passes a
//! number as a pointer, which strict provenance forbids.

use std::time::Duration;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Sleeps while `word` is `value`, for at most `longest`. False on timeout.
#[cfg(not(any(loom, miri)))]
pub(crate) fn wait_while(word: &AtomicU32, value: u32, longest: Duration) -> bool {
    use rustix::thread::futex::{Flags, wait};
    use rustix::time::Timespec;

    let longest = Timespec { tv_sec: longest.as_secs() as _, tv_nsec: longest.subsec_nanos() as _ };
    !matches!(wait(word, Flags::empty(), value, Some(&longest)), Err(rustix::io::Errno::TIMEDOUT))
}

/// Wakes all sleepers on `word`.
#[cfg(not(any(loom, miri)))]
pub(crate) fn wake(word: &AtomicU32) {
    // The kernel counts sleepers by a signed number. Cannot fail for a valid word.
    let _ = rustix::thread::futex::wake(word, rustix::thread::futex::Flags::empty(), i32::MAX as u32);
}

/// In a model time does not pass: a thread that is not woken sleeps forever, and loom reports a deadlock.
#[cfg(loom)]
pub(crate) fn wait_while(word: &AtomicU32, value: u32, _longest: Duration) -> bool {
    let (mutex, woken) = &*SLEEPERS;
    // As in the kernel, looking at the word and falling asleep are one step.
    let guard = mutex.lock();
    if word.load(Ordering::SeqCst) == value {
        drop(guard.map(|guard| woken.wait(guard)));
    }
    true
}

#[cfg(loom)]
pub(crate) fn wake(_word: &AtomicU32) {
    let (mutex, woken) = &*SLEEPERS;
    let _guard = mutex.lock();
    woken.notify_all();
}

#[cfg(loom)]
loom::lazy_static! {
    static ref SLEEPERS: (loom::sync::Mutex<()>, loom::sync::Condvar) =
        (loom::sync::Mutex::new(()), loom::sync::Condvar::new());
}

#[cfg(miri)]
pub(crate) fn wait_while(word: &AtomicU32, value: u32, longest: Duration) -> bool {
    let began = std::time::Instant::now();
    while word.load(Ordering::Acquire) == value {
        if began.elapsed() >= longest {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[cfg(miri)]
pub(crate) fn wake(_word: &AtomicU32) {}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn all_sleepers_are_woken() {
        let word = Arc::new(AtomicU32::new(0));
        let sleepers = [(); 3].map(|()| {
            let word = Arc::clone(&word);
            thread::spawn(move || wait_while(&word, 0, Duration::from_secs(10)))
        });
        // Who does not sleep yet by then will not begin to.
        thread::sleep(Duration::from_millis(100));
        word.store(1, Ordering::Release);
        wake(&word);
        assert!(sleepers.map(|sleeper| sleeper.join().is_ok_and(|woken| woken)).into_iter().all(|woken| woken));
    }
}
