//! Verdicts in a host with an event loop, whose only thread never waits for one of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails while a test is set up fails the test")]

mod credential;

use std::sync::mpsc;
use std::thread::{self, ScopedJoinHandle};

use credential::credential;
use esauth_engine::verification::{
    Answer, Credential, Hashed, Judgement, MaxFailures, Queued, Settings, Standing, Turn, Verdict, Verifier, Work,
};

/// Of "secret", cost 8: some 15 ms.
const MEDIUM: &[u8] = b"$2y$08$1My84BhrOcaQYvCQM8JjFONS0Yf5uXBlK8uD40wc/fPX.RhpaQpA.";
/// Of "secret", cost 4.
const FAST: &[u8] = b"$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";
/// Of 72 times "x", cost 4.
const OTHER: &[u8] = b"$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";

fn cache(max_failures: Option<MaxFailures>) -> Verifier {
    Verifier::create(Settings { entries: 4096, ttl: 600, slots: 2, workers: 256, max_failures }).unwrap().0
}

/// A loop that computes each hash in a thread of its own, and learns of turns from another one.
struct EventLoop<'scope, 'env> {
    cache: Verifier,
    scope: &'scope thread::Scope<'scope, 'env>,
    waiting: Vec<(usize, Queued)>,
    hashing: Vec<(usize, Turn, ScopedJoinHandle<'scope, Hashed>)>,
    judgements: Vec<(usize, Judgement)>,
    most_at_once: usize,
}

impl EventLoop<'_, '_> {
    fn enter(&mut self, number: usize, credential: &Credential<'_>) {
        match self.cache.look(credential) {
            Answer::Now(judgement) => self.judgements.push((number, judgement)),
            Answer::Later(pending) => self.place(number, pending.enter()),
        }
    }

    fn place(&mut self, number: usize, standing: Standing) {
        match standing {
            Standing::Waits(queued) => self.waiting.push((number, queued)),
            Standing::Known(judgement) => self.judgements.push((number, judgement)),
            Standing::Turn(turn, work) => {
                self.hashing.push((number, turn, self.scope.spawn(move || work.compute())));
                self.most_at_once = self.most_at_once.max(self.hashing.len());
            }
        }
    }

    fn ask_all(&mut self) {
        for (number, queued) in std::mem::take(&mut self.waiting) {
            self.place(number, queued.standing());
        }
    }

    fn take_hashes(&mut self) {
        let (done, running) = std::mem::take(&mut self.hashing).into_iter().partition(|(_, _, it)| it.is_finished());
        self.hashing = running;
        for (number, turn, hashing) in done {
            self.judgements.push((number, turn.finish(hashing.join().unwrap())));
        }
    }

