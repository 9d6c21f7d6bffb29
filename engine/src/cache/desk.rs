//! Who may compute a password hash, and when.
//!
//! A credential that is not in the table needs a hash. Whoever computes one does so at a seat of this desk:
//!
//! * **Single flight.** A seat belongs to one credential. Requests with the same credential wait for the seat's holder
//!   and find the verdict in the table afterwards. If the holder is killed the kernel hands its seat to one of them.
//! * **Slots.** Of the seats that are taken, only as many compute at once as there are slots; the others wait in line.
//! * **Fairness.** The next slot goes to the address with the fewest hashes running, then to the one served longest
//!   ago. Addresses that failed lately come last and get at most all slots but one.
//! * **Bounds.** There are as many seats as the queue may be long, and one address gets at most half of them.
//!
//! All of it lives in shared memory, under one robust mutex that is held for microseconds. What a seat's state means is
//! always checked against its holder being alive, so a process that is killed at any instruction leaves nothing behind
//! but a seat that the next look clears.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::futex;
use rustix::time::Timespec;

use super::digest::Digest;
use super::robust::{Held, RobustMutex, Taken};

/// Seats of a desk: how many credentials can be hashed or wait for it at once.
pub(super) const SEATS: usize = 256;
/// Seats that one client address can have at once.
const SEATS_PER_ADDRESS: usize = SEATS / 2;
/// Places to remember when an address was last served or failed. Two addresses in one place share their fate.
const ADDRESSES: usize = 4096;
/// How long an address that failed is served after the others, in seconds.
const PENALTY: u64 = 60;
/// How often somebody in line looks for slots whose holders were killed.
const PATROL: Duration = Duration::from_millis(100);
/// How long a request waits for a slot, or for another's hash, before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(30);

const IDLE: u32 = 0;
const IN_LINE: u32 = 1;
const COMPUTING: u32 = 2;

/// Shared by all processes; all zero is its initial state but for the mutexes.
#[repr(C)]
pub(super) struct Desk {
    mutex: RobustMutex,
    /// Numbers the requests for a slot and the slots given, in order.
    clock: AtomicU64,
    addresses: [Address; ADDRESSES],
    seats: [Seat; SEATS],
}

#[repr(C)]
struct Address {
    /// The desk's clock when a slot was last given.
    served: AtomicU64,
    /// Seconds of the monotonic clock at which the last wrong password came.
    failed: AtomicU64,
}

#[repr(C)]
struct Seat {
    /// Held by whoever has the seat.
    holder: RobustMutex,
    digest: [AtomicU64; 3],
    address: AtomicU64,
    /// The desk's clock when its holder asked for a slot.
    asked: AtomicU64,
    /// Also the futex that its holder sleeps on while in line.
    state: AtomicU32,
}

/// A request that needs a hash.
#[derive(Clone, Copy)]
pub(super) struct Applicant {
    pub(super) digest: Digest,
    /// A keyed number of the client's address.
    pub(super) address: u64,
    /// Seconds of the monotonic clock.
    pub(super) now: u64,
}

/// What a request is to do.
pub(super) enum Turn<'d> {
    /// Compute the hash; the slot is free again when this is dropped.
    Compute(Slot<'d>),
    /// Look into the table again: somebody else has just computed it.
    LookAgain,
    /// Go away: the queue is full, or stands still.
    Full,
}

/// The right to compute one hash.
pub(super) struct Slot<'d> {
    desk: &'d Desk,
    seat: &'d Seat,
    slots: usize,
    /// True where the hash should give way to whatever else wants the processor.
    pub(super) gives_way: bool,
    _holds_seat: Held<'d>,
}

impl Desk {
    /// Readies the mutexes of a desk whose memory is zeroed.
    ///
    /// # Safety
    /// As for [`RobustMutex::initialise`].
    pub(super) unsafe fn initialise(&self) -> std::io::Result<()> {
        // SAFETY: as the caller promises.
        unsafe {
            self.mutex.initialise()?;
            self.seats.iter().try_for_each(|seat| seat.holder.initialise())
        }
    }

