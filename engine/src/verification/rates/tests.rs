//! Counting requests against a rate.

#![allow(clippy::expect_used, reason = "what fails while a test is set up fails the test")]

use std::thread;

use super::super::shared::Shared;
use super::*;

const RATE: Rate = Rate { requests: 3, seconds: 30 };
const BEGIN: u64 = 1_000_000 * NANOSECONDS;
const SECOND: u64 = NANOSECONDS;

fn rates() -> &'static Rates {
    Shared::create(0).expect("there is memory for a table").0.rates()
}

fn user(name: &str) -> Digest {
    Digest::example(name.as_bytes())
}

/// The seconds of each refusal of so many requests at once; 0: admitted.
fn spend(rates: &Rates, name: &str, requests: usize, now: u64) -> Vec<u64> {
    let spend = |_| match rates.spend(&user(name), RATE, now) {
        Spent::Admitted => 0,
        Spent::Refused { seconds, .. } => seconds,
    };
    (0..requests).map(spend).collect()
}

#[test]
fn as_many_as_the_rate_are_admitted_at_once_and_one_more_after_each_interval() {
    let rates = rates();
    assert_eq!(spend(rates, "alice", 5, BEGIN), [0, 0, 0, 10, 10]);
    assert_eq!(spend(rates, "alice", 2, BEGIN + 9 * SECOND), [1, 1]);
    assert_eq!(spend(rates, "alice", 2, BEGIN + 10 * SECOND), [0, 10]);
    assert_eq!(spend(rates, "alice", 4, BEGIN + 30 * SECOND), [0, 0, 10, 10]);
    assert_eq!(spend(rates, "alice", 4, BEGIN + 300 * SECOND), [0, 0, 0, 10], "what is not used does not add up");
    assert_eq!(spend(rates, "bob", 4, BEGIN), [0, 0, 0, 10], "another user");
}

#[test]
fn refused_requests_do_not_postpone_the_next_admitted_one() {
    let rates = rates();
    assert_eq!(spend(rates, "alice", 100, BEGIN)[..4], [0, 0, 0, 10]);
    assert_eq!(spend(rates, "alice", 1, BEGIN + 10 * SECOND), [0]);
}

#[test]
fn a_refusal_is_reported_once_until_the_user_has_everything_back() {
    let rates = rates();
    let begins = |now| match rates.spend(&user("alice"), RATE, now) {
        Spent::Admitted => None,
        Spent::Refused { begins, .. } => Some(begins),
    };
    assert_eq!([0; 5].map(|_| begins(BEGIN)), [None, None, None, Some(true), Some(false)]);
    assert_eq!([0; 2].map(|_| begins(BEGIN + 15 * SECOND)), [None, Some(false)]);
    let later = BEGIN + 60 * SECOND;
    assert_eq!([0; 5].map(|_| begins(later)), [None, None, None, Some(true), Some(false)]);
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes in an interpreter")]
fn the_fastest_and_the_slowest_rate_are_kept() {
    let rates = rates();
    for rate in [Rate { requests: 1_000_000, seconds: 1 }, Rate { requests: 1_000_000, seconds: 86_400 }] {
        let admitted = (0..1_000_010).filter(|_| rates.spend(&user("fast"), rate, BEGIN) == Spent::Admitted).count();
        assert_eq!(admitted, 1_000_000);
        // Another rate is another digest; here they share one.
        rates.find(&user("fast")).expect("it was counted").0.word.store(1 << 1, Ordering::Release);
    }
    let slow = Rate { requests: 1, seconds: 86_400 };
    assert_eq!(rates.spend(&user("slow"), slow, BEGIN), Spent::Admitted);
    assert_eq!(rates.spend(&user("slow"), slow, BEGIN), Spent::Refused { seconds: 86_400, begins: true });
}

#[test]
fn however_many_threads_ask_no_more_than_the_rate_are_admitted() {
    let (rates, rate) = (rates(), Rate { requests: 500, seconds: 3600 });
    let each = if cfg!(miri) { 80 } else { 400 };
    let admitted: usize = thread::scope(|scope| {
        let ask = || (0..each).filter(|_| rates.spend(&user("alice"), rate, BEGIN) == Spent::Admitted).count();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it counts")).sum()
    });
    assert_eq!(admitted, 500);
}

/// Four times as many users as the table holds.
#[test]
fn a_flood_of_users_evicts_those_with_the_most_left() {
    let rates = rates();
    // Refused for longest.
    assert_eq!(spend(rates, "alice", 4, BEGIN + 20 * SECOND), [0, 0, 0, 10]);
    for number in 0..4 * WAYS * BUCKETS {
        assert_eq!(spend(rates, &format!("passing {number}"), 1, BEGIN), [0]);
    }
    assert_eq!(spend(rates, "alice", 1, BEGIN + 21 * SECOND), [9]);
}

#[test]
fn an_entry_whose_process_was_killed_while_it_changed_hands_is_free() {
    let rates = rates();
    assert_eq!(spend(rates, "alice", 4, BEGIN), [0, 0, 0, 10]);
    let (entry, _) = rates.find(&user("alice")).expect("it was counted");
    entry.word.store(0, Ordering::Release);
    entry.user[0].store(user("bob").0[0], Ordering::Release);
    assert!(["alice", "bob"].iter().all(|name| rates.find(&user(name)).is_none()));
    assert_eq!(spend(rates, "bob", 4, BEGIN), [0, 0, 0, 10]);
}
