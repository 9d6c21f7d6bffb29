//! A table of digests in memory shared by many processes, read without locks.
//!
//! Entries are in buckets of [`WAYS`]; a digest's index selects its bucket. Every word is atomic, so a reader may meet
//! an entry that another process is writing, or was killed while writing. That is harmless by construction:
//!
//! * An entry says only "this digest has this table's verdict until then". A reader believes it only if all 192 bits
//!   equal its own digest. A mixture of two writers' words is a digest that nobody can present.
//! * The `meta` word is cleared before the digest changes and set afterwards. A reader loads it before and after, so it
//!   never combines a digest with the expiry of another one. (Two writers in one entry can; both are fresh then.)
//!
//! A killed writer leaves an entry that is free, or one that matches nothing and is overwritten when it expires.
//! Nothing needs repair.
//!
//! **Replacement.** An entry is marked as referenced when it is found again. A new one replaces an expired entry, else
//! an unreferenced one, else any; occasionally that clears a neighbour's mark, which the next lookup restores if the
//! entry is in use. So credentials seen once replace each other while those in use stay, and of more credentials in use
//! than entries some stay in whatever order they come.

use super::digest::Digest;
use crate::sync::{AtomicU64, Ordering, fence};

/// Entries of a bucket: 256 bytes, four cache lines.
pub(super) const WAYS: usize = 8;

/// Maximum of buckets to count: 65,536 entries, in less than a millisecond.
const SAMPLE: usize = 8192;

const REFERENCED: u64 = 1;

/// One insertion in this many clears a mark. Rarely, since entries no longer in use expire anyway.
const AGING: u64 = 64;

/// A digest and its expiry. All zero: free.
#[repr(C, align(32))]
#[derive(Default)]
pub(super) struct Entry {
    digest: [AtomicU64; 3],
    /// Expiry in seconds of the monotonic clock, shifted left by one; the lowest bit: referenced.
    meta: AtomicU64,
}

/// The result of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    There,
    /// There, and renewed: once in half of the time that it stays, whoever uses it.
    AndRenewed,
}

/// One part of the cache: all digests in it have the same verdict.
#[derive(Clone, Copy)]
pub(super) struct Table<'t> {
    buckets: &'t [[Entry; WAYS]],
}

impl<'t> Table<'t> {
    pub(super) fn new(buckets: &'t [[Entry; WAYS]]) -> Self {
        Table { buckets }
    }

    /// True if `digest` is in the table at time `now`; it then stays until `end`, if at most half of that time was
    /// left.
    pub(super) fn contains(&self, digest: &Digest, now: u64, end: u64) -> bool {
        self.find(digest, now, end) != Found::Nothing
    }

    /// The same, and whether it was renewed. Reads every entry of the bucket, in the same order and time whatever it finds.
    pub(super) fn find(&self, digest: &Digest, now: u64, end: u64) -> Found {
        let Some(bucket) = self.bucket(digest) else { return Found::Nothing };
        // A bit for each entry. Without any entry there are 32 zeros at its end, more than there are entries.
        let mut hits = 0u32;
        for (way, entry) in bucket.iter().enumerate() {
            let (content, meta) = entry.read();
            let hit = content.same(digest).unwrap_u8() & u8::from(is_alive(meta, now));
            hits |= u32::from(hit) << way;
        }
        let Some(found) = bucket.get(hits.trailing_zeros() as usize) else { return Found::Nothing };
        if found.mark_used(now, end) { Found::AndRenewed } else { Found::There }
    }

    /// Remembers `digest` until time `end`. True if it replaced an entry that had not expired.
    pub(super) fn insert(&self, digest: &Digest, now: u64, end: u64) -> bool {
        let Some(bucket) = self.bucket(digest) else { return false };
        let mut victim = Victim { way: 0, rank: u8::MAX };
        // Any start will do, if outsiders cannot predict it.
        let start = digest.0[1] as usize;
        for way in (0..WAYS).map(|step| start.wrapping_add(step) % WAYS) {
            let (content, meta) = bucket[way].read();
            victim.consider(way, rank(&content, meta, digest, now));
        }
        bucket[victim.way].write(digest, end);
        // The digest's bits serve as random numbers here.
        if victim.rank >= RANK_UNREFERENCED && digest.0[2] % AGING == 0 {
            bucket[(digest.0[2] / AGING) as usize % WAYS].unmark_referenced();
        }
        victim.rank >= RANK_UNREFERENCED
    }

