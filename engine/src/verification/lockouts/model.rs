//! Attempts of several threads in every order of events: `make models`.

use loom::sync::Arc;
use loom::thread;

use super::*;

/// The first failure locks out.
const LIMIT: MaxFailures = MaxFailures { failures: 1, seconds: 10 };
const NOW: u64 = 1000;

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

#[derive(Clone, Copy)]
enum Hashed {
    Right,
    Wrong,
    NotComputed,
}

/// Whether the password of this number was hashed, with this result.
fn is_hashed(lockouts: &Lockouts, number: u64, result: Hashed) -> bool {
    let attempt = Attempt {
        lockouts,
        limit: LIMIT,
        pair: Pair { network: 7, user: 7, account: 7 },
        credential: Digest([number; 3]),
    };
    if attempt.refusal(NOW).is_some() || attempt.charge(NOW).is_some() {
        return false;
    }
    match result {
        Hashed::NotComputed => attempt.withdraw(NOW),
        Hashed::Right => assert!(attempt.settle(true, NOW).is_none()),
        Hashed::Wrong => assert!(attempt.settle(false, NOW).is_some(), "the lockout that begins"),
    }
    true
}

/// Makes attempts with passwords 1 and 2 at once. Returns whether each was hashed, and whether another wrong one is
/// hashed afterwards.
fn check(results: [Hashed; 2], expected: fn([bool; 2], bool) -> bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let lockouts = Arc::new(lockouts());
        let threads = [(1, results[0]), (2, results[1])].map(|(number, result)| {
            let lockouts = Arc::clone(&lockouts);
            thread::spawn(move || is_hashed(&lockouts, number, result))
        });
        let hashed = threads.map(|thread| thread.join().expect("the model has failed"));
        let is_open = is_hashed(&lockouts, 3, Hashed::Wrong);
        assert!(expected(hashed, is_open), "{hashed:?}, then {is_open}");
        assert!(lockouts.are_any(NOW));
    });
}

#[test]
fn of_two_guesses_at_once_one_is_hashed_and_later_ones_are_refused() {
    check([Hashed::Wrong; 2], |hashed, is_open| hashed[0] != hashed[1] && !is_open);
}

#[test]
fn beside_a_right_password_a_wrong_one_that_was_hashed_locks_out() {
    check([Hashed::Right, Hashed::Wrong], |hashed, is_open| hashed != [false; 2] && is_open != hashed[1]);
}

#[test]
fn a_charge_taken_back_locks_nobody_out_and_forgives_no_other() {
    check([Hashed::NotComputed, Hashed::Wrong], |hashed, is_open| hashed != [false; 2] && is_open != hashed[1]);
}
