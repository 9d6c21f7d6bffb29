//! Rates: how many requests a user may make in a time, counted for all processes of a server.
//!
//! The generic cell rate algorithm (GCRA), a leaky bucket in one word: the moment at which everything the user has spent
//! will have flowed back. A request adds one interval, SECONDS / REQUESTS, and is refused if the moment would then lie
//! more than REQUESTS intervals ahead. So a user may make REQUESTS at once, and gets one back after each interval.
//!
//! **Exact without a lock.** A user's word changes by compare-and-exchange, so of requests that come at once no more are
//! admitted than the rate allows. The moment only moves on, so a word never returns to an earlier value; a request that
//! looked at an entry before it was given to another user fails to change it, and looks again.
//!
//! **Bounds.** The table has a fixed size. Only a user without an entry takes the mutex, and gets the entry of the two
//! buckets whose moment is the earliest: almost always one that has passed, which says no more than no entry. The key
//! decides which buckets those are.
//!
//! **Killed processes.** The word is zero, which is nobody's, while an entry changes hands.

use super::digest::Digest;
use super::robust::RobustMutex;
use crate::sync::{AtomicU64, Ordering};

/// Entries of a bucket: 256 bytes.
const WAYS: usize = if cfg!(loom) { 2 } else { 8 };
const BUCKETS: usize = if cfg!(loom) {
    1
} else if cfg!(miri) {
    4
} else {
    8192
};

/// The lowest bit of a word: a refusal was reported, and the user has not got everything back since.
const TOLD: u64 = 1;

/// Most that is believed of what others say, in what a rate allows at once.
const MOST_LEARNED: u64 = 1000;

const NANOSECONDS: u64 = 1_000_000_000;

/// A limit on a user's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests allowed at once, and in `seconds` in the long run; from 1 to 1,000,000.
    pub requests: u32,
    /// From 1 to 86,400.
    pub seconds: u32,
}

/// The decision about a request of a user whose requests are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It is within the rate, and counted.
    Admitted,
    /// It is not, and not counted.
    Refused {
        /// Seconds after which one would be admitted, rounded up.
        seconds: u64,
        /// True for the first refusal since the user last had the whole rate left.
        begins: bool,
    },
}

impl Rate {
    /// Nanoseconds after which a user gets one request back. Even, to leave room for [`TOLD`].
    fn interval(self) -> u64 {
        let window = u64::from(self.seconds) * NANOSECONDS;
        window.div_ceil(u64::from(self.requests).max(1)).next_multiple_of(2)
    }

    /// Its share for each of so many servers that cannot count together, rounded up.
    pub(super) fn shared_by(self, servers: u32) -> Rate {
        Rate { requests: self.requests.div_ceil(servers.max(1)), ..self }
    }

    /// The next word of a user, whose word is `word` at time `now`, and the decision.
    fn spend(self, word: u64, now: u64) -> (u64, Spent) {
        let (moment, interval) = (word & !TOLD, self.interval());
        let ahead = moment.saturating_sub(now);
        let told = if ahead == 0 { 0 } else { word & TOLD };
        let most = interval * u64::from(self.requests.saturating_sub(1));
        if ahead > most {
            let seconds = (ahead - most).div_ceil(NANOSECONDS);
            return (moment | TOLD, Spent::Refused { seconds, begins: told == 0 });
        }
        ((now + ahead + interval) | told, Spent::Admitted)
    }
}

/// Shared by all processes. All zeros is the initial state, except for the mutex.
#[repr(C)]
pub(super) struct Rates {
    mutex: RobustMutex,
    buckets: [[Entry; WAYS]; BUCKETS],
}

#[repr(C, align(32))]
#[derive(Default)]
struct Entry {
    user: [AtomicU64; 3],
    /// In nanoseconds of the monotonic clock, with [`TOLD`]. 0: free, or changing hands.
    word: AtomicU64,
}

impl Rates {
    /// Initialises the mutex of a table whose memory is zeroed.
    ///
    /// # Safety
    ///
    /// As for [`RobustMutex::initialise`].
    pub(super) unsafe fn initialise(&self) -> std::io::Result<()> {
        // SAFETY: as the caller promises.
        unsafe { self.mutex.initialise() }
    }

    /// Counts a request of `user`, a digest of the user and the rate, at time `now` in nanoseconds, or refuses it.
    pub(super) fn spend(&self, user: &Digest, rate: Rate, now: u64) -> Spent {
        let now = now & !TOLD;
        loop {
            let Some((entry, word)) = self.find(user) else {
                match self.insert(user, now + rate.interval()) {
                    Inserted::Now => return Spent::Admitted,
                    Inserted::Before => continue,
                    // A process was stopped inside the mutex.
                    Inserted::Unknown => return Spent::Refused { seconds: 1, begins: false },
                }
            };
            let (next, spent) = rate.spend(word, now);
            if next == word || entry.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return spent;
            }
        }
    }

    /// Takes note that all that a user has spent, here and elsewhere, will have flowed back after so many nanoseconds: if
    /// that is later than what is known here, it counts. No more than a thousand times what a rate allows at once is believed.
    pub(super) fn learn(&self, user: &Digest, rate: Rate, now: u64, nanoseconds: u64) {
        let most = u64::from(rate.seconds) * NANOSECONDS * MOST_LEARNED;
        let (now, ahead) = (now & !TOLD, nanoseconds.min(most) & !TOLD);
        if ahead == 0 {
            return;
        }
        loop {
            let Some((entry, word)) = self.find(user) else {
                match self.insert(user, now + ahead) {
                    Inserted::Before => continue,
                    Inserted::Now | Inserted::Unknown => return,
                }
            };
            let next = (now + ahead) | (word & TOLD);
            if word & !TOLD >= now + ahead
                || entry.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            {
                return;
            }
        }
    }

    fn candidates(&self, user: &Digest) -> impl Iterator<Item = &Entry> {
        let bucket = |word: u64| &self.buckets[(word % BUCKETS as u64) as usize];
        bucket(user.0[0]).iter().chain(bucket(user.0[1]))
    }

    /// The user's entry and its word, which was there when the entry was the user's.
    fn find(&self, user: &Digest) -> Option<(&Entry, u64)> {
        let words = self.candidates(user).map(|entry| (entry, entry.word.load(Ordering::Acquire)));
        words.into_iter().find(|(entry, word)| *word != 0 && entry.is_of(user))
    }

    /// Gives the user an entry with this word.
    fn insert(&self, user: &Digest, word: u64) -> Inserted {
        let Some(_held) = self.mutex.lock().held() else { return Inserted::Unknown };
        if self.find(user).is_some() {
            return Inserted::Before;
        }
        loop {
            let words = self.candidates(user).map(|entry| (entry, entry.word.load(Ordering::Acquire)));
            let Some((entry, earliest)) = words.min_by_key(|(_, word)| word & !TOLD) else { return Inserted::Unknown };
            // From now on nobody changes it: its user finds it no more.
            if entry.word.compare_exchange(earliest, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                for (stored, word) in entry.user.iter().zip(user.0) {
                    stored.store(word, Ordering::Release);
                }
                entry.word.store(word, Ordering::Release);
                return Inserted::Now;
            }
        }
    }
}

enum Inserted {
    Now,
    /// Another request of the same user was quicker.
    Before,
    Unknown,
}

impl Entry {
    fn is_of(&self, user: &Digest) -> bool {
        self.user.iter().zip(user.0).all(|(stored, word)| stored.load(Ordering::Acquire) == word)
    }
}

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
