//! Counting failures, and the lockouts that follow.

#![allow(clippy::expect_used, reason = "what fails while a test is set up fails the test")]

use super::super::shared::Shared;
use super::*;

const LIMIT: MaxFailures = MaxFailures { failures: 3, seconds: 10 };
const BEGIN: u64 = 1_000_000;

fn lockouts() -> &'static Lockouts {
    Shared::create(0).expect("there is memory for a table").0.lockouts()
}

fn digest(name: &str) -> Digest {
    Digest::example(name.as_bytes())
}

/// The pair of a user and one network.
fn pair(user: &str) -> Pair {
    let number = |text: &str| digest(text).0[0];
    Pair { network: number("here"), user: number(user), account: number(&format!("{user} here")) }
}

/// An attempt as `user` with a password.
fn attempt<'l>(lockouts: &'l Lockouts, user: &str, password: &str) -> Attempt<'l> {
    Attempt { lockouts, limit: LIMIT, pair: pair(user), credential: digest(&format!("{user}:{password}")) }
}

/// A guess as judged by a cache without memory: the lockout that refused it, or else the one that began with it.
fn guess(attempt: Attempt<'_>, now: u64) -> Result<Option<Lockout>, Lockout> {
    match attempt.refusal(now).map(|(refusal, _)| refusal).or_else(|| attempt.charge(now)) {
        Some(refusal) => Err(refusal),
        None => Ok(attempt.settle(false, now)),
    }
}

fn user_lockout(seconds: u64) -> Lockout {
    Lockout { scope: Scope::User, seconds }
}

#[test]
fn as_many_failures_as_the_limit_lock_the_pair_out_and_nobody_else() {
    let table = lockouts();
    assert_eq!(guess(attempt(table, "alice", "1"), BEGIN), Ok(None));
    assert_eq!(guess(attempt(table, "alice", "2"), BEGIN + 500), Ok(None));
    assert_eq!(guess(attempt(table, "alice", "3"), BEGIN + 1000), Ok(Some(user_lockout(10))));
    for (password, later, left) in [("1", 1000, 10), ("3", 1001, 10), ("4", 2000, 9), ("secret", 10_999, 1)] {
        assert_eq!(guess(attempt(table, "alice", password), BEGIN + later), Err(user_lockout(left)));
    }
    assert_eq!(guess(attempt(table, "bob", "1"), BEGIN + 2000), Ok(None));
}

#[test]
fn a_lockout_ends_and_the_count_begins_anew() {
    let table = lockouts();
    for round in 0..3 {
        let now = BEGIN + round * 10_000;
        for number in 1..=3 {
            let begins = (number == 3).then_some(user_lockout(10));
            assert_eq!(guess(attempt(table, "alice", &format!("{round} {number}")), now), Ok(begins));
        }
        assert!(guess(attempt(table, "alice", "more"), now + 9_999).is_err());
    }
}

#[test]
fn failures_that_lie_further_apart_do_not_add_up() {
    let table = lockouts();
    for number in 0..20 {
        let now = BEGIN + number * 5_000;
        assert_eq!(guess(attempt(table, "alice", &number.to_string()), now), Ok(None));
    }
}

#[test]
fn the_same_password_counts_once_for_the_pair_and_locks_out_itself() {
    let table = lockouts();
    let old = attempt(table, "alice", "old");
    let alone = Lockout { scope: Scope::Password, seconds: 10 };
    assert_eq!([guess(old, BEGIN), guess(old, BEGIN), guess(old, BEGIN)], [Ok(None), Ok(None), Ok(Some(alone))]);
    assert_eq!(guess(old, BEGIN), Err(alone));
    assert_eq!(attempt(table, "alice", "new").refusal(BEGIN), None);
    assert_eq!(guess(attempt(table, "alice", "2"), BEGIN), Ok(None));
    assert_eq!(guess(attempt(table, "alice", "3"), BEGIN), Ok(Some(user_lockout(10))));
}

