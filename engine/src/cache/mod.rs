//! The verified cache: one password hash per credential for the whole server.
//!
//! A [`Cache`] is made once, before the children are forked, and shared by all of them. It remembers verdicts by a keyed
//! digest of stored hash and password (see `digest`), grants and denials in parts of their own (`table`), orders who
//! computes the hashes that are not remembered (`desk`), and refuses who has failed too often (`lockout`). What was
//! granted a moment ago is known again by less than that (`recall`).

mod counters;
mod desk;
mod digest;
mod lockout;
mod recall;
mod robust;
mod shared;
mod table;

use std::io;
use std::net::IpAddr;
use std::ptr::NonNull;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

pub use self::counters::{
    Contents, Counters, FileCounters, FileKind, FileReport, Look, Outcome, PartUsage, Times, Usage, Waited,
};
use self::desk::{Applicant, Turn};
use self::digest::{Digest, keyed_number};
use self::lockout::Attempt;
pub use self::lockout::{Lockout, MaxFailures, Scope};
pub use self::recall::{Grant, Presented};
use self::shared::Shared;
use self::table::Table;
use crate::hash::{self, Family};

/// How a cache is to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Grants to remember at most, and a quarter as many denials. 0: none, every credential is hashed every time.
    pub entries: usize,
    /// Seconds for which a verdict is remembered.
    pub ttl: u64,
    /// Hashes computed at once.
    pub slots: usize,
    /// When a client is locked out of a user's account; never where there is none.
    pub max_failures: Option<MaxFailures>,
}

/// How long a slot rests after a wrong guess of an address that had just failed: as long as the hash took for each so many
/// other credentials that are served.
const OTHERS_FOR_REST: usize = 16;
const LONGEST_REST_IN_HASHES: usize = 3;
const LONGEST_REST: Duration = Duration::from_millis(500);

/// The verdicts of a whole server.
#[derive(Clone, Copy)]
pub struct Cache {
    shared: Shared,
    settings: Settings,
}

/// A credential to be judged.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// What the password file has for the user; for a user it does not have, a hash to spend the same time on.
    pub stored: &'a [u8],
    /// What the client sent.
    pub password: &'a [u8],
    /// False for a user whom the file does not have: the verdict is denied, whatever the hash says.
    pub known: bool,
    /// The client's address, as text. Slots are shared between addresses; of IPv6, between networks of 64 bits. They are
    /// what is locked out, too.
    pub client: &'a str,
    /// Whose password it is said to be: names the account of which a client is locked out, together with `file`.
    pub user: &'a [u8],
    /// The password file's path. A user of the same name in another file is another user.
    pub file: &'a [u8],
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Granted,
    /// It is not.
    Denied,
    /// Too many hashes are being waited for. The client may try again.
    Overloaded,
    /// The client has failed too often, and nothing was computed. It may try again when the lockout has ended.
    LockedOut,
}

/// A verdict and what it took.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// How long a hash took, if one was computed for this request.
    pub hashed_for: Option<Duration>,
    /// The lockout that refuses the request; where it is denied, the one that begins with it.
    pub lockout: Option<Lockout>,
}

impl Judgement {
    fn from_memory(verdict: Verdict) -> Judgement {
        Judgement { verdict, hashed_for: None, lockout: None }
    }

    fn locked_out(lockout: Lockout) -> Judgement {
        Judgement { lockout: Some(lockout), ..Judgement::from_memory(Verdict::LockedOut) }
    }
}

impl Cache {
    /// A cache with a new key, in new shared memory. For the parent, before it forks.
    ///
    /// Fails where the memory or the random key cannot be had.
    pub fn create(settings: Settings) -> io::Result<Cache> {
        Ok(Cache { shared: Shared::create(settings.entries)?, settings })
    }

    /// The cache that another instance of this library made in this process, with what it remembers and its key, if its
    /// size and layout are the ones wanted here.
    ///
    /// # Safety
    /// `memory` comes from [`Cache::memory`] in this process.
    pub unsafe fn adopt(memory: NonNull<u8>, settings: Settings) -> Option<Cache> {
        // SAFETY: as the caller promises.
        let shared = unsafe { Shared::adopt(memory, settings.entries) }?;
        Some(Cache { shared, settings })
    }

