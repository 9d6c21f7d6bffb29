//! State of a worker process, used only by its event loop.

use std::cell::{RefCell, RefMut};

/// A value of the process that only the thread of the event loop uses.
pub(crate) struct Local<T>(RefCell<Option<T>>);

// SAFETY: see `with`; no other thread can reach the value.
unsafe impl<T> Sync for Local<T> {}

impl<T> Local<T> {
    pub(crate) const fn new() -> Local<T> {
        Local(RefCell::new(None))
    }

    /// Calls `work` with the value, made by `new` at first. `None` if it is in use already, which is a mistake in this
    /// module.
    ///
    /// # Safety
    ///
    /// This is the thread of the event loop.
    pub(crate) unsafe fn with<R>(&self, new: impl FnOnce() -> T, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let value = self.0.try_borrow_mut().ok()?;
        let mut value = RefMut::map(value, |value| value.get_or_insert_with(new));
        Some(work(&mut value))
    }

    /// Drops the value.
    ///
    /// # Safety
    ///
    /// As for [`Local::with`].
    pub(crate) unsafe fn clear(&self) {
        if let Ok(mut value) = self.0.try_borrow_mut() {
            *value = None;
        }
    }
}
