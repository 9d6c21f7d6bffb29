//! The requests that wait, by numbers that are never used twice.

use std::collections::HashMap;
use std::ffi::c_void;

use super::visit::{Place, State, Visit};
use crate::nginx::bindings::ngx_http_request_t;
use crate::nginx::boundary::guard;
use crate::nginx::local::Local;
use crate::nginx::request::{Request, resume};

#[derive(Default)]
struct Waiting {
    last: u64,
    requests: HashMap<u64, *mut ngx_http_request_t>,
}

static WAITING: Local<Waiting> = Local::new();

fn with<R>(work: impl FnOnce(&mut Waiting) -> R) -> Option<R> {
    // SAFETY: everything in this file is called by the event loop.
    unsafe { WAITING.with(Waiting::default, work) }
}

/// Frees the memory, at the end of the process.
pub(super) fn end() {
    // SAFETY: as above.
    unsafe { WAITING.clear() };
}

/// A number for a request that is about to wait. When it waits no more, for whatever reason, `leave` is called with the
/// number, and is to call [`forget`]. `None` if nginx lacks the memory to tell of the request's end.
pub(super) fn add(request: Request<'_>, state: &mut State, leave: fn(u64)) -> Option<u64> {
    // A request waits for one thing at a time.
    state.place = None;
    if !state.end_is_told {
        state.end_is_told = request.on_end(ended);
    }
    if !state.end_is_told {
        return None;
    }
    let number = with(|waiting| {
        waiting.last += 1;
        waiting.requests.insert(waiting.last, request.as_ptr());
        waiting.last
    })?;
    state.place = Some(Place::new(number, leave));
    Some(number)
}

pub(super) fn forget(number: u64) {
    with(|waiting| waiting.requests.remove(&number));
}

/// Tells a waiting request something, and resumes it. Does nothing if it has ended.
pub(super) fn tell(number: u64, something: impl FnOnce(&mut State)) {
    let Some(raw) = with(|waiting| waiting.requests.remove(&number)).flatten() else { return };
    // SAFETY: requests are forgotten when they end, so this one is alive.
    let request = unsafe { Request::new(raw) };
    let Some(visit) = request.and_then(Visit::existing) else { return };
    visit.with(|state| {
        state.place = None;
        something(state);
    });
    // SAFETY: alive, and nothing is borrowed any more.
    unsafe { resume(raw) };
}

/// Called by nginx when a request ends that has waited, and may still wait.
unsafe extern "C" fn ended(request: *mut c_void) {
    guard((), || {
        // SAFETY: the request for which this was registered; it is still in memory.
        let request = unsafe { Request::new(request.cast()) };
        if let Some(visit) = request.and_then(Visit::existing) {
            visit.give_up();
        }
    });
}
