//! What the queue knows about a request and where it comes from, and the orders that follow: of turns, and of refusals.

use super::super::count::Count;
use super::super::digest::Digest;
use super::super::robust::{RobustMutex, Taken};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Recent wrong passwords that make an account of a network, and a network, a suspect.
const SUSPECT_ACCOUNT: u64 = 3;
const SUSPECT_NETWORK: u64 = 16;

pub(super) const FREE: u32 = 0;
pub(super) const WAITING: u32 = 1;
pub(super) const RUNNING: u32 = 2;
/// Its credential's hash was computed for another ticket.
pub(super) const ANSWERED: u32 = 3;
pub(super) const REFUSED: u32 = 4;

/// History of a network, or of an account in a network.
#[repr(C)]
#[cfg_attr(loom, derive(Default))]
pub(super) struct History {
    /// The queue's clock at its last turn.
    pub(super) served: AtomicU64,
    pub(super) failures: Count,
    pub(super) waiting: AtomicU32,
    pub(super) running: AtomicU32,
}

#[repr(C)]
#[cfg_attr(loom, derive(Default))]
pub(super) struct Ticket {
    /// Locked by the holder of the ticket.
    pub(super) holder: RobustMutex,
    /// Digest of the credential; zero if verdicts are not shared.
    digest: [AtomicU64; 3],
    pub(super) network: AtomicU64,
    pub(super) account: AtomicU64,
    /// The queue's clock on arrival.
    came: AtomicU64,
    /// Also the futex that its holder sleeps on.
    pub(super) state: AtomicU32,
}

/// A request that needs a hash.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    /// `None` if nothing is remembered, so that each request computes for itself.
    pub(crate) digest: Option<Digest>,
    /// A keyed number of the client's network.
    pub(crate) network: u64,
    /// A keyed number of the user in that network.
    pub(crate) account: u64,
}

impl Ticket {
    pub(super) fn fill(&self, request: &Request, came: u64) {
        let digest = request.digest.map_or([0; 3], |digest| digest.0);
        for (stored, word) in self.digest.iter().zip(digest) {
            stored.store(word, Ordering::Relaxed);
        }
        self.network.store(request.network, Ordering::Relaxed);
        self.account.store(request.account, Ordering::Relaxed);
        self.came.store(came, Ordering::Relaxed);
    }

    pub(super) fn digest(&self) -> Option<Digest> {
        let words = [0, 1, 2].map(|index| self.digest[index].load(Ordering::Relaxed));
        (words != [0; 3]).then_some(Digest(words))
    }

    pub(super) fn state(&self) -> u32 {
        self.state.load(Ordering::Acquire)
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.holder.try_lock(), Taken::Busy)
    }

    /// The order of arrival. Of suspects' tickets, the last one counts as the first.
    fn order(&self, suspect: bool) -> u64 {
        let came = self.came.load(Ordering::Relaxed);
        if suspect { u64::MAX - came } else { came }
    }
}

/// True if recent wrong passwords make this account of this network a suspect.
pub(super) fn are_suspect(histories: [&History; 2], now: u64) -> bool {
    let [network, account] = histories.map(|history| history.failures.number(now));
    account >= SUSPECT_ACCOUNT || network >= SUSPECT_NETWORK
}

/// Order of turns: the smallest goes first, compared from the first member to the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) suspect: bool,
    /// Running hashes of the network.
    running: u32,
    network_served: u64,
    account_served: u64,
    order: u64,
}

impl Turn {
    /// Of a ticket with the histories of its network and its account.
    pub(super) fn of(ticket: &Ticket, histories: [&History; 2], now: u64) -> Turn {
        let suspect = are_suspect(histories, now);
        let [network, account] = histories;
        Turn {
            suspect,
            running: network.running.load(Ordering::Relaxed),
            network_served: network.served.load(Ordering::Relaxed),
            account_served: account.served.load(Ordering::Relaxed),
            order: ticket.order(suspect),
        }
    }
}

/// Order of refusals when there is no room: the largest goes first, compared from the first member to the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Load {
    suspect: bool,
    /// Waiting tickets of the network, and of the account.
    network: u32,
    account: u32,
    is_newcomer: bool,
    order: u64,
}

impl Load {
    /// Of a ticket with the histories of its network and its account.
    pub(super) fn of(ticket: &Ticket, histories: [&History; 2], is_newcomer: bool, now: u64) -> Load {
        let suspect = are_suspect(histories, now);
        let [network, account] = histories.map(|history| history.waiting.load(Ordering::Relaxed));
        Load { suspect, network, account, is_newcomer, order: ticket.order(suspect) }
    }
}
