//! The admission queue: which request may compute a password hash, and when.
//!
//! **The policy.** At most `slots` hashes run at a time. A request that needs one takes a ticket and waits for its
//! turn, until its deadline. Turns alternate between networks, and within a network between accounts, so nobody's wait
//! depends on how many requests another network sends. A network or account with several recent wrong passwords is a
//! *suspect*: it goes after everybody else, leaves two slots to them and computes at low priority. Within a suspect's
//! account the newest request goes first, since its client is most likely still there. The number of waiting tickets is
//! bounded by a share of the host's workers, and that of suspects' tickets by a smaller one. When a bound is reached,
//! the ticket with the heaviest load (suspects before others, then the network with most tickets, then the account with
//! most) is refused at once; that may be the newcomer. A right password clears its account.
//!
//! **Single flight.** While the hash of a credential runs, tickets with the same credential are passed over; when it is
//! done, they are told to look up the verdict.
//!
//! **Killed processes.** Everything is in shared memory under one robust mutex, which is held for microseconds. Each
//! ticket has a mutex of its own that its holder keeps locked: if it is free, the ticket has no holder any more, and
//! the next sweep reclaims it. The counts of tickets follow from the tickets, and are recounted after a process was
//! killed inside the mutex.

mod ticket;

use std::ptr;
use std::time::{Duration, Instant};

pub(super) use self::ticket::Request;
use self::ticket::{ANSWERED, FREE, History, Load, REFUSED, RUNNING, Ticket, Turn, WAITING, are_suspect};
use super::robust::{Held, RobustMutex, Taken};
use crate::clock::monotonic_milliseconds;
use crate::sync::{AtomicU32, AtomicU64, Ordering, wait_while, wake};

/// Number of tickets: requests that compute or wait at once. (Models use as few as possible.)
pub(super) const TICKETS: usize = if cfg!(loom) {
    3
} else if cfg!(miri) {
    32
} else {
    1024
};
/// Entries for histories of networks and accounts. Two that share an entry share their fate; the key decides which do.
const HISTORIES: usize = if cfg!(loom) {
    4
} else if cfg!(miri) {
    128
} else {
    65_536
};
/// Waiting requests that strain the queue, unless suspects fill their part of it with fewer.
const MANY: usize = 8;
/// Slots that suspects leave to others, if there are more.
const FOR_OTHERS: usize = 2;
/// How long a wrong password is recent, in milliseconds.
const RECENT: u64 = 60_000;
/// How often waiting requests look for tickets whose holders were killed.
const SWEEP: Duration = Duration::from_millis(100);

/// Bounds of running and waiting tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Hashes computed at once.
    pub(super) slots: usize,
    /// Waiting tickets.
    pub(super) waiting: usize,
    /// Waiting tickets of suspects.
    pub(super) suspects: usize,
}

impl Limits {
    /// For a host with so many workers, each of which is blocked while its request waits.
    ///
    /// One in sixteen always stays free for requests that need no hash. Suspects get a quarter.
    pub(super) fn new(slots: usize, workers: usize) -> Limits {
        let most = TICKETS.saturating_sub(slots).max(1);
        let waiting = (workers - workers.div_ceil(16).min(workers)).clamp(1, most);
        Limits { slots, waiting, suspects: (workers / 4).clamp(1, most) }
    }
}

/// Shared by all processes. All zeros is the initial state, except for the mutexes.
#[repr(C)]
pub(super) struct Queue {
    mutex: RobustMutex,
    /// Numbers arrivals and turns, in order.
    clock: AtomicU64,
    /// The millisecond of the last sweep.
    swept: AtomicU64,
    /// Tickets from this index on are free.
    used: AtomicU64,
    /// The futex of those that wait for any of several tickets.
    turns: AtomicU32,
    histories: [History; HISTORIES],
    tickets: [Ticket; TICKETS],
}

/// The answer to a request.
pub(super) enum Admission<'q> {
    /// Compute the hash; dropping this frees the slot.
    Compute(Slot<'q>),
    /// Look up the verdict again: another request has just computed it.
    LookAgain,
    /// Give up: the queue is full, or the deadline has passed.
    Refused,
}

