//! The memory that all children share: made before the fork, never in a core dump, of a fixed size.

use std::io;
use std::mem::size_of;
use std::ptr::{NonNull, null_mut};
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::rand::{GetRandomFlags, getrandom};

use super::counters::Counters;
use super::desk::Desk;
use super::digest::KEY_BYTES;
use super::lockout::Lockouts;
use super::recall;
use super::table::{Entry, Table, WAYS};

/// Changes whenever what lies in the memory does: a library that was replaced while httpd ran must not read the memory
/// of its predecessor.
const LAYOUT: u64 = 0x6573_6175_7468_0004;

/// Whether the memory made last is not left out of core dumps, although it should be.
pub(super) static NOT_LEFT_OUT: AtomicBool = AtomicBool::new(false);

/// For each entry of the grants' part, this fraction of one for denials.
const DENIALS_FRACTION: usize = 4;

/// The start of the memory; the buckets of both parts follow.
#[repr(C, align(256))]
struct Header {
    layout: u64,
    /// Of all the memory, in bytes.
    size: u64,
    grant_buckets: u64,
    denial_buckets: u64,
    /// Written once, before anyone else looks; nowhere else and never to a file. So is the one below.
    key: [u8; KEY_BYTES],
    recall_key: [u8; recall::KEY_BYTES],
    desk: Desk,
    /// Takes no memory as long as nobody is counted: pages that nobody has written to are not there.
    lockouts: Lockouts,
    counters: Counters,
}

/// A view of the shared memory, which stays mapped until it is released.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    header: &'static Header,
}

impl Shared {
    /// New memory with room for `entries` grants and a new key.
    pub(super) fn create(entries: usize) -> io::Result<Shared> {
        let (grants, denials) = bucket_counts(entries);
        let size = size_of_memory(grants, denials).ok_or(io::ErrorKind::OutOfMemory)?;
        let (mut key, mut recall_key) = ([0; KEY_BYTES], [0; recall::KEY_BYTES]);
        fill_with_random(&mut key)?;
        fill_with_random(&mut recall_key)?;
        // SAFETY: a new mapping at a place of the kernel's choice, zeroed; it is written here before it is shared, and
        // never unmapped, so that references into it are good as long as the process.
        unsafe {
            let memory = mmap_anonymous(null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED)?;
            // A sandbox may refuse it, which is no reason not to start.
            NOT_LEFT_OUT.store(madvise(memory, size, Advice::LinuxDontDump).is_err(), Ordering::Relaxed);
            let header = memory.cast::<Header>();
            (&raw mut (*header).size).write(size as u64);
            (&raw mut (*header).grant_buckets).write(grants as u64);
            (&raw mut (*header).denial_buckets).write(denials as u64);
            (&raw mut (*header).key).write(key);
            (&raw mut (*header).recall_key).write(recall_key);
            (*header).desk.initialise()?;
            (*header).lockouts.initialise()?;
            (*header).counters.start();
            (&raw mut (*header).layout).write(LAYOUT);
            Ok(Shared { header: &*header })
        }
    }

    /// The memory that a predecessor of this library made in this process, if it is of this layout and size.
    ///
    /// # Safety
    /// `memory` was returned by [`Shared::address`] in this process or its parent.
    pub(super) unsafe fn adopt(memory: NonNull<u8>, entries: usize) -> Option<Shared> {
        // SAFETY: mapped since, as the caller promises; the first word is of the same type in all layouts.
        unsafe {
            if memory.cast::<u64>().read() != LAYOUT {
                return None;
            }
            let shared = Shared { header: memory.cast::<Header>().as_ref() };
            let counts = (shared.header.grant_buckets as usize, shared.header.denial_buckets as usize);
            (counts == bucket_counts(entries)).then_some(shared)
        }
    }

    /// Unmaps the memory, if it is of this layout; other memory stays.
    ///
    /// # Safety
    /// As for [`Shared::adopt`], and nothing in this process uses the memory any more.
    pub(super) unsafe fn release(memory: NonNull<u8>) {
        // SAFETY: as the caller promises.
        unsafe {
            if memory.cast::<u64>().read() == LAYOUT {
                let size = memory.cast::<Header>().as_ref().size;
                // Fails for no mapping that `create` has made.
                let _ = munmap(memory.as_ptr().cast(), size as usize);
            }
        }
    }

    /// Where the memory is.
    pub(super) fn address(&self) -> NonNull<u8> {
        NonNull::from(self.header).cast()
    }

    pub(super) fn key(&self) -> &[u8; KEY_BYTES] {
        &self.header.key
    }

    pub(super) fn recall_key(&self) -> &[u8; recall::KEY_BYTES] {
        &self.header.recall_key
    }

    pub(super) fn desk(&self) -> &'static Desk {
        &self.header.desk
    }

    pub(super) fn lockouts(&self) -> &'static Lockouts {
        &self.header.lockouts
    }

    pub(super) fn counters(&self) -> &'static Counters {
        &self.header.counters
    }

    pub(super) fn grants(&self) -> Table<'static> {
        Table::new(self.buckets(0, self.header.grant_buckets as usize))
    }

    pub(super) fn denials(&self) -> Table<'static> {
        Table::new(self.buckets(self.header.grant_buckets as usize, self.header.denial_buckets as usize))
    }

    fn buckets(&self, from: usize, count: usize) -> &'static [[Entry; WAYS]] {
        // SAFETY: the memory was made with room for both parts behind the header, zeroed, which is a free entry; entries
        // are atomics, and so may be shared.
        unsafe {
            let first = self.address().add(size_of::<Header>()).cast::<[Entry; WAYS]>();
            slice::from_raw_parts(first.add(from).as_ptr(), count)
        }
    }
}

/// Buckets of grants and of denials. Without entries there are none of either.
fn bucket_counts(entries: usize) -> (usize, usize) {
    (entries.div_ceil(WAYS), entries.div_ceil(WAYS * DENIALS_FRACTION))
}

fn size_of_memory(grants: usize, denials: usize) -> Option<usize> {
    let buckets = grants.checked_add(denials)?;
    buckets.checked_mul(size_of::<[Entry; WAYS]>())?.checked_add(size_of::<Header>())
}

fn fill_with_random(mut place: &mut [u8]) -> io::Result<()> {
    while !place.is_empty() {
        let filled = getrandom(&mut *place, GetRandomFlags::empty())?;
        place = &mut place[filled..];
    }
    Ok(())
}
