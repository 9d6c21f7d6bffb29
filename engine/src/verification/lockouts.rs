//! Lockouts: clients that failed too often, and for how long their requests are refused without hashing.
//!
//! Counts are kept for a pair of client network and user, as [`MaxFailures`] says:
//!
//! * **Failures**: wrong passwords. A repetition of the last one is not counted, since it guesses nothing. A password
//!   is counted before its hash is computed, so that no more than the limit are hashed however many come at once; a
//!   right one clears the pair. (Attempts that arrive while the last one allowed is being hashed are refused.)
//! * **Repeats** of the last one. They lock out this password only: a program with an old password does not lock out a
//!   neighbour at the same address who knows the new one.
//!
//! **Looks.** During a lockout, passwords remembered as right still pass, so that a logged-in program goes on. Each
//! request of the pair therefore tells a guesser something, and only [`EXAMINED`] of them a second are examined. The
//! others are refused unseen.
//!
//! **Bounds.** The table has a fixed size. When the two buckets of a pair are full, the entry with the fewest failures
//! that is not locked out is evicted. The key decides which buckets those are, so nobody can aim at another's.
//!
//! **Names.** Counts know their pair by keyed digests only. When a lockout begins, user and network are kept as well, as the
//! host's log line shows them, so that operators can list lockouts (`operators`). There is room for [`NAMED`]; the oldest go
//! first.
//!
//! **Killed processes.** Everything is in shared memory, under one robust mutex that is held for less than a
//! microsecond. Every count shares one word with its expiry time, and an entry's counts are cleared before it changes
//! hands. So a process killed in between leaves an entry as it was before or after, or one that belongs to nobody.

use std::collections::HashMap;

use super::count::Count;
use super::digest::Digest;
use super::network::Network;
use super::robust::{Held, RobustMutex};
use crate::sync::{AtomicU64, Ordering};

/// Entries of a bucket. (For Miri, tables are small: it checks every entry each time that a table is borrowed.)
const WAYS: usize = if cfg!(loom) { 2 } else { 8 };
const BUCKETS: usize = if cfg!(loom) {
    1
} else if cfg!(miri) {
    4
} else {
    8192
};

/// Lockouts whose user and network are kept.
pub(super) const NAMED: usize = if cfg!(loom) {
    1
} else if cfg!(miri) {
    2
} else {
    4096
};
/// Bytes of a user's name that are kept.
pub(super) const LONGEST_NAME: usize = 104;

/// Requests of a locked-out pair that are examined in a second: more than a program and a guesser together usually
/// send, and no more than hashing would let a guesser try.
const EXAMINED: u64 = 40;

/// The limit that locks a client network out of a user's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxFailures {
    /// Number of failures that lock it out; from 1 to 1,048,575.
    pub failures: u32,
    /// Seconds in which they must occur, and for which the lockout lasts.
    pub seconds: u32,
}

/// A lockout that begins or continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// The attempts that it refuses.
    pub scope: Scope,
    /// Seconds until it ends, rounded up.
    pub seconds: u64,
}

/// The attempts that a lockout refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every password of the pair that is not remembered as right; in a flood of requests, those too.
    User,
    /// One wrong password that was repeated.
    Password,
}

/// A lockout that peers tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLockout {
    /// The attempts that it refuses.
    pub scope: Scope,
    /// Milliseconds until it ends.
    pub milliseconds: u64,
}

/// Shared by all processes. All zeros is the initial state, except for the mutex.
#[repr(C)]
pub(super) struct Lockouts {
    mutex: RobustMutex,
    /// The millisecond at which the last lockout ends.
    last_ends: AtomicU64,
    buckets: [[Entry; WAYS]; BUCKETS],
    /// Number of names kept so far.
    named: AtomicU64,
    names: [Name; NAMED],
}

/// A client network and a user of one file: three keyed numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Pair {
    pub(super) network: u64,
    pub(super) user: u64,
    /// Of network, user, file and the user's line. Selects the buckets.
    pub(super) account: u64,
}

/// A [`Pair`] in shared memory.
#[repr(C)]
#[derive(Default)]
struct StoredPair([AtomicU64; 3]);

/// State of a pair. Every word is stored after those before it, so that a killed process leaves no other order.
#[repr(C, align(64))]
struct Entry {
    pair: StoredPair,
    failures: Count,
    /// The value of `failures` when the start of the lockout was reported, or that it was learned from other servers.
    told: AtomicU64,
    /// A part of the digest of the credential counted last.
    last: AtomicU64,
    /// How often `last` was found wrong. 0: it is still being hashed.
    repeats: Count,
    /// Requests examined in the current second of a lockout.
    examined: Count,
}