    /// Gives the memory of a cache back.
    ///
    /// # Safety
    /// As for [`Cache::adopt`], and nothing in this process uses that cache any more. Other processes are not affected.
    pub unsafe fn release(memory: NonNull<u8>) {
        // SAFETY: as the caller promises.
        unsafe { Shared::release(memory) }
    }

    /// Whether the system has refused to leave memory made since the last call out of core dumps, as a sandbox may.
    pub fn takes_warning_of_core_dumps() -> bool {
        shared::NOT_LEFT_OUT.swap(false, std::sync::atomic::Ordering::Relaxed)
    }

    /// The shared memory, which outlives this library where it is unloaded.
    pub fn memory(&self) -> NonNull<u8> {
        self.shared.address()
    }

    /// A number for the name of an unknown user that outsiders cannot foresee, the same each time: which other user's
    /// hash to compute for it.
    pub fn decoy(&self, user: &[u8]) -> u64 {
        keyed_number(self.shared.key(), user)
    }

    /// What the server counts.
    pub fn counters(&self) -> &'static Counters {
        self.shared.counters()
    }

    /// What the cache and its queue hold now. Takes up to a millisecond.
    pub fn usage(&self) -> Usage {
        let now = monotonic_seconds();
        let part = |table: Table<'_>, of_grants| PartUsage {
            entries: table.entries(now),
            room: table.room(),
            evictions: self.counters().evictions(of_grants),
        };
        let (running, waiting) = self.shared.desk().now();
        Usage {
            grants: part(self.shared.grants(), true),
            denials: part(self.shared.denials(), false),
            running,
            slots: self.settings.slots,
            waiting,
        }
    }

    /// Gives the files that the configuration names counters of their own, as many as there is room for. For the parent,
    /// before it forks; what was counted for a file that is still named stays.
    pub fn name_files<'f>(&self, files: impl Iterator<Item = (FileKind, &'f [u8])>) {
        let numbers: Vec<u64> = files.map(|(kind, path)| self.number_of(kind, path)).collect();
        self.counters().name_files(&numbers);
    }

    /// The counters of a file, if it has its own.
    pub fn named_file(&self, kind: FileKind, path: &[u8]) -> Option<&'static FileCounters> {
        self.counters().named_file(self.number_of(kind, path))
    }

    /// The counters to count a file in: its own, or those of all others of its kind.
    pub fn file(&self, kind: FileKind, path: &[u8]) -> &'static FileCounters {
        self.named_file(kind, path).unwrap_or_else(|| self.counters().other_files(kind))
    }

    /// What stands for a file in the shared memory. Never zero.
    fn number_of(&self, kind: FileKind, path: &[u8]) -> u64 {
        keyed_number(self.shared.key(), &[&[kind as u8], path].concat()) | 1
    }

    /// Judges a credential: from memory where it is remembered, else by its hash.
    ///
    /// A right one that is remembered is granted whatever its user and client have done; where clients can be locked out, it
    /// is remembered for that user and the network that it came from. Of the others none is judged during a lockout.
    pub fn judge(&self, credential: &Credential<'_>) -> Judgement {
        if self.settings.max_failures.is_none() && hash::is_cheap(credential.stored) {
            // Looking it up would take longer, and its slot would bound nothing. Where guesses are counted it is looked up
            // all the same, since otherwise the right one could not be told from them during a lockout.
            self.counters().count_cheap_hash();
            let granted = hash::verify(credential.password, credential.stored) && credential.known;
            return Judgement::from_memory(verdict(granted));
        }
        let digest = self.digest(credential);
        let now = monotonic_seconds();
        let remembered = self.remembered(&digest, now);
        if remembered == Some(Verdict::Granted) {
            self.counters().count_look(Look::Grant);
            return Judgement::from_memory(Verdict::Granted);
        }
        let attempt = self.attempt(credential, digest);
        if let Some(lockout) = attempt.and_then(|attempt| attempt.refusal(monotonic_milliseconds())) {
            thread::sleep(self.shared.lockouts().pause(monotonic_milliseconds()));
            return Judgement::locked_out(lockout);
        }
        self.counters().count_look(if remembered.is_some() { Look::Denial } else { Look::Miss });
        match remembered {
            Some(verdict) => self.judge_by_memory(verdict, attempt),
            // Needs no slot.
            None if hash::is_cheap(credential.stored) => self.judge_now(credential, digest, attempt, false),
            None => self.judge_by_hash(credential, digest, attempt, now),
        }
    }

    fn digest(&self, credential: &Credential<'_>) -> Digest {
        let (key, Credential { stored, password, client, user, .. }) = (self.shared.key(), *credential);
        let digest = match self.settings.max_failures {
            None => Digest::of(key, [stored, password]),
            // Only what was right for this user from here passes during a lockout. Else whoever is locked out could go on
            // guessing, and faster than before, what somebody elsewhere has just logged in with.
            Some(_) => Digest::of(key, [stored, password, &network(client), user]),
        };
        if credential.known {
            return digest;
        }
        // Not what a known user with this hash and password has, who may be granted.
        Digest(digest.0.map(|word| !word))
    }

    /// The means to count this attempt, where attempts are counted.
    fn attempt(&self, credential: &Credential<'_>, digest: Digest) -> Option<Attempt<'static>> {
        let limit = self.settings.max_failures?;
        let Credential { client, user, file, .. } = *credential;
        let pair = Digest::of(self.shared.key(), [&network(client), file, user]);
        Some(Attempt { lockouts: self.shared.lockouts(), limit, pair, credential: digest })
    }

    fn remembered(&self, digest: &Digest, now: u64) -> Option<Verdict> {
        if self.shared.grants().contains(digest, now) {
            return Some(Verdict::Granted);
        }
        self.shared.denials().contains(digest, now).then_some(Verdict::Denied)
    }

    /// What is remembered. A wrong password counts all the same.
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

    fn judge_by_hash(
        &self,
        credential: &Credential<'_>,
        digest: Digest,
        attempt: Option<Attempt<'_>>,
        mut now: u64,
    ) -> Judgement {
        let desk = self.shared.desk();
        let address = keyed_number(self.shared.key(), &network(credential.client));
        let came = Instant::now();
        loop {
            match desk.apply(&Applicant { digest, address, now }, self.settings.slots) {
                Turn::Full => {
                    self.counters().count_wait(Waited::Refused, came.elapsed());
                    return Judgement::from_memory(Verdict::Overloaded);
                }
                Turn::LookAgain => {
                    now = monotonic_seconds();
                    if let Some(verdict) = self.remembered(&digest, now) {
                        self.counters().count_wait(Waited::Shared, came.elapsed());
                        return self.judge_by_memory(verdict, attempt);
                    }
                }
                Turn::Compute(slot) => {
                    // The line may have been long, and the same credential judged meanwhile.
                    if let Some(verdict) = self.remembered(&digest, monotonic_seconds()) {
                        self.counters().count_wait(Waited::Shared, came.elapsed());
                        return self.judge_by_memory(verdict, attempt);
                    }
                    let began = Instant::now();
                    self.counters().count_wait(Waited::Slot, began - came);
                    let judgement = self.judge_now(credential, digest, attempt, slot.gives_way);
                    if judgement.verdict == Verdict::Denied {
                        desk.note_failure(address, monotonic_seconds());
                        if slot.gives_way {
                            // Even at the lowest priority a hash slows down what runs beside it: by what processors share.
                            let hashes = (slot.others() / OTHERS_FOR_REST).min(LONGEST_REST_IN_HASHES);
                            thread::sleep((began.elapsed() * hashes as u32).min(LONGEST_REST));
                        }
                    }
                    drop(slot);
                    return judgement;
                }
            }
        }
    }

    /// Computes the hash and remembers the verdict, before whoever holds a slot gives it back: then those who wait for the
    /// same credential look again.
    fn judge_now(
        &self,
        credential: &Credential<'_>,
        digest: Digest,
        attempt: Option<Attempt<'_>>,
        gives_way: bool,
    ) -> Judgement {
        if let Some(lockout) = attempt.and_then(|attempt| attempt.charge(monotonic_milliseconds())) {
            return Judgement::locked_out(lockout);
        }
        let began = Instant::now();
        let granted = compute(credential, gives_way) && credential.known;
        let took = began.elapsed();
        self.counters().count_hash(Family::of(credential.stored), took);
        self.remember(&digest, granted);
        let lockout = attempt.and_then(|attempt| attempt.settle(granted, monotonic_milliseconds()));
        Judgement { verdict: verdict(granted), hashed_for: Some(took), lockout }
    }

    fn remember(&self, digest: &Digest, granted: bool) {
        let now = monotonic_seconds();
        let table = if granted { self.shared.grants() } else { self.shared.denials() };
        if table.insert(digest, now, now + self.settings.ttl) {
            self.counters().count_eviction(granted);
        }
    }
}

