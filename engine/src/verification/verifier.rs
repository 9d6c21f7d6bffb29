//! The verifier: judges credentials, from memory or by their hash.

use std::io;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::compute::{self, Credential};
use super::digest::{Digest, keyed_number};
use super::lockouts::{Attempt, Lockout, MaxFailures};
use super::network::network;
use super::queue::{Admission, Limits, Request, Slot};
use super::shared::{Shared, Unprotected};
use super::table::Table;
use crate::clock::{monotonic_milliseconds, monotonic_seconds};
use crate::counters::{Counters, FileCounters, FileKind, Lookup, PartUsage, Usage, Waited};
use crate::hash::{self, Family};

/// Settings of a verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Maximum of remembered grants, and of a quarter as many denials. 0: none, every credential is hashed every time.
    pub entries: usize,
    /// Seconds for which a verdict is remembered; each use within them renews a grant.
    pub ttl: u64,
    /// Hashes computed at once.
    pub slots: usize,
    /// Requests that the host can serve at once, each in a thread or process that is blocked while it waits for its
    /// hash.
    pub workers: usize,
    /// The limit that locks a client out of a user's account, if there is one.
    pub max_failures: Option<MaxFailures>,
}

/// The longest time a request waits for its verdict, over all turns.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The verdicts of a whole server.
#[derive(Clone, Copy)]
pub struct Verifier {
    pub(super) shared: Shared,
    pub(super) settings: Settings,
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Granted,
    /// The password is wrong.
    Denied,
    /// The queue for hashes is full. The client may try again.
    Overloaded,
    /// The hash could not be computed, for example for lack of memory. Nothing is remembered or counted.
    NotComputed,
    /// The client has failed too often, and nothing was computed. It may try again after the lockout.
    LockedOut,
}

/// A verdict and its cost.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Duration of the hash, if one was computed for this request.
    pub hashed_for: Option<Duration>,
    /// The lockout that refuses the request; for a denied one, the lockout that begins with it.
    pub lockout: Option<Lockout>,
    /// True if a hash was computed and another than the first stored one matched.
    pub by_later_hash: bool,
}

impl Judgement {
    fn from_memory(verdict: Verdict) -> Judgement {
        Judgement { verdict, hashed_for: None, lockout: None, by_later_hash: false }
    }

    fn locked_out(lockout: Lockout) -> Judgement {
        Judgement { lockout: Some(lockout), ..Judgement::from_memory(Verdict::LockedOut) }
    }
}

impl Verifier {
    /// A cache with a new key, in new shared memory; also returns the refused protections of that memory. For the
    /// parent, before it forks.
    ///
    /// Fails if the memory or the random key is not available.
    pub fn create(settings: Settings) -> io::Result<(Verifier, Vec<(Unprotected, io::Error)>)> {
        let (shared, unprotected) = Shared::create(settings.entries)?;
        Ok((Verifier { shared, settings }, unprotected))
    }

    /// Closes the memory to this process and those it forks, until they open it.
    ///
    /// # Safety
    ///
    /// Nothing in this process uses a cache in this memory before it is opened again.
    pub unsafe fn close(&self) -> io::Result<()> {
        // SAFETY: as the caller promises.
        unsafe { self.shared.close() }
    }

    /// Opens memory closed before the fork. For each child, before its first request.
    pub fn open(&self) -> io::Result<()> {
        self.shared.open()
    }

    /// The cache that another instance of this library created in this process, with its verdicts and key, if its size
    /// and layout are the same.
    ///
    /// # Safety
    ///
    /// `memory` comes from [`Verifier::memory`] in this process.
    pub unsafe fn adopt(memory: NonNull<u8>, settings: Settings) -> Option<Verifier> {
        // SAFETY: as the caller promises.
        let shared = unsafe { Shared::adopt(memory, settings.entries) }?;
        Some(Verifier { shared, settings })
    }

    /// Frees the memory of a cache.
    ///
    /// # Safety
    ///
    /// As for [`Verifier::adopt`], and nothing in this process uses that cache any more. Other processes are not
    /// affected.
    pub unsafe fn release(memory: NonNull<u8>) {
        // SAFETY: as the caller promises.
        unsafe { Shared::release(memory) }
    }

    /// The shared memory, which outlives the library when that is unloaded.
    pub fn memory(&self) -> NonNull<u8> {
        self.shared.address()
    }

    /// A number for an unknown user's name, always the same one and unpredictable for outsiders: it selects the other
    /// user's hash to compute.
    pub fn decoy(&self, user: &[u8]) -> u64 {
        keyed_number(&self.shared.keys().numbers, user)
    }