/// User and network of a pair that is, or was, locked out.
#[repr(C)]
struct Name {
    /// All zero while the rest is being written.
    pair: StoredPair,
    /// The kind of network, and the length of the user's name, which may be more than is kept.
    kind_and_length: AtomicU64,
    network: AtomicU64,
    user: [AtomicU64; LONGEST_NAME / 8],
}

/// A lockout in effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) lockout: Lockout,
    /// Wrong passwords counted.
    pub(super) failures: u64,
    /// `None` if its name is no longer kept.
    pub(super) name: Option<KeptName>,
}

/// User and network as kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeptName {
    pub(super) network: Network,
    /// The user's name, cut off after [`LONGEST_NAME`] bytes.
    pub(super) user: [u8; LONGEST_NAME],
    /// Length of the whole name.
    pub(super) length: usize,
}

/// Counts cleared for an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unlocked {
    /// Pairs of client and user that were locked out.
    pub lockouts: usize,
    /// Pairs with failures that had not led to a lockout.
    pub counts: usize,
}

/// A credential presented by a pair, with access to its counts.
#[derive(Clone, Copy)]
pub(super) struct Attempt<'l> {
    pub(super) lockouts: &'l Lockouts,
    pub(super) limit: MaxFailures,
    pub(super) pair: Pair,
    /// Keyed digest of the credential.
    pub(super) credential: Digest,
}

impl Lockouts {
    /// Initialises the mutex of a table whose memory is zeroed.
    ///
    /// # Safety
    ///
    /// As for [`RobustMutex::initialise`].
    pub(super) unsafe fn initialise(&self) -> std::io::Result<()> {
        // SAFETY: as the caller promises.
        unsafe { self.mutex.initialise() }
    }

    /// True if any lockout is in effect at time `now`.
    pub(super) fn are_any(&self, now: u64) -> bool {
        self.last_ends.load(Ordering::Relaxed) > now
    }

    /// The mutex, or `None` if it cannot be taken. The state it guards is valid even if a process is killed.
    fn lock(&self) -> Option<Held<'_>> {
        self.mutex.lock().held()
    }

    /// The entries that a pair may use: those of two buckets, which are practically never both crowded by chance.
    fn candidates(&self, pair: &Pair) -> impl Iterator<Item = &Entry> {
        let bucket = |word: u64| &self.buckets[(word % BUCKETS as u64) as usize];
        bucket(pair.account).iter().chain(bucket(pair.account >> 32))
    }

    fn find(&self, pair: &Pair) -> Option<&Entry> {
        self.candidates(pair).find(|entry| entry.pair.load() == *pair)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.buckets.iter().flatten()
    }

    /// The pair's entry; if it has none, a new one that evicts the least valuable.
    fn find_or_make(&self, pair: &Pair, limit: MaxFailures, now: u64) -> Option<&Entry> {
        self.find(pair).or_else(|| {
            let entry = self.candidates(pair).min_by_key(|entry| entry.worth(limit, now))?;
            entry.clear();
            entry.pair.store(pair);
            Some(entry)
        })
    }

    /// Keeps the name of a pair whose lockout begins.
    pub(super) fn keep_name(&self, pair: &Pair, network: &Network, user: &[u8]) {
        let Some(_guard) = self.lock() else { return };
        let number = self.named.load(Ordering::Relaxed);
        let same = self.names.iter().find(|name| name.pair.load() == *pair);
        let name = same.unwrap_or_else(|| {
            self.named.store(number.wrapping_add(1), Ordering::Relaxed);
            &self.names[(number % NAMED as u64) as usize]
        });
        name.store(pair, network, user);
    }

    /// The lockouts in effect at time `now`. Takes milliseconds, during which nothing is counted.
    pub(super) fn list(&self, limit: MaxFailures, now: u64) -> Vec<Listed> {
        let Some(_guard) = self.lock() else { return Vec::new() };
        let names: HashMap<Pair, &Name> = self.names.iter().map(|name| (name.pair.load(), name)).collect();
        let listed = |entry: &Entry| {
            let lockout = entry.lockout(limit, now)?;
            let failures = match lockout.scope {
                Scope::User => entry.failures.number(now),
                Scope::Password => entry.repeats.number(now),
            };
            Some(Listed { lockout, failures, name: names.get(&entry.pair.load()).map(|name| name.load()) })
        };
        self.entries().filter_map(listed).collect()
    }

    /// Clears the counts of all pairs with this network and this user; `None` is any. As slow as [`Self::list`].
    pub(super) fn unlock(
        &self,
        network: Option<u64>,
        user: Option<u64>,
        limit: MaxFailures,
        now: u64,
    ) -> Option<Unlocked> {
        let _guard = self.lock()?;
        let mut unlocked = Unlocked::default();
        for entry in self.entries() {
            let pair = entry.pair.load();
            if network.is_some_and(|network| network != pair.network) || user.is_some_and(|user| user != pair.user) {
                continue;
            }
            if entry.lockout(limit, now).is_some() {
                unlocked.lockouts += 1;
            } else if entry.failures.number(now) + entry.repeats.number(now) > 0 {
                unlocked.counts += 1;
            }
            entry.clear();
        }
        Some(unlocked)
    }
}

