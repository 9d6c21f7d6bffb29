//! Attempts of several threads in every order of events: `make models`.

use loom::sync::Arc;
use loom::thread;

use super::*;

const LIMIT: MaxFailures = MaxFailures { failures: 1, seconds: 10 };

fn lockouts() -> Lockouts {
    let entry = || Entry {
        pair: Default::default(),
        failures: Count::default(),
        told: AtomicU64::new(0),
        last: AtomicU64::new(0),
        repeats: Count::default(),
        examined: Count::default(),
    };
    let bucket = || std::array::from_fn(|_| entry());
    let name = || Name {
        pair: Default::default(),
        kind_and_length: AtomicU64::new(0),
        network: AtomicU64::new(0),
        user: std::array::from_fn(|_| AtomicU64::new(0)),
    };
    Lockouts {
        mutex: RobustMutex::default(),
        last_ends: AtomicU64::new(0),
        buckets: std::array::from_fn(|_| bucket()),
        named: AtomicU64::new(0),
        names: std::array::from_fn(|_| name()),
    }
}

#[test]
fn of_two_guesses_at_once_one_is_hashed_and_later_ones_are_refused() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let lockouts = Arc::new(lockouts());
        let guess = |lockouts: &Lockouts, number: u64| {
            let credential = Digest([number; 3]);
            let attempt =
                Attempt { lockouts, limit: LIMIT, pair: Pair { network: 7, user: 7, account: 7 }, credential };
            let hashed = attempt.refusal(1000).is_none() && attempt.charge(1000).is_none();
            if hashed {
                attempt.settle(false, 1000);
            }
            usize::from(hashed)
        };
        let threads = [1, 2].map(|number| {
            let lockouts = Arc::clone(&lockouts);
            thread::spawn(move || guess(&lockouts, number))
        });
        let hashed: usize = threads.into_iter().map(|thread| thread.join().unwrap_or(9)).sum();
        assert_eq!((hashed, guess(&lockouts, 3)), (1, 0));
        assert!(lockouts.are_any(1000));
    });
}
