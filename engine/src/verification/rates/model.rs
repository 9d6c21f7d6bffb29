//! Requests of several threads in every order of events: `make models`.

use loom::sync::Arc;
use loom::thread;

use super::*;

/// Two entries, both for any user.
fn rates() -> Rates {
    let bucket = || std::array::from_fn(|_| Entry::default());
    Rates { mutex: RobustMutex::default(), buckets: std::array::from_fn(|_| bucket()) }
}

fn admitted(rates: &Rates, user: u64, rate: Rate) -> usize {
    usize::from(rates.spend(&Digest([user; 3]), rate, 1000) == Spent::Admitted)
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// Requests of a user that two threads make at once, after so many earlier ones; one more is admitted in all.
fn one_of_two_is_admitted(earlier: usize) {
    check(move || {
        let (rates, rate) = (Arc::new(rates()), Rate { requests: earlier as u32 + 1, seconds: 10 });
        assert!((0..earlier).all(|_| admitted(&rates, 7, rate) == 1));
        let threads = [7, 7].map(|user| {
            let rates = Arc::clone(&rates);
            thread::spawn(move || admitted(&rates, user, rate))
        });
        let all: usize = threads.into_iter().map(|thread| thread.join().unwrap_or(9)).sum();
        assert_eq!((all, admitted(&rates, 7, rate)), (1, 0));
    });
}

#[test]
fn of_first_requests_at_once_as_many_are_admitted_as_the_rate_allows() {
    one_of_two_is_admitted(0);
}

#[test]
fn of_later_requests_at_once_as_many_are_admitted_as_the_rate_allows() {
    one_of_two_is_admitted(1);
}

#[test]
fn a_request_that_meets_an_entry_changing_hands_counts_for_its_own_user() {
    check(|| {
        let (rates, rate) = (Arc::new(rates()), Rate { requests: 2, seconds: 10 });
        // The first user's entry is the one that a third user takes.
        assert_eq!((admitted(&rates, 1, Rate { requests: 2, seconds: 1 }), admitted(&rates, 2, rate)), (1, 1));
        let threads = [1, 3].map(|user| {
            let rates = Arc::clone(&rates);
            thread::spawn(move || admitted(&rates, user, rate))
        });
        let all: usize = threads.into_iter().map(|thread| thread.join().unwrap_or(9)).sum();
        assert_eq!(all, 2);
        // Of each user, the entry has one request left, or is lost.
        assert_eq!(admitted(&rates, 3, rate), 1);
    });
}