/// What clients of one network have in common: an IPv4 address, or the first half of an IPv6 address, of which a client
/// can use as many second halves as it likes.
fn network(client: &str) -> [u8; 8] {
    let mut network = [0; 8];
    match client.parse() {
        Ok(IpAddr::V4(address)) => network[4..].copy_from_slice(&address.octets()),
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => network[4..].copy_from_slice(&address.octets()),
            None => network.copy_from_slice(&address.octets()[..8]),
        },
        // Not an address (a socket's path, say): one network for all.
        Err(_) => {}
    }
    network
}

fn verdict(granted: bool) -> Verdict {
    if granted { Verdict::Granted } else { Verdict::Denied }
}

fn compute(credential: &Credential<'_>, gives_way: bool) -> bool {
    let Credential { stored, password, .. } = *credential;
    if gives_way { hash_giving_way(password, stored) } else { hash::verify(password, stored) }
}

/// Computes a hash in a thread that only gets what processor time others leave. A thread of its own, since without
/// privileges a thread cannot take back a priority it has lowered; it costs little beside a hash.
fn hash_giving_way(password: &[u8], stored: &[u8]) -> bool {
    thread::scope(|scope| {
        let work = || {
            // SAFETY: changes the priority of the calling thread, which ends with this hash.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
            hash::verify(password, stored)
        };
        let builder = thread::Builder::new().name("esauth-hash".into()).stack_size(256 * 1024);
        match without_signals(|| builder.spawn_scoped(scope, work)) {
            // A panic in there is a mismatch.
            Ok(thread) => thread.join().unwrap_or(false),
            // No thread to be had: the hash is still owed.
            Err(_) => hash::verify(password, stored),
        }
    })
}