    /// Capacity in entries.
    pub(super) fn room(&self) -> u64 {
        (self.buckets.len() * WAYS) as u64
    }

    /// Number of unexpired entries at time `now`. Reads at most [`SAMPLE`] buckets, whose choice is random as digests
    /// are, and extrapolates.
    pub(super) fn entries(&self, now: u64) -> u64 {
        let sample = &self.buckets[..self.buckets.len().min(SAMPLE)];
        let alive = |entry: &&Entry| is_alive(entry.meta.load(Ordering::Relaxed), now);
        let found = sample.iter().flatten().filter(alive).count() as u64;
        (found * self.buckets.len() as u64).checked_div(sample.len() as u64).unwrap_or(0)
    }

    /// Frees every entry. What is being written meanwhile may stay.
    pub(super) fn clear(&self) {
        for entry in self.buckets.iter().flatten() {
            if entry.meta.load(Ordering::Relaxed) != 0 {
                entry.meta.store(0, Ordering::Release);
            }
        }
    }

    fn bucket(&self, digest: &Digest) -> Option<&'t [Entry; WAYS]> {
        let count = self.buckets.len() as u64;
        let index = digest.index().checked_rem(count)?;
        self.buckets.get(index as usize)
    }
}

impl Entry {
    /// The entry's digest and meta word; the latter is 0 while a writer is active.
    fn read(&self) -> (Digest, u64) {
        let before = self.meta.load(Ordering::Acquire);
        let digest = Digest([0, 1, 2].map(|index| self.digest[index].load(Ordering::Relaxed)));
        fence(Ordering::Acquire);
        let after = self.meta.load(Ordering::Relaxed);
        let undisturbed = before | REFERENCED == after | REFERENCED;
        (digest, if undisturbed { before } else { 0 })
    }

    fn write(&self, digest: &Digest, end: u64) {
        self.meta.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        for (stored, word) in self.digest.iter().zip(digest.0) {
            stored.store(word, Ordering::Relaxed);
        }
        self.meta.store(end << 1, Ordering::Release);
    }

    /// Writes only if that changes something, so that a popular entry stays in every processor's cache. True if it is
    /// renewed.
    fn mark_used(&self, now: u64, end: u64) -> bool {
        let meta = self.meta.load(Ordering::Relaxed);
        let (ends, longest) = (meta >> 1, end.saturating_sub(now));
        let renews = ends.saturating_sub(now) <= longest.div_ceil(2);
        let used = if renews { end } else { ends } << 1 | REFERENCED;
        if meta == 0 || meta == used {
            return false;
        }
        // If the entry has changed meanwhile, it is another's. One that looks the same has the same verdict, which is
        // still valid.
        self.meta.compare_exchange(meta, used, Ordering::Relaxed, Ordering::Relaxed).is_ok() && renews
    }

    fn unmark_referenced(&self) {
        let meta = self.meta.load(Ordering::Relaxed);
        let _ = self.meta.compare_exchange(meta, meta & !REFERENCED, Ordering::Relaxed, Ordering::Relaxed);
    }
}

struct Victim {
    way: usize,
    rank: u8,
}

impl Victim {
    fn consider(&mut self, way: usize, rank: u8) {
        if rank < self.rank {
            *self = Victim { way, rank };
        }
    }
}

const RANK_SAME: u8 = 0;
const RANK_ENDED: u8 = 1;
const RANK_UNREFERENCED: u8 = 2;
const RANK_REFERENCED: u8 = 3;

/// Rank for eviction: the higher, the less is lost by overwriting the entry.
fn rank(content: &Digest, meta: u64, digest: &Digest, now: u64) -> u8 {
    if bool::from(content.same(digest)) {
        RANK_SAME
    } else if !is_alive(meta, now) {
        RANK_ENDED
    } else if meta & REFERENCED == 0 {
        RANK_UNREFERENCED
    } else {
        RANK_REFERENCED
    }
}