    /// Waits for the applicant's turn, with `slots` hashes at once.
    pub(super) fn apply(&self, applicant: &Applicant, slots: usize) -> Turn<'_> {
        let patience_ends = Instant::now() + PATIENCE;
        match self.find_seat(applicant, slots) {
            Found::Mine(seat, held) => self.wait_in_line(applicant, slots, seat, held, patience_ends),
            Found::Anothers(seat) => wait_for_holder(applicant, seat, patience_ends),
            Found::Nothing => Turn::Full,
        }
    }

    fn wait_in_line<'d>(
        &'d self,
        applicant: &Applicant,
        slots: usize,
        seat: &'d Seat,
        held: Held<'d>,
        patience_ends: Instant,
    ) -> Turn<'d> {
        let gives_way = self.failed_lately(applicant.address, applicant.now);
        let slot = Slot { desk: self, seat, slots, gives_way, _holds_seat: held };
        let pause = Timespec { tv_sec: 0, tv_nsec: PATROL.as_nanos() as _ };
        while seat.state.load(Ordering::Acquire) == IN_LINE {
            if Instant::now() >= patience_ends {
                return Turn::Full; // Dropping `slot` gives the seat back.
            }
            // Whatever ends the wait, the state decides.
            if futex::wait(&seat.state, futex::Flags::empty(), IN_LINE, Some(&pause)).is_err() {
                let _guard = self.mutex.lock();
                self.call_next(slots, applicant.now);
            }
        }
        Turn::Compute(slot)
    }

    /// How many slots are taken, and how many credentials wait for one. Whose holder was killed does not count.
    pub(super) fn now(&self) -> (usize, usize) {
        let _guard = self.mutex.lock();
        let held = |seat: &&Seat| matches!(seat.holder.try_lock(), Taken::Busy);
        let count =
            |state| self.seats.iter().filter(|seat| seat.state.load(Ordering::Relaxed) == state).filter(held).count();
        (count(COMPUTING), count(IN_LINE))
    }

    /// Notes that a password from `address` was wrong.
    pub(super) fn note_failure(&self, address: u64, now: u64) {
        self.address(address).failed.store(now, Ordering::Relaxed);
    }

    /// The seat of the applicant's credential: a free one, made its own and put in line, or the one it already has.
    fn find_seat(&self, applicant: &Applicant, slots: usize) -> Found<'_> {
        let _guard = self.mutex.lock();
        let mut free = None;
        let mut of_address = 0;
        // Starting elsewhere each time keeps away from seats that were just left, at which others may still wait.
        let start = self.tick() as usize;
        for seat in (0..SEATS).map(|step| &self.seats[start.wrapping_add(step) % SEATS]) {
            let same = seat.digest_now() == applicant.digest;
            let idle = seat.state.load(Ordering::Relaxed) == IDLE;
            if same && !idle {
                match seat.holder.try_lock() {
                    Taken::Busy => return Found::Anothers(seat),
                    // Its holder was killed: the applicant takes over.
                    Taken::Clean(held) | Taken::Abandoned(held) => return self.sit_down(seat, held, applicant, slots),
                }
            }
            if idle && free.is_none() {
                free = seat.holder.try_lock().held().map(|held| (seat, held));
            } else if seat.address.load(Ordering::Relaxed) == applicant.address && !idle {
                of_address += 1;
            }
        }
        match free {
            Some((seat, held)) if of_address < SEATS_PER_ADDRESS => self.sit_down(seat, held, applicant, slots),
            _ => Found::Nothing,
        }
    }

    fn sit_down<'d>(&'d self, seat: &'d Seat, held: Held<'d>, applicant: &Applicant, slots: usize) -> Found<'d> {
        for (place, word) in seat.digest.iter().zip(applicant.digest.0) {
            place.store(word, Ordering::Relaxed);
        }
        seat.address.store(applicant.address, Ordering::Relaxed);
        seat.asked.store(self.tick(), Ordering::Relaxed);
        seat.state.store(IN_LINE, Ordering::Relaxed);
        self.call_next(slots, applicant.now);
        Found::Mine(seat, held)
    }

    /// Gives free slots to those whose turn it is. The desk's mutex is held.
    fn call_next(&self, slots: usize, now: u64) {
        loop {
            let mut computing = Vec::with_capacity(slots);
            for seat in self.seats.iter().filter(|seat| seat.state.load(Ordering::Relaxed) == COMPUTING) {
                if let Some(_dead_ones_seat) = seat.holder.try_lock().held() {
                    seat.state.store(IDLE, Ordering::Relaxed);
                    continue;
                }
                computing.push(seat.address.load(Ordering::Relaxed));
            }
            if computing.len() >= slots {
                return;
            }
            let giving_way = computing.iter().filter(|&&address| self.failed_lately(address, now)).count();
            let room_for_giving_way = giving_way < slots.saturating_sub(1).max(1);
            let next = self
                .seats
                .iter()
                .filter(|seat| seat.state.load(Ordering::Relaxed) == IN_LINE)
                .map(|seat| (self.priority(seat, &computing, now), seat))
                .filter(|(priority, _)| room_for_giving_way || !priority.gives_way)
                .min_by_key(|(priority, _)| *priority);
            let Some((_, seat)) = next else { return };
            if let Some(_dead_ones_seat) = seat.holder.try_lock().held() {
                seat.state.store(IDLE, Ordering::Relaxed);
                continue;
            }
            self.address(seat.address.load(Ordering::Relaxed)).served.store(self.tick(), Ordering::Relaxed);
            seat.state.store(COMPUTING, Ordering::Release);
            let _ = futex::wake(&seat.state, futex::Flags::empty(), 1);
        }
    }

    fn priority(&self, seat: &Seat, computing: &[u64], now: u64) -> Priority {
        let address = seat.address.load(Ordering::Relaxed);
        Priority {
            gives_way: self.failed_lately(address, now),
            computing: computing.iter().filter(|&&other| other == address).count(),
            served: self.address(address).served.load(Ordering::Relaxed),
            asked: seat.asked.load(Ordering::Relaxed),
        }
    }

    fn failed_lately(&self, address: u64, now: u64) -> bool {
        let failed = self.address(address).failed.load(Ordering::Relaxed);
        failed != 0 && failed + PENALTY > now
    }

    fn address(&self, address: u64) -> &Address {
        &self.addresses[(address % ADDRESSES as u64) as usize]
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Asleep until the holder of the applicant's credential is done or dead; what it computed is in the table by then.
fn wait_for_holder<'d>(applicant: &Applicant, seat: &Seat, patience_ends: Instant) -> Turn<'d> {
    while Instant::now() < patience_ends {
        match seat.holder.lock_within(PATROL) {
            // Still the same credential's, or already another's, which is not to be waited for.
            Taken::Busy if seat.digest_now() == applicant.digest => {}
            _ => return Turn::LookAgain,
        }
    }
    Turn::Full
}

enum Found<'d> {
    /// In line, with its mutex held.
    Mine(&'d Seat, Held<'d>),
    Anothers(&'d Seat),
    Nothing,
}

/// Who comes next: the smallest, compared from the first member to the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Priority {
    gives_way: bool,
    computing: usize,
    served: u64,
    asked: u64,
}

impl Slot<'_> {
    /// How many other credentials are being hashed, or wait for it.
    pub(super) fn others(&self) -> usize {
        let (running, waiting) = self.desk.now();
        (running + waiting).saturating_sub(1)
    }
}

impl Seat {
    fn digest_now(&self) -> Digest {
        Digest([0, 1, 2].map(|index| self.digest[index].load(Ordering::Relaxed)))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let _guard = self.desk.mutex.lock();
        self.seat.state.store(IDLE, Ordering::Relaxed);
        self.desk.call_next(self.slots, super::monotonic_seconds());
        // The seat's own mutex is given back after this, which wakes those who wait for the same credential.
    }
}
