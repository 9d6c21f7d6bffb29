//! The judgement of a credential: at once from memory, or by its hash after a wait in the queue.

use std::io;
use std::time::{Duration, Instant};

use super::compute::{self, Computed, Credential};
use super::digest::{Digest, keyed_number};
use super::lockouts::{Attempt, Lockout, Pair};
use super::network::{Network, network};
use super::peers::Peers;
use super::queue::{Admission, Limits, Queue, Request, Slot};
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
    /// True if a hash was computed and another than the first stored one matched.
    pub by_later_hash: bool,
}

impl Judgement {
    fn from_memory(verdict: Verdict) -> Judgement {
        Judgement { verdict, hashed_for: None, lockout: None, by_later_hash: false }
    }

    fn locked_out(lockout: Lockout) -> Judgement {
        Judgement { lockout: Some(lockout), ..Judgement::from_memory(Verdict::LockedOut) }
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

    /// The same, but peers that know the password save its hash.
    pub fn judge_among(&self, credential: &Credential<'_>, peers: Option<&dyn Peers>) -> Judgement {
        match self.look(credential) {
            Answer::Now(judgement) => judgement,
            Answer::Later(pending) => pending.judge(peers),
        }
    }

    /// Judges a credential from memory, without waiting for anything but, for a moment, the table of lockouts.
    ///
    /// A right one that is remembered is granted, whatever its user and client have done, unless a lockout receives
    /// more requests than may be examined; if clients can be locked out, it is remembered for that user and its
    /// network. No others are judged during a lockout.
    pub fn look<'c>(&self, credential: &Credential<'c>) -> Answer<'c> {
        if self.settings.max_failures.is_none() && compute::is_cheap(credential) {
            // A lookup would take longer, and a slot would limit nothing. If guesses are counted it is looked up all
            // the same; otherwise a right password could not be distinguished from guesses during a lockout.
            self.counters().count_cheap_hash();
            let granted = hash::verify(credential.password, credential.stored) && credential.known;
            return Answer::Now(Judgement::from_memory(verdict(granted)));
        }
        let digest = self.digest(credential);
        let now = monotonic_milliseconds();
        if !credential.proven && self.settings.max_failures.is_some() && self.shared.lockouts().are_any(now) {
            let attempt = self.attempt(credential, digest);
            if let Some(lockout) = attempt.and_then(|attempt| attempt.refusal_unexamined(now)) {
                return Answer::Now(Judgement::locked_out(lockout));
            }
        }
        let remembered = self.remembered(&digest);
        if remembered == Some(Verdict::Granted) {
            self.counters().count_lookup(Lookup::Grant);
            return Answer::Now(Judgement::from_memory(Verdict::Granted));
        }
        let attempt = self.attempt(credential, digest);
        if let Some(lockout) = attempt.and_then(|attempt| attempt.refusal(now)) {
            return Answer::Now(Judgement::locked_out(lockout));
        }
        self.counters().count_lookup(if remembered.is_some() { Lookup::Denial } else { Lookup::Miss });
        let family = Family::of(compute::first(credential.stored));
        let case =
            Case { verifier: *self, digest, attempt, known: credential.known, exempt: credential.exempt, family };
        match remembered {
            Some(verdict) => Answer::Now(case.judge_by_memory(verdict)),
            // Needs no slot.
            None if compute::is_cheap(credential) => Answer::Now(case.judge_now(credential, None, None)),
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

    /// The remembered verdict. Using a grant renews it: nothing that it depends on can have changed, since the stored
    /// hash is part of the digest.
    fn remembered(&self, digest: &Digest) -> Option<Verdict> {
        let now = monotonic_seconds();
        if self.shared.grants().contains(digest, now, now + self.settings.ttl) {
            return Some(Verdict::Granted);
        }
        self.shared.denials().contains(digest, now, 0).then_some(Verdict::Denied)
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
    pub fn judge(self, peers: Option<&dyn Peers>) -> Judgement {
        let Pending { credential, case } = self;
        let (request, came) = (case.request(&credential), Instant::now());
        loop {
            let admission = case.queue().admit(&request, case.verifier.limits(), came + LONGEST_WAIT);
            match case.step(admission, came) {
                Step::Known(judgement) => return judgement,
                Step::Compute(mut slot) => return case.judge_now(&credential, Some(&mut slot), peers),
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
                return Step::Known(Judgement::from_memory(Verdict::Overloaded));
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
            return Judgement::from_memory(verdict);
        };
        let now = monotonic_milliseconds();
        match attempt.charge(now) {
            Some(lockout) => Judgement::locked_out(lockout),
            None => Judgement { lockout: attempt.settle(false, now), ..Judgement::from_memory(verdict) },
        }
    }

    /// The slot is held while peers are asked: so the same credential is asked for once, and a flood of guesses asks no
    /// faster than it is hashed.
    fn judge_now(
        &self,
        credential: &Credential<'_>,
        slot: Option<&mut Slot<'_>>,
        peers: Option<&dyn Peers>,
    ) -> Judgement {
        if let Some(refusal) = self.charge() {
            return refusal;
        }
        let gives_way = slot.as_ref().is_some_and(|slot| slot.gives_way());
        // What is not remembered here is not left with others either.
        let peers = peers.filter(|_| self.verifier.settings.entries > 0);
        self.conclude(compute::ask_or_hash(credential, peers, gives_way), slot)
    }

    /// Counts the attempt before its hash is computed, or refuses it.
    pub(super) fn charge(&self) -> Option<Judgement> {
        let lockout = self.attempt.and_then(|attempt| attempt.charge(monotonic_milliseconds()))?;
        Some(Judgement::locked_out(lockout))
    }

    /// Remembers the verdict before the slot is freed: only then do waiters for the same credential look again.
    pub(super) fn conclude(&self, computed: io::Result<Computed>, slot: Option<&mut Slot<'_>>) -> Judgement {
        let Ok(Computed { matching, took }) = computed else {
            if let Some(attempt) = self.attempt {
                attempt.withdraw(monotonic_milliseconds());
            }
            return Judgement::from_memory(Verdict::NotComputed);
        };
        let granted = matching.is_some() && self.known;
        if let Some(took) = took {
            self.verifier.counters().count_hash(self.family, took);
        }
        self.verifier.remember(&self.digest, granted);
        if let Some(slot) = slot.filter(|_| granted || !self.exempt) {
            slot.settle(granted);
        }
        let lockout = self.attempt.and_then(|attempt| attempt.settle(granted, monotonic_milliseconds()));
        let by_later_hash = granted && matching > Some(0);
        Judgement { verdict: verdict(granted), hashed_for: took, lockout, by_later_hash }
    }
}

fn verdict(granted: bool) -> Verdict {
    if granted { Verdict::Granted } else { Verdict::Denied }
}
