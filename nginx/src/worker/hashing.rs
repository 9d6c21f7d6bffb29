//! The requests in the queue for hashes, and the hashes that the thread pool computes for them.

use std::collections::HashMap;
use std::rc::Rc;

use esauth_engine::verification::{Hashed, Judgement, Pending, Queued, Standing, Turn, Verdict, Verifier, Work};

use super::visit::{Judged, State};
use super::waiting::{add, forget, tell};
use crate::nginx::local::Local;
use crate::nginx::request::Request;
use crate::nginx::thread::{Task, post};

#[derive(Default)]
struct Hashing {
    queued: Vec<(u64, Queued)>,
    /// By the numbers of requests, which may have ended.
    computing: HashMap<u64, Turn>,
    /// True while a task waits for turns.
    is_watching: bool,
}

/// How a credential came into the queue.
pub(crate) enum Entered {
    /// The request waits for its judgement.
    Waits,
    Known(Judgement),
    /// Memory is lacking.
    Failed,
}

static HASHING: Local<Hashing> = Local::new();

fn with<R>(work: impl FnOnce(&mut Hashing) -> R) -> Option<R> {
    // SAFETY: everything in this file is called by the event loop, except the `work` of tasks, which does not come here.
    unsafe { HASHING.with(Hashing::default, work) }
}

/// Frees the memory, at the end of the process.
pub(super) fn end() {
    // SAFETY: as above.
    unsafe { HASHING.clear() };
}

/// Queues a credential for its hash.
pub(crate) fn enter(request: Request<'_>, state: &mut State, verifier: &Verifier, pending: Pending<'_>) -> Entered {
    // Before the place is taken, so that no turn is missed.
    let seen = verifier.turns();
    let standing = match pending.enter() {
        Standing::Known(judgement) => return Entered::Known(judgement),
        standing => standing,
    };
    let Some(number) = add(request, state, leave) else { return Entered::Failed };
    // Refused are at most those that wait: this request alone, or there would be a task already.
    let known = with(|hashing| hashing.place(number, standing).or_else(|| hashing.watch(verifier, seen).pop()));
    let entered = match known {
        Some(None) => return Entered::Waits,
        Some(Some((_, judgement))) => Entered::Known(judgement),
        None => Entered::Failed,
    };
    state.place = None;
    entered
}

/// Gives up the place of a request. A hash that is being computed goes on, since the verdict is worth remembering.
fn leave(number: u64) {
    forget(number);
    with(|hashing| hashing.queued.retain(|(queued, _)| *queued != number));
}

/// The judgement of a credential whose hash could not be computed.
const NOT_COMPUTED: Judgement = Judgement::of(Verdict::NotComputed);

impl Hashing {
    /// Does what a request's standing demands. Returns its judgement if it is known.
    fn place(&mut self, number: u64, standing: Standing) -> Option<(u64, Judgement)> {
        match standing {
            Standing::Known(judgement) => return Some((number, judgement)),
            Standing::Waits(queued) => self.queued.push((number, queued)),
            Standing::Turn(turn, work) => {
                let hash = Hash { number, work: Some(work), hashed: None };
                if post(Box::new(hash)).is_err() {
                    return Some((number, NOT_COMPUTED));
                }
                self.computing.insert(number, turn);
            }
        }
        None
    }

    /// Asks all that wait for their standing, and returns the judgements that are known.
    fn ask_all(&mut self) -> Vec<(u64, Judgement)> {
        let queued = std::mem::take(&mut self.queued);
        queued.into_iter().filter_map(|(number, queued)| self.place(number, queued.standing())).collect()
    }

    /// Has a task wait for a change of the turns `seen`, if there is not one and anybody waits. If that is impossible,
    /// returns a refusal of all.
    fn watch(&mut self, verifier: &Verifier, seen: u32) -> Vec<(u64, Judgement)> {
        if self.is_watching || self.queued.is_empty() {
            return Vec::new();
        }
        if post(Box::new(Watch { verifier: *verifier, seen })).is_err() {
            return std::mem::take(&mut self.queued).into_iter().map(|(number, _)| (number, NOT_COMPUTED)).collect();
        }
        self.is_watching = true;
        Vec::new()
    }
}

fn tell_all(judgements: Vec<(u64, Judgement)>) {
    for (number, judgement) in judgements {
        tell(number, |state| {
            // Only a request whose file is known is judged.
            if let Some(passwords) = &state.passwords {
                state.judged = Some(Judged { path: Rc::clone(&passwords.path), judgement, is_logged: false });
            }
        });
    }
}

/// A hash to compute for a request.
struct Hash {
    number: u64,
    work: Option<Work>,
    hashed: Option<Hashed>,
}

impl Task for Hash {
    fn work(&mut self) {
        self.hashed = self.work.take().map(Work::compute);
    }

    fn done(self: Box<Self>) {
        let judgements = with(|hashing| {
            let turn = hashing.computing.remove(&self.number);
            // Without a result, after a panic, the place is given up.
            let judgement = match (turn, self.hashed) {
                (Some(turn), Some(hashed)) => turn.finish(hashed),
                _ => NOT_COMPUTED,
            };
            let mut judgements = hashing.ask_all();
            judgements.push((self.number, judgement));
            judgements
        });
        tell_all(judgements.unwrap_or_default());
    }
}

/// Waits for a change in the queue.
struct Watch {
    verifier: Verifier,
    seen: u32,
}

impl Task for Watch {
    fn work(&mut self) {
        self.verifier.await_turns(self.seen);
    }

    fn done(self: Box<Self>) {
        let judgements = with(|hashing| {
            hashing.is_watching = false;
            let seen = self.verifier.turns();
            let mut judgements = hashing.ask_all();
            judgements.extend(hashing.watch(&self.verifier, seen));
            judgements
        });
        tell_all(judgements.unwrap_or_default());
    }
}
