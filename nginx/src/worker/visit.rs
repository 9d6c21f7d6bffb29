//! What is known about a request so far. Handlers are called again after each wait, and after each internal redirect.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use esauth_engine::verification::{Judgement, Outcome};
use esauth_engine::{Groups, Passwords, ReadError, Snapshot};

use crate::nginx::pool::Kept;
use crate::nginx::request::{Credentials, Request};
use crate::nginx::status::Status;

/// A file as this request sees it, until its end.
pub(crate) struct Pinned<T> {
    pub(crate) path: Rc<[u8]>,
    pub(crate) content: Result<Arc<Snapshot<T>>, ReadError>,
}

/// The judgement of the request's credentials by one password file.
pub(crate) struct Judged {
    pub(crate) path: Rc<[u8]>,
    pub(crate) judgement: Judgement,
    /// True once its lines are in the log.
    pub(crate) is_logged: bool,
}

/// What is known about a request.
#[derive(Default)]
pub(crate) struct State {
    /// Its place while it waits.
    pub(super) place: Option<Place>,
    /// True if nginx tells when it ends.
    pub(super) end_is_told: bool,
    pub(crate) passwords: Option<Pinned<Passwords>>,
    pub(crate) groups: Option<Pinned<Groups>>,
    pub(crate) judged: Option<Judged>,
    /// True if its refusal is sent late.
    pub(crate) is_late: bool,
    /// True once it is counted among the user's requests.
    pub(crate) is_counted: bool,
    pub(crate) noted: Option<Noted>,
    /// Duration of the hash computed for this request.
    pub(crate) hashed_for: Option<Duration>,
}

/// The place of a waiting request, given up when this is dropped.
pub(super) struct Place {
    number: u64,
    leave: fn(u64),
}

impl Place {
    pub(super) fn new(number: u64, leave: fn(u64)) -> Place {
        Place { number, leave }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        (self.leave)(self.number);
    }
}

/// The outcome of a request so far.
#[derive(Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) outcome: Outcome,
    /// True if the location admits requests for other reasons, too.
    pub(crate) others_may_admit: bool,
}

/// A request's [`State`], which lives as long as the request.
pub(crate) struct Visit {
    state: RefCell<State>,
    credentials: Credentials,
}

// SAFETY: the only such type of this module.
unsafe impl Kept for Visit {}

impl Visit {
    /// The visit of a request. `None` if memory is lacking.
    pub(crate) fn of(request: Request<'_>) -> Option<&Visit> {
        Visit::existing(request).or_else(|| {
            // SAFETY: kept in the request's pool.
            let credentials = unsafe { Credentials::of(request) };
            request.pool()?.keep(Visit { state: RefCell::default(), credentials })
        })
    }

    /// Decodes the client's credentials, once for each request. Declined if there are none.
    pub(crate) fn decode(&self) -> Status {
        self.credentials.decode()
    }

    /// Has the request wait no more.
    pub(crate) fn give_up(&self) {
        self.with(|state| state.place = None);
    }

    pub(crate) fn existing(request: Request<'_>) -> Option<&Visit> {
        request.pool()?.kept::<Visit>()
    }

    /// Calls `work` with the state. `None` if a caller holds it already.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> Option<R> {
        Some(work(&mut *self.state.try_borrow_mut().ok()?))
    }
}