impl StoredPair {
    fn load(&self) -> Pair {
        let [network, user, account] = self.0.each_ref().map(|word| word.load(Ordering::Relaxed));
        Pair { network, user, account }
    }

    fn store(&self, pair: &Pair) {
        for (stored, word) in self.0.iter().zip([pair.network, pair.user, pair.account]) {
            stored.store(word, Ordering::Release);
        }
    }
}

impl Name {
    fn store(&self, pair: &Pair, network: &Network, user: &[u8]) {
        self.pair.store(&Pair { network: 0, user: 0, account: 0 });
        let [kind, rest @ ..] = *network;
        self.kind_and_length.store(u64::from(kind) << 32 | user.len().min(0xffff) as u64, Ordering::Release);
        self.network.store(u64::from_be_bytes(rest), Ordering::Release);
        for (stored, bytes) in self.user.iter().zip(user.chunks(8)) {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            stored.store(u64::from_ne_bytes(word), Ordering::Release);
        }
        self.pair.store(pair);
    }

    fn load(&self) -> KeptName {
        let kind_and_length = self.kind_and_length.load(Ordering::Relaxed);
        let mut network = [0; 9];
        network[0] = (kind_and_length >> 32) as u8;
        network[1..].copy_from_slice(&self.network.load(Ordering::Relaxed).to_be_bytes());
        let mut user = [0; LONGEST_NAME];
        for (bytes, stored) in user.chunks_mut(8).zip(&self.user) {
            bytes.copy_from_slice(&stored.load(Ordering::Relaxed).to_ne_bytes());
        }
        KeptName { network, user, length: (kind_and_length & 0xffff) as usize }
    }
}

impl Attempt<'_> {
    /// The lockout that refuses this attempt at time `now`, in milliseconds, whatever it presents: the pair is locked
    /// out, and enough of its requests have been examined in this second. Counts this one.
    pub(super) fn refusal_unexamined(&self, now: u64) -> Option<Lockout> {
        let Some(_guard) = self.lockouts.lock() else { return Some(UNKNOWN) };
        let entry = self.lockouts.find(&self.pair)?;
        if !entry.failures.is_full(self.limit, now) {
            return None;
        }
        let examined = entry.examined.number(now);
        if examined >= EXAMINED {
            return Some(lockout(Scope::User, &entry.failures, now));
        }
        entry.examined.set(examined + 1, if examined == 0 { now + 1000 } else { entry.examined.ends() });
        None
    }

    /// The lockout that refuses this attempt at time `now`, and whether it is to be reported: if other servers told of it,
    /// with the first attempt that it refuses here.
    pub(super) fn refusal(&self, now: u64) -> Option<(Lockout, bool)> {
        let Some(_guard) = self.lockouts.lock() else { return Some((UNKNOWN, false)) };
        let entry = self.lockouts.find(&self.pair)?;
        let refusal = entry.refusal(self, now)?;
        Some((refusal, refusal.scope == Scope::User && entry.tell_learned()))
    }

    /// Counts the attempt before its hash is computed, or returns the lockout that refuses it.
    pub(super) fn charge(&self, now: u64) -> Option<Lockout> {
        let Some(_guard) = self.lockouts.lock() else { return Some(UNKNOWN) };
        let entry = self.lockouts.find_or_make(&self.pair, self.limit, now)?;
        if let Some(refusal) = entry.refusal(self, now) {
            return Some(refusal);
        }
        if !entry.was_last(self, now) {
            entry.set_last(self);
            if entry.failures.add(self.limit, now) {
                self.lockouts.last_ends.fetch_max(entry.failures.ends(), Ordering::Relaxed);
            }
        }
        None
    }

    /// Takes back a charge if no verdict could be reached.
    pub(super) fn withdraw(&self, now: u64) {
        let _guard = self.lockouts.lock();
        let entry = self.lockouts.find(&self.pair).filter(|entry| _guard.is_some() && entry.was_last(self, now));
        if let Some(entry) = entry {
            entry.failures.set(entry.failures.number(now).saturating_sub(1), entry.failures.ends());
            entry.last.store(0, Ordering::Release);
        }
    }

    /// Notes the verdict on a charged attempt: a right credential clears the pair; a wrong one may begin a lockout.
    pub(super) fn settle(&self, granted: bool, now: u64) -> Option<Lockout> {
        let _guard = self.lockouts.lock()?;
        let entry = self.lockouts.find(&self.pair)?;
        if granted {
            entry.clear();
            return None;
        }
        let repeated_too_often = entry.was_last(self, now) && entry.repeats.add(self.limit, now);
        if entry.failures.is_full(self.limit, now) {
            let begins = entry.tell(self.limit, now);
            self.lockouts.last_ends.fetch_max(entry.failures.ends(), Ordering::Relaxed);
            return begins;
        }
        repeated_too_often.then(|| lockout(Scope::Password, &entry.repeats, now))
    }
}

