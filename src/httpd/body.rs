//! A request's body, inspected before anybody else reads it: held back until the inspector releases it.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{NonNull, from_mut, null_mut};
use std::slice;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::httpd::bindings::{
    AP_FTYPE_RESOURCE, AP_MODE_GETLINE, AP_MODE_READBYTES, APR_BLOCK_READ, APR_NONBLOCK_READ, HTTP_BAD_REQUEST,
    ap_add_input_filter_handle, ap_filter_rec_t, ap_filter_t, ap_get_brigade, ap_input_mode_t,
    ap_map_http_request_error, ap_register_input_filter, ap_remove_input_filter, apr_brigade_cleanup,
    apr_bucket_brigade, apr_off_t, apr_pool_t, apr_read_type_e, apr_size_t, apr_status_t, esauth_brigade_create,
    esauth_brigade_end, esauth_brigade_keep, esauth_brigade_move, esauth_brigade_read,
};
use crate::httpd::boundary::guard;
use crate::httpd::request::Request;

/// Reads a body as it arrives.
pub(crate) trait Inspector {
    /// The next bytes. The number of bytes that may be passed on now, of these and of those that were held back; `None` to stop.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize>;
    /// The body is complete.
    fn finish(&mut self) -> Option<usize>;
}

/// APR's errors without a cause, for a read that makes no sense, and for one that has nothing yet.
const EGENERAL: apr_status_t = 20014;
const ENOTIMPL: apr_status_t = 70023;
const EAGAIN: apr_status_t = 11;

/// Bytes read at once.
const PIECE: apr_off_t = 64 * 1024;

static FILTER: AtomicPtr<ap_filter_rec_t> = AtomicPtr::new(null_mut());

/// Registers the filter. For the time when a module registers its hooks.
///
/// # Safety
///
/// This is that time, in httpd's only thread.
pub(crate) unsafe fn register_filter() {
    // Before all others, so that what they make of the body is what is inspected. (httpd orders filters by this number.)
    let first = AP_FTYPE_RESOURCE - 1;
    // SAFETY: as the caller promises; a name that stays and a function of the right type.
    let filter = unsafe { ap_register_input_filter(c"rust_esauth_roles".as_ptr(), Some(read_filter), None, first) };
    FILTER.store(filter, Ordering::Release);
}

/// The inspected body of a request. Lives as long as the request.
pub(crate) struct Body<I>(NonNull<State<I>>);

struct State<I> {
    inspector: I,
    filter: *mut ap_filter_t,
    pool: *mut apr_pool_t,
    /// What was just read, what is held back, and what may be passed on with its length in bytes.
    fresh: *mut apr_bucket_brigade,
    held: *mut apr_bucket_brigade,
    ready: *mut apr_bucket_brigade,
    ready_bytes: apr_off_t,
    /// Bytes that the inspector has released of those just read and held back.
    released: apr_off_t,
    is_complete: bool,
    has_stopped: bool,
}

impl<I: Inspector + 'static> Body<I> {
    /// Puts the inspector between the body and its reader. `None` if httpd refuses.
    pub(crate) fn attach(request: Request<'_>, inspector: I) -> Option<Body<I>> {
        let (filter, raw) = (FILTER.load(Ordering::Acquire), request.as_ptr());
        // SAFETY: a live request of this thread, which has a connection; the state lives as long as the request's pool, and so
        // do filter and brigades. The filter calls the function that goes with the type of its state.
        unsafe {
            let brigade = || esauth_brigade_create(raw);
            let state = NonNull::from(request.pool().keep(State {
                inspector,
                filter: null_mut(),
                pool: request.pool().as_ptr(),
                fresh: brigade(),
                held: brigade(),
                ready: brigade(),
                ready_bytes: 0,
                released: 0,
                is_complete: false,
                has_stopped: false,
            }));
            let state_of_any: Reader = state;
            let reader = from_mut(request.pool().keep(state_of_any));
            // mod_proxy streams a body that no filter of the request's changes, and writes any other to a file first.
            let is_unchanged = (*raw).input_filters == (*raw).proto_input_filters;
            let filter = ap_add_input_filter_handle(filter, reader.cast(), raw, (*raw).connection);
            (*state.as_ptr()).filter = NonNull::new(filter)?.as_ptr();
            if is_unchanged {
                (*raw).proto_input_filters = (*raw).input_filters;
            }
            Some(Body(state))
        }
    }

    /// Reads until so many bytes may be passed on, or all of the body. The HTTP status of the answer where that fails.
    pub(crate) fn read_ahead(&self, bytes: usize) -> Result<(), c_int> {
        self.with(|state| {
            while !state.is_complete && state.ready_bytes < bytes as apr_off_t {
                let status = state.read_more(APR_BLOCK_READ);
                if status != 0 {
                    // SAFETY: httpd's function on two numbers.
                    return Err(unsafe { ap_map_http_request_error(status, HTTP_BAD_REQUEST as c_int) });
                }
            }
            Ok(())
        })
    }

    /// The state, for this call. `look` uses this body by its argument only.
    fn with<R>(&self, look: impl FnOnce(&mut State<I>) -> R) -> R {
        // SAFETY: alive as long as the request; only this thread uses it, and no other reference to it exists: the callers
        // below keep none.
        look(unsafe { &mut *self.0.as_ptr() })
    }

    /// True if the inspector has stopped the body.
    pub(crate) fn has_stopped(&self) -> bool {
        self.with(|state| state.has_stopped)
    }

    /// The inspector, for this call of a hook.
    pub(crate) fn with_inspector<R>(&self, look: impl FnOnce(&mut I) -> R) -> R {
        self.with(|state| look(&mut state.inspector))
    }

    /// Inspects no more: the rest of the body goes to whoever reads it.
    pub(crate) fn detach(&self) {
        let filter = self.with(|state| std::mem::replace(&mut state.filter, null_mut()));
        if !filter.is_null() {
            // SAFETY: the filter of `attach`, removed at most once since it was just forgotten.
            unsafe { ap_remove_input_filter(filter) };
        }
    }
}

