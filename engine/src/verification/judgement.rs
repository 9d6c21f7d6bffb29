//! The judgement of a credential: at once from memory, or by its hash after a wait in the queue.

use std::io;
use std::time::{Duration, Instant};

use super::compute::{self, Computed, Credential};
use super::digest::{Digest, keyed_number};
use super::lockouts::{Attempt, Lockout, Pair};
use super::network::{Network, network};
use super::peers::{self, Counted, Event, Heard, Learner, PeerName, Peers, Question, Reply};
use super::queue::{Admission, Limits, Queue, Request, Slot};
use super::table::Found;
use super::verifier::Verifier;
use crate::clock::{monotonic_milliseconds, monotonic_seconds};
use crate::counters::{Lookup, Waited};
use crate::hash::{self, Family};

/// The longest time a request waits for its verdict, over all turns.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Granted,
    /// The password is wrong.
    Denied,
    /// The queue for hashes is full. The client may try again.
    Overloaded,
    /// The hash could not be computed, for example for lack of memory. Nothing is remembered or counted.
    NotComputed,
    /// The client has failed too often, and nothing was computed. It may try again after the lockout.
    LockedOut,
}

/// A verdict and its cost.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Duration of the hash, if one was computed for this request.
    pub hashed_for: Option<Duration>,
    /// The lockout that refuses the request; for a denied one, the lockout that begins with it.
    pub lockout: Option<Lockout>,
    /// Whether that lockout begins, or begins on this server because others told of it: for the log.
    pub begins: bool,
    /// True if a hash was computed and another than the first stored one matched.
    pub by_later_hash: bool,
}

impl Judgement {
    /// The verdict alone: without a hash for this request, and without a lockout.
    pub const fn of(verdict: Verdict) -> Judgement {
        Judgement { verdict, hashed_for: None, lockout: None, begins: false, by_later_hash: false }
    }

    fn locked_out(lockout: Lockout) -> Judgement {
        Judgement { lockout: Some(lockout), ..Judgement::of(Verdict::LockedOut) }
    }

    fn refused((lockout, begins): (Lockout, bool)) -> Judgement {
        Judgement { begins, ..Judgement::locked_out(lockout) }
    }
}

/// The answer to a look into the memory.
#[expect(clippy::large_enum_variant, reason = "a box would take an allocation for what lasts a moment")]
pub enum Answer<'c> {
    /// The judgement, from memory or by a hash that takes no longer than a lookup.
    Now(Judgement),
    /// A hash decides.
    Later(Pending<'c>),
}

/// A credential that only its hash can decide about.
pub struct Pending<'c> {
    pub(super) credential: Credential<'c>,
    pub(super) case: Case,
}

/// A credential as the memory knows it.
#[derive(Clone, Copy)]
pub(super) struct Case {
    verifier: Verifier,
    digest: Digest,
    /// Its counts, if attempts are counted.
    attempt: Option<Attempt<'static>>,
    known: bool,
    /// Whether its failures make nobody a suspect.
    exempt: bool,
    /// The first stored hash's.
    family: Family,
    peers: Option<&'static dyn Peers>,
    /// The attempt as peers count it, if they and this server do.
    counted: Option<Counted>,
}

/// What was done about a credential whose turn it was.
pub(super) enum Decided {
    /// It is refused, and was not hashed.
    Refused(Judgement),
    /// It was hashed, or peers knew it, or that failed.
    Computed(io::Result<Computed>, Heard),
}

/// What a credential in the queue has to do next.
pub(super) enum Step {
    /// Take the judgement.
    Known(Judgement),
    /// Enter the queue again.
    Enter,
    /// Compute the hash.
    Compute(Slot<'static>),
}

impl Verifier {
    /// Judges a credential: from memory if it is remembered, else by its hash, after a wait of ten seconds at most.
    pub fn judge(&self, credential: &Credential<'_>) -> Judgement {
        self.judge_among(credential, None)
    }

