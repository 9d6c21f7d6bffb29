//! Waiting for a verdict without a thread that waits: for a host with an event loop.
//!
//! The loop's thread holds the place in the queue ([`Queued`]) and asks for its [`Standing`] whenever
//! [`Verifier::await_turns`] returns in another thread. When the credential's [`Turn`] comes, a third thread does the
//! [`Work`]. Dropping a place gives it up at once.

use std::ops::Range;
use std::time::Instant;

use zeroize::Zeroizing;

use super::compute::Credential;
use super::judgement::{Case, Decided, Judgement, LONGEST_WAIT, Pending, Step};
use super::queue::{Admission, Polled, Request, Slot};
use super::verifier::Verifier;

/// A credential's place in the queue, of the thread that took it.
pub struct Queued {
    waiting: Waiting,
    slot: Slot<'static>,
}

struct Waiting {
    case: Case,
    request: Request,
    came: Instant,
    work: Work,
}

/// The standing of a credential in the queue.
pub enum Standing {
    /// It waits.
    Waits(Queued),
    /// It waits no more: another request computed its hash, or it was refused.
    Known(Judgement),
    /// Its hash may be computed.
    Turn(Turn, Work),
}

/// The right to compute one hash, of the thread that took the place in the queue.
pub struct Turn {
    case: Case,
    slot: Slot<'static>,
}

/// A hash to compute, in any thread. Its copy of the password is wiped when it is dropped.
pub struct Work {
    case: Case,
    text: Zeroizing<Box<[u8]>>,
    stored: Range<usize>,
    padding: Option<Range<usize>>,
    password: Range<usize>,
    user: Range<usize>,
    known: bool,
    gives_way: bool,
}

/// The result of [`Work`].
pub struct Hashed(Decided);

impl Pending<'_> {
    /// Takes a place in the queue. Copies what hashing needs of the credential.
    pub fn enter(self) -> Standing {
        let Pending { credential, case } = self;
        let request = case.request(&credential);
        Waiting { case, request, came: Instant::now(), work: Work::of(case, &credential) }.standing(None)
    }
}

impl Queued {
    /// What the credential has to do now.
    pub fn standing(self) -> Standing {
        self.waiting.standing(Some(self.slot))
    }
}

impl Waiting {
    fn standing(mut self, mut slot: Option<Slot<'static>>) -> Standing {
        loop {
            let slot = slot.take().or_else(|| self.case.enter(&self.request));
            let admission = match slot.map(|slot| slot.poll(self.came + LONGEST_WAIT)) {
                Some(Polled::Waits(slot)) => return Standing::Waits(Queued { waiting: self, slot }),
                Some(Polled::Ended(admission)) => admission,
                None => Admission::Refused,
            };
            match self.case.step(admission, self.came) {
                Step::Known(judgement) => return Standing::Known(judgement),
                Step::Enter => {}
                Step::Compute(slot) => {
                    self.work.gives_way = slot.gives_way();
                    return Standing::Turn(Turn { case: self.case, slot }, self.work);
                }
            }
        }
    }
}

impl Turn {
    /// Takes the hash, remembers the verdict and gives up the place.
    pub fn finish(mut self, hashed: Hashed) -> Judgement {
        self.case.conclude(hashed.0, Some(&mut self.slot))
    }
}

impl Work {
    fn of(case: Case, credential: &Credential<'_>) -> Work {
        let Credential { stored, padding, password, user, .. } = *credential;
        // At once as large as needed: growing would leave copies behind.
        let text = Zeroizing::new([stored, password, user, padding.unwrap_or(b"")].concat().into_boxed_slice());
        let after_password = stored.len() + password.len();
        let after_user = after_password + user.len();
        Work {
            case,
            stored: 0..stored.len(),
            password: stored.len()..after_password,
            user: after_password..after_user,
            padding: padding.map(|_| after_user..text.len()),
            text,
            known: credential.known,
            gives_way: false,
        }
    }

    /// Counts the attempt and computes the hash, which takes as long as its cost demands, unless a lockout or a peer that
    /// knows the password saves that.
    pub fn compute(self) -> Hashed {
        let part = |range: &Range<usize>| &self.text[range.clone()];
        let credential = Credential {
            stored: part(&self.stored),
            padding: self.padding.as_ref().map(part),
            password: part(&self.password),
            known: self.known,
            client: "",
            proven: false,
            exempt: false,
            user: part(&self.user),
            file: b"",
        };
        Hashed(self.case.decide(&credential, self.gives_way))
    }
}

impl Verifier {
    /// A number that changes whenever credentials in the queue may have another standing. To be read before they are
    /// asked.
    pub fn turns(&self) -> u32 {
        self.shared.queue().turns()
    }

    /// Waits until [`Verifier::turns`] is no longer `seen`, for a tenth of a second at most. Then the places of killed
    /// processes are taken back, and credentials should be asked for their standing in any case.
    pub fn await_turns(&self, seen: u32) {
        self.shared.queue().await_turns(seen, self.limits());
    }
}
