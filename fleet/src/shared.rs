//! What the requests of a process and its one thread have in common: settings, what waits, and how the server stands.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use esauth_engine::verification::{Counted, Event as Fate, Learner, Reply};
use rustls::ClientConfig;

use crate::address::{Address, Credentials};
use crate::counts::Spent;
use crate::entry::Name;
use crate::key::Key;

/// Most jobs that are sent together.
pub(crate) const BATCH: usize = 64;

/// Settings of an access.
pub struct Options {
    /// The servers' addresses, each tried in turn.
    pub addresses: Vec<Address>,
    /// The key that all servers of the fleet have.
    pub key: Key,
    /// What the servers ask for, if they do.
    pub credentials: Option<Credentials>,
    /// Certificates (PEM) of the authorities to trust for TLS; `None`: the system's.
    pub authorities: Option<Vec<u8>>,
    /// Seconds for which an entry counts.
    pub ttl: u64,
    /// Number of servers, this one included.
    pub servers: u32,
}

/// The end of a question to the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lookup {
    /// A server has verified the credential.
    Known,
    /// None has, or not lately.
    Unknown,
    /// There is an entry, made by nobody with the key.
    Forged,
    /// The answer did not come in time.
    Late,
    /// Nothing was asked, because earlier answers did not come in time.
    Skipped,
    /// The attempt is refused: the failures of all servers have locked it out.
    LockedOut,
}

/// A change that an operator should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The fleet cannot be reached: every server hashes for itself. With the address tried last, and the reason.
    Lost(String, String),
    /// It has been reached.
    Reached,
    /// It took no entry or count, for this reason: what is there stays known.
    Full(String),
}

/// Takes note of what happens. Called in any thread.
pub trait Observer: Send + Sync {
    /// A question ended so.
    fn looked_up(&self, result: Lookup);
    /// An entry was left with the fleet, or was not.
    fn told(&self, was_left: bool);
    /// A failure, or requests of a limited user, were counted with the fleet, or were not.
    fn counted(&self, was_counted: bool);
    /// Something changed.
    fn event(&self, event: &Event);
}

/// The state of an access.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) tls: Option<io::Result<Arc<ClientConfig>>>,
    pub(crate) observer: Box<dyn Observer>,
    pub(crate) queue: Mutex<VecDeque<Job>>,
    pub(crate) spent: Mutex<HashMap<Name, Spent>>,
    pub(crate) standing: AtomicU8,
    /// False if the server refused to count.
    pub(crate) counts: AtomicBool,
    pub(crate) ends: Arc<AtomicBool>,
}

/// Whether a request waits for an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Standing {
    /// It does: nothing has failed yet, or not since the last answer.
    Prompt,
    /// It does not: an answer came late.
    Slow,
    /// It does not: the connection was lost, which was reported.
    Lost,
}

pub(crate) enum Job {
    /// Whether a password is known, and whether an attempt is allowed.
    Ask {
        name: Option<Name>,
        counted: Option<Counted>,
        until: Instant,
        answer: SyncSender<Answer>,
    },
    Tell {
        name: Name,
    },
    Note {
        fate: Fate,
        counted: Counted,
        learner: Learner,
    },
}

/// The answer to a question.
#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) result: Lookup,
    pub(crate) reply: Reply,
}

impl Answer {
    pub(crate) const UNKNOWN: Answer = Answer { result: Lookup::Unknown, reply: Reply::Unknown };
    pub(crate) const LATE: Answer = Answer { result: Lookup::Late, reply: Reply::Unanswered };
    pub(crate) const SKIPPED: Answer = Answer { result: Lookup::Skipped, reply: Reply::Unanswered };
    /// Nothing is known, and the server does not count.
    pub(crate) const NOT_COUNTED: Answer = Answer { reply: Reply::Unanswered, ..Answer::UNKNOWN };
}

impl Shared {
    pub(crate) fn queue(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn spent(&self) -> MutexGuard<'_, HashMap<Name, Spent>> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Relaxed) {
            number if number == Standing::Prompt as u8 => Standing::Prompt,
            number if number == Standing::Slow as u8 => Standing::Slow,
            _ => Standing::Lost,
        }
    }

    pub(crate) fn change(&self, from: Standing, to: Standing) {
        let _ = self.standing.compare_exchange(from as u8, to as u8, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Takes the next jobs, without the questions that nobody waits for any more; their number comes second.
    pub(crate) fn take_batch(&self) -> (Vec<Job>, usize) {
        let (mut queue, now) = (self.queue(), Instant::now());
        let (mut batch, mut expired) = (Vec::new(), 0);
        while batch.len() < BATCH {
            match queue.pop_front() {
                Some(Job::Ask { until, .. }) if until <= now => expired += 1,
                Some(job) => batch.push(job),
                None => break,
            }
        }
        (batch, expired)
    }

    /// Gives up whatever waits.
    pub(crate) fn drop_jobs(&self) {
        for job in std::mem::take(&mut *self.queue()) {
            match job {
                Job::Ask { .. } => {}
                Job::Tell { .. } => self.observer.told(false),
                Job::Note { .. } => self.observer.counted(false),
            }
        }
        let spent = std::mem::take(&mut *self.spent());
        spent.iter().for_each(|_| self.observer.counted(false));
    }
}
