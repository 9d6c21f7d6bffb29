//! What a part of this module keeps with a request, from one hook to another.

use std::ffi::CStr;
use std::ptr;

use crate::httpd::bindings::request_rec;
use crate::httpd::request::Request;

struct Kept<T> {
    request: *const request_rec,
    value: T,
    next: *const Kept<T>,
}

/// What is kept with this very request under a key, which belongs to one type: its default at first. (Requests that are
/// redirected to each other share a pool.)
pub(crate) fn kept<'r, T: Default + 'static>(request: Request<'r>, key: &'static CStr) -> &'r T {
    let first = request.pool().datum(key).cast::<Kept<T>>().cast_const();
    let mut next = first;
    // SAFETY: null or what was kept below, which lives as long as the pool; only this thread uses it.
    while let Some(kept) = unsafe { next.as_ref() } {
        if ptr::eq(kept.request, request.as_ptr()) {
            return &kept.value;
        }
        next = kept.next;
    }
    let kept = request.pool().keep(Kept { request: request.as_ptr(), value: T::default(), next: first });
    request.pool().set_datum(key, kept.as_ptr().cast());
    // SAFETY: lives as long as the request's pool.
    unsafe { &kept.as_ref().value }
}