#[test]
fn a_right_password_clears_the_pair() {
    let table = lockouts();
    for round in 0..3 {
        for number in 1..=2 {
            assert_eq!(guess(attempt(table, "alice", &format!("{round} {number}")), BEGIN), Ok(None));
        }
        let right = attempt(table, "alice", "secret");
        assert_eq!((right.refusal(BEGIN), right.charge(BEGIN)), (None, None));
        assert_eq!(right.settle(true, BEGIN), None);
    }
}

#[test]
fn however_many_come_at_once_no_more_than_the_limit_are_hashed() {
    let table = lockouts();
    let at_once: Vec<_> = (0..10).map(|number| attempt(table, "alice", &number.to_string())).collect();
    let hashed: Vec<_> = at_once.iter().filter(|attempt| attempt.charge(BEGIN).is_none()).collect();
    assert_eq!(hashed.len(), 3);
    assert_eq!(hashed[2].refusal(BEGIN), None, "who presents the same waits for the verdict on it");
    let begun: Vec<_> = hashed.iter().filter_map(|attempt| attempt.settle(false, BEGIN + 70)).collect();
    assert_eq!(begun, [user_lockout(10)], "told once, and in full from then on");
    assert_eq!(hashed[2].refusal(BEGIN + 70), Some((user_lockout(10), false)));
}

#[test]
fn the_last_attempt_that_may_be_hashed_may_be_right() {
    let table = lockouts();
    assert!((0..2).all(|number| guess(attempt(table, "alice", &number.to_string()), BEGIN) == Ok(None)));
    let right = attempt(table, "alice", "secret");
    assert_eq!(right.charge(BEGIN), None);
    assert_eq!(right.settle(true, BEGIN), None);
    assert_eq!(guess(attempt(table, "alice", "another"), BEGIN), Ok(None));
}

#[test]
fn a_credential_whose_process_was_killed_is_counted_and_may_be_presented_again() {
    let table = lockouts();
    let killed = attempt(table, "alice", "killed");
    assert_eq!(killed.charge(BEGIN), None);
    assert_eq!(guess(killed, BEGIN), Ok(None));
    assert_eq!(guess(attempt(table, "alice", "2"), BEGIN), Ok(None));
    assert_eq!(guess(attempt(table, "alice", "3"), BEGIN), Ok(Some(user_lockout(10))));
}

/// Four times as many pairs as the table holds, with one failure each.
#[test]
#[cfg_attr(miri, ignore = "takes minutes in an interpreter")]
fn a_flood_of_pairs_evicts_neither_lockouts_nor_pairs_with_more_failures() {
    let table = lockouts();
    let names: Vec<String> = (0..200).map(|number| format!("user{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        for password in 0..2 + number % 2 {
            assert!(guess(attempt(table, name, &password.to_string()), BEGIN).is_ok());
        }
    }
    for number in 0..4 * WAYS * BUCKETS {
        assert_eq!(guess(attempt(table, &format!("passing {number}"), ""), BEGIN), Ok(None));
    }
    for (number, name) in names.iter().enumerate() {
        let locked = attempt(table, name, "one more").refusal(BEGIN).is_some();
        assert_eq!(locked, number % 2 == 1, "{name}");
        let third = guess(attempt(table, name, "one more"), BEGIN);
        assert_eq!(third, if locked { Err(user_lockout(10)) } else { Ok(Some(user_lockout(10))) }, "{name}");
    }
}

