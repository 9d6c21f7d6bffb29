//! Counters of the whole server, in memory shared by all children.
//!
//! Every counter only rises, by one atomic addition, so a child killed at any instant leaves nothing to repair: at
//! worst, the event it was about to count is missing. Figures that can fall (hashes running, credentials waiting,
//! entries) are not counted but read from the state itself when somebody asks (see [`Usage`]).
//!
//! Events of every request are counted in [`Shard`]s, one for each processor, so that processors do not wait for each
//! other's cache lines; the reader adds them up. Events of password hashes and file reads are rare enough for a single
//! counter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::thread::sched_getcpu;

use crate::hash::Family;
use crate::outcome::Outcome;

/// Result of looking up a credential with a slow hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lookup {
    /// Remembered as right.
    Grant,
    /// Remembered as wrong.
    Denial,
    /// Not remembered.
    Miss,
}

/// How the wait for a hash ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Waited {
    /// With a slot, to compute it.
    Slot,
    /// Another request with the same credential computed it.
    Shared,
    /// The queue was full or stuck: answered with 503.
    Refused,
}

/// The directive that names a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FileKind {
    /// A password file.
    Users,
    /// A group file.
    Groups,
    /// A roles file.
    Roles,
    /// A file of credentials for a back end.
    Credentials,
}

impl FileKind {
    /// All of them, in order.
    pub const ALL: [FileKind; 4] = [FileKind::Users, FileKind::Groups, FileKind::Roles, FileKind::Credentials];
}

/// Counts that the host may use as it likes, by numbers below this.
pub const OF_HOST: usize = 32;

/// Processors with a higher number share the shard of a lower one.
const SHARDS: usize = 64;
const LOOKUPS: usize = Outcome::ALL.len();
const CHEAP_HASHES: usize = LOOKUPS + 3;

/// The counters of one processor, in two cache lines of their own, since processors fetch them in pairs.
#[repr(C, align(128))]
struct Shard {
    counts: [AtomicU64; 16],
}

/// All counters of a server. All zeros is the initial state.
#[repr(C)]
pub struct Counters {
    shards: [Shard; SHARDS],
    /// Start of counting, in seconds since 1970.
    started: AtomicU64,
    /// Entries evicted before they expired, of grants and of denials.
    evictions: [AtomicU64; 2],
    hashes: [Histogram; Family::COUNT],
    waits: [Histogram; 3],
    files: [FileCounters; FILES],
    /// For files without counters of their own, by kind.
    other_files: [FileCounters; FileKind::ALL.len()],
    /// Counts with a meaning that only the host knows.
    of_host: [AtomicU64; OF_HOST],
}

impl Counters {
    pub(crate) fn start(&self) {
        self.started.store(unix_seconds(), Ordering::Relaxed);
    }

    /// Start of counting, in seconds since 1970.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Counts a request. Costs a few nanoseconds, and no time on other processors.
    #[inline]
    pub fn count(&self, outcome: Outcome) {
        self.add(outcome as usize);
    }

    /// Number of requests with this outcome.
    pub fn requests(&self, outcome: Outcome) -> u64 {
        self.sum(outcome as usize)
    }

