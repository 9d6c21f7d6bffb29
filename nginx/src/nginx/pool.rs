//! nginx's pools: memory freed when its request or configuration ends.

use std::marker::PhantomData;
use std::mem::needs_drop;
use std::ptr::{NonNull, fn_addr_eq};
use std::{ffi::c_void, slice};

use super::bindings::{ngx_pcalloc, ngx_pool_cleanup_add, ngx_pool_t};
use super::boundary::guard;

/// A pool that lives for at least `'p`, and that no other thread uses.
#[derive(Clone, Copy)]
pub(crate) struct Pool<'p> {
    raw: NonNull<ngx_pool_t>,
    lives: PhantomData<&'p ()>,
}

/// A type of which each pool keeps one value at most.
///
/// # Safety
///
/// It is the only such type of this module: a pool tells its values apart by their function that drops them, which the
/// compiler may merge with another type's.
pub(crate) unsafe trait Kept: 'static {}

impl<'p> Pool<'p> {
    /// # Safety
    ///
    /// The pool is not destroyed during `'p`, and this is the only thread that uses it.
    pub(crate) unsafe fn new(raw: *mut ngx_pool_t) -> Option<Pool<'p>> {
        Some(Pool { raw: NonNull::new(raw)?, lives: PhantomData })
    }

    pub(crate) fn as_ptr(self) -> *mut ngx_pool_t {
        self.raw.as_ptr()
    }

    /// A value in the pool. It is never dropped, and so must not own a resource. `None` if memory is lacking.
    pub(crate) fn value<T>(self, value: T) -> Option<&'p mut T> {
        const { assert!(!needs_drop::<T>() && align_of::<T>() <= align_of::<usize>()) };
        // SAFETY: a live pool; its memory is aligned to a word.
        unsafe {
            let place = NonNull::new(ngx_pcalloc(self.as_ptr(), size_of::<T>().max(1)))?.cast::<T>();
            place.write(value);
            Some(&mut *place.as_ptr())
        }
    }

    /// A copy of a list, with elements as for [`Pool::value`].
    pub(crate) fn list<T: Copy>(self, list: &[T]) -> Option<&'p [T]> {
        const { assert!(align_of::<T>() <= align_of::<usize>()) };
        // SAFETY: as for `value`.
        unsafe {
            let place = NonNull::new(ngx_pcalloc(self.as_ptr(), size_of_val(list).max(1)))?.cast::<T>();
            place.as_ptr().copy_from_nonoverlapping(list.as_ptr(), list.len());
            Some(slice::from_raw_parts(place.as_ptr(), list.len()))
        }
    }

    /// The bytes of `parts`, joined.
    pub(crate) fn join(self, parts: &[&[u8]]) -> Option<&'p [u8]> {
        self.list(&parts.concat())
    }

    /// The value that the pool keeps.
    pub(crate) fn kept<T: Kept>(self) -> Option<&'p T> {
        // SAFETY: a live pool, whose list of cleanups is complete; ours have a value of this type until they are run.
        unsafe {
            let mut cleanup = (*self.as_ptr()).cleanup;
            while let Some(one) = cleanup.as_ref() {
                let drop_ours: unsafe extern "C" fn(*mut c_void) = drop_kept::<T>;
                if one.handler.is_some_and(|handler| fn_addr_eq(handler, drop_ours)) {
                    return one.data.cast::<T>().as_ref();
                }
                cleanup = one.next;
            }
        }
        None
    }

    /// Keeps a value, which is dropped with the pool. `None` if memory is lacking.
    pub(crate) fn keep<T: Kept>(self, value: T) -> Option<&'p T> {
        const { assert!(align_of::<T>() <= align_of::<usize>()) };
        // SAFETY: a live pool; its memory is aligned to a word. The value is complete before the pool knows how to drop
        // it.
        unsafe {
            let cleanup = ngx_pool_cleanup_add(self.as_ptr(), size_of::<T>().max(1)).as_mut()?;
            cleanup.data.cast::<T>().write(value);
            cleanup.handler = Some(drop_kept::<T>);
            cleanup.data.cast::<T>().as_ref()
        }
    }
}

/// Not inlined, so that it has one address.
#[inline(never)]
unsafe extern "C" fn drop_kept<T: Kept>(value: *mut c_void) {
    guard((), || {
        // SAFETY: written by `keep`; nginx calls this once.
        unsafe { value.cast::<T>().drop_in_place() };
    });
}