/// Runs `spawn` with all signals blocked, which the thread that it starts inherits: the process's signals are for the
/// threads of its own.
fn without_signals<T>(spawn: impl FnOnce() -> T) -> T {
    // SAFETY: two signal sets on the stack, the first filled before it is used and the second by the call that is given it.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let result = spawn();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}

/// A clock that all processes share and nobody can set, read without a system call.
fn monotonic_seconds() -> u64 {
    clock_gettime(ClockId::MonotonicCoarse).tv_sec.try_into().unwrap_or(0)
}

/// The same clock.
fn monotonic_milliseconds() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::expect_used, reason = "what fails while a test is set up fails the test")]
mod tests {
    use super::*;

    /// Of "secret", cost 4.
    const STORED: &[u8] = b"$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";

    fn cache(entries: usize, ttl: u64) -> Cache {
        Cache::create(Settings { entries, ttl, slots: 2, max_failures: None })
            .expect("there is memory for a small cache")
    }

    fn credential(password: &str) -> Credential<'_> {
        Credential {
            stored: STORED,
            password: password.as_bytes(),
            known: true,
            client: "127.0.0.1",
            user: b"alice",
            file: b"/users",
        }
    }

    fn judge(cache: &Cache, credential: &Credential<'_>) -> (Verdict, bool) {
        let judgement = cache.judge(credential);
        (judgement.verdict, judgement.hashed_for.is_some())
    }

    #[test]
    fn each_credential_is_hashed_once_whether_right_or_wrong() {
        let cache = cache(64, 3600);
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
        assert_eq!(judge(&cache, &credential("wrong")), (Verdict::Denied, true));
        for _ in 0..3 {
            assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, false));
            assert_eq!(judge(&cache, &credential("wrong")), (Verdict::Denied, false));
        }
    }

    #[test]
    fn another_stored_hash_is_another_credential() {
        let cache = cache(64, 3600);
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
        let changed = b"$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";
        assert_eq!(judge(&cache, &Credential { stored: changed, ..credential("secret") }), (Verdict::Denied, true));
    }

    #[test]
    fn an_unknown_user_is_denied_even_with_the_password_of_the_hash_in_its_place() {
        let cache = cache(64, 3600);
        let unknown = Credential { known: false, ..credential("secret") };
        assert_eq!(judge(&cache, &unknown), (Verdict::Denied, true));
        assert_eq!(judge(&cache, &unknown), (Verdict::Denied, false));
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
        assert_eq!(judge(&cache, &unknown), (Verdict::Denied, false));
    }

    #[test]
    fn a_verdict_is_forgotten_when_its_time_is_up() {
        let cache = cache(64, 1);
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
        thread::sleep(Duration::from_millis(2100));
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
    }

    #[test]
    fn without_entries_every_credential_is_hashed_and_judged_rightly() {
        let cache = cache(0, 60);
        for _ in 0..2 {
            assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
            assert_eq!(judge(&cache, &credential("wrong")), (Verdict::Denied, true));
        }
    }

    #[test]
    fn a_flood_of_wrong_passwords_evicts_no_grant() {
        let cache = cache(64, 3600);
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
        for n in 0..1000 {
            assert_eq!(judge(&cache, &credential(&format!("guess {n}"))).0, Verdict::Denied);
        }
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, false));
    }

    #[test]
    fn a_slots_holder_is_told_how_many_others_there_are() {
        let cache = cache(64, 3600);
        let apply = |number| match cache
            .shared
            .desk()
            .apply(&Applicant { digest: Digest([number; 3]), address: number, now: 1 }, 2)
        {
            Turn::Compute(slot) => slot,
            _ => panic!("there is a slot for each of two"),
        };
        let first = apply(1);
        assert_eq!(first.others(), 0);
        let second = apply(2);
        assert_eq!((first.others(), second.others()), (1, 1));
        drop(second);
        assert_eq!(first.others(), 0);
    }

    #[test]
    fn looks_hashes_and_waits_add_up_to_the_credentials_judged() {
        let cache = cache(64, 3600);
        for password in ["secret", "wrong", "secret", "wrong", "secret", "wrong", "secret", "secret"] {
            cache.judge(&credential(password));
        }
        let sha = Credential { stored: b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", ..credential("secret") };
        assert_eq!(judge(&cache, &sha), (Verdict::Granted, false));
        let counters = cache.counters();
        assert_eq!([Look::Grant, Look::Denial, Look::Miss].map(|look| counters.looks(look)), [4, 2, 2]);
        assert_eq!([Family::Bcrypt, Family::Sha1, Family::Apr1].map(|family| counters.hashes(family)), [2, 1, 0]);
        assert!(counters.hash_times(Family::Bcrypt).sum > Duration::ZERO);
        assert_eq!([Waited::Slot, Waited::Shared].map(|ended| counters.waits(ended).count()), [2, 0]);
        let Usage { grants, denials, running, slots, waiting } = cache.usage();
        assert_eq!((grants.entries, denials.entries, running, slots, waiting), (1, 1, 0, 2, 0));
        assert_eq!((grants.room, denials.room), (64, 16));
    }

    #[test]
    fn an_address_is_told_by_all_of_ipv4_and_half_of_ipv6() {
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.1"));
        assert_eq!(network("2001:db8:1:2::3"), network("2001:db8:1:2:ffff::4"));
        assert_ne!(network("2001:db8:1:2::3"), network("2001:db8:1:3::3"));
    }

    #[test]
    fn a_successor_of_the_same_size_adopts_what_is_remembered_and_another_does_not() {
        let before = cache(64, 3600);
        assert_eq!(judge(&before, &credential("secret")), (Verdict::Granted, true));
        let adopt = |entries| {
            // SAFETY: `before` made the memory in this process.
            unsafe { Cache::adopt(before.memory(), Settings { entries, ttl: 60, slots: 1, max_failures: None }) }
        };
        assert_eq!(judge(&adopt(64).unwrap(), &credential("secret")), (Verdict::Granted, false));
        assert!(adopt(6400).is_none());
    }

    /// Of "secret".
    const CHEAP: &[u8] = b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

    /// Locked out after three failures.
    fn strict(entries: usize) -> Cache {
        let max_failures = Some(MaxFailures { failures: 3, seconds: 60 });
        Cache::create(Settings { entries, ttl: 60, slots: 2, max_failures }).expect("there is memory for a small cache")
    }

    fn lock_out(cache: &Cache, credential: &Credential<'_>) {
        for number in 1..=3 {
            let password = format!("guess {number}");
            let judgement = cache.judge(&Credential { password: password.as_bytes(), ..*credential });
            assert_eq!((judgement.verdict, judgement.lockout.is_some()), (Verdict::Denied, number == 3));
        }
    }

    #[test]
    fn during_a_lockout_what_is_remembered_as_right_passes_and_nothing_is_hashed() {
        for stored in [STORED, CHEAP] {
            let cache = strict(64);
            let right = Credential { stored, ..credential("secret") };
            assert_eq!(judge(&cache, &right), (Verdict::Granted, true));
            lock_out(&cache, &right);
            for password in ["guess 1", "guess 3", "guess 4", "Secret"] {
                let guess = Credential { stored, ..credential(password) };
                assert_eq!(judge(&cache, &guess), (Verdict::LockedOut, false), "{password}");
            }
            assert_eq!(judge(&cache, &right), (Verdict::Granted, false));
        }
    }

    #[test]
    fn a_right_password_that_is_not_remembered_is_not_told_from_a_guess_during_a_lockout() {
        for (entries, stored) in [(64, STORED), (64, CHEAP), (0, STORED), (0, CHEAP)] {
            let cache = strict(entries);
            let right = Credential { stored, ..credential("secret") };
            lock_out(&cache, &right);
            assert_eq!(judge(&cache, &right), (Verdict::LockedOut, false));
        }
    }

    #[test]
    fn during_a_lockout_what_was_right_from_elsewhere_or_for_another_does_not_pass() {
        for stored in [STORED, CHEAP] {
            let cache = strict(64);
            let right = Credential { stored, ..credential("secret") };
            assert_eq!(judge(&cache, &right), (Verdict::Granted, true));
            for other in [Credential { client: "192.0.2.1", ..right }, Credential { user: b"bob", ..right }] {
                lock_out(&cache, &other);
                assert_eq!(judge(&cache, &other), (Verdict::LockedOut, false));
            }
            assert_eq!(judge(&cache, &right), (Verdict::Granted, false));
        }
    }

    #[test]
    fn a_lockout_is_of_one_user_in_one_file_from_one_network() {
        let cache = strict(64);
        let here = Credential { client: "2001:db8:1:2::3", ..credential("secret") };
        lock_out(&cache, &here);
        assert_eq!(judge(&cache, &Credential { client: "2001:db8:1:2:f::1", ..here }).0, Verdict::LockedOut);
        for elsewhere in [
            Credential { client: "2001:db8:1:3::3", ..here },
            Credential { user: b"bob", ..here },
            Credential { file: b"/others", ..here },
        ] {
            assert_ne!(judge(&cache, &Credential { password: b"x", ..elsewhere }).0, Verdict::LockedOut);
        }
        let mapped = Credential { client: "::ffff:192.0.2.1", ..here };
        lock_out(&cache, &mapped);
        assert_eq!(judge(&cache, &Credential { password: b"x", client: "192.0.2.1", ..here }).0, Verdict::LockedOut);
    }

    #[test]
    fn an_unknown_user_is_locked_out_as_a_known_one_is() {
        let cache = strict(64);
        let unknown = Credential { known: false, user: b"nobody", ..credential("secret") };
        lock_out(&cache, &unknown);
        assert_eq!(judge(&cache, &unknown), (Verdict::LockedOut, false));
    }

    #[test]
    fn the_same_wrong_password_again_and_again_does_not_lock_out_the_right_one() {
        for entries in [0, 64] {
            let cache = strict(entries);
            let verdicts = [(); 5].map(|()| judge(&cache, &credential("old")).0);
            let [denied, locked_out] = [Verdict::Denied, Verdict::LockedOut];
            assert_eq!(verdicts, [denied, denied, denied, locked_out, locked_out]);
            assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
        }
    }
}