#[test]
fn during_a_lockout_a_bounded_number_of_requests_is_looked_at_in_a_second() {
    let asked = if cfg!(miri) { EXAMINED + 2 } else { 200 };
    let table = lockouts();
    let looked_at =
        |now| (0..asked).filter(|_| attempt(table, "alice", "x").refusal_unexamined(now).is_none()).count() as u64;
    assert_eq!((looked_at(BEGIN), table.are_any(BEGIN)), (asked, false));
    assert!((0..3).all(|number| guess(attempt(table, "alice", &number.to_string()), BEGIN).is_ok()));
    assert!(table.are_any(BEGIN) && !table.are_any(BEGIN + 10_000));
    assert_eq!([BEGIN, BEGIN + 999, BEGIN + 1000, BEGIN + 1999].map(looked_at), [EXAMINED, 0, EXAMINED, 0]);
    assert_eq!(attempt(table, "alice", "x").refusal_unexamined(BEGIN + 1999), Some(user_lockout(9)));
    assert_eq!(attempt(table, "bob", "x").refusal_unexamined(BEGIN), None);
    assert_eq!(looked_at(BEGIN + 10_000), asked, "the lockout has ended");
}

#[test]
fn an_attempt_that_could_not_be_judged_is_taken_back() {
    let table = lockouts();
    for number in 0..10 {
        let failing = attempt(table, "alice", &number.to_string());
        assert_eq!(failing.charge(BEGIN), None);
        failing.withdraw(BEGIN);
    }
    assert!((0..3).all(|number| guess(attempt(table, "alice", &number.to_string()), BEGIN).is_ok()));
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes in an interpreter")]
fn ten_thousand_pairs_that_fail_at_once_are_all_counted() {
    let table = lockouts();
    for password in ["1", "2", "3", "4"] {
        for number in 0..10_000 {
            let refused = guess(attempt(table, &format!("user {number}"), password), BEGIN).is_err();
            assert_eq!(refused, password == "4");
        }
    }
}

#[test]
fn an_entry_that_was_being_given_to_another_pair_is_nobodys() {
    let table = lockouts();
    assert!((0..3).all(|number| guess(attempt(table, "alice", &number.to_string()), BEGIN).is_ok()));
    let entry = table.find(&pair("alice")).expect("it was counted");
    // A process gives the entry to another pair, and is killed after each store in turn.
    entry.failures.clear();
    assert_eq!(attempt(table, "alice", "4").refusal(BEGIN), None);
    entry.repeats.clear();
    entry.pair.0[1].store(pair("bob").user, Ordering::Release);
    assert!([pair("alice"), pair("bob")].iter().all(|pair| table.find(pair).is_none()));
    assert_eq!(entry.worth(LIMIT, BEGIN), (false, 0, 0, 0));
}

fn lock_out(table: &'static Lockouts, attempt: impl Fn(&str) -> Attempt<'static>) -> Pair {
    assert!((0..3).all(|number| guess(attempt(&number.to_string()), BEGIN).is_ok()));
    let pair = attempt("").pair;
    table.keep_name(&pair, &[4, 192, 0, 2, 1, 0, 0, 0, 0], b"alice");
    pair
}

#[test]
fn a_lockout_is_listed_with_its_name_until_it_ends() {
    let table = lockouts();
    assert!(table.list(LIMIT, BEGIN).is_empty());
    lock_out(table, |password| attempt(table, "alice", password));
    assert!(guess(attempt(table, "bob", "one failure"), BEGIN).is_ok());
    let listed = table.list(LIMIT, BEGIN + 4000);
    let [Listed { lockout, failures, name: Some(name) }] = listed[..] else { panic!("{listed:?}") };
    assert_eq!((lockout, failures), (user_lockout(6), 3));
    assert_eq!((name.network, &name.user[..name.length]), ([4, 192, 0, 2, 1, 0, 0, 0, 0], &b"alice"[..]));
    assert!(table.list(LIMIT, BEGIN + 10_000).is_empty());
}

#[test]
fn a_lockout_of_a_share_of_the_limit_is_listed_and_ended_like_any_other() {
    let table = lockouts();
    let limit = LIMIT.shared_by(2);
    let guess = |password, now| guess(Attempt { limit, ..attempt(table, "alice", password) }, now);
    assert_eq!((guess("1", BEGIN), table.list(LIMIT, BEGIN).len()), (Ok(None), 0));
    assert_eq!(guess("2", BEGIN), Ok(Some(user_lockout(10))));
    let listed = table.list(LIMIT, BEGIN + 4000);
    assert!(matches!(listed[..], [Listed { lockout: Lockout { seconds: 6, .. }, failures: 2, .. }]), "{listed:?}");
    assert!(table.list(LIMIT, BEGIN + 10_000).is_empty());
    assert_eq!(table.unlock(None, None, LIMIT, BEGIN), Some(Unlocked { lockouts: 1, counts: 0 }));
    assert_eq!(guess("3", BEGIN), Ok(None));
}

#[test]
fn a_repeated_password_is_listed_as_such_and_a_long_name_is_cut_off() {
    let table = lockouts();
    let old = attempt(table, "alice", "old");
    assert!((0..3).all(|_| guess(old, BEGIN).is_ok()));
    let long: Vec<u8> = (0..300u16).map(|number| number as u8 | 1).collect();
    table.keep_name(&old.pair, &[6; 9], &long);
    let listed = table.list(LIMIT, BEGIN);
    let [Listed { lockout, failures: 3, name: Some(name) }] = listed[..] else { panic!("{listed:?}") };
    assert_eq!(lockout.scope, Scope::Password);
    assert_eq!((name.length, &name.user[..], name.network), (300, &long[..LONGEST_NAME], [6; 9]));
}

#[test]
fn of_more_lockouts_than_names_are_kept_all_are_listed_and_the_newest_with_their_names() {
    let table = lockouts();
    for number in 0..NAMED + 5 {
        let user = format!("user {number}");
        lock_out(table, |password| attempt(table, &user, password));
        // A lockout that begins again takes no other place.
        table.keep_name(&pair(&user), &[4; 9], format!("named {number}").as_bytes());
    }
    let listed = table.list(LIMIT, BEGIN);
    let mut names: Vec<String> = listed
        .iter()
        .filter_map(|listed| listed.name)
        .map(|name| String::from_utf8_lossy(&name.user[..name.length]).into_owned())
        .collect();
    names.sort();
    let mut newest: Vec<String> = (5..NAMED + 5).map(|number| format!("named {number}")).collect();
    newest.sort();
    assert_eq!((listed.len(), names), (NAMED + 5, newest));
}

#[test]
fn an_operator_ends_the_lockouts_of_a_user_or_of_a_network_and_no_others() {
    let table = lockouts();
    let at = |user: &str, network: u64, password: &str| {
        let pair = Pair { network, account: pair(user).account ^ network, ..pair(user) };
        Attempt { pair, ..attempt(table, user, password) }
    };
    let lock_out_all = || {
        for (user, network) in [("alice", 1), ("alice", 2), ("bob", 1), ("bob", 2)] {
            lock_out(table, |password| at(user, network, password));
        }
        assert!(guess(at("carol", 1, "one failure"), BEGIN).is_ok());
    };
    let locked = || {
        let all = [("alice", 1), ("alice", 2), ("bob", 1), ("bob", 2)];
        all.map(|(user, network)| at(user, network, "secret").refusal(BEGIN).is_some())
    };
    let unlock = |network, user: Option<&str>| {
        table.unlock(network, user.map(|user| pair(user).user), LIMIT, BEGIN).expect("the table is free")
    };
    lock_out_all();
    assert_eq!((unlock(None, Some("nobody")), locked()), (Unlocked::default(), [true; 4]));
    assert_eq!(unlock(Some(2), Some("alice")), Unlocked { lockouts: 1, counts: 0 });
    assert_eq!(locked(), [true, false, true, true]);
    assert_eq!(unlock(None, Some("bob")), Unlocked { lockouts: 2, counts: 0 });
    assert_eq!(locked(), [true, false, false, false]);
    assert_eq!(unlock(Some(1), None), Unlocked { lockouts: 1, counts: 1 });
    lock_out_all();
    assert_eq!(unlock(None, None), Unlocked { lockouts: 4, counts: 1 });
    assert_eq!(locked(), [false; 4]);
    assert_eq!(guess(at("alice", 1, "again"), BEGIN), Ok(None), "counting begins anew");
}