fn is_alive(meta: u64, now: u64) -> bool {
    meta >> 1 > now
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn buckets(count: usize) -> Vec<[Entry; WAYS]> {
        (0..count).map(|_| Default::default()).collect()
    }

    fn digest(number: u64) -> Digest {
        Digest::example(&number.to_le_bytes())
    }

    #[test]
    fn an_entry_is_found_until_it_expires() {
        let buckets = buckets(4);
        let table = Table::new(&buckets);
        assert!(!table.contains(&digest(1), 100, 0));
        table.insert(&digest(1), 100, 110);
        assert!(table.contains(&digest(1), 100, 0) && table.contains(&digest(1), 109, 0));
        assert!(!table.contains(&digest(1), 110, 0));
        assert!(!table.contains(&digest(2), 100, 0));
    }

    #[test]
    fn an_entry_used_in_its_second_half_is_renewed() {
        let buckets = buckets(1);
        let table = Table::new(&buckets);
        table.insert(&digest(1), 0, 10);
        assert!(table.contains(&digest(1), 4, 14));
        assert!(!table.contains(&digest(1), 10, 20));
        table.insert(&digest(1), 0, 10);
        for now in (6..100).step_by(6) {
            assert!(table.contains(&digest(1), now, now + 10), "{now}");
        }
        assert!(!table.contains(&digest(1), 106, 116));
    }

    #[test]
    fn a_digest_that_differs_in_one_bit_is_another() {
        let buckets = buckets(1);
        let table = Table::new(&buckets);
        let original = digest(1);
        table.insert(&original, 0, 10);
        for word in 0..3 {
            for bit in 0..64 {
                let mut other = original;
                other.0[word] ^= 1 << bit;
                assert!(!table.contains(&other, 1, 0));
            }
        }
    }

    #[test]
    fn inserting_again_renews_without_taking_another_place() {
        let buckets = buckets(1);
        let table = Table::new(&buckets);
        for number in 0..WAYS as u64 {
            assert!(!table.insert(&digest(number), 0, 10));
        }
        for number in 0..WAYS as u64 {
            assert!(!table.insert(&digest(number), 5, 20));
        }
        assert!((0..WAYS as u64).all(|number| table.contains(&digest(number), 15, 0)));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in an interpreter")]
    fn a_scan_leaves_entries_in_use() {
        let buckets = buckets(16);
        let table = Table::new(&buckets);
        let in_use = 0..64;
        for number in in_use.clone() {
            table.insert(&digest(number), 0, 1000);
            table.contains(&digest(number), 0, 0);
        }
        let kept = |table: &Table<'_>| in_use.clone().filter(|&number| table.contains(&digest(number), 1, 0)).count();
        let before = kept(&table);
        for number in 1_000..20_000 {
            table.insert(&digest(number), 0, 1000);
            if number % 5 == 0 {
                kept(&table);
            }
        }
        assert!(before >= 60, "{before} of 64 found a place");
        assert!(kept(&table) >= before * 3 / 4, "{} of {before} kept", kept(&table));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in an interpreter")]
    fn more_credentials_than_entries_in_turn_still_hit() {
        let buckets = buckets(32);
        let table = Table::new(&buckets);
        let entries = 32 * WAYS as u64;
        let mut hits = 0;
        for turn in 0..20 {
            for number in 0..entries * 2 {
                if table.contains(&digest(number), 0, 0) {
                    hits += u64::from(turn >= 10);
                } else {
                    table.insert(&digest(number), 0, 1000);
                }
            }
        }
        let rate = hits as f64 / (10 * entries * 2) as f64;
        assert!(rate > 0.2, "hit rate {rate:.2} with twice as many credentials as entries");
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in an interpreter")]
    fn entries_are_counted_while_they_count_and_estimated_in_a_large_table() {
        let small = buckets(16);
        let table = Table::new(&small);
        for number in 0..20 {
            table.insert(&digest(number), 0, 10 + number % 2);
        }
        assert_eq!((table.entries(9), table.entries(10), table.entries(11), table.room()), (20, 10, 0, 128));

        let large = buckets(4 * SAMPLE);
        let table = Table::new(&large);
        for number in 0..10_000 {
            table.insert(&digest(number), 0, 10);
        }
        assert!((9_000..11_000).contains(&table.entries(1)), "{}", table.entries(1));
    }

    #[test]
    fn a_cleared_table_holds_nothing_and_remembers_anew() {
        let buckets = buckets(4);
        let table = Table::new(&buckets);
        for number in 0..20 {
            table.insert(&digest(number), 0, 10);
        }
        table.clear();
        assert_eq!(table.entries(1), 0);
        assert!(!(0..20).any(|number| table.contains(&digest(number), 1, 0)));
        table.insert(&digest(1), 1, 10);
        assert!(table.contains(&digest(1), 2, 0));
    }

    /// Every thread reads and writes every entry of one bucket many times, so Miri and ThreadSanitizer meet any access that is
    /// not atomic.
    #[test]
    fn threads_that_read_and_write_one_bucket_find_only_what_was_inserted() {
        let rounds = if cfg!(miri) { 12 } else { 5_000 };
        let buckets = buckets(1);
        let table = Table::new(&buckets);
        let found: u64 = std::thread::scope(|scope| {
            let threads = [0_u64, 1, 2, 3].map(|thread| {
                scope.spawn(move || {
                    let mut found = 0;
                    for round in 0..rounds {
                        // Twice as many as there are entries, so threads replace each other's.
                        let known = digest((round + thread) % (2 * WAYS as u64));
                        if table.contains(&known, round, round + 10) {
                            found += 1;
                        } else {
                            table.insert(&known, round, round + 10);
                        }
                        assert!(!table.contains(&digest(1_000 + thread), round, round + 10));
                        if round % 100 == thread {
                            table.clear();
                        }
                    }
                    found
                })
            });
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(found > 0, "nobody found what another had inserted");
    }

    #[test]
    fn a_table_without_entries_holds_nothing() {
        let table = Table::new(&[]);
        assert!(!table.insert(&digest(1), 0, 10));
        assert!(!table.contains(&digest(1), 1, 0));
    }
}

/// Interleavings of writers and a reader in one entry, with every order of their stores that the memory model allows:
/// `RUSTFLAGS="--cfg loom" cargo test --release -p esauth_engine --lib model`. Marks are left out: loom lets a
/// compare-and-exchange succeed on a value that is no longer the newest, which no processor does.
#[cfg(all(test, loom))]
mod model {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// Up to three preemptions: more take hours and, by experience with such checkers, find next to nothing.
    fn check(model: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(model);
    }

    const A: Digest = Digest([1, 2, 3]);
    const B: Digest = Digest([4, 5, 6]);

    #[test]
    fn a_reader_never_sees_a_digest_that_was_not_written_or_pairs_it_with_anothers_time() {
        check(|| {
            let entry = Arc::new(Entry::default());
            entry.write(&A, 10);
            let writer = {
                let entry = Arc::clone(&entry);
                thread::spawn(move || entry.write(&B, 20))
            };
            let (content, meta) = entry.read();
            assert!(
                meta == 0 || (content, meta >> 1) == (A, 10) || (content, meta >> 1) == (B, 20),
                "{content:?} until {meta}"
            );
            assert!(writer.join().is_ok());
            let (content, meta) = entry.read();
            assert_eq!((content, meta >> 1), (B, 20));
        });
    }

    #[test]
    fn two_writers_leave_an_entry_that_matches_one_of_them_or_nobody() {
        check(|| {
            let entry = Arc::new(Entry::default());
            let writers = [(A, 10), (B, 20)].map(|(digest, end)| {
                let entry = Arc::clone(&entry);
                thread::spawn(move || entry.write(&digest, end))
            });
            let (content, meta) = entry.read();
            let ends = [0, 10, 20];
            assert!(ends.contains(&(meta >> 1)));
            let words = content.0.iter().enumerate().all(|(at, &word)| [0, A.0[at], B.0[at]].contains(&word));
            assert!(words, "{content:?}");
            for writer in writers {
                assert!(writer.join().is_ok());
            }
        });
    }
}