impl Entry {
    /// The lockout in effect, whatever is presented. One that was reported may be of this server's share of the limit.
    fn lockout(&self, limit: MaxFailures, now: u64) -> Option<Lockout> {
        if self.failures.number(now) > 0 && self.is_told() || self.failures.is_full(limit, now) {
            return Some(lockout(Scope::User, &self.failures, now));
        }
        self.repeats.is_full(limit, now).then(|| lockout(Scope::Password, &self.repeats, now))
    }

    fn refusal(&self, attempt: &Attempt<'_>, now: u64) -> Option<Lockout> {
        let was_last = self.was_last(attempt, now);
        // The attempt repeats the credential being hashed, and waits for the verdict on it.
        let is_being_hashed = was_last && self.repeats.number(now) == 0;
        if self.failures.is_full(attempt.limit, now) && !is_being_hashed {
            return Some(lockout(Scope::User, &self.failures, now));
        }
        let refused = was_last && self.repeats.is_full(attempt.limit, now);
        refused.then(|| lockout(Scope::Password, &self.repeats, now))
    }

    /// True if the attempt's credential is the one counted last, and the count has not expired.
    fn was_last(&self, attempt: &Attempt<'_>, now: u64) -> bool {
        let counts = self.failures.number(now) > 0 || self.repeats.number(now) > 0;
        counts && self.last.load(Ordering::Relaxed) == attempt.credential.index()
    }

    fn set_last(&self, attempt: &Attempt<'_>) {
        self.repeats.clear();
        self.last.store(attempt.credential.index(), Ordering::Release);
    }

    /// True if the count is still as it was when its lockout was reported; also for a new entry, which is all zeros.
    fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed) == self.failures.word()
    }

    /// The lockout of the pair if it begins now; `None` if it was reported before.
    fn tell(&self, limit: MaxFailures, now: u64) -> Option<Lockout> {
        if self.is_told() {
            return None;
        }
        self.failures.set(limit.failures.into(), now + limit.milliseconds());
        self.told.store(self.failures.word(), Ordering::Release);
        Some(lockout(Scope::User, &self.failures, now))
    }

    fn clear(&self) {
        self.failures.clear();
        self.repeats.clear();
        self.examined.clear();
        self.last.store(0, Ordering::Release);
    }

    /// The loss if the entry is given to another pair: compared from the first member to the last.
    fn worth(&self, limit: MaxFailures, now: u64) -> (bool, u64, u64, u64) {
        let (failures, repeats) = (self.failures.number(now), self.repeats.number(now));
        (self.failures.is_full(limit, now), failures, repeats, self.failures.ends())
    }
}

impl Count {
    fn is_full(&self, limit: MaxFailures, now: u64) -> bool {
        self.number(now) >= limit.failures.into()
    }

    /// Adds one; true if the count is now full. A full count lasts the whole time from now on; any other keeps its end.
    fn add(&self, limit: MaxFailures, now: u64) -> bool {
        if self.is_full(limit, now) {
            return false;
        }
        let number = self.number(now) + 1;
        let fills = number >= limit.failures.into();
        let ends = if fills || number == 1 { now + limit.milliseconds() } else { self.ends() };
        self.set(number, ends);
        fills
    }
}

/// Refuses attempts while the table cannot be read, because a process was stopped inside its mutex.
const UNKNOWN: Lockout = Lockout { scope: Scope::User, seconds: 1 };

impl MaxFailures {
    /// Its share for each of so many servers that cannot count together, rounded up.
    pub(super) fn shared_by(self, servers: u32) -> MaxFailures {
        MaxFailures { failures: self.failures.div_ceil(servers.max(1)), ..self }
    }

    fn milliseconds(self) -> u64 {
        u64::from(self.seconds) * 1000
    }
}

fn lockout(scope: Scope, count: &Count, now: u64) -> Lockout {
    Lockout { scope, seconds: count.ends().saturating_sub(now).div_ceil(1000).max(1) }
}

mod learned;
#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