    /// Adds one to a count of the host's.
    pub fn count_of_host(&self, number: usize) {
        self.of_host[number.min(OF_HOST - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// Sets a number of the host's that is no count, and returns what it was.
    pub fn swap_of_host(&self, number: usize, value: u64) -> u64 {
        self.of_host[number.min(OF_HOST - 1)].swap(value, Ordering::Relaxed)
    }

    /// A count of the host's.
    pub fn of_host(&self, number: usize) -> u64 {
        self.of_host[number.min(OF_HOST - 1)].load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn count_lookup(&self, lookup: Lookup) {
        self.add(LOOKUPS + lookup as usize);
    }

    /// Number of lookups with this result.
    pub fn lookups(&self, lookup: Lookup) -> u64 {
        self.sum(LOOKUPS + lookup as usize)
    }

    /// For a hash that takes less time than reading the clock twice.
    #[inline]
    pub(crate) fn count_cheap_hash(&self) {
        self.add(CHEAP_HASHES);
    }

    pub(crate) fn count_hash(&self, family: Family, took: Duration) {
        self.hashes[family.counted_as() as usize].add(took);
    }

    /// Number of hashes computed that are counted as this family.
    pub fn hashes(&self, family: Family) -> u64 {
        let cheap = if family == Family::Sha1 { self.sum(CHEAP_HASHES) } else { 0 };
        cheap + self.hashes[family as usize].read().count()
    }

    /// Durations of the hashes that are counted as this family. Those of `{SHA}` are not timed.
    pub fn hash_times(&self, family: Family) -> Times {
        self.hashes[family as usize].read()
    }

    pub(crate) fn count_wait(&self, ended: Waited, took: Duration) {
        self.waits[ended as usize].add(took);
    }

    /// Durations of requests' waits for a hash.
    pub fn waits(&self, ended: Waited) -> Times {
        self.waits[ended as usize].read()
    }

    pub(crate) fn count_eviction(&self, of_grant: bool) {
        self.evictions[usize::from(!of_grant)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn evictions(&self, of_grants: bool) -> u64 {
        self.evictions[usize::from(!of_grants)].load(Ordering::Relaxed)
    }

    /// Assigns counters to the files with these numbers, while there are free ones, and releases those of other files.
    /// A file that already has counters keeps them and their values.
    pub(crate) fn name_files(&self, numbers: &[u64]) {
        for entry in &self.files {
            let number = entry.number.load(Ordering::Relaxed);
            if number != FREE && !numbers.contains(&number) {
                entry.clear();
            }
        }
        for &number in numbers {
            if self.named_file(number).is_none() {
                if let Some(entry) = self.named_file(FREE) {
                    entry.number.store(number, Ordering::Relaxed);
                }
            }
        }
    }

    /// The counters of a file that has its own.
    pub(crate) fn named_file(&self, number: u64) -> Option<&FileCounters> {
        self.files.iter().find(|entry| entry.number.load(Ordering::Relaxed) == number)
    }

    /// The counters of all files of a kind that have none of their own.
    pub fn other_files(&self, kind: FileKind) -> &FileCounters {
        &self.other_files[kind as usize]
    }

    #[inline]
    fn add(&self, index: usize) {
        self.shards[processor() % SHARDS].counts[index].fetch_add(1, Ordering::Relaxed);
    }

    fn sum(&self, index: usize) -> u64 {
        self.shards.iter().map(|shard| shard.counts[index].load(Ordering::Relaxed)).sum()
    }
}

/// Upper bounds of a histogram's buckets in nanoseconds; a last bucket takes all above.
const BOUNDS: [u64; 13] = [
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    10_000_000_000,
];

#[repr(C)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    fn add(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|&bound| nanoseconds <= bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn read(&self) -> Times {
        Times {
            buckets: self.buckets.each_ref().map(|bucket| bucket.load(Ordering::Relaxed)),
            sum: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}

/// A histogram of durations.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    buckets: [u64; BOUNDS.len() + 1],
    /// Sum of all.
    pub sum: Duration,
}

impl Times {
    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// For each bucket, its upper bound (`None`: unbounded) and the number of durations up to it.
    pub fn up_to(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS.iter().map(|&bound| Some(Duration::from_nanos(bound))).chain([None]);
        let mut total = 0;
        bounds.zip(self.buckets).map(move |(bound, count)| {
            total += count;
            (bound, total)
        })
    }
}

/// Number of files with counters of their own.
const FILES: usize = 64;

/// No file has this number.
const FREE: u64 = 0;

/// State of one file. Each child reads the file for itself, so loads are summed over all children; the rest is from the
/// child that read it last.
#[repr(C)]
pub struct FileCounters {
    /// Identifies the file without naming it.
    number: AtomicU64,
    loads: AtomicU64,
    failures: AtomicU64,
    users: AtomicU64,
    groups: AtomicU64,
    bytes: AtomicU64,
    loaded_at: AtomicU64,
    readable: AtomicU64,
}

/// Contents of a file when read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Users in a password file; users with a group in a group file.
    pub users: usize,
    /// Groups with at least one member.
    pub groups: usize,
    /// Size of the file.
    pub bytes: u64,
}

/// State of one file, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileReport {
    /// Contents when last read.
    pub contents: Contents,
    /// How often it was read, by all children together.
    pub loads: u64,
    /// How often it was needed while it could not be read.
    pub failures: u64,
    /// When it was last read, in seconds since 1970; 0: never.
    pub loaded_at: u64,
    /// True if the file was readable when last checked.
    pub readable: bool,
}

impl FileCounters {
    /// Counts `times` loads of the file, with these contents.
    pub fn note_loads(&self, times: u64, contents: Contents) {
        self.users.store(contents.users as u64, Ordering::Relaxed);
        self.groups.store(contents.groups as u64, Ordering::Relaxed);
        self.bytes.store(contents.bytes, Ordering::Relaxed);
        self.loaded_at.store(unix_seconds(), Ordering::Relaxed);
        self.loads.fetch_add(times, Ordering::Relaxed);
        self.readable.store(1, Ordering::Relaxed);
    }

    /// Counts that the file was needed while it could not be read.
    pub fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.readable.store(0, Ordering::Relaxed);
    }

    /// Current state of the file.
    pub fn read(&self) -> FileReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FileReport {
            contents: Contents {
                users: read(&self.users) as usize,
                groups: read(&self.groups) as usize,
                bytes: read(&self.bytes),
            },
            loads: read(&self.loads),
            failures: read(&self.failures),
            loaded_at: read(&self.loaded_at),
            readable: read(&self.readable) != 0,
        }
    }

    fn clear(&self) {
        // The number first: a child with the previous configuration, which still uses the file, must not find this
        // entry.
        for counter in [
            &self.number,
            &self.loads,
            &self.failures,
            &self.users,
            &self.groups,
            &self.bytes,
            &self.loaded_at,
            &self.readable,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

/// Contents of the cache and its queue at one moment. Read from the state itself, so it is right whichever process was
/// killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Credentials remembered as right.
    pub grants: PartUsage,
    /// Credentials remembered as wrong.
    pub denials: PartUsage,
    /// Slots in use: by a hash, or by the pause after one of an address that has just failed.
    pub running: usize,
    /// Number of slots.
    pub slots: usize,
    /// Credentials waiting for a slot.
    pub waiting: usize,
}

/// Contents of a part of the cache at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartUsage {
    /// Entries that have not expired; an estimate from the first 65,536 in a larger part.
    pub entries: u64,
    /// Capacity in entries.
    pub room: u64,
    /// Entries evicted before they expired.
    pub evictions: u64,
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The number of the processor that runs this thread.
fn processor() -> usize {
    // Miri does not know the call.
    if cfg!(miri) { 0 } else { sched_getcpu() }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    fn counters() -> Box<Counters> {
        // SAFETY: consists of atomics only, for which zero is valid.
        Box::new(unsafe { std::mem::zeroed() })
    }

    #[test]
    fn requests_counted_from_many_threads_add_up() {
        let each = if cfg!(miri) { 110 } else { 11_000 };
        let counters = counters();
        thread::scope(|scope| {
            for thread in 0..8 {
                let counters = &counters;
                scope.spawn(move || {
                    for number in 0..each {
                        counters.count(Outcome::ALL[(thread + number) % Outcome::ALL.len()]);
                    }
                });
            }
        });
        let share = 8 * each as u64 / Outcome::ALL.len() as u64;
        assert!(Outcome::ALL.into_iter().all(|outcome| counters.requests(outcome) == share));
        assert_eq!(counters.lookups(Lookup::Grant), 0);
    }

    #[test]
    fn a_histogram_counts_a_duration_in_every_bucket_from_its_own_on() {
        let counters = counters();
        for microseconds in [100, 101, 20_000_000] {
            counters.count_wait(Waited::Slot, Duration::from_micros(microseconds));
        }
        let times = counters.waits(Waited::Slot);
        let up_to: Vec<u64> = times.up_to().map(|(_, count)| count).collect();
        assert_eq!(up_to, [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3]);
        assert_eq!((times.count(), times.sum), (3, Duration::from_micros(20_000_201)));
        assert_eq!(times.up_to().last(), Some((None, 3)));
    }

    #[test]
    fn a_file_keeps_its_counts_as_long_as_it_is_named_and_another_gets_none_of_them() {
        let counters = counters();
        counters.name_files(&[1, 2]);
        let loads = |number| counters.named_file(number).map(|file| file.read().loads);
        for number in [1, 2] {
            counters.named_file(number).unwrap().note_loads(number, Contents::default());
        }
        counters.name_files(&[3, 2]);
        assert_eq!((loads(1), loads(2), loads(3)), (None, Some(2), Some(0)));
    }

    #[test]
    fn more_files_than_there_are_entries_for_go_without() {
        let counters = counters();
        let numbers: Vec<u64> = (1..=FILES as u64 + 10).collect();
        counters.name_files(&numbers);
        assert_eq!(numbers.iter().filter(|&&number| counters.named_file(number).is_some()).count(), FILES);
    }
}