    fn run(&mut self) {
        let (sender, receiver) = mpsc::channel();
        while !self.waiting.is_empty() || !self.hashing.is_empty() {
            let (cache, seen, sender) = (self.cache, self.cache.turns(), sender.clone());
            self.ask_all();
            self.scope.spawn(move || {
                cache.await_turns(seen);
                sender.send(())
            });
            receiver.recv().unwrap();
            self.take_hashes();
        }
    }
}

/// The judgements of `credentials` that come all at once, in their order, and the most hashes at one time.
fn judge(cache: Verifier, credentials: &[Credential<'_>]) -> (Vec<Judgement>, usize) {
    thread::scope(|scope| {
        let (waiting, hashing, judgements) = (Vec::new(), Vec::new(), Vec::new());
        let mut events = EventLoop { cache, scope, waiting, hashing, judgements, most_at_once: 0 };
        for (number, credential) in credentials.iter().enumerate() {
            events.enter(number, credential);
        }
        events.run();
        events.judgements.sort_by_key(|(number, _)| *number);
        let judgements: Vec<_> = events.judgements.into_iter().map(|(_, judgement)| judgement).collect();
        assert_eq!(judgements.len(), credentials.len());
        (judgements, events.most_at_once)
    })
}

fn hashes(judgements: &[Judgement]) -> usize {
    judgements.iter().filter(|judgement| judgement.hashed_for.is_some()).count()
}

#[test]
fn a_storm_with_one_credential_computes_one_hash() {
    let (judgements, _) = judge(cache(None), &[credential(MEDIUM, b"secret"); 200]);
    assert!(judgements.iter().all(|judgement| judgement.verdict == Verdict::Granted));
    assert_eq!(hashes(&judgements), 1);
}

#[test]
fn different_credentials_are_hashed_in_turn_and_no_more_at_once_than_there_are_slots() {
    let clients: Vec<String> = (0..40).map(|number| format!("192.0.2.{number}")).collect();
    let passwords: Vec<String> = (0..39).map(|number| format!("guess {number}")).chain(["secret".into()]).collect();
    let credentials: Vec<_> = clients
        .iter()
        .zip(&passwords)
        .map(|(client, password)| Credential { client, ..credential(FAST, password.as_bytes()) })
        .collect();
    let (judgements, most_at_once) = judge(cache(None), &credentials);
    assert_eq!((hashes(&judgements), most_at_once), (40, 2));
    let granted: Vec<_> = judgements.iter().map(|judgement| judgement.verdict == Verdict::Granted).collect();
    assert_eq!(granted, [vec![false; 39], vec![true]].concat());
}

#[test]
fn whatever_is_judged_the_verdict_is_that_of_a_thread_that_waits() {
    let (both, old) = ([FAST, b":", OTHER].concat(), [b'x'; 72]);
    let right = credential(FAST, b"secret");
    let cases = [
        right,
        credential(FAST, b""),
        credential(b"", b""),
        credential(b"no hash", b"secret"),
        Credential { known: false, ..right },
        credential(&both, b"secret"),
        credential(&both, &old),
        credential(&both, b"wrong"),
        Credential { padding: Some(OTHER), ..credential(FAST, &old) },
        Credential { padding: Some(OTHER), ..right },
        credential(b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", b"secret"),
        credential(b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", b"wrong"),
    ];
    for limit in [None, Some(MaxFailures { failures: 9, seconds: 60 })] {
        for (number, case) in cases.into_iter().enumerate() {
            let shown = |judgement: &Judgement| (judgement.verdict, judgement.by_later_hash, judgement.lockout);
            let waited = cache(limit).judge(&case);
            let (judged, _) = judge(cache(limit), &[case]);
            assert_eq!(shown(&judged[0]), shown(&waited), "case {number}");
            assert_eq!(judged[0].hashed_for.is_some(), waited.hashed_for.is_some());
        }
    }
}

#[test]
fn of_guesses_that_come_all_at_once_no_more_are_hashed_than_the_limit() {
    let passwords: Vec<String> = (0..30).map(|number| format!("guess {number}")).collect();
    let guesses: Vec<_> = passwords.iter().map(|password| credential(FAST, password.as_bytes())).collect();
    let (judgements, _) = judge(cache(Some(MaxFailures { failures: 3, seconds: 60 })), &guesses);
    let count = |verdict| judgements.iter().filter(|judgement| judgement.verdict == verdict).count();
    assert_eq!((count(Verdict::Denied), count(Verdict::LockedOut)), (3, 27));
}

fn enter(cache: Verifier, credential: &Credential<'_>) -> Standing {
    match cache.look(credential) {
        Answer::Now(_) => panic!("it is remembered"),
        Answer::Later(pending) => pending.enter(),
    }
}

fn turn(standing: Standing) -> (Turn, Work) {
    match standing {
        Standing::Turn(turn, work) => (turn, work),
        Standing::Waits(_) | Standing::Known(_) => panic!("it is not its turn"),
    }
}

#[test]
fn a_place_that_is_given_up_is_free_for_the_next() {
    let cache = cache(None);
    let [first, second] = [b"first", b"other"].map(|password| turn(enter(cache, &credential(FAST, password))));
    let [given_up, next] = [&b"third"[..], b"fourth"].map(|password| enter(cache, &credential(FAST, password)));
    let seen = cache.turns();
    assert_eq!((cache.usage().running, cache.usage().waiting), (2, 2));
    drop(given_up);
    assert_eq!((cache.usage().running, cache.usage().waiting), (2, 1));
    drop(first);
    cache.await_turns(seen);
    let Standing::Waits(next) = next else { panic!("there was no free slot") };
    let (next, work) = turn(next.standing());
    assert_eq!(next.finish(work.compute()).verdict, Verdict::Denied);
    drop(second);
    assert_eq!((cache.usage().running, cache.usage().waiting), (0, 0));
}

#[test]
fn a_loop_learns_that_a_thread_has_computed_the_hash_it_waits_for() {
    let cache = cache(None);
    let right = credential(MEDIUM, b"secret");
    thread::scope(|scope| {
        let thread = scope.spawn(|| cache.judge(&right));
        while cache.usage().running == 0 {
            thread::yield_now();
        }
        let mut standing = enter(cache, &right);
        loop {
            let seen = cache.turns();
            standing = match standing {
                Standing::Waits(queued) => queued.standing(),
                Standing::Turn(..) => panic!("it is hashed twice"),
                Standing::Known(judgement) => {
                    assert_eq!((judgement.verdict, judgement.hashed_for), (Verdict::Granted, None));
                    break;
                }
            };
            cache.await_turns(seen);
        }
        assert!(thread.join().unwrap().hashed_for.is_some());
    });
}
