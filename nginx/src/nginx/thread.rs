//! Work in nginx's thread pool, whose result the event loop gets.

use std::ffi::c_void;
use std::mem::zeroed;
use std::ptr::null_mut;

use super::bindings::{
    self, ngx_event_t, ngx_log_t, ngx_thread_pool_add, ngx_thread_pool_get, ngx_thread_task_post, ngx_thread_task_t,
};
use super::boundary::guard;
use super::configuration::Reading;
use super::text::text;

/// Something to do in a thread of the pool.
pub(crate) trait Task: Send + 'static {
    /// Called in a thread of the pool, which may wait.
    fn work(&mut self);
    /// Called in the event loop afterwards.
    fn done(self: Box<Self>);
}

/// The pool could not take a task, and has logged why.
pub(crate) struct NotPosted;

/// Makes sure that there is a thread pool. False if the configuration cannot have one.
pub(crate) fn prepare(reading: Reading<'_>) -> bool {
    // SAFETY: nginx's function, with the configuration being read. Without a name, it is the pool `default`.
    !unsafe { ngx_thread_pool_add(reading.as_ptr(), null_mut()) }.is_null()
}

#[repr(C)]
struct Posted {
    task: ngx_thread_task_t,
    body: Option<Box<dyn Task>>,
}

/// Gives a task to the pool. It is dropped if the pool cannot take it.
pub(crate) fn post(body: Box<dyn Task>) -> Result<(), NotPosted> {
    // SAFETY: plain C data, for which zero is valid.
    let mut posted = Box::new(Posted { task: unsafe { zeroed() }, body: Some(body) });
    let raw = &raw mut *posted;
    posted.task.ctx = raw.cast();
    posted.task.handler = Some(work);
    posted.task.event.data = raw.cast();
    posted.task.event.handler = Some(done);
    let mut name = text(b"default");
    // SAFETY: in the event loop, whose cycle is complete. The pool gets a task that stays where it is until `done`.
    unsafe {
        posted.task.event.log = (*bindings::ngx_cycle).log;
        let pool = ngx_thread_pool_get(bindings::ngx_cycle, &mut name);
        if pool.is_null() || ngx_thread_task_post(pool, &mut (*raw).task) != 0 {
            return Err(NotPosted);
        }
    }
    // Taken back by `done`.
    std::mem::forget(posted);
    Ok(())
}

unsafe extern "C" fn work(posted: *mut c_void, _log: *mut ngx_log_t) {
    guard((), || {
        // SAFETY: a `Posted`, which only this thread uses now.
        if let Some(body) = unsafe { &mut (*posted.cast::<Posted>()).body } {
            body.work();
        }
    });
}

unsafe extern "C" fn done(event: *mut ngx_event_t) {
    guard((), || {
        // SAFETY: the event of a `Posted`, which nobody else uses any more.
        let posted = unsafe { Box::from_raw((*event).data.cast::<Posted>()) };
        if let Some(body) = posted.body {
            body.done();
        }
    });
}
