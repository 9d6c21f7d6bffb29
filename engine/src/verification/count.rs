//! A number and its expiry time in one word, so a killed process always leaves a valid value.

use crate::sync::{AtomicU64, Ordering};

const NUMBER_BITS: u32 = 20;
const MOST: u64 = (1 << NUMBER_BITS) - 1;

/// A number up to 1,048,575, and the millisecond of the monotonic clock at which it expires. All zero: none.
#[repr(transparent)]
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn word(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The number at time `now`.
    pub(super) fn number(&self, now: u64) -> u64 {
        let word = self.word();
        if word >> NUMBER_BITS > now { word & MOST } else { 0 }
    }

    pub(super) fn ends(&self) -> u64 {
        self.word() >> NUMBER_BITS
    }

    pub(super) fn set(&self, number: u64, ends: u64) {
        self.0.store(ends << NUMBER_BITS | number.min(MOST), Ordering::Release);
    }

    pub(super) fn clear(&self) {
        self.set(0, 0);
    }
}
