//! Promises of the cache as a whole.

#![allow(clippy::expect_used, clippy::panic, reason = "what fails while a test is set up fails the test")]

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::*;
use crate::hash::Family;

/// Of "secret", cost 4.
const STORED: &[u8] = b"$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";

fn cache(entries: usize, ttl: u64) -> Verifier {
    create(Settings { entries, ttl, slots: 2, workers: 64, max_failures: None })
}

fn create(settings: Settings) -> Verifier {
    Verifier::create(settings).expect("there is memory for a small cache").0
}

fn credential(password: &str) -> Credential<'_> {
    Credential {
        stored: STORED,
        padding: None,
        password: password.as_bytes(),
        known: true,
        client: "127.0.0.1",
        proven: false,
        exempt: false,
        user: b"alice",
        file: b"/users",
    }
}

fn judge(cache: &Verifier, credential: &Credential<'_>) -> (Verdict, bool) {
    let judgement = cache.judge(credential);
    (judgement.verdict, judgement.hashed_for.is_some())
}

#[test]
fn each_credential_is_hashed_once_whether_right_or_wrong() {
    let cache = cache(64, 3600);
    assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
    assert_eq!(judge(&cache, &credential("wrong")), (Verdict::Denied, true));
    for _ in 0..3 {
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, false));
        assert_eq!(judge(&cache, &credential("wrong")), (Verdict::Denied, false));
    }
}

#[test]
fn a_password_of_one_user_is_hashed_again_for_another_with_the_same_line() {
    let cache = cache(64, 3600);
    for password in ["secret", "wrong"] {
        let (_, hashed) = judge(&cache, &credential(password));
        assert!(hashed);
        let (_, hashed) = judge(&cache, &Credential { user: b"bob", ..credential(password) });
        assert!(hashed, "else its speed would tell that bob exists");
    }
}

#[test]
fn another_stored_hash_is_another_credential() {
    let cache = cache(64, 3600);
    assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
    let changed = b"$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";
    assert_eq!(judge(&cache, &Credential { stored: changed, ..credential("secret") }), (Verdict::Denied, true));
}

#[test]
fn an_unknown_user_is_denied_even_with_the_password_of_the_hash_in_its_place() {
    let cache = cache(64, 3600);
    let unknown = Credential { known: false, ..credential("secret") };
    assert_eq!(judge(&cache, &unknown), (Verdict::Denied, true));
    assert_eq!(judge(&cache, &unknown), (Verdict::Denied, false));
    assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
    assert_eq!(judge(&cache, &unknown), (Verdict::Denied, false));
}

#[test]
fn a_denial_of_an_unknown_user_says_nothing_about_another_name() {
    let cache = cache(64, 3600);
    let unknown = Credential { known: false, user: b"nobody", ..credential("x") };
    assert_eq!(judge(&cache, &unknown), (Verdict::Denied, true));
    assert_eq!(judge(&cache, &Credential { user: b"nobody else", ..unknown }), (Verdict::Denied, true));
    assert_eq!(judge(&cache, &unknown), (Verdict::Denied, false));
}

#[test]
fn a_grant_in_use_outlives_its_time_and_a_denial_does_not() {
    let cache = cache(64, 2);
    assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
    assert_eq!(judge(&cache, &credential("wrong")), (Verdict::Denied, true));
    let mut denials_hashed = 0;
    for _ in 0..12 {
        thread::sleep(Duration::from_millis(500));
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, false));
        denials_hashed += u32::from(judge(&cache, &credential("wrong")).1);
    }
    assert!(denials_hashed >= 2, "{denials_hashed}");
}

#[test]
fn a_verdict_is_forgotten_when_its_time_is_up() {
    let cache = cache(64, 1);
    assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
    thread::sleep(Duration::from_millis(2100));
    assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
}

#[test]
fn without_entries_every_credential_is_hashed_and_judged_rightly() {
    let cache = cache(0, 60);
    for _ in 0..2 {
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
        assert_eq!(judge(&cache, &credential("wrong")), (Verdict::Denied, true));
    }
}

#[test]
fn a_flood_of_wrong_passwords_evicts_no_grant() {
    let cache = cache(64, 3600);
    assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
    for n in 0..1000 {
        assert_eq!(judge(&cache, &credential(&format!("guess {n}"))).0, Verdict::Denied);
    }
    assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, false));
}

