//! The memory shared by all children: allocated before the fork, of fixed size, and protected from others as far as the
//! system allows.
//!
//! Every process forked by the parent maps it, including those that are not httpd's children, such as the daemons of
//! mod_cgid and mod_wsgi. So the parent closes it ([`Shared::close`]), and each child opens it for itself. A daemon
//! would have to run code that opens it on purpose.

use std::io;
use std::mem::{offset_of, size_of};
use std::ptr::{NonNull, null_mut};
use std::slice;

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mlock, mmap_anonymous, mprotect, munmap};
use zeroize::Zeroizing;

use super::digest::{KEY_BYTES, Keys};
use super::lockouts::Lockouts;
use super::queue::Queue;
use super::rates::Rates;
use super::table::{Entry, Table, WAYS};
use crate::counters::Counters;
use crate::random::fill_with_random;
use crate::sync::{AtomicU64, Ordering};

/// Identifies the layout of the memory, so that a library replaced while httpd runs does not read the memory of another
/// version.
const LAYOUT: u64 = {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let layout = [
        size_of::<Header>(),
        offset_of!(Header, keys),
        offset_of!(Header, forgotten),
        offset_of!(Header, queue),
        offset_of!(Header, lockouts),
        offset_of!(Header, counters),
        offset_of!(Header, rates),
        size_of::<Entry>(),
        WAYS,
    ];
    let mut index = 0;
    while index < layout.len() {
        hash = (hash ^ layout[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    index = 0;
    while index < version.len() {
        hash = (hash ^ version[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
};

/// Size in bytes of the part that is never closed: Linux's largest page.
const OPEN_PART: usize = 65_536;

/// Miri knows private mappings only, which its threads share all the same.
const SHARING: MapFlags = if cfg!(miri) { MapFlags::PRIVATE } else { MapFlags::SHARED };

/// The denials' part has the grants' number of entries divided by this.
const DENIALS_FRACTION: usize = 4;

/// The start of the memory; the buckets of both parts follow.
#[repr(C, align(256))]
struct Header {
    layout: u64,
    /// Size of all the memory, in bytes.
    size: u64,
    grant_buckets: u64,
    denial_buckets: u64,
    /// All members before this one are readable in every process. Takes no memory beyond the first page.
    _rest_of_open_part: [u8; OPEN_PART - 32],
    /// Written once, before the memory is shared; held nowhere else and never written to a file.
    keys: Keys,
    /// How often everything remembered was forgotten.
    forgotten: AtomicU64,
    queue: Queue,
    /// Takes no memory until anything is counted: pages never written to are not allocated.
    lockouts: Lockouts,
    counters: Counters,
    /// As for `lockouts`.
    rates: Rates,
}

/// A view of the shared memory, which stays mapped until released.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    memory: NonNull<Header>,
}

// SAFETY: a mapping is valid in every thread, and its mutable state is atomic or under a mutex.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Protection of the memory that the system refused; the server continues without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unprotected {
    /// Core dumps may contain the memory.
    CoreDumps,
    /// The keys may be swapped out.
    Swap,
}

impl Shared {
    /// Allocates memory with room for `entries` grants, with new keys. Also returns the refused protections.
    pub(super) fn create(entries: usize) -> io::Result<(Shared, Vec<(Unprotected, io::Error)>)> {
        let (grants, denials) = bucket_counts(entries);
        let size = size_of_memory(grants, denials).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut random = Zeroizing::new([0; KEY_BYTES]);
        fill_with_random(&mut *random)?;
        let keys = Keys::derive(&random);
        // SAFETY: a new mapping at an address chosen by the kernel, zeroed; written here before it is shared, and
        // mapped until `release`.
        unsafe {
            let memory = mmap_anonymous(null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, SHARING)?;
            let header = memory.cast::<Header>();
            let protections = [
                (Unprotected::CoreDumps, outside_miri(|| madvise(memory, size, Advice::LinuxDontDump))),
                (Unprotected::Swap, outside_miri(|| mlock(memory.add(OPEN_PART), size_of::<Keys>()))),
            ];
            (&raw mut (*header).size).write(size as u64);
            (&raw mut (*header).grant_buckets).write(grants as u64);
            (&raw mut (*header).denial_buckets).write(denials as u64);
            (&raw mut (*header).keys).write(keys);
            (*header).queue.initialise()?;
            (*header).lockouts.initialise()?;
            (*header).rates.initialise()?;
            (*header).counters.start();
            (&raw mut (*header).layout).write(LAYOUT);
            let failed = protections.into_iter().filter_map(|(what, result)| Some((what, result.err()?.into())));
            Ok((Shared { memory: NonNull::new_unchecked(header) }, failed.collect()))
        }
    }

    /// The memory that a predecessor of this library allocated in this process, if it has this layout and size.
    ///
    /// # Safety
    ///
    /// `memory` was returned by [`Shared::address`] in this process or its parent.
    pub(super) unsafe fn adopt(memory: NonNull<u8>, entries: usize) -> Option<Shared> {
        // SAFETY: still mapped, as the caller promises; the first words have the same types in all layouts, and are in
        // the part that is never closed.
        unsafe {
            if memory.cast::<u64>().read() != LAYOUT {
                return None;
            }
            let shared = Shared { memory: memory.cast() };
            let counts = (shared.header().grant_buckets as usize, shared.header().denial_buckets as usize);
            (counts == bucket_counts(entries) && shared.open().is_ok()).then_some(shared)
        }
    }

    /// Unmaps the memory if it has this layout; other memory stays.
    ///
    /// # Safety
    ///
    /// As for [`Shared::adopt`], and nothing in this process uses the memory any more.
    pub(super) unsafe fn release(memory: NonNull<u8>) {
        // SAFETY: as the caller promises.
        unsafe {
            if memory.cast::<u64>().read() == LAYOUT {
                let size = memory.cast::<Header>().as_ref().size;
                // Cannot fail for a mapping made by `create`.
                let _ = munmap(memory.as_ptr().cast(), size as usize);
            }
        }
    }

    /// Lets this process use the memory.
    pub(super) fn open(&self) -> io::Result<()> {
        self.protect(MprotectFlags::READ | MprotectFlags::WRITE)
    }

    /// Closes the memory: neither this process nor those it forks can read or write it before they open it.
    ///
    /// # Safety
    ///
    /// Nothing in this process uses the memory before it is opened again.
    pub(super) unsafe fn close(&self) -> io::Result<()> {
        self.protect(MprotectFlags::empty())
    }

    fn protect(&self, access: MprotectFlags) -> io::Result<()> {
        let size = self.header().size as usize;
        // SAFETY: within the mapping; the caller of `close` promises that nothing uses closed memory.
        outside_miri(|| unsafe {
            mprotect(self.memory.as_ptr().byte_add(OPEN_PART).cast(), size - OPEN_PART, access)
        })?;
        Ok(())
    }

    /// The memory's address.
    pub(super) fn address(&self) -> NonNull<u8> {
        self.memory.cast()
    }

    fn header(&self) -> &'static Header {
        // SAFETY: mapped as long as the process uses it. Members that are neither atomic nor under a mutex were written
        // before the memory was shared.
        unsafe { self.memory.as_ref() }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.header().keys
    }

    /// Changes when everything remembered is forgotten.
    pub(super) fn forgotten(&self) -> u64 {
        self.header().forgotten.load(Ordering::Acquire)
    }

    /// Empties both parts of the table, and makes connections forget as well.
    pub(super) fn forget(&self) {
        self.header().forgotten.fetch_add(1, Ordering::Release);
        self.grants().clear();
        self.denials().clear();
    }

    pub(super) fn queue(&self) -> &'static Queue {
        &self.header().queue
    }

    pub(super) fn lockouts(&self) -> &'static Lockouts {
        &self.header().lockouts
    }

    pub(super) fn rates(&self) -> &'static Rates {
        &self.header().rates
    }

    pub(super) fn counters(&self) -> &'static Counters {
        &self.header().counters
    }

    pub(super) fn grants(&self) -> Table<'static> {
        Table::new(self.buckets(0, self.header().grant_buckets as usize))
    }

    pub(super) fn denials(&self) -> Table<'static> {
        Table::new(self.buckets(self.header().grant_buckets as usize, self.header().denial_buckets as usize))
    }

    fn buckets(&self, from: usize, count: usize) -> &'static [[Entry; WAYS]] {
        // SAFETY: the memory was allocated with room for both parts behind the header, zeroed, which is a free entry;
        // entries are atomics, and so may be shared.
        unsafe {
            let first = self.memory.add(1).cast::<[Entry; WAYS]>();
            slice::from_raw_parts(first.add(from).as_ptr(), count)
        }
    }
}

