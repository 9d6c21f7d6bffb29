//! What peers know and count.

use super::*;

/// Peers that know what they are told, count failures as a fleet does, and note every question.
#[derive(Default)]
struct Others {
    known: Mutex<Vec<[u8; 32]>>,
    asked: Mutex<Vec<[u8; 32]>>,
    events: Mutex<Vec<Event>>,
    spent: Mutex<Vec<[u8; 32]>>,
    /// They know everything, as an enemy's server might claim.
    know_all: bool,
    /// The answer about what they do not know; `None`: they have counted the attempt.
    reply: Mutex<Option<Reply>>,
    /// They are away.
    are_away: bool,
}

fn peers(others: Others) -> &'static Others {
    Box::leak(Box::new(others))
}

fn others() -> &'static Others {
    peers(Others::default())
}

impl Others {
    fn counts(&self) -> (usize, usize) {
        (self.asked.lock().expect("no panic").len(), self.known.lock().expect("no panic").len())
    }

    fn reply_with(&self, reply: Reply) {
        *self.reply.lock().expect("no panic") = Some(reply);
    }

    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().expect("no panic"))
    }
}

impl Peers for Others {
    fn key(&self) -> &[u8; 32] {
        &[7; 32]
    }

    fn servers(&self) -> u32 {
        2
    }

    fn ask(&self, question: &Question<'_>) -> Reply {
        if self.are_away {
            return Reply::Unanswered;
        }
        let name = question.name.copied().unwrap_or([0; 32]);
        self.asked.lock().expect("no panic").push(name);
        if self.know_all || self.known.lock().expect("no panic").contains(&name) {
            return Reply::Known;
        }
        self.reply.lock().expect("no panic").unwrap_or(Reply::Unknown)
    }

    fn tell(&self, name: &[u8; 32]) {
        self.known.lock().expect("no panic").push(*name);
    }

    fn note(&self, event: Event, _: &Counted, learner: Learner) {
        self.events.lock().expect("no panic").push(event);
        if let Some(Reply::LockedOut(lockout)) = *self.reply.lock().expect("no panic") {
            learner.learn(lockout);
        }
    }

    fn count_requests(&self) -> bool {
        !self.are_away
    }

    fn spend(&self, name: &[u8; 32], spender: Spender) {
        self.spent.lock().expect("no panic").push(*name);
        if !self.are_away {
            spender.learn(45 * 1_000_000_000);
        }
    }
}

fn judge_among(cache: &Verifier, credential: &Credential<'_>, others: &'static Others) -> (Verdict, bool) {
    let judgement = cache.judge_among(credential, Some(others));
    (judgement.verdict, judgement.hashed_for.is_some())
}

#[test]
fn a_password_that_a_peer_has_verified_is_not_hashed_again() {
    let others = others();
    // Each with a key of its own, as after a restart.
    let [here, there] = [cache(64, 3600), cache(64, 3600)];
    assert_eq!(judge_among(&here, &credential("secret"), others), (Verdict::Granted, true));
    assert_eq!(judge_among(&there, &credential("secret"), others), (Verdict::Granted, false));
    assert_eq!(others.counts(), (2, 1));
    // Remembered here by now: nobody is asked.
    assert_eq!(judge_among(&there, &credential("secret"), others), (Verdict::Granted, false));
    assert_eq!(others.counts(), (2, 1));
    assert_eq!(there.counters().hashes(Family::Bcrypt), 0);
    let elsewhere = Credential { client: "192.0.2.1", file: b"/other", ..credential("secret") };
    let strict = strict(64);
    assert_eq!(judge_among(&strict, &elsewhere, others), (Verdict::Granted, false), "user, hash and password count");
}

#[test]
fn peers_are_told_right_passwords_only_and_of_the_line_as_it_is() {
    let others = others();
    assert_eq!(judge_among(&cache(64, 3600), &credential("wrong"), others), (Verdict::Denied, true));
    assert_eq!(others.counts(), (1, 0));
    assert_eq!(judge_among(&cache(64, 3600), &credential("secret"), others), (Verdict::Granted, true));
    let changed = b"$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";
    let changed = Credential { stored: changed, ..credential("secret") };
    assert_eq!(judge_among(&cache(64, 3600), &changed, others), (Verdict::Denied, true));
    let asked = others.asked.lock().expect("no panic");
    assert!(asked[0] != asked[1] && asked[1] != asked[2] && asked[0] != asked[2]);
}

