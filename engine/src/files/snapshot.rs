//! A file's content at one moment, and what tells whether it is still the file's.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use super::identity::{Digest, Identity, Look};
use crate::clock::monotonic_milliseconds;

/// Interval of comparing a file's content with its snapshot, for each [`COMPARED`] bytes or part of them.
const COMPARISON_MILLISECONDS: u64 = 1000;
const COMPARED: u64 = 1024 * 1024;

/// A file's content at one moment. Dereferences to the parsed file.
pub struct Snapshot<T> {
    pub(super) parsed: T,
    pub(super) identity: Identity,
    pub(super) look: Look,
    pub(super) digest: Digest,
    pub(super) first_read: Instant,
    /// False while the file could change without a change of its identity.
    pub(super) settled: AtomicBool,
    /// When to compare the content again, in [`monotonic_milliseconds`].
    pub(super) compare_at: AtomicU64,
}

impl<T> Snapshot<T> {
    pub(super) fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// Notes that the file still held this content at the time `began` or later.
    pub(super) fn was_right_at(&self, began: (SystemTime, Instant)) {
        self.compare_at.store(monotonic_milliseconds() + self.comparison_interval(), Ordering::Relaxed);
        self.settled.store(has_settled(&self.identity, self.first_read, began), Ordering::Release);
    }

    fn comparison_interval(&self) -> u64 {
        COMPARISON_MILLISECONDS * self.identity.size().div_ceil(COMPARED).max(1)
    }

    /// True if it is time to compare the content with the file's.
    pub(super) fn is_to_be_compared(&self, now: u64) -> bool {
        now >= self.compare_at.load(Ordering::Relaxed)
    }

    /// True if it is time to compare the content, and the caller is the one to do it.
    pub(super) fn takes_comparison(&self, now: u64) -> bool {
        let due = self.compare_at.load(Ordering::Relaxed);
        let next = now + self.comparison_interval();
        now >= due && self.compare_at.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// How to verify that the file at a path is this one and unchanged, and until when that is enough. `None` if it is
    /// not enough even now.
    pub(crate) fn evidence(&self) -> Option<(Look, Identity, u64)> {
        self.is_settled().then(|| (self.look, self.identity, self.compare_at.load(Ordering::Relaxed)))
    }

    /// The size of the file in bytes.
    pub fn file_size(&self) -> u64 {
        self.identity.size()
    }
}

impl<T> Deref for Snapshot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.parsed
    }
}

/// True if a file with this identity, which held the same content at the times `first_read` and `began`, cannot change
/// later without a change of its identity.
fn has_settled(identity: &Identity, first_read: Instant, began: (SystemTime, Instant)) -> bool {
    // The second condition avoids the wall clock, which can be behind the file's time for a day.
    identity.settled_at(began.0) || began.1.duration_since(first_read) >= identity.granularity()
}