/// The state of a ticket.
pub(super) enum Polled<'q> {
    /// It waits.
    Waits(Slot<'q>),
    /// It has its answer.
    Ended(Admission<'q>),
}

/// The caller's ticket and, when its turn comes, the right to compute one hash.
pub(super) struct Slot<'q> {
    queue: &'q Queue,
    ticket: &'q Ticket,
    limits: Limits,
    /// Whether the password was right, once known.
    granted: Option<bool>,
    _held: Held<'q>,
}

impl Queue {
    /// Initialises the mutexes of a queue whose memory is zeroed.
    ///
    /// # Safety
    ///
    /// As for [`RobustMutex::initialise`].
    pub(super) unsafe fn initialise(&self) -> std::io::Result<()> {
        // SAFETY: as the caller promises.
        unsafe {
            self.mutex.initialise()?;
            self.tickets.iter().try_for_each(|ticket| ticket.holder.initialise())
        }
    }

    /// Numbers of running hashes and waiting tickets. Tickets whose holder was killed do not count.
    pub(super) fn now(&self) -> (usize, usize) {
        let Some(_guard) = self.lock() else { return (0, 0) };
        let count = |state| self.tickets_in(state).filter(|ticket| ticket.is_held()).count();
        (count(RUNNING), count(WAITING))
    }

    /// True if many requests wait, and recent wrong passwords make the network or the account of this one a suspect.
    pub(super) fn is_strained_by(&self, request: &Request, limits: Limits) -> bool {
        let many = limits.suspects.min(MANY);
        are_suspect(self.histories([request.network, request.account]), monotonic_milliseconds())
            && self.tickets_in(WAITING).take(many).count() == many
    }

    /// Forgets the failures of a network or account; `None`: of all.
    pub(super) fn forgive(&self, number: Option<u64>) {
        let Some(_guard) = self.lock() else { return };
        match number {
            Some(number) => self.histories[(number % HISTORIES as u64) as usize].failures.clear(),
            None => self.histories.iter().for_each(|history| history.failures.clear()),
        }
    }