    /// The server's counters.
    pub fn counters(&self) -> &'static Counters {
        self.shared.counters()
    }

    /// Current contents of the cache and its queue. Takes up to a millisecond.
    pub fn usage(&self) -> Usage {
        let now = monotonic_seconds();
        let part = |table: Table<'_>, of_grants| PartUsage {
            entries: table.entries(now),
            room: table.room(),
            evictions: self.counters().evictions(of_grants),
        };
        let (running, waiting) = self.shared.queue().now();
        Usage {
            grants: part(self.shared.grants(), true),
            denials: part(self.shared.denials(), false),
            running,
            slots: self.settings.slots,
            waiting,
        }
    }

    /// Assigns counters to files named in the configuration, while there are free ones. For the parent, before it
    /// forks; a file that is still named keeps its counts.
    pub fn name_files<'f>(&self, files: impl Iterator<Item = (FileKind, &'f [u8])>) {
        let numbers: Vec<u64> = files.map(|(kind, path)| self.number_of(kind, path)).collect();
        self.counters().name_files(&numbers);
    }

    /// The counters of a file, if it has its own.
    pub fn named_file(&self, kind: FileKind, path: &[u8]) -> Option<&'static FileCounters> {
        self.counters().named_file(self.number_of(kind, path))
    }

    /// The counters to use for a file: its own, or those shared by all others of its kind.
    pub fn file(&self, kind: FileKind, path: &[u8]) -> &'static FileCounters {
        self.named_file(kind, path).unwrap_or_else(|| self.counters().other_files(kind))
    }

    /// Identifies a file in the shared memory. Never zero.
    fn number_of(&self, kind: FileKind, path: &[u8]) -> u64 {
        keyed_number(&self.shared.keys().numbers, &[&[kind as u8], path].concat()) | 1
    }

    /// Judges a credential: from memory if it is remembered, else by its hash.
    ///
    /// A right one that is remembered is granted, whatever its user and client have done, unless a lockout receives
    /// more requests than may be examined; if clients can be locked out, it is remembered for that user and its
    /// network. No others are judged during a lockout.
    pub fn judge(&self, credential: &Credential<'_>) -> Judgement {
        if self.settings.max_failures.is_none() && compute::is_cheap(credential) {
            // A lookup would take longer, and a slot would limit nothing. If guesses are counted it is looked up all
            // the same; otherwise a right password could not be distinguished from guesses during a lockout.
            self.counters().count_cheap_hash();
            let granted = hash::verify(credential.password, credential.stored) && credential.known;
            return Judgement::from_memory(verdict(granted));
        }
        let digest = self.digest(credential);
        let now = monotonic_milliseconds();
        if !credential.proven && self.settings.max_failures.is_some() && self.shared.lockouts().are_any(now) {
            let attempt = self.attempt(credential, digest);
            if let Some(lockout) = attempt.and_then(|attempt| attempt.refusal_unexamined(now)) {
                return Judgement::locked_out(lockout);
            }
        }
        let remembered = self.remembered(&digest);
        if remembered == Some(Verdict::Granted) {
            self.counters().count_lookup(Lookup::Grant);
            return Judgement::from_memory(Verdict::Granted);
        }
        let attempt = self.attempt(credential, digest);
        if let Some(lockout) = attempt.and_then(|attempt| attempt.refusal(now)) {
            return Judgement::locked_out(lockout);
        }
        self.counters().count_lookup(if remembered.is_some() { Lookup::Denial } else { Lookup::Miss });
        match remembered {
            Some(verdict) => self.judge_by_memory(verdict, attempt),
            // Needs no slot.
            None if compute::is_cheap(credential) => self.judge_now(credential, digest, attempt, None),
            None => self.judge_by_hash(credential, digest, attempt),
        }
    }

    fn digest(&self, credential: &Credential<'_>) -> Digest {
        let (key, Credential { stored, password, client, user, .. }) = (&self.shared.keys().verdicts, *credential);
        if !credential.known {
            // For that name only: otherwise a client that asked for one unknown user could recognize others by how soon
            // they are denied. (The number of parts differs from that of a known user, who may be granted.)
            return Digest::of(key, [stored, password, &network(client), user, b"unknown"]);
        }
        match self.settings.max_failures {
            None => Digest::of(key, [stored, password]),
            // Only a grant to this user from here passes during a lockout. Otherwise a locked-out client could go on
            // guessing, and faster than before, the password of a login from elsewhere.
            Some(_) => Digest::of(key, [stored, password, &network(client), user]),
        }
    }

    /// The counts for this attempt, if attempts are counted. A user whose line has changed starts anew.
    fn attempt(&self, credential: &Credential<'_>, digest: Digest) -> Option<Attempt<'static>> {
        let limit = self.settings.max_failures?;
        let Credential { client, user, file, stored, known, .. } = *credential;
        let line = if known { stored } else { b"" };
        let pair = Digest::of(&self.shared.keys().verdicts, [&network(client), file, user, line, b"", b""]);
        Some(Attempt { lockouts: self.shared.lockouts(), limit, pair, credential: digest })
    }

    /// The remembered verdict. Using a grant renews it: nothing that it depends on can have changed, since the stored
    /// hash is part of the digest.
    fn remembered(&self, digest: &Digest) -> Option<Verdict> {
        let now = monotonic_seconds();
        if self.shared.grants().contains(digest, now, now + self.settings.ttl) {
            return Some(Verdict::Granted);
        }
        self.shared.denials().contains(digest, now, 0).then_some(Verdict::Denied)
    }

    /// Returns the remembered verdict. A wrong password counts all the same.
    fn judge_by_memory(&self, verdict: Verdict, attempt: Option<Attempt<'_>>) -> Judgement {
        let Some(attempt) = attempt.filter(|_| verdict == Verdict::Denied) else {
            return Judgement::from_memory(verdict);
        };
        let now = monotonic_milliseconds();
        match attempt.charge(now) {
            Some(lockout) => Judgement::locked_out(lockout),
            None => Judgement { lockout: attempt.settle(false, now), ..Judgement::from_memory(verdict) },
        }
    }

    fn judge_by_hash(&self, credential: &Credential<'_>, digest: Digest, attempt: Option<Attempt<'_>>) -> Judgement {
        let Settings { entries, slots, workers, .. } = self.settings;
        let network = network(credential.client);
        let number = |bytes: &[u8]| keyed_number(&self.shared.keys().numbers, bytes);
        let request = Request {
            digest: (entries > 0).then_some(digest),
            network: number(&network),
            account: number(&[&network, credential.user].concat()),
        };
        let came = Instant::now();
        loop {
            match self.shared.queue().admit(&request, Limits::new(slots, workers), came + LONGEST_WAIT) {
                Admission::Refused => {
                    self.counters().count_wait(Waited::Refused, came.elapsed());
                    return Judgement::from_memory(Verdict::Overloaded);
                }
                Admission::LookAgain => {
                    if let Some(verdict) = self.remembered(&digest) {
                        self.counters().count_wait(Waited::Shared, came.elapsed());
                        return self.judge_by_memory(verdict, attempt);
                    }
                }
                Admission::Compute(mut slot) => {
                    // After a long wait in the queue, the same credential may have been judged meanwhile.
                    if let Some(verdict) = self.remembered(&digest) {
                        self.counters().count_wait(Waited::Shared, came.elapsed());
                        return self.judge_by_memory(verdict, attempt);
                    }
                    self.counters().count_wait(Waited::Slot, came.elapsed());
                    return self.judge_now(credential, digest, attempt, Some(&mut slot));
                }
            }
        }
    }

    /// Computes the hash and remembers the verdict before the slot is freed: only then do waiters for the same
    /// credential look again.
    fn judge_now(
        &self,
        credential: &Credential<'_>,
        digest: Digest,
        attempt: Option<Attempt<'_>>,
        slot: Option<&mut Slot<'_>>,
    ) -> Judgement {
        if let Some(lockout) = attempt.and_then(|attempt| attempt.charge(monotonic_milliseconds())) {
            return Judgement::locked_out(lockout);
        }
        let gives_way = slot.as_ref().is_some_and(|slot| slot.gives_way());
        let began = Instant::now();
        let Ok(matching) = compute::hash(credential, gives_way) else {
            if let Some(attempt) = attempt {
                attempt.withdraw(monotonic_milliseconds());
            }
            return Judgement::from_memory(Verdict::NotComputed);
        };
        let (granted, took) = (matching.is_some() && credential.known, began.elapsed());
        self.counters().count_hash(Family::of(compute::first(credential.stored)), took);
        self.remember(&digest, granted);
        if let Some(slot) = slot {
            slot.settle(granted);
        }
        let lockout = attempt.and_then(|attempt| attempt.settle(granted, monotonic_milliseconds()));
        let by_later_hash = granted && matching > Some(0);
        Judgement { verdict: verdict(granted), hashed_for: Some(took), lockout, by_later_hash }
    }

    fn remember(&self, digest: &Digest, granted: bool) {
        let now = monotonic_seconds();
        let table = if granted { self.shared.grants() } else { self.shared.denials() };
        if table.insert(digest, now, now + self.settings.ttl) {
            self.counters().count_eviction(granted);
        }
    }
}

fn verdict(granted: bool) -> Verdict {
    if granted { Verdict::Granted } else { Verdict::Denied }
}