#[test]
fn an_unknown_user_is_asked_about_and_never_granted_whatever_peers_say() {
    let others = peers(Others { know_all: true, ..Others::default() });
    let unknown = Credential { known: false, user: b"nobody", ..credential("secret") };
    assert_eq!(judge_among(&cache(64, 3600), &unknown, others), (Verdict::Denied, true));
    assert_eq!(others.counts(), (1, 0));
    let known = peers(Others::default());
    assert_eq!(judge_among(&cache(64, 3600), &credential("secret"), known), (Verdict::Granted, true));
    assert_ne!(others.asked.lock().expect("no panic")[0], known.asked.lock().expect("no panic")[0]);
}

#[test]
fn a_guess_is_counted_before_peers_are_asked() {
    let (others, cache) = (others(), strict(64));
    lock_out(&cache, &credential("secret"));
    assert_eq!(judge_among(&cache, &credential("secret"), others), (Verdict::LockedOut, false));
    assert_eq!(others.counts(), (0, 0));
}

#[test]
fn a_cache_without_entries_and_cheap_hashes_ask_nobody() {
    let others = peers(Others { know_all: true, ..Others::default() });
    assert_eq!(judge_among(&cache(0, 3600), &credential("wrong"), others), (Verdict::Denied, true));
    let cheap = Credential { stored: b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", ..credential("wrong") };
    assert_eq!(judge_among(&cache(64, 3600), &cheap, others).0, Verdict::Denied);
    assert_eq!(others.counts(), (0, 0));
    assert_eq!(judge_among(&strict(64), &cheap, others).0, Verdict::Denied);
    assert_eq!(others.counts(), (1, 0), "where failures are counted, for the count, and nothing else is believed");
}

const LOCKED: PeerLockout = PeerLockout { scope: Scope::User, milliseconds: 30_000 };

#[test]
fn a_lockout_that_peers_tell_of_refuses_here_too_and_is_reported_once() {
    let (others, cache) = (others(), strict(64));
    others.reply_with(Reply::LockedOut(LOCKED));
    let refused = cache.judge_among(&credential("guess"), Some(others));
    assert_eq!((refused.verdict, refused.begins), (Verdict::LockedOut, true));
    assert_eq!(refused.lockout, Some(Lockout { scope: Scope::User, seconds: 30 }));
    others.reply_with(Reply::Unknown);
    let again = cache.judge_among(&credential("secret"), Some(others));
    assert_eq!(
        (again.verdict, again.begins, others.counts().0),
        (Verdict::LockedOut, false, 1),
        "nobody is asked again"
    );
    assert_eq!(judge_among(&cache, &Credential { user: b"bob", ..credential("secret") }, others).0, Verdict::Granted);
}

#[test]
fn a_lockout_lasts_no_longer_than_the_limit_says_whatever_peers_say() {
    let (others, cache) = (others(), strict(64));
    others.reply_with(Reply::LockedOut(PeerLockout { milliseconds: u64::MAX, ..LOCKED }));
    let seconds = |judgement: Judgement| judgement.lockout.map(|lockout| lockout.seconds);
    let limit = u64::from(cache.settings.max_failures.expect("it is strict").seconds);
    assert_eq!(seconds(cache.judge_among(&credential("guess"), Some(others))), Some(limit));
}

#[test]
fn the_last_attempt_that_peers_allow_is_hashed_and_begins_the_lockout() {
    let (others, cache) = (others(), strict(64));
    others.reply_with(Reply::Last(LOCKED));
    let last = cache.judge_among(&credential("guess"), Some(others));
    assert_eq!((last.verdict, last.begins), (Verdict::Denied, true));
    assert_eq!(judge_among(&cache, &credential("secret"), others), (Verdict::LockedOut, false));
    let cache = strict(64);
    assert_eq!(
        judge_among(&cache, &credential("secret"), others),
        (Verdict::Granted, true),
        "if it is right, none begins"
    );
    assert_eq!(judge_among(&cache, &credential("guess"), others), (Verdict::Denied, true));
}

#[test]
fn peers_learn_how_each_attempt_ends() {
    let (others, cache) = (others(), strict(64));
    judge_among(&cache, &credential("guess"), others);
    assert_eq!(others.events(), [Event::Wrong]);
    judge_among(&cache, &credential("guess"), others);
    assert_eq!(others.events(), [Event::WrongUncounted], "remembered as wrong");
    judge_among(&cache, &credential("secret"), others);
    assert_eq!(others.events(), [Event::Right]);
    judge_among(&cache, &credential("secret"), others);
    assert_eq!(others.events(), [], "remembered as right");
    judge_among(&strict(64), &credential("secret"), others);
    assert_eq!(others.events(), [], "peers knew it, and forgave when they were asked");
    judge_among(&cache, &Credential { exempt: true, ..credential("another guess") }, others);
    assert_eq!(others.events(), [], "not counted");
}

#[test]
fn a_lockout_learned_later_refuses_the_next_attempt() {
    let (others, cache) = (others(), strict(64));
    assert_eq!(judge_among(&cache, &credential("guess"), others).0, Verdict::Denied);
    others.reply_with(Reply::LockedOut(LOCKED));
    let repeated = cache.judge_among(&credential("guess"), Some(others));
    assert_eq!((repeated.verdict, repeated.begins), (Verdict::Denied, true));
    assert_eq!(judge_among(&cache, &credential("guess"), others), (Verdict::LockedOut, false));
}

#[test]
fn while_peers_are_away_a_server_allows_its_share_and_forgives_no_more() {
    let away = peers(Others { are_away: true, ..Others::default() });
    let cache = strict(64);
    let guesses = ["a", "b", "c", "d"].map(|guess| judge_among(&cache, &credential(guess), away).0);
    // Half of three, rounded up.
    assert_eq!(guesses, [Verdict::Denied, Verdict::Denied, Verdict::LockedOut, Verdict::LockedOut]);
    assert_eq!(away.events(), [Event::WrongUncounted; 2]);
    assert_eq!(judge_among(&cache, &credential("secret"), others()).0, Verdict::Granted, "they are back");
    let cache = strict(64);
    assert_eq!(judge_among(&cache, &credential("secret"), away), (Verdict::Granted, true));
}

#[test]
fn no_answer_of_peers_allows_more_than_one_server_alone_would() {
    let (others, cache) = (others(), strict(64));
    let guesses = ["a", "b", "c", "d"].map(|guess| judge_among(&cache, &credential(guess), others).0);
    assert_eq!(guesses, [Verdict::Denied, Verdict::Denied, Verdict::Denied, Verdict::LockedOut]);
}

#[test]
fn a_cheap_hash_is_not_known_to_peers_but_its_failures_are() {
    let (others, cache) = (others(), strict(64));
    let cheap = Credential { stored: b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", ..credential("wrong") };
    assert_eq!(judge_among(&cache, &cheap, others).0, Verdict::Denied);
    assert_eq!((others.events(), others.counts()), (vec![Event::Wrong], (1, 0)));
    assert_eq!(judge_among(&cache, &Credential { password: b"secret", ..cheap }, others).0, Verdict::Granted);
    assert_eq!((others.events(), others.counts()), (vec![Event::Right], (2, 0)));
}

#[test]
fn a_credential_in_use_is_told_again_before_its_time_is_over() {
    let (others, cache) = (others(), cache(64, 2));
    assert_eq!(judge_among(&cache, &credential("secret"), others), (Verdict::Granted, true));
    assert_eq!(others.counts(), (1, 1));
    let mut told = 1;
    for _ in 0..25 {
        thread::sleep(std::time::Duration::from_millis(100));
        assert_eq!(judge_among(&cache, &credential("secret"), others), (Verdict::Granted, false));
        told = others.counts().1;
    }
    assert_eq!(others.counts().0, 1, "nobody is asked");
    assert!((2..=4).contains(&told), "{told}: about once in half of its time");
}

#[test]
fn what_a_user_has_spent_elsewhere_counts_here_and_away_from_peers_a_share_is_left() {
    let rate = Rate { requests: 3, seconds: 60 };
    let admitted = |others: &'static Others| {
        let cache = cache(64, 3600);
        let all = (0..9).filter(|_| cache.spend(b"/users", b"alice", rate, Some(others)) == Spent::Admitted).count();
        (all, others.spent.lock().expect("no panic").len())
    };
    // After the first, three quarters of everything are spent.
    assert_eq!(admitted(others()), (1, 1));
    let away = peers(Others { are_away: true, ..Others::default() });
    assert_eq!(admitted(away), (2, 2), "half of three, rounded up");
}
