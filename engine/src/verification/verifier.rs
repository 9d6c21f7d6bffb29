//! The verifier: a whole server's memory of verdicts, and its settings.

use std::io;
use std::ptr::NonNull;

use super::compute::Credential;
use super::digest::{Digest, keyed_number};
use super::lockouts::MaxFailures;
use super::peers::{Peers, Spender, spender_name};
use super::rates::{Rate, Spent};
use super::shared::{Shared, Unprotected};
use super::table::Table;
use crate::clock::{monotonic_nanoseconds, monotonic_seconds};
use crate::counters::{Counters, FileCounters, FileKind, PartUsage, Usage};
use crate::files::{Accepted, Passwords};

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

impl Settings {
    /// The slots for a machine with so many processors. With as many as processors, some stand still: when a hash ends, its slot
    /// goes to a request in another thread, which the system may put on a processor that still has a hash.
    pub fn usual_slots(processors: usize) -> usize {
        processors.max(1) + 1
    }
}

/// The verdicts of a whole server.
#[derive(Clone, Copy)]
pub struct Verifier {
    pub(super) shared: Shared,
    pub(super) settings: Settings,
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

    /// What a file makes of `user`, whose hashes are `accepted`: for an unknown one, a hash that takes the same time. The
    /// password, the client and the file's path are left to be filled in. `None`: the file has no hash, so no user to hide.
    pub fn credential<'a>(
        &self,
        file: &'a Passwords,
        accepted: Option<Accepted<'a>>,
        user: &'a [u8],
    ) -> Option<Credential<'a>> {
        // Always the same and unpredictable for outsiders: it selects whose hash stands for this user's.
        let number = || keyed_number(&self.shared.keys().numbers, user);
        Some(Credential {
            stored: accepted.map(|accepted| accepted.stored).or_else(|| file.decoy(number()))?,
            padding: file.second_decoy(number),
            password: b"",
            known: accepted.is_some(),
            client: "",
            proven: false,
            exempt: false,
            user,
            file: b"",
        })
    }

    /// Counts a request of `user`, who was let in by `file` (its path, or nothing), or refuses it. Users of the same name
    /// in other files, and other rates, are counted separately.
    ///
    /// Peers are told without waiting, and what they tell counts from then on. While they do not count, this server admits
    /// its share.
    pub fn spend(&self, file: &[u8], user: &[u8], rate: Rate, peers: Option<&dyn Peers>) -> Spent {
        let (requests, seconds) = (rate.requests.to_le_bytes(), rate.seconds.to_le_bytes());
        let digest = Digest::of(&self.shared.keys().rates, [file, user, &requests, &seconds]);
        let (rates, now) = (self.shared.rates(), monotonic_nanoseconds());
        let Some(peers) = peers else { return rates.spend(&digest, rate, now) };
        let here = if peers.count_requests() { rate } else { rate.shared_by(peers.servers()) };
        let spent = rates.spend(&digest, here, now);
        if spent == Spent::Admitted {
            peers.spend(&spender_name(peers, file, user, rate), Spender { rates, user: digest, rate });
        }
        spent
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
}
