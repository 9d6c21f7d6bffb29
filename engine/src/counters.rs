//! What the whole server counts, in the memory that all children share.
//!
//! Every counter only ever rises, by one atomic addition, so a child that is killed at any instant leaves nothing to put
//! right: at worst the one event that it was about to count is missing. What can also fall (hashes running, credentials
//! waiting, entries) is not counted at all but looked up where it is, when somebody asks (see [`Usage`]).
//!
//! What happens at every request is counted in [`Shard`]s, one for each processor, so that processors do not wait for each
//! other's cache lines; the sum is made by who reads. What comes with a password hash or with the reading of a file is
//! rare enough for one place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::hash::Family;

/// A way in which a request can come out, by a number that the host gives it: below [`OUTCOMES`].
pub type Outcome = u8;

/// Outcomes that a host can tell apart.
pub const OUTCOMES: usize = 10;

/// What a look for a credential that has a slow hash ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Look {
    /// It is remembered as right.
    Grant,
    /// It is remembered as wrong.
    Denial,
    /// It is not remembered.
    Miss,
}

/// How waiting for a hash ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Waited {
    /// With a slot, to compute it.
    Slot,
    /// Another request with the same credential had computed it.
    Shared,
    /// The queue was full, or stood still: answered with 503.
    Refused,
}

/// Which directive names a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FileKind {
    /// A password file.
    Users,
    /// A group file.
    Groups,
}

/// Processors with a higher number share the shard of a lower one.
const SHARDS: usize = 64;
const LOOKS: usize = OUTCOMES;
const CHEAP_HASHES: usize = LOOKS + 3;

/// The counters of one processor, in cache lines of their own: two, since processors fetch them in pairs.
#[repr(C, align(128))]
struct Shard {
    counts: [AtomicU64; 16],
}

/// All counters of a server. All zero is their initial state.
#[repr(C)]
pub struct Counters {
    shards: [Shard; SHARDS],
    /// When the counting began, in seconds since 1970.
    started: AtomicU64,
    /// Entries that gave way to others before their time, of grants and of denials.
    evictions: [AtomicU64; 2],
    hashes: [Histogram; Family::ALL.len()],
    waits: [Histogram; 3],
    files: [FileCounters; FILES],
    /// For files that have no place of their own, by kind.
    other_files: [FileCounters; 2],
}

impl Counters {
    pub(crate) fn start(&self) {
        self.started.store(unix_seconds(), Ordering::Relaxed);
    }

    /// Seconds since 1970 at which the counting began.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Counts a request. Costs a few nanoseconds, and no other processor's time.
    #[inline]
    pub fn count(&self, outcome: Outcome) {
        self.add((outcome as usize).min(OUTCOMES - 1));
    }

    /// How many requests came out so.
    pub fn requests(&self, outcome: Outcome) -> u64 {
        self.sum((outcome as usize).min(OUTCOMES - 1))
    }

    #[inline]
    pub(crate) fn count_look(&self, look: Look) {
        self.add(LOOKS + look as usize);
    }

    /// How many looks ended so.
    pub fn looks(&self, look: Look) -> u64 {
        self.sum(LOOKS + look as usize)
    }

    /// For a hash that takes less time than to read the clock twice.
    #[inline]
    pub(crate) fn count_cheap_hash(&self) {
        self.add(CHEAP_HASHES);
    }

    pub(crate) fn count_hash(&self, family: Family, took: Duration) {
        self.hashes[family as usize].add(took);
    }

    /// How many hashes of a family were computed.
    pub fn hashes(&self, family: Family) -> u64 {
        let cheap = if family == Family::Sha1 { self.sum(CHEAP_HASHES) } else { 0 };
        cheap + self.hashes[family as usize].read().count()
    }

    /// How long hashes of a family took. Those of `{SHA}` are not timed.
    pub fn hash_times(&self, family: Family) -> Times {
        self.hashes[family as usize].read()
    }

    pub(crate) fn count_wait(&self, ended: Waited, took: Duration) {
        self.waits[ended as usize].add(took);
    }

    /// How long requests waited for a hash.
    pub fn waits(&self, ended: Waited) -> Times {
        self.waits[ended as usize].read()
    }

