//! The policy of the queue, without threads.

#![allow(clippy::panic, clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]

use super::super::digest::Digest;
use super::super::shared::Shared;
use super::*;

const LIMITS: Limits = Limits { slots: 2, waiting: 8, suspects: 2 };

fn queue() -> &'static Queue {
    Shared::create(0).unwrap().0.queue()
}

fn request(number: u64, network: u64, account: u64) -> Request {
    Request { digest: Some(Digest([number; 3])), network, account }
}

fn compute(queue: &'static Queue, request: Request) -> Slot<'static> {
    match queue.admit(&request, LIMITS, Instant::now()) {
        Admission::Compute(slot) => slot,
        _ => panic!("there is no free slot"),
    }
}

fn fail(queue: &'static Queue, network: u64, account: u64, times: u64) {
    for number in 0..times {
        compute(queue, request(1000 + number, network, account)).settle(false);
    }
}

/// Puts a ticket into the queue without waiting for it.
fn enter(queue: &'static Queue, request: Request) -> Option<Slot<'static>> {
    queue.enter(&request, LIMITS)
}

#[test]
fn one_or_two_wrong_passwords_make_no_suspect_and_a_right_one_is_forgiven_all() {
    let queue = queue();
    fail(queue, 1, 11, 2);
    let mut slot = compute(queue, request(1, 1, 11));
    assert!(!slot.gives_way());
    slot.settle(true);
    drop(slot);
    fail(queue, 1, 11, 2);
    assert!(!compute(queue, request(1, 1, 11)).gives_way());
    fail(queue, 1, 11, 1);
    assert!(compute(queue, request(1, 1, 11)).gives_way());
    assert!(!compute(queue, request(1, 1, 12)).gives_way(), "another account of the network");
}

#[test]
fn wrong_passwords_under_many_names_make_their_network_a_suspect() {
    let queue = queue();
    (0..16).for_each(|account| fail(queue, 1, 100 + account, 1));
    assert!(compute(queue, request(1, 1, 11)).gives_way());
    assert!(!compute(queue, request(1, 2, 21)).gives_way());
}

#[test]
fn suspects_leave_a_slot_to_others_and_wait_within_a_bound_of_their_own() {
    let queue = queue();
    fail(queue, 1, 11, 3);
    let running = enter(queue, request(1, 1, 11)).unwrap();
    let waiting = [2, 3].map(|number| enter(queue, request(number, 1, 11)).unwrap());
    assert!(enter(queue, request(4, 1, 11)).is_none(), "two of them wait");
    let other = enter(queue, request(5, 2, 21)).unwrap();
    let states = [&running, &waiting[0], &waiting[1], &other].map(|slot| slot.ticket.state());
    assert_eq!(states, [RUNNING, WAITING, WAITING, RUNNING]);
    // The last to arrive goes first.
    drop(running);
    assert_eq!(waiting.each_ref().map(|slot| slot.ticket.state()), [WAITING, RUNNING]);
}

#[test]
fn of_more_than_three_slots_suspects_leave_two_to_others() {
    let queue = queue();
    fail(queue, 1, 11, 3);
    let limits = Limits { slots: 4, ..LIMITS };
    let suspects = [1, 2, 3].map(|number| queue.enter(&request(number, 1, 11), limits).unwrap());
    let others = [4, 5].map(|number| queue.enter(&request(number, 2, 21), limits).unwrap());
    assert_eq!(suspects.each_ref().map(|slot| slot.ticket.state()), [RUNNING, RUNNING, WAITING]);
    assert_eq!(others.each_ref().map(|slot| slot.ticket.state()), [RUNNING; 2]);
}

#[test]
fn in_a_full_queue_a_newcomer_takes_the_place_of_whichever_network_has_most() {
    let queue = queue();
    let _running = [1, 2].map(|number| enter(queue, request(number, 9, 90 + number)).unwrap());
    let heavy: Vec<_> = (10..18).map(|number| enter(queue, request(number, 1, 10 + number)).unwrap()).collect();
    assert!(enter(queue, request(20, 1, 40)).is_none(), "it has most itself");
    let newcomer = enter(queue, request(21, 2, 50)).unwrap();
    assert_eq!(newcomer.ticket.state(), WAITING);
    let refused = heavy.iter().filter(|slot| slot.ticket.state() == REFUSED).count();
    assert_eq!((refused, heavy[7].ticket.state()), (1, REFUSED), "the last that came");
}

#[test]
fn in_a_full_queue_an_account_with_less_takes_the_place_of_its_own_networks_heaviest() {
    let queue = queue();
    let _running = [1, 2].map(|number| enter(queue, request(number, 9, 90 + number)).unwrap());
    let _heavy: Vec<_> = (10..18).map(|number| enter(queue, request(number, 1, 11)).unwrap()).collect();
    let newcomer = enter(queue, request(21, 1, 12)).unwrap();
    assert_eq!(newcomer.ticket.state(), WAITING);
    assert!(enter(queue, request(22, 1, 11)).is_none());
}

#[test]
fn waiters_for_the_same_credential_look_again_when_it_is_done() {
    let queue = queue();
    let first = enter(queue, request(1, 1, 11)).unwrap();
    let same = enter(queue, request(1, 2, 21)).unwrap();
    let alone = enter(queue, Request { digest: None, ..request(1, 1, 11) }).unwrap();
    assert_eq!([&first, &same, &alone].map(|slot| slot.ticket.state()), [RUNNING, WAITING, RUNNING]);
    assert_eq!(queue.now(), (2, 1));
    drop(first);
    assert!(matches!(same.wait(Instant::now()), Admission::LookAgain));
    drop(alone);
    assert_eq!((queue.now(), queue.used().len()), ((0, 0), 0));
}

#[test]
fn where_a_process_was_stopped_inside_the_mutex_requests_are_refused_and_not_held_up() {
    let queue = queue();
    let stopped = queue.lock();
    let began = Instant::now();
    let refused =
        std::thread::spawn(move || matches!(queue.admit(&request(1, 1, 1), LIMITS, began), Admission::Refused));
    assert!(refused.join().unwrap());
    drop(stopped);
    assert!(matches!(queue.admit(&request(1, 1, 1), LIMITS, began), Admission::Compute(_)));
}

#[test]
fn a_wait_ends_with_its_deadline() {
    let queue = queue();
    let _running = [1, 2].map(|number| enter(queue, request(number, 1, number)).unwrap());
    let deadline = Instant::now() + Duration::from_millis(20);
    assert!(matches!(queue.admit(&request(3, 2, 3), LIMITS, deadline), Admission::Refused));
    assert_eq!(queue.now(), (2, 0));
}
