//! The back end's answer, inspected before anything of it reaches the client.

use std::cell::Cell;
use std::ffi::CStr;
use std::ptr::{from_mut, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::httpd::bindings::{
    AP_FTYPE_RESOURCE, ap_add_output_filter_handle, ap_filter_rec_t, ap_filter_t, ap_pass_brigade,
    ap_register_output_filter, ap_remove_output_filter, apr_brigade_cleanup, apr_brigade_write, apr_bucket_brigade,
    apr_status_t, esauth_brigade_end,
};
use crate::httpd::boundary::guard;
use crate::httpd::request::Request;

/// An answer in place of the one that came.
pub(crate) struct Replacement {
    pub(crate) status: u16,
    pub(crate) content_type: &'static CStr,
    pub(crate) body: String,
}

/// Looks at the status and the headers of an answer, and may change headers.
pub(crate) type Inspect = fn(Request<'_>) -> Option<Replacement>;

struct State {
    inspect: Inspect,
    is_replaced: Cell<bool>,
}

/// Headers that belong to the body that is dropped.
const OF_BODY: [&CStr; 9] = [
    c"Content-Encoding",
    c"Content-Language",
    c"Content-Length",
    c"Content-MD5",
    c"Content-Range",
    c"Accept-Ranges",
    c"ETag",
    c"Last-Modified",
    c"Transfer-Encoding",
];

/// APR's error without a cause.
const EGENERAL: apr_status_t = 20014;

static FILTER: AtomicPtr<ap_filter_rec_t> = AtomicPtr::new(null_mut());

/// Registers the filter. For the time when a module registers its hooks.
///
/// # Safety
///
/// This is that time, in httpd's only thread.
pub(crate) unsafe fn register() {
    // Before all others, so that they see the answer that is sent. (httpd orders filters by this number.)
    let first = AP_FTYPE_RESOURCE - 1;
    // SAFETY: as the caller promises; a name that stays and a function of the right type.
    let filter = unsafe { ap_register_output_filter(c"rust_esauth_answer".as_ptr(), Some(filter), None, first) };
    FILTER.store(filter, Ordering::Release);
}

/// Has the answer to a request inspected when it comes. `None` if httpd refuses.
pub(crate) fn attach(request: Request<'_>, inspect: Inspect) -> Option<()> {
    let state = from_mut(request.pool().keep(State { inspect, is_replaced: Cell::new(false) }));
    // SAFETY: a live request of this thread, which has a connection; the state lives as long as the request's pool.
    let added = unsafe {
        let (filter, raw) = (FILTER.load(Ordering::Acquire), request.as_ptr());
        ap_add_output_filter_handle(filter, state.cast(), raw, (*raw).connection)
    };
    (!added.is_null()).then_some(())
}

unsafe extern "C" fn filter(filter: *mut ap_filter_t, brigade: *mut apr_bucket_brigade) -> apr_status_t {
    guard(EGENERAL, || {
        // SAFETY: httpd calls a filter with the data it was added with, and its request.
        let (state, request) = unsafe { (&*(*filter).ctx.cast::<State>(), Request::of_filter(filter)) };
        let Some(request) = request else { return EGENERAL };
        if state.is_replaced.get() {
            // SAFETY: the caller's brigade.
            return unsafe { apr_brigade_cleanup(brigade.cast()) };
        }
        if let Some(replacement) = (state.inspect)(request) {
            state.is_replaced.set(true);
            replace(request, &replacement);
            // SAFETY: the caller's brigade; the body's bytes are copied.
            let written = unsafe {
                apr_brigade_cleanup(brigade.cast());
                let written = apr_brigade_write(
                    brigade,
                    None,
                    null_mut(),
                    replacement.body.as_ptr().cast(),
                    replacement.body.len() as _,
                );
                esauth_brigade_end(brigade);
                written
            };
            if written != 0 {
                return written;
            }
        }
        // SAFETY: a live filter, which is not the last one, and the caller's brigade. It is removed at most once: where it has
        // replaced an answer, it stays to drop the rest of the other.
        unsafe {
            let next = (*filter).next;
            if !state.is_replaced.get() {
                ap_remove_output_filter(filter);
            }
            ap_pass_brigade(next, brigade)
        }
    })
}

fn replace(request: Request<'_>, replacement: &Replacement) {
    for header in OF_BODY {
        request.headers_out().unset(header);
    }
    request.set_status(replacement.status);
    request.set_content_type(replacement.content_type);
    request.set_content_length(replacement.body.len());
}
