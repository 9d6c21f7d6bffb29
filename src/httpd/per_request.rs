//! What this module keeps with a request, from one hook to another.

#[cfg(httpd = "2.4")]
use std::any::TypeId;
use std::cell::Cell;
use std::ptr;
#[cfg(httpd = "2.4")]
use std::ptr::NonNull;

use crate::httpd::request::Request;

/// This module's data on a request, in the request's pool.
#[derive(Default)]
pub(crate) struct PerRequest {
    /// How far authentication has come. 0: not begun.
    pub(crate) progress: Cell<usize>,
    /// Whether the request counts towards its user's limit.
    pub(crate) is_counted: Cell<bool>,
    /// Whether mod_proxy's hook is called by one of this module's functions.
    #[cfg(httpd = "2.4")]
    pub(crate) is_being_sent: Cell<bool>,
    #[cfg(httpd = "2.4")]
    kept: Cell<Option<NonNull<Head>>>,
}

/// What is kept with the request, if anything is.
pub(crate) fn data_if_any(request: Request<'_>) -> Option<&PerRequest> {
    // SAFETY: null, or what `data` has put there, which lives as long as the request.
    unsafe { request.module_data().get().cast::<PerRequest>().as_ref() }
}

/// What is kept with the request.
pub(crate) fn data(request: Request<'_>) -> &PerRequest {
    data_if_any(request).unwrap_or_else(|| {
        let data = request.pool().value(PerRequest::default());
        request.module_data().set(ptr::from_mut(data).cast());
        data
    })
}

/// The begin of each [`Kept`].
#[cfg(httpd = "2.4")]
struct Head {
    of: TypeId,
    next: Option<NonNull<Head>>,
}

#[cfg(httpd = "2.4")]
#[repr(C)]
struct Kept<T> {
    head: Head,
    value: T,
}

/// The one value of its type that is kept with this very request, not with those it is redirected to: the default at first.
#[cfg(httpd = "2.4")]
pub(crate) fn kept<'r, T: Default + 'static>(request: Request<'r>) -> &'r T {
    let first = &data(request).kept;
    let mut next = first.get();
    while let Some(head) = next {
        // SAFETY: kept below, for as long as the request's pool; only this thread uses it.
        let Head { of, next: following } = unsafe { head.as_ref() };
        if *of == TypeId::of::<T>() {
            // SAFETY: as above, and the head of a value of this type.
            return unsafe { &head.cast::<Kept<T>>().as_ref().value };
        }
        next = *following;
    }
    let head = Head { of: TypeId::of::<T>(), next: first.get() };
    let kept: &Kept<T> = request.pool().keep(Kept { head, value: T::default() });
    first.set(Some(NonNull::from(kept).cast()));
    &kept.value
}