#[test]
fn lookups_hashes_and_waits_add_up_to_the_credentials_judged() {
    let cache = cache(64, 3600);
    for password in ["secret", "wrong", "secret", "wrong", "secret", "wrong", "secret", "secret"] {
        cache.judge(&credential(password));
    }
    let sha = Credential { stored: b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", ..credential("secret") };
    assert_eq!(judge(&cache, &sha), (Verdict::Granted, false));
    let counters = cache.counters();
    assert_eq!([Lookup::Grant, Lookup::Denial, Lookup::Miss].map(|lookup| counters.lookups(lookup)), [4, 2, 2]);
    assert_eq!([Family::Bcrypt, Family::Sha1, Family::Apr1].map(|family| counters.hashes(family)), [2, 1, 0]);
    assert!(counters.hash_times(Family::Bcrypt).sum > Duration::ZERO);
    assert_eq!([Waited::Slot, Waited::Shared].map(|ended| counters.waits(ended).count()), [2, 0]);
    let Usage { grants, denials, running, slots, waiting } = cache.usage();
    assert_eq!((grants.entries, denials.entries, running, slots, waiting), (1, 1, 0, 2, 0));
    assert_eq!((grants.room, denials.room), (64, 16));
}

#[test]
fn a_successor_of_the_same_size_adopts_the_verdicts_and_another_does_not() {
    let before = cache(64, 3600);
    assert_eq!(judge(&before, &credential("secret")), (Verdict::Granted, true));
    let adopt = |entries| {
        // SAFETY: `before` allocated the memory in this process.
        unsafe {
            Verifier::adopt(before.memory(), Settings { entries, ttl: 60, slots: 1, workers: 64, max_failures: None })
        }
    };
    assert_eq!(judge(&adopt(64).unwrap(), &credential("secret")), (Verdict::Granted, false));
    assert!(adopt(6400).is_none());
}

/// `STORED`, and as a second one the hash of 72 times "x".
const BOTH: &[u8] = b"$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu:\
    $2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";

#[test]
fn each_of_two_passwords_is_granted_and_remembered_until_the_second_one_goes() {
    let (cache, old) = (cache(64, 3600), "x".repeat(72));
    let rotating = |password| Credential { stored: BOTH, ..credential(password) };
    let judgement = cache.judge(&rotating(&old));
    assert_eq!((judgement.verdict, judgement.by_later_hash), (Verdict::Granted, true));
    let judgement = cache.judge(&rotating("secret"));
    assert_eq!((judgement.verdict, judgement.by_later_hash), (Verdict::Granted, false));
    assert_eq!(judge(&cache, &rotating("wrong")), (Verdict::Denied, true));
    for (password, verdict) in [(&old[..], Verdict::Granted), ("secret", Verdict::Granted), ("wrong", Verdict::Denied)]
    {
        assert_eq!(judge(&cache, &rotating(password)), (verdict, false), "{password}");
    }
    assert_eq!(judge(&cache, &credential(&old)), (Verdict::Denied, true));
    assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
}

#[test]
fn the_old_password_of_a_rotation_is_no_failure_and_a_wrong_one_is() {
    let (cache, old) = (strict(64), "x".repeat(72));
    let rotating = |password| Credential { stored: BOTH, ..credential(password) };
    for _ in 0..5 {
        assert_eq!(judge(&cache, &rotating(&old)).0, Verdict::Granted);
    }
    lock_out(&cache, &rotating(""));
    assert_eq!(judge(&cache, &rotating("secret")), (Verdict::LockedOut, false));
}

#[test]
fn padding_grants_nothing() {
    let cache = cache(64, 3600);
    let of_secret = Credential { padding: Some(STORED), ..credential("secret") };
    let changed = b"$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";
    assert_eq!(judge(&cache, &Credential { stored: changed, ..of_secret }), (Verdict::Denied, true));
    let cheap = Credential { stored: b"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", ..of_secret };
    assert_eq!(judge(&cache, &cheap), (Verdict::Denied, true));
}

/// Of "secret".
const CHEAP: &[u8] = b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

/// Locked out after three failures.
fn strict(entries: usize) -> Verifier {
    let max_failures = Some(MaxFailures { failures: 3, seconds: 60 });
    create(Settings { entries, ttl: 60, slots: 2, workers: 64, max_failures })
}

fn lock_out(cache: &Verifier, credential: &Credential<'_>) {
    for number in 1..=3 {
        let password = format!("guess {number}");
        let judgement = cache.judge(&Credential { password: password.as_bytes(), ..*credential });
        assert_eq!((judgement.verdict, judgement.lockout.is_some()), (Verdict::Denied, number == 3));
    }
}

#[test]
fn during_a_lockout_a_remembered_grant_passes_and_nothing_is_hashed() {
    for stored in [STORED, CHEAP] {
        let cache = strict(64);
        let right = Credential { stored, ..credential("secret") };
        assert_eq!(judge(&cache, &right), (Verdict::Granted, true));
        lock_out(&cache, &right);
        for password in ["guess 1", "guess 3", "guess 4", "Secret"] {
            let guess = Credential { stored, ..credential(password) };
            assert_eq!(judge(&cache, &guess), (Verdict::LockedOut, false), "{password}");
        }
        assert_eq!(judge(&cache, &right), (Verdict::Granted, false));
    }
}

#[test]
fn a_right_password_that_is_not_remembered_is_not_told_from_a_guess_during_a_lockout() {
    for (entries, stored) in [(64, STORED), (64, CHEAP), (0, STORED), (0, CHEAP)] {
        let cache = strict(entries);
        let right = Credential { stored, ..credential("secret") };
        lock_out(&cache, &right);
        assert_eq!(judge(&cache, &right), (Verdict::LockedOut, false));
    }
}

#[test]
fn during_a_lockout_a_grant_from_elsewhere_or_to_another_does_not_pass() {
    for stored in [STORED, CHEAP] {
        let cache = strict(64);
        let right = Credential { stored, ..credential("secret") };
        assert_eq!(judge(&cache, &right), (Verdict::Granted, true));
        for other in [Credential { client: "192.0.2.1", ..right }, Credential { user: b"bob", ..right }] {
            lock_out(&cache, &other);
            assert_eq!(judge(&cache, &other), (Verdict::LockedOut, false));
        }
        assert_eq!(judge(&cache, &right), (Verdict::Granted, false));
    }
}

#[test]
fn a_lockout_is_of_one_user_in_one_file_from_one_network() {
    let cache = strict(64);
    let here = Credential { client: "2001:db8:1:2::3", ..credential("secret") };
    lock_out(&cache, &here);
    assert_eq!(judge(&cache, &Credential { client: "2001:db8:1:2:f::1", ..here }).0, Verdict::LockedOut);
    for elsewhere in [
        Credential { client: "2001:db8:1:3::3", ..here },
        Credential { user: b"bob", ..here },
        Credential { file: b"/others", ..here },
    ] {
        assert_ne!(judge(&cache, &Credential { password: b"x", ..elsewhere }).0, Verdict::LockedOut);
    }
    let mapped = Credential { client: "::ffff:192.0.2.1", ..here };
    lock_out(&cache, &mapped);
    assert_eq!(judge(&cache, &Credential { password: b"x", client: "192.0.2.1", ..here }).0, Verdict::LockedOut);
}

#[test]
fn in_a_lockout_a_flood_cannot_tell_the_right_password_and_a_proven_connection_passes() {
    let cache = strict(64);
    let right = credential("secret");
    assert_eq!(judge(&cache, &right), (Verdict::Granted, true));
    lock_out(&cache, &right);
    let passed = (0..500).filter(|_| judge(&cache, &right).0 == Verdict::Granted).count();
    assert!((40..=120).contains(&passed), "{passed} of 500 were told");
    assert_eq!(judge(&cache, &Credential { proven: true, ..right }), (Verdict::Granted, false));
    assert_eq!(judge(&cache, &Credential { user: b"bob", ..right }), (Verdict::Granted, true));
}

/// Whether another guess would run at low priority.
fn is_suspect(cache: &Verifier, credential: &Credential<'_>) -> bool {
    let slot = cache.shared.queue().enter(&cache.request(credential, None), cache.limits());
    slot.expect("there is room").gives_way()
}

#[test]
fn failures_of_an_exempt_client_are_neither_counted_nor_held_against_it() {
    let cache = strict(64);
    let exempt = Credential { exempt: true, ..credential("secret") };
    for number in 0..20 {
        let password = format!("guess {number}");
        assert_eq!(judge(&cache, &Credential { password: password.as_bytes(), ..exempt }), (Verdict::Denied, true));
    }
    assert_eq!((is_suspect(&cache, &exempt), cache.lockouts()), (false, Some(Vec::new())));
    assert_eq!(judge(&cache, &exempt), (Verdict::Granted, true));
}

#[test]
fn an_operator_who_unlocks_a_client_lifts_the_suspicion_too() {
    for (user, client) in [(None, Some("127.0.0.1")), (Some(&b"alice"[..]), Some("127.0.0.1")), (None, None)] {
        let cache = strict(64);
        for number in 0..6 {
            let user = format!("user{number}");
            lock_out(&cache, &Credential { user: user.as_bytes(), ..credential("secret") });
        }
        let bob = Credential { user: b"bob", ..credential("secret") };
        assert!(is_suspect(&cache, &bob), "all of the network is");
        assert!(cache.unlock(Some(b"bob"), None).is_some_and(|done| done.lockouts == 0));
        assert!(is_suspect(&cache, &bob));
        cache.unlock(user, client);
        assert!(!is_suspect(&cache, &bob), "{user:?} {client:?}");
    }
}

#[test]
fn an_operator_sees_names_and_networks_and_ends_lockouts_at_once() {
    let cache = strict(64);
    let here = Credential { client: "2001:db8:1:2::3", ..credential("secret") };
    let long = [b'x'; 200];
    let unknown = Credential { known: false, user: &long, ..credential("secret") };
    for locked in [&here, &unknown] {
        lock_out(&cache, locked);
        cache.keep_name(locked);
    }
    let mut names: Vec<Locked> = cache.lockouts().unwrap_or_default().into_iter().filter_map(|one| one.name).collect();
    names.sort_by_key(|name| name.user.len());
    let [alice, other] = &names[..] else { panic!("{names:?}") };
    assert_eq!((&alice.network[..], &alice.user[..], alice.is_cut), ("2001:db8:1:2::/64", &b"alice"[..], false));
    assert_eq!((&other.network[..], &other.user[..], other.is_cut), ("127.0.0.1", &long[..104], true));
    assert_eq!(cache.unlock(Some(&long), None), Some(Unlocked { lockouts: 1, counts: 0 }));
    assert_eq!((judge(&cache, &unknown), judge(&cache, &here)), ((Verdict::Denied, true), (Verdict::LockedOut, false)));
    assert_eq!(cache.unlock(None, Some("2001:db8:1:2::ffff")), Some(Unlocked { lockouts: 1, counts: 0 }));
    assert_eq!(judge(&cache, &here), (Verdict::Granted, true));
    assert_eq!(super::tests::cache(64, 60).lockouts(), None);
}

#[test]
fn a_changed_line_ends_the_lockout_of_its_user() {
    let cache = strict(64);
    lock_out(&cache, &credential("secret"));
    let reset = b"$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";
    let password = "x".repeat(72);
    let changed = Credential { stored: reset, password: password.as_bytes(), ..credential("") };
    assert_eq!(judge(&cache, &changed), (Verdict::Granted, true));
}

#[test]
fn an_unknown_user_is_locked_out_as_a_known_one_is() {
    let cache = strict(64);
    let unknown = Credential { known: false, user: b"nobody", ..credential("secret") };
    lock_out(&cache, &unknown);
    assert_eq!(judge(&cache, &unknown), (Verdict::LockedOut, false));
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes in an interpreter")]
fn the_same_wrong_password_again_and_again_does_not_lock_out_the_right_one() {
    for entries in [0, 64] {
        let cache = strict(entries);
        let verdicts = [(); 5].map(|()| judge(&cache, &credential("old")).0);
        let [denied, locked_out] = [Verdict::Denied, Verdict::LockedOut];
        assert_eq!(verdicts, [denied, denied, denied, locked_out, locked_out]);
        assert_eq!(judge(&cache, &credential("secret")), (Verdict::Granted, true));
    }
}

mod peers;