    /// Waits for the request's turn, until `deadline` at most.
    pub(super) fn admit(&self, request: &Request, limits: Limits, deadline: Instant) -> Admission<'_> {
        match self.enter(request, limits) {
            Some(slot) => slot.wait(deadline),
            None => Admission::Refused,
        }
    }

    /// Takes a ticket for a request. `None` if there is no room for it.
    pub(super) fn enter(&self, request: &Request, limits: Limits) -> Option<Slot<'_>> {
        let _guard = self.lock()?;
        let now = monotonic_milliseconds();
        self.sweep_if_due(now);
        let (ticket, held) = self.free_ticket()?;
        ticket.fill(request, self.tick());
        self.set_state(ticket, WAITING);
        self.dispatch(limits, now);
        if ticket.state() == WAITING && !self.make_room(Some(ticket), limits, now) {
            self.set_state(ticket, FREE);
            return None;
        }
        Some(Slot { queue: self, ticket, limits, granted: None, _held: held })
    }

    /// Changes whenever a ticket stops waiting other than by itself.
    pub(super) fn turns(&self) -> u32 {
        self.turns.load(Ordering::Acquire)
    }

    /// Sleeps until `turns` is no longer `seen`, and no longer than until a sweep is due, which it then does.
    pub(super) fn await_turns(&self, seen: u32, limits: Limits) {
        if !wait_while(&self.turns, seen, SWEEP) {
            self.sweep(limits);
        }
    }

    fn free_ticket(&self) -> Option<(&Ticket, Held<'_>)> {
        for (index, ticket) in self.tickets.iter().enumerate() {
            // Its last holder may not have released it yet.
            let free = (ticket.state() == FREE).then(|| ticket.holder.try_lock().held()).flatten();
            if let Some(held) = free {
                let used = self.used.load(Ordering::Relaxed).max(index as u64 + 1);
                self.used.store(used, Ordering::Relaxed);
                return Some((ticket, held));
            }
        }
        None
    }

    /// Gives free slots to the tickets whose turn it is. The mutex is held.
    fn dispatch(&self, limits: Limits, now: u64) {
        loop {
            let running = self.tickets_in(RUNNING).count();
            if running >= limits.slots {
                return;
            }
            let suspects = self.tickets_in(RUNNING).filter(|ticket| self.is_suspect(ticket, now)).count();
            let may_be_suspect = suspects < limits.slots.saturating_sub(FOR_OTHERS).max(1);
            let next = self
                .tickets_in(WAITING)
                .filter(|ticket| !self.runs_for_another(ticket))
                .map(|ticket| (Turn::of(ticket, self.histories_of(ticket), now), ticket))
                .filter(|(turn, _)| may_be_suspect || !turn.suspect)
                .min_by_key(|(turn, _)| *turn);
            let Some((_, ticket)) = next else { return };
            if !ticket.is_held() {
                self.set_state(ticket, FREE);
                continue;
            }
            let turn = self.tick();
            self.histories_of(ticket).into_iter().for_each(|history| history.served.store(turn, Ordering::Relaxed));
            self.end_wait(ticket, RUNNING);
        }
    }

    /// Refuses the ticket with the heaviest load until no bound is exceeded. False if that is the newcomer.
    fn make_room(&self, newcomer: Option<&Ticket>, limits: Limits, now: u64) -> bool {
        let is_newcomer = |ticket: &Ticket| newcomer.is_some_and(|newcomer| ptr::eq(ticket, newcomer));
        loop {
            let waiting = self.tickets_in(WAITING).count();
            let suspects = self.tickets_in(WAITING).filter(|ticket| self.is_suspect(ticket, now)).count();
            if waiting <= limits.waiting && suspects <= limits.suspects {
                return true;
            }
            let heaviest = self
                .tickets_in(WAITING)
                .filter(|ticket| suspects <= limits.suspects || self.is_suspect(ticket, now))
                .max_by_key(|ticket| Load::of(ticket, self.histories_of(ticket), is_newcomer(ticket), now));
            match heaviest {
                Some(ticket) if is_newcomer(ticket) => return false,
                Some(ticket) => {
                    self.end_wait(ticket, REFUSED);
                }
                None => return true,
            }
        }
    }

    fn is_suspect(&self, ticket: &Ticket, now: u64) -> bool {
        are_suspect(self.histories_of(ticket), now)
    }

    /// True if the hash of the same credential is running.
    fn runs_for_another(&self, ticket: &Ticket) -> bool {
        ticket.digest().is_some_and(|digest| self.tickets_in(RUNNING).any(|other| other.digest() == Some(digest)))
    }

    /// Ends a ticket, with the result of its hash if it had a slot.
    fn leave(&self, ticket: &Ticket, limits: Limits, granted: Option<bool>) {
        // Without the mutex, the ticket is left to the sweep, which finds it without a holder.
        let Some(_guard) = self.lock() else { return };
        let now = monotonic_milliseconds();
        if ticket.state() == RUNNING {
            let digest = ticket.digest();
            for other in self.tickets_in(WAITING).filter(|other| digest.is_some() && other.digest() == digest) {
                self.end_wait(other, ANSWERED);
            }
        }
        self.set_state(ticket, FREE);
        self.note(ticket, granted, now);
        if granted == Some(false) {
            self.make_room(None, limits, now);
        }
        self.dispatch(limits, now);
    }

    /// A wrong password counts against its account and its network. A right one clears the account, and takes the
    /// account's count off the network's.
    fn note(&self, ticket: &Ticket, granted: Option<bool>, now: u64) {
        let [network, account] = self.histories_of(ticket).map(|history| &history.failures);
        let [of_network, of_account] = [network, account].map(|failures| failures.number(now));
        match granted {
            Some(true) if of_account > 0 => {
                network.set(of_network.saturating_sub(of_account), network.ends());
                account.clear();
            }
            Some(false) => {
                network.set(of_network + 1, now + RECENT);
                account.set(of_account + 1, now + RECENT);
            }
            _ => {}
        }
    }

    /// Ends the wait of a ticket's holder.
    fn end_wait(&self, ticket: &Ticket, state: u32) {
        self.set_state(ticket, state);
        wake(&ticket.state);
        self.turns.fetch_add(1, Ordering::Release);
        wake(&self.turns);
    }

    fn sweep(&self, limits: Limits) {
        if let Some(_guard) = self.lock() {
            let now = monotonic_milliseconds();
            self.sweep_if_due(now);
            self.dispatch(limits, now);
        }
    }

    fn sweep_if_due(&self, now: u64) {
        if now.saturating_sub(self.swept.load(Ordering::Relaxed)) < SWEEP.as_millis() as u64 {
            return;
        }
        self.swept.store(now, Ordering::Relaxed);
        for ticket in self.used().iter().filter(|ticket| ticket.state() != FREE && !ticket.is_held()) {
            self.set_state(ticket, FREE);
        }
    }

    /// The mutex, or `None` if it cannot be taken.
    fn lock(&self) -> Option<Held<'_>> {
        match self.mutex.lock() {
            Taken::Clean(held) => Some(held),
            Taken::Abandoned(held) => {
                self.count_again();
                Some(held)
            }
            Taken::Busy => None,
        }
    }

    /// Corrects the counts of tickets after a process was killed while changing them.
    fn count_again(&self) {
        for history in &self.histories {
            history.waiting.store(0, Ordering::Relaxed);
            history.running.store(0, Ordering::Relaxed);
        }
        self.used.store(TICKETS as u64, Ordering::Relaxed);
        for ticket in &self.tickets {
            self.count(ticket, ticket.state(), 1);
        }
    }

    /// Changes a ticket's state and the counts that follow from it.
    fn set_state(&self, ticket: &Ticket, state: u32) {
        self.count(ticket, ticket.state(), u32::MAX);
        self.count(ticket, state, 1);
        ticket.state.store(state, Ordering::Release);
        if state == FREE {
            let used = self.used().iter().rposition(|ticket| ticket.state() != FREE).map_or(0, |index| index + 1);
            self.used.store(used as u64, Ordering::Relaxed);
        }
    }

    /// Adds `difference`, which may be minus one, to the number of tickets in `state`.
    fn count(&self, ticket: &Ticket, state: u32, difference: u32) {
        for history in self.histories_of(ticket) {
            let count = match state {
                WAITING => &history.waiting,
                RUNNING => &history.running,
                _ => continue,
            };
            count.store(count.load(Ordering::Relaxed).wrapping_add(difference), Ordering::Relaxed);
        }
    }

    fn used(&self) -> &[Ticket] {
        &self.tickets[..(self.used.load(Ordering::Relaxed) as usize).min(TICKETS)]
    }

    fn tickets_in(&self, state: u32) -> impl Iterator<Item = &Ticket> {
        self.used().iter().filter(move |ticket| ticket.state() == state)
    }

    fn histories_of(&self, ticket: &Ticket) -> [&History; 2] {
        self.histories([&ticket.network, &ticket.account].map(|number| number.load(Ordering::Relaxed)))
    }

    fn histories(&self, numbers: [u64; 2]) -> [&History; 2] {
        numbers.map(|number| &self.histories[(number % HISTORIES as u64) as usize])
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl<'q> Slot<'q> {
    /// The holder's answer, unless it waits on, until `deadline` at most.
    pub(super) fn poll(self, deadline: Instant) -> Polled<'q> {
        match self.ticket.state() {
            WAITING if Instant::now() < deadline => Polled::Waits(self),
            RUNNING => Polled::Ended(Admission::Compute(self)),
            ANSWERED => Polled::Ended(Admission::LookAgain),
            _ => Polled::Ended(Admission::Refused),
        }
    }

    /// Sleeps until there is an answer.
    fn wait(self, deadline: Instant) -> Admission<'q> {
        let mut slot = self;
        loop {
            slot = match slot.poll(deadline) {
                Polled::Ended(admission) => return admission,
                Polled::Waits(slot) => slot,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            // However the wait ends, the state decides.
            if !wait_while(&slot.ticket.state, WAITING, left.min(SWEEP)) {
                slot.queue.sweep(slot.limits);
            }
        }
    }

    /// True if the hash must run at low priority.
    pub(super) fn gives_way(&self) -> bool {
        self.queue.is_suspect(self.ticket, monotonic_milliseconds())
    }

    /// Notes whether the password was right.
    pub(super) fn settle(&mut self, granted: bool) {
        self.granted = Some(granted);
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        // The ticket's own mutex is released after this.
        self.queue.leave(self.ticket, self.limits, self.granted);
    }
}

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
