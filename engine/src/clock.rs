//! Time as all processes of a server see it.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// A clock that all processes share and nobody can set, read without a system call.
pub(crate) fn monotonic_seconds() -> u64 {
    clock_gettime(ClockId::MonotonicCoarse).tv_sec.try_into().unwrap_or(0)
}

/// The same clock.
pub(crate) fn monotonic_milliseconds() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

/// The same clock, which ticks every few milliseconds.
pub(crate) fn monotonic_nanoseconds() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Unix time, for what people wrote down as a date.
pub(crate) fn wall_seconds() -> u64 {
    clock_gettime(ClockId::RealtimeCoarse).tv_sec.try_into().unwrap_or(0)
}

/// The time of a line that must not fill the log's disk, in each process.
#[derive(Debug, Default)]
pub struct Seldom(AtomicU64);

impl Seldom {
    /// Due at once.
    pub const fn new() -> Seldom {
        Seldom(AtomicU64::new(0))
    }

    /// True once in each period of so many seconds.
    pub fn is_due(&self, seconds: u64) -> bool {
        let period = wall_seconds() / seconds.max(1);
        self.0.swap(period, Ordering::Relaxed) != period
    }
}