    /// The same, but peers that know the password save its hash, and failures are counted by all of them together.
    pub fn judge_among(&self, credential: &Credential<'_>, peers: Option<&'static dyn Peers>) -> Judgement {
        match self.look_among(credential, peers) {
            Answer::Now(judgement) => judgement,
            Answer::Later(pending) => pending.judge(),
        }
    }

    /// Judges a credential from memory, without waiting for anything but, for a moment, the table of lockouts.
    ///
    /// A right one that is remembered is granted, whatever its user and client have done, unless a lockout receives
    /// more requests than may be examined; if clients can be locked out, it is remembered for that user and its
    /// network. No others are judged during a lockout.
    pub fn look<'c>(&self, credential: &Credential<'c>) -> Answer<'c> {
        self.look_among(credential, None)
    }

    /// The same among peers, who are asked only about what is not remembered here, and then later.
    pub fn look_among<'c>(&self, credential: &Credential<'c>, peers: Option<&'static dyn Peers>) -> Answer<'c> {
        // What is not remembered here is not left with others either.
        let peers = peers.filter(|_| self.settings.entries > 0);
        if self.settings.max_failures.is_none() && compute::is_cheap(credential) {
            // A lookup would take longer, and a slot would limit nothing. If guesses are counted it is looked up all
            // the same; otherwise a right password could not be distinguished from guesses during a lockout.
            self.counters().count_cheap_hash();
            let granted = hash::verify(credential.password, credential.stored) && credential.known;
            return Answer::Now(Judgement::of(verdict(granted)));
        }
        let digest = self.digest(credential);
        let now = monotonic_milliseconds();
        if !credential.proven && self.settings.max_failures.is_some() && self.shared.lockouts().are_any(now) {
            let attempt = self.attempt(credential, digest);
            if let Some(lockout) = attempt.and_then(|attempt| attempt.refusal_unexamined(now)) {
                return Answer::Now(Judgement::locked_out(lockout));
            }
        }
        let granted = self.granted(&digest);
        if granted != Found::Nothing {
            if granted == Found::AndRenewed {
                tell(peers, credential);
            }
            self.counters().count_lookup(Lookup::Grant);
            return Answer::Now(Judgement::of(Verdict::Granted));
        }
        let remembered = self.denied(&digest);
        let attempt = self.attempt(credential, digest);
        if let Some(refusal) = attempt.and_then(|attempt| attempt.refusal(now)) {
            return Answer::Now(Judgement::refused(refusal));
        }
        self.counters().count_lookup(if remembered.is_some() { Lookup::Denial } else { Lookup::Miss });
        let Credential { known, exempt, stored, .. } = *credential;
        let (family, counted) = (Family::of(compute::first(stored)), self.counted(credential, peers));
        let case = Case { verifier: *self, digest, attempt, known, exempt, family, peers, counted };
        match remembered {
            Some(verdict) => Answer::Now(case.judge_by_memory(verdict)),
            // Needs no slot, unless peers have to be waited for.
            None if compute::is_cheap(credential) && counted.is_none() => Answer::Now(case.judge_now(credential, None)),
            None => Answer::Later(Pending { credential: *credential, case }),
        }
    }

    /// Whether a refusal may be sent late: its client guesses, and many requests wait for hashes. The later a guesser is answered, the
    /// less it costs them.
    pub fn may_answer_late(&self, credential: &Credential<'_>, judgement: &Judgement) -> bool {
        match judgement.verdict {
            Verdict::Granted | Verdict::NotComputed => false,
            Verdict::Denied | Verdict::Overloaded | Verdict::LockedOut => {
                self.shared.queue().is_strained_by(&self.request(credential, None), self.limits())
            }
        }
    }

    /// What the queue knows of a request; without a digest, nobody computes for it.
    pub(super) fn request(&self, credential: &Credential<'_>, digest: Option<Digest>) -> Request {
        let network = network(credential.client);
        let account = self.number_of_account(&network, credential.user);
        Request { digest, network: self.number_of_network(&network), account }
    }

    pub(super) fn number_of_network(&self, network: &Network) -> u64 {
        keyed_number(&self.shared.keys().numbers, network)
    }

    /// The user in that network, whatever the file.
    pub(super) fn number_of_account(&self, network: &Network, user: &[u8]) -> u64 {
        keyed_number(&self.shared.keys().numbers, &[network, user].concat())
    }

    /// The user, wherever the client is.
    pub(super) fn number_of_user(&self, user: &[u8]) -> u64 {
        Digest::of(&self.shared.keys().numbers, [user]).index()
    }

    fn digest(&self, credential: &Credential<'_>) -> Digest {
        let (key, Credential { stored, password, client, user, .. }) = (&self.shared.keys().verdicts, *credential);
        if !credential.known {
            // For that name only: otherwise a client that asked for one unknown user could recognize others by how soon
            // they are denied. (The number of parts differs from that of a known user, who may be granted.)
            return Digest::of(key, [stored, password, &network(client), user, b"unknown"]);
        }
        match self.settings.max_failures {
            // With the user, although the verdict does not depend on it: of users whose lines have one hash, each password
            // would be known to be wrong as soon as one of them was asked, and no unknown user's would.
            None => Digest::of(key, [stored, password, user]),
            // Only a grant to this user from here passes during a lockout. Otherwise a locked-out client could go on
            // guessing, and faster than before, the password of a login from elsewhere.
            Some(_) => Digest::of(key, [stored, password, &network(client), user]),
        }
    }

    /// The counts for this attempt, if attempts are counted: not those of exempt clients.
    fn attempt(&self, credential: &Credential<'_>, digest: Digest) -> Option<Attempt<'static>> {
        let limit = self.settings.max_failures.filter(|_| !credential.exempt)?;
        let pair = self.pair(credential);
        Some(Attempt { lockouts: self.shared.lockouts(), limit, pair, credential: digest })
    }

    /// Client and user as lockouts know them. A user whose line has changed is another.
    pub(super) fn pair(&self, credential: &Credential<'_>) -> Pair {
        let Credential { client, user, file, stored, known, .. } = *credential;
        let network = network(client);
        let line = if known { stored } else { b"" };
        let account = Digest::of(&self.shared.keys().verdicts, [&network, file, user, line, b"", b""]);
        Pair { network: self.number_of_network(&network), user: self.number_of_user(user), account: account.index() }
    }

    /// The attempt as peers count it, if attempts are counted.
    fn counted(&self, credential: &Credential<'_>, peers: Option<&dyn Peers>) -> Option<Counted> {
        let Credential { client, user, stored, password, known, exempt, .. } = *credential;
        let limit = self.settings.max_failures.filter(|_| !exempt)?;
        let line = if known { stored } else { b"" };
        Some(peers::counted(peers?, limit, &network(client), user, line, [stored, password]))
    }

    /// Whether the credential is remembered as right. Using a grant renews it: nothing that it depends on can have changed,
    /// since the stored hash is part of the digest.
    fn granted(&self, digest: &Digest) -> Found {
        let now = monotonic_seconds();
        self.shared.grants().find(digest, now, now + self.settings.ttl)
    }

    fn denied(&self, digest: &Digest) -> Option<Verdict> {
        self.shared.denials().contains(digest, monotonic_seconds(), 0).then_some(Verdict::Denied)
    }

    fn remembered(&self, digest: &Digest) -> Option<Verdict> {
        (self.granted(digest) != Found::Nothing).then_some(Verdict::Granted).or_else(|| self.denied(digest))
    }

    fn remember(&self, digest: &Digest, granted: bool) {
        let now = monotonic_seconds();
        let table = if granted { self.shared.grants() } else { self.shared.denials() };
        if table.insert(digest, now, now + self.settings.ttl) {
            self.counters().count_eviction(granted);
        }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits::new(self.settings.slots, self.settings.workers)
    }
}