/// Makes a call that Miri does not know, except under Miri.
fn outside_miri(call: impl FnOnce() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    if cfg!(miri) { Ok(()) } else { call() }
}

/// Numbers of buckets of grants and of denials; both zero without entries.
fn bucket_counts(entries: usize) -> (usize, usize) {
    (entries.div_ceil(WAYS), entries.div_ceil(WAYS * DENIALS_FRACTION))
}

fn size_of_memory(grants: usize, denials: usize) -> Option<usize> {
    let buckets = grants.checked_add(denials)?;
    buckets.checked_mul(size_of::<[Entry; WAYS]>())?.checked_add(size_of::<Header>())
}

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]

    use super::super::digest::Digest;
    use super::*;

    /// The last entry ends with the mapping, as Miri checks.
    #[test]
    fn grants_and_denials_lie_behind_the_header_and_a_successor_finds_them() {
        let (shared, _) = Shared::create(2 * WAYS * DENIALS_FRACTION).unwrap();
        let digests: Vec<Digest> = (0..4 * WAYS as u64).map(|number| Digest::example(&number.to_le_bytes())).collect();
        for digest in &digests {
            shared.grants().insert(digest, 0, 10);
            shared.denials().insert(digest, 0, 10);
        }
        // SAFETY: the memory just created.
        let adopted = unsafe { Shared::adopt(shared.address(), 2 * WAYS * DENIALS_FRACTION) }.unwrap();
        for table in [adopted.grants(), adopted.denials()] {
            assert!(table.entries(1) >= WAYS as u64);
            assert!(digests.iter().any(|digest| table.contains(digest, 1, 0)));
        }
        adopted.forget();
        assert_eq!((shared.grants().entries(1), shared.denials().entries(1)), (0, 0));
        // SAFETY: as above; nothing uses it any more.
        unsafe { Shared::release(shared.address()) };
    }
}