    pub(crate) fn count_eviction(&self, of_grant: bool) {
        self.evictions[usize::from(!of_grant)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn evictions(&self, of_grants: bool) -> u64 {
        self.evictions[usize::from(!of_grants)].load(Ordering::Relaxed)
    }

    /// Gives a place to each of the files with these numbers, as far as there are places, and takes back those of others.
    /// A file that has a place keeps it, with what was counted.
    pub(crate) fn name_files(&self, numbers: &[u64]) {
        for place in &self.files {
            let number = place.number.load(Ordering::Relaxed);
            if number != NOBODY && !numbers.contains(&number) {
                place.clear();
            }
        }
        for &number in numbers {
            let place_of = |wanted| self.files.iter().find(|place| place.number.load(Ordering::Relaxed) == wanted);
            if place_of(number).is_none() {
                if let Some(place) = place_of(NOBODY) {
                    place.number.store(number, Ordering::Relaxed);
                }
            }
        }
    }

    /// The counters of a file with a place of its own.
    pub(crate) fn named_file(&self, number: u64) -> Option<&FileCounters> {
        self.files.iter().find(|place| place.number.load(Ordering::Relaxed) == number)
    }

    /// The counters of all files of a kind that have no place of their own.
    pub fn other_files(&self, kind: FileKind) -> &FileCounters {
        &self.other_files[kind as usize]
    }

    #[inline]
    fn add(&self, index: usize) {
        // SAFETY: takes no arguments. Where it cannot tell the processor it answers -1, and any shard will do.
        let processor = unsafe { libc::sched_getcpu() };
        self.shards[processor as usize % SHARDS].counts[index].fetch_add(1, Ordering::Relaxed);
    }

    fn sum(&self, index: usize) -> u64 {
        self.shards.iter().map(|shard| shard.counts[index].load(Ordering::Relaxed)).sum()
    }
}

/// Upper bounds of a histogram's buckets in nanoseconds; a last bucket takes what is beyond.
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
    /// All of them together.
    pub sum: Duration,
}

impl Times {
    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// For each bucket its upper bound (`None`: all) and how many durations are not above it.
    pub fn up_to(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS.iter().map(|&bound| Some(Duration::from_nanos(bound))).chain([None]);
        let mut total = 0;
        bounds.zip(self.buckets).map(move |(bound, count)| {
            total += count;
            (bound, total)
        })
    }
}

/// Files that have counters of their own.
const FILES: usize = 64;

/// No file has this number.
const NOBODY: u64 = 0;

/// What is known of one file. Each child reads for itself, so the loads are those of all children together, and the rest
/// is what the one that read it last has found.
#[repr(C)]
pub struct FileCounters {
    /// Tells which file it is, without naming it.
    number: AtomicU64,
    loads: AtomicU64,
    failures: AtomicU64,
    users: AtomicU64,
    groups: AtomicU64,
    bytes: AtomicU64,
    loaded_at: AtomicU64,
    readable: AtomicU64,
}

/// What a file was found to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Users of a password file; users that a group file has in some group.
    pub users: usize,
    /// Groups of a group file.
    pub groups: usize,
    /// Size of the file.
    pub bytes: u64,
}

/// What is known of one file, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileReport {
    /// What it held when it was read last.
    pub contents: Contents,
    /// How often it was read, by all children together.
    pub loads: u64,
    /// How often it was needed and could not be read.
    pub failures: u64,
    /// When it was read last, in seconds since 1970; 0: never.
    pub loaded_at: u64,
    /// True where the last look at it found it readable.
    pub readable: bool,
}

impl FileCounters {
    /// Counts that the file was read `times` times, and what it holds.
    pub fn note_loads(&self, times: u64, contents: Contents) {
        self.users.store(contents.users as u64, Ordering::Relaxed);
        self.groups.store(contents.groups as u64, Ordering::Relaxed);
        self.bytes.store(contents.bytes, Ordering::Relaxed);
        self.loaded_at.store(unix_seconds(), Ordering::Relaxed);
        self.loads.fetch_add(times, Ordering::Relaxed);
        self.readable.store(1, Ordering::Relaxed);
    }

    /// Counts that the file was needed and could not be read.
    pub fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.readable.store(0, Ordering::Relaxed);
    }

    /// What is known of the file.
    pub fn read(&self) -> FileReport {
        let read = |place: &AtomicU64| place.load(Ordering::Relaxed);
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
        // The number first: a child of the configuration before, which still has the file, is not to find this place.
        for place in [
            &self.number,
            &self.loads,
            &self.failures,
            &self.users,
            &self.groups,
            &self.bytes,
            &self.loaded_at,
            &self.readable,
        ] {
            place.store(0, Ordering::Relaxed);
        }
    }
}

/// What the cache and the queue in front of it hold at one moment. Looked up where it is, so it is right whatever process
/// was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Credentials remembered as right.
    pub grants: PartUsage,
    /// Credentials remembered as wrong.
    pub denials: PartUsage,
    /// Slots in use: by a hash, or by the rest after one of an address that has just failed.
    pub running: usize,
    /// How many slots there are.
    pub slots: usize,
    /// Credentials that wait for a slot.
    pub waiting: usize,
}

/// What a part of the cache holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartUsage {
    /// Entries whose time is not up; in a part of more than 65,536 an estimate, from that many.
    pub entries: u64,
    /// Entries that there is room for.
    pub room: u64,
    /// Entries that gave way to others before their time.
    pub evictions: u64,
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::thread;

    use super::*;

    fn counters() -> Box<Counters> {
        // SAFETY: made of atomics only, for which zero is a value.
        Box::new(unsafe { std::mem::zeroed() })
    }

    #[test]
    fn requests_counted_from_many_threads_add_up() {
        let counters = counters();
        thread::scope(|scope| {
            for thread in 0..8 {
                let counters = &counters;
                scope.spawn(move || {
                    for number in 0..10_000 {
                        counters.count(((thread + number) % OUTCOMES) as Outcome);
                    }
                });
            }
        });
        assert!((0..OUTCOMES).all(|outcome| counters.requests(outcome as Outcome) == 8_000));
        assert_eq!(counters.looks(Look::Grant), 0);
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
    fn more_files_than_there_are_places_for_go_without() {
        let counters = counters();
        let numbers: Vec<u64> = (1..=FILES as u64 + 10).collect();
        counters.name_files(&numbers);
        assert_eq!(numbers.iter().filter(|&&number| counters.named_file(number).is_some()).count(), FILES);
    }
}
