//! Time of a hash of each kind on this machine, by hashing.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use esauth_engine::hash::{Description, Family, verify};
use serde::Serialize;

/// Upper bound for all measurements together; they get at least a quarter of it.
const BUDGET: Duration = Duration::from_secs(1);

/// End of measurements after the files were started, so that nobody with a million lines waits for them.
const END: Duration = Duration::from_millis(1800);

/// Quick hashes are repeated for this long.
const REPEATED_FOR: Duration = Duration::from_millis(2);

/// Family and cost of a hash, and a hash that has them.
#[derive(Clone, Copy)]
pub(super) struct Kind<'a> {
    family: Family,
    cost: &'a str,
    usable: bool,
    example: &'a [u8],
}

impl<'a> Kind<'a> {
    pub(super) fn of(told: Description<'a>, stored: &'a [u8]) -> Self {
        Kind { family: told.family, cost: told.cost, usable: told.usable, example: stored }
    }

    fn key(&self) -> (Family, &'a str, bool) {
        (self.family, self.cost, self.usable)
    }
}

impl PartialEq for Kind<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Kind<'_> {}

impl Hash for Kind<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Kind<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// A kind of hash, its number of users, and its time.
#[derive(Clone, Serialize)]
pub(crate) struct Measured {
    #[serde(rename = "scheme")]
    pub(crate) family: &'static str,
    /// As the hashes write it; empty if the family has none.
    pub(crate) cost: String,
    /// False for hashes that no password matches.
    pub(crate) usable: bool,
    pub(crate) users: usize,
    /// Milliseconds for one; none if not measured.
    pub(crate) milliseconds: Option<f64>,
    /// Milliseconds after which a slow hash was given up.
    pub(crate) more_than_milliseconds: Option<f64>,
}

/// The remaining time for measurements.
pub(super) struct Timer {
    began: Instant,
    spent: Duration,
}

impl Timer {
    /// Called at the beginning, before the files are read.
    pub(super) fn start() -> Self {
        Timer { began: Instant::now(), spent: Duration::ZERO }
    }

    fn left(&self) -> Duration {
        let of_budget = |budget: Duration| budget.saturating_sub(self.spent);
        END.saturating_sub(self.began.elapsed()).clamp(of_budget(BUDGET / 4), of_budget(BUDGET))
    }

    /// Measures one hash of each kind, while there is time for it.
    pub(super) fn measure(&mut self, kinds: Vec<(Kind<'_>, usize)>) -> Vec<Measured> {
        kinds
            .into_iter()
            .map(|(kind, users)| {
                let left = self.left();
                let (took, given_up) = match kind.usable && !left.is_zero() {
                    true => self.time(kind.example, left),
                    false => (None, None),
                };
                let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
                Measured {
                    family: kind.family.name(),
                    cost: kind.cost.to_owned(),
                    usable: kind.usable,
                    users,
                    milliseconds: took.map(milliseconds),
                    more_than_milliseconds: given_up.map(milliseconds),
                }
            })
            .collect()
    }

    /// The time of one hash, or the time after which it was given up: its thread ends with the program.
    fn time(&mut self, stored: &[u8], left: Duration) -> (Option<Duration>, Option<Duration>) {
        let began = Instant::now();
        let (sender, receiver) = mpsc::channel();
        let stored = stored.to_owned();
        thread::spawn(move || sender.send(time_of_one(&stored)));
        let took = receiver.recv_timeout(left).ok();
        self.spent += began.elapsed();
        (took, took.is_none().then(|| began.elapsed()))
    }
}

fn time_of_one(stored: &[u8]) -> Duration {
    let began = Instant::now();
    let mut times = 0;
    while times == 0 || began.elapsed() < REPEATED_FOR {
        std::hint::black_box(verify(b"a password as long as most are", stored));
        times += 1;
    }
    began.elapsed() / times
}