trait Read {
    /// Moves at most `most` bytes into a live brigade of the request's connection.
    fn read(&mut self, into: *mut apr_bucket_brigade, block: apr_read_type_e, most: apr_off_t) -> apr_status_t;
}

impl<I: Inspector> Read for State<I> {
    fn read(&mut self, into: *mut apr_bucket_brigade, block: apr_read_type_e, most: apr_off_t) -> apr_status_t {
        while self.ready_bytes == 0 && !self.is_complete {
            let status = self.read_more(block);
            if status != 0 {
                return status;
            }
            if self.ready_bytes == 0 && !self.is_complete && block == APR_NONBLOCK_READ {
                return EAGAIN;
            }
        }
        let length = self.ready_bytes.min(most.max(1));
        // SAFETY: live brigades of one connection; the ready one has so many bytes.
        let status = unsafe { if length > 0 { esauth_brigade_move(into, self.ready, length) } else { 0 } };
        if status != 0 {
            return status;
        }
        self.ready_bytes -= length;
        if self.is_complete && self.ready_bytes == 0 {
            // SAFETY: a live brigade.
            unsafe { esauth_brigade_end(into) }
        }
        0
    }
}

impl<I: Inspector> State<I> {
    /// Reads the next piece of the body and has it inspected.
    fn read_more(&mut self, block: apr_read_type_e) -> apr_status_t {
        if self.has_stopped {
            return EGENERAL;
        }
        // SAFETY: this filter and those after it live as long as the request; a live brigade.
        let status = unsafe {
            apr_brigade_cleanup(self.fresh.cast());
            ap_get_brigade((*self.filter).next, self.fresh, AP_MODE_READBYTES, block, PIECE)
        };
        if status != 0 {
            return status;
        }
        let mut ended: c_int = 0;
        // SAFETY: a live brigade; the function expects the state that is passed on to it, which nothing else uses meanwhile.
        let status =
            unsafe { esauth_brigade_read(self.fresh, Some(take::<I>), std::ptr::from_mut(self).cast(), &mut ended) };
        if ended != 0 && status == 0 {
            match self.inspector.finish() {
                Some(more) => self.released += more as apr_off_t,
                None => self.has_stopped = true,
            }
            self.is_complete = !self.has_stopped;
        }
        if status != 0 || self.has_stopped {
            return if status == 0 { EGENERAL } else { status };
        }
        // SAFETY: live brigades of one connection and the request's pool; so many bytes are held back.
        let status = unsafe {
            match esauth_brigade_keep(self.held, self.fresh, self.pool) {
                0 if self.released > 0 => esauth_brigade_move(self.ready, self.held, self.released),
                status => status,
            }
        };
        if status == 0 {
            self.ready_bytes += std::mem::take(&mut self.released);
        }
        status
    }
}

unsafe extern "C" fn take<I: Inspector>(state: *mut c_void, bytes: *const c_char, length: apr_size_t) -> c_int {
    guard(0, || {
        // SAFETY: the state that `read_more` passes on, and a part of the body.
        let (state, bytes) =
            unsafe { (&mut *state.cast::<State<I>>(), slice::from_raw_parts(bytes.cast::<u8>(), length)) };
        match state.inspector.feed(bytes) {
            Some(more) => {
                state.released += more as apr_off_t;
                1
            }
            None => {
                state.has_stopped = true;
                0
            }
        }
    })
}

/// A filter's data: the state, whatever the type of its inspector.
type Reader = NonNull<dyn Read>;

unsafe extern "C" fn read_filter(
    filter: *mut ap_filter_t,
    into: *mut apr_bucket_brigade,
    mode: ap_input_mode_t,
    block: apr_read_type_e,
    most: apr_off_t,
) -> apr_status_t {
    guard(EGENERAL, || {
        if mode == AP_MODE_GETLINE {
            // httpd reads the trailers behind a chunked body so, from the first filter of the request's protocol.
            // SAFETY: a live filter, which is not the last, and the caller's brigade.
            return unsafe { ap_get_brigade((*filter).next, into, mode, block, most) };
        }
        if mode != AP_MODE_READBYTES {
            return ENOTIMPL;
        }
        // SAFETY: httpd calls a filter with the data it was added with, whose state lives as long as the request; only this
        // thread uses it, and no reference to it exists. The brigade is the caller's.
        unsafe { (*(*filter).ctx.cast::<Reader>()).as_mut().read(into, block, most) }
    })
}
