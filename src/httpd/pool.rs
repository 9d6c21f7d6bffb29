//! APR pools: memory freed when its configuration, child or request ends.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::mem::needs_drop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;

use crate::httpd::bindings::{
    ap_server_root_relative, apr_palloc, apr_pool_cleanup_null, apr_pool_cleanup_register, apr_pool_t, apr_status_t,
    esauth_keep_memory, esauth_kept_memory, esauth_runtime_path,
};
use crate::httpd::boundary::guard;
use crate::httpd::text::c_str;

/// A pool that lives for at least `'p`, and that no other thread uses meanwhile.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Pool<'p> {
    raw: NonNull<apr_pool_t>,
    lives: PhantomData<&'p ()>,
}

impl<'p> Pool<'p> {
    /// # Safety
    ///
    /// `raw` is a pool that is not cleared or destroyed during `'p`, and that no other thread uses meanwhile.
    pub(crate) unsafe fn new(raw: NonNull<apr_pool_t>) -> Self {
        Pool { raw, lives: PhantomData }
    }

    pub(crate) fn as_ptr(self) -> *mut apr_pool_t {
        self.raw.as_ptr()
    }

    /// Memory for `size` bytes, aligned for any C type, which nothing else points to and which lives as long as the pool.
    fn allocate(self, size: usize) -> NonNull<c_void> {
        // SAFETY: the pool is alive and ours to use (see `new`).
        let raw = unsafe { apr_palloc(self.as_ptr(), size.max(1) as _) };
        // httpd's pools end the process by themselves when memory runs out; this is for a pool that does not.
        NonNull::new(raw).unwrap_or_else(|| handle_alloc_error(Layout::new::<u8>()))
    }

    /// `size` zeroed bytes.
    pub(crate) fn bytes(self, size: usize) -> &'p mut [u8] {
        let raw = self.allocate(size).cast::<u8>().as_ptr();
        // SAFETY: `size` bytes just allocated.
        unsafe {
            raw.write_bytes(0, size);
            slice::from_raw_parts_mut(raw, size)
        }
    }

    /// A value in the pool. It is never dropped, and so must not own a resource.
    pub(crate) fn value<T>(self, value: T) -> &'p mut T {
        const { assert!(!needs_drop::<T>()) };
        let place = self.allocate(size_of::<T>()).cast::<T>();
        // SAFETY: just allocated, large enough, and aligned: APR aligns to 8 bytes or more, which `T`, made of C types, does
        // not exceed.
        unsafe {
            place.write(value);
            &mut *place.as_ptr()
        }
    }

    /// A value dropped when the pool is cleared.
    pub(crate) fn keep<T: 'static>(self, value: T) -> &'p mut T {
        unsafe extern "C" fn drop_value<T>(value: *mut c_void) -> apr_status_t {
            guard((), || {
                // SAFETY: made by `Box::into_raw` below; APR calls this once.
                drop(unsafe { Box::from_raw(value.cast::<T>()) });
            });
            0
        }
        let value = Box::into_raw(Box::new(value));
        // SAFETY: a live pool of this thread; a value and functions of the right types. The value is a box's, and lives as
        // long as the pool.
        unsafe {
            apr_pool_cleanup_register(self.as_ptr(), value.cast(), Some(drop_value::<T>), Some(apr_pool_cleanup_null));
            &mut *value
        }
    }

    /// Joins `parts` to a C string. A NUL inside a part ends the string.
    pub(crate) fn join(self, parts: &[&[u8]]) -> &'p CStr {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let text = self.bytes(length + 1);
        let mut rest = &mut text[..];
        for part in parts {
            let (place, after) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        CStr::from_bytes_until_nul(text).unwrap_or(c"")
    }

    /// A copy of a list, with elements as for [`Pool::value`].
    pub(crate) fn list<T: Copy>(self, list: &[T]) -> &'p mut [T] {
        let place = self.allocate(size_of_val(list)).cast::<T>().as_ptr();
        // SAFETY: as for `value`.
        unsafe {
            place.copy_from_nonoverlapping(list.as_ptr(), list.len());
            slice::from_raw_parts_mut(place, list.len())
        }
    }

    /// The path of a file in httpd's folder for such files of a running server (`DefaultRuntimeDir`).
    pub(crate) fn in_runtime_dir(self, name: &CStr) -> Option<&'p CStr> {
        // SAFETY: a live pool of this thread, and a C string.
        unsafe { c_str(esauth_runtime_path(self.as_ptr(), name.as_ptr())) }
    }

    /// Makes a path absolute, relative to the ServerRoot. `None` if it is not a path.
    pub(crate) fn server_root_relative(self, path: &CStr) -> Option<&'p CStr> {
        // SAFETY: httpd's function on a live pool, and a C string.
        unsafe { c_str(ap_server_root_relative(self.as_ptr(), path.as_ptr())) }
    }
}

/// The pool of the configuration, as httpd passes it to hooks of the parent: whoever has it is the parent's only thread, and
/// the configuration has been read.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct ConfigurationPool<'p>(Pool<'p>);

impl<'p> Deref for ConfigurationPool<'p> {
    type Target = Pool<'p>;

    fn deref(&self) -> &Pool<'p> {
        &self.0
    }
}

/// The pool of the process, which outlives every configuration. Whoever has it is the parent's only thread.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct ProcessPool<'p>(Pool<'p>);

impl<'p> ProcessPool<'p> {
    /// # Safety
    ///
    /// The process's pool, in the parent's only thread, during `'p`.
    pub(super) unsafe fn new(raw: NonNull<apr_pool_t>) -> Self {
        // SAFETY: as the caller promises.
        ProcessPool(unsafe { Pool::new(raw) })
    }

    /// The address that [`Self::keep_memory`] has kept in the process's pool while modules were unloaded and loaded again.
    pub(crate) fn kept_memory(self) -> Option<NonNull<c_void>> {
        // SAFETY: a live pool of this thread.
        NonNull::new(unsafe { esauth_kept_memory(self.as_ptr()) })
    }

    /// Keeps an address in the process's pool.
    pub(crate) fn keep_memory(self, memory: NonNull<c_void>) {
        // SAFETY: a live pool of this thread.
        unsafe { esauth_keep_memory(self.as_ptr(), memory.as_ptr()) }
    }
}

impl<'p> Deref for ProcessPool<'p> {
    type Target = Pool<'p>;

    fn deref(&self) -> &Pool<'p> {
        &self.0
    }
}