impl Pending<'_> {
    /// Waits in this thread for the verdict, and computes the hash in it if nobody else does and no peer knows.
    pub fn judge(self) -> Judgement {
        let Pending { credential, case } = self;
        let (request, came) = (case.request(&credential), Instant::now());
        loop {
            let admission = case.queue().admit(&request, case.verifier.limits(), came + LONGEST_WAIT);
            match case.step(admission, came) {
                Step::Known(judgement) => return judgement,
                Step::Compute(mut slot) => return case.judge_now(&credential, Some(&mut slot)),
                Step::Enter => {}
            }
        }
    }
}

impl Case {
    pub(super) fn request(&self, credential: &Credential<'_>) -> Request {
        let digest = (self.verifier.settings.entries > 0).then_some(self.digest);
        self.verifier.request(credential, digest)
    }

    fn queue(&self) -> &'static Queue {
        self.verifier.shared.queue()
    }

    /// A place in the queue, unless there is no room.
    pub(super) fn enter(&self, request: &Request) -> Option<Slot<'static>> {
        self.queue().enter(request, self.verifier.limits())
    }

    /// What follows from the queue's answer to a request that has waited since it `came`.
    pub(super) fn step(&self, admission: Admission<'static>, came: Instant) -> Step {
        let (slot, ended) = match admission {
            Admission::Refused => {
                self.verifier.counters().count_wait(Waited::Refused, came.elapsed());
                return Step::Known(Judgement::of(Verdict::Overloaded));
            }
            Admission::LookAgain => (None, None),
            Admission::Compute(slot) => (Some(slot), Some(Waited::Slot)),
        };
        // After a long wait for a slot, too: the same credential may have been judged meanwhile.
        let remembered = self.verifier.remembered(&self.digest);
        if let Some(ended) = remembered.map(|_| Waited::Shared).or(ended) {
            self.verifier.counters().count_wait(ended, came.elapsed());
        }
        match (remembered, slot) {
            (Some(verdict), _) => Step::Known(self.judge_by_memory(verdict)),
            (None, Some(slot)) => Step::Compute(slot),
            (None, None) => Step::Enter,
        }
    }

    /// Returns the remembered verdict. A wrong password counts all the same.
    fn judge_by_memory(&self, verdict: Verdict) -> Judgement {
        let Some(attempt) = self.attempt.filter(|_| verdict == Verdict::Denied) else {
            return Judgement::of(verdict);
        };
        let now = monotonic_milliseconds();
        if let Some(lockout) = attempt.charge(now) {
            return Judgement::locked_out(lockout);
        }
        self.note(Some(Event::WrongUncounted));
        let lockout = attempt.settle(false, now);
        Judgement { lockout, begins: lockout.is_some(), ..Judgement::of(verdict) }
    }

    fn judge_now(&self, credential: &Credential<'_>, slot: Option<&mut Slot<'_>>) -> Judgement {
        let gives_way = slot.as_ref().is_some_and(|slot| slot.gives_way());
        self.conclude(self.decide(credential, gives_way), slot)
    }

    /// Asks peers, counts the attempt, and computes the hash if neither refuses it and no peer knows. In the turn of the
    /// credential: so the same one is asked about once, and a flood of guesses asks no faster than it is hashed.
    pub(super) fn decide(&self, credential: &Credential<'_>, gives_way: bool) -> Decided {
        let (heard, refusal) = self.ask(credential);
        if let Some(refusal) = refusal {
            return Decided::Refused(refusal);
        }
        if heard == Heard::Known {
            return Decided::Computed(Ok(Computed { matching: Some(0), took: None }), heard);
        }
        let computed = compute::compute(credential, gives_way);
        if matches!(computed, Ok(Computed { matching: Some(_), .. })) {
            tell(self.peers, credential);
        }
        Decided::Computed(computed, heard)
    }

    /// Counts the attempt, with the peers first, before its hash is computed.
    fn ask(&self, credential: &Credential<'_>) -> (Heard, Option<Judgement>) {
        let has_name = has_name(credential);
        let reply = self.peers.filter(|_| has_name || self.counted.is_some()).map(|peers| {
            let name = has_name.then(|| name(peers, credential));
            peers.ask(&Question { name: name.as_ref(), counted: self.counted.as_ref() })
        });
        let heard = match reply {
            None => Heard::Nothing,
            Some(Reply::Known) if self.known && has_name => Heard::Known,
            Some(Reply::Unanswered) => Heard::Unanswered,
            Some(_) => Heard::Counted,
        };
        let Some(attempt) = self.attempt_after(heard) else { return (heard, None) };
        let now = monotonic_milliseconds();
        if let Some(Reply::LockedOut(lockout)) = reply {
            attempt.learn(lockout, now);
            return (heard, attempt.refusal(now).map(Judgement::refused));
        }
        if let Some(lockout) = attempt.charge(now) {
            return (heard, Some(Judgement::locked_out(lockout)));
        }
        if let Some(Reply::Last(lockout)) = reply {
            attempt.fill(lockout, now);
        }
        (heard, None)
    }

    /// The counts for this attempt: without an answer, up to this server's share of the limit.
    fn attempt_after(&self, heard: Heard) -> Option<Attempt<'static>> {
        let attempt = self.attempt?;
        let alone = self.peers.filter(|_| heard == Heard::Unanswered);
        let limit = alone.map_or(attempt.limit, |peers| attempt.limit.shared_by(peers.servers()));
        Some(Attempt { limit, ..attempt })
    }

    /// Tells peers about the attempt.
    fn note(&self, event: Option<Event>) {
        if let (Some(event), Some(peers), Some(counted), Some(attempt)) =
            (event, self.peers, &self.counted, self.attempt)
        {
            peers.note(event, counted, Learner(attempt));
        }
    }

    /// Remembers the verdict before the slot is freed: only then do waiters for the same credential look again.
    pub(super) fn conclude(&self, decided: Decided, slot: Option<&mut Slot<'_>>) -> Judgement {
        let (computed, heard) = match decided {
            Decided::Refused(judgement) => return judgement,
            Decided::Computed(computed, heard) => (computed, heard),
        };
        let attempt = self.attempt_after(heard);
        let Ok(Computed { matching, took }) = computed else {
            if let Some(attempt) = attempt {
                attempt.withdraw(monotonic_milliseconds());
            }
            self.note(heard.event(None));
            return Judgement::of(Verdict::NotComputed);
        };
        let granted = matching.is_some() && self.known;
        if let Some(took) = took {
            self.verifier.counters().count_hash(self.family, took);
        }
        self.verifier.remember(&self.digest, granted);
        if let Some(slot) = slot.filter(|_| granted || !self.exempt) {
            slot.settle(granted);
        }
        self.note(heard.event(Some(granted)));
        let lockout = attempt.and_then(|attempt| attempt.settle(granted, monotonic_milliseconds()));
        let by_later_hash = granted && matching > Some(0);
        Judgement { verdict: verdict(granted), hashed_for: took, lockout, begins: lockout.is_some(), by_later_hash }
    }
}

/// Whether peers may know a credential by name: not if its hash takes less time than asking.
fn has_name(credential: &Credential<'_>) -> bool {
    !compute::is_cheap(credential)
}

fn name(peers: &dyn Peers, credential: &Credential<'_>) -> PeerName {
    let Credential { stored, password, user, known, .. } = *credential;
    peers::name(peers, [stored, password, user], known)
}

/// Tells peers a right password of a known user.
fn tell(peers: Option<&dyn Peers>, credential: &Credential<'_>) {
    if let Some(peers) = peers.filter(|_| credential.known && has_name(credential)) {
        peers.tell(&name(peers, credential));
    }
}

fn verdict(granted: bool) -> Verdict {
    if granted { Verdict::Granted } else { Verdict::Denied }
}
