//! The main server, its virtual hosts and its workers.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};
use std::slice;

use crate::httpd::bindings::{
    AP_MPMQ_MAX_DAEMONS, AP_MPMQ_MAX_THREADS, AP_MPMQ_MPM_STATE, AP_MPMQ_STOPPING, APR_SUCCESS, ap_mpm_query,
    esauth_is_rehearsal, server_rec,
};
use crate::httpd::pool::{ConfigurationPool, ProcessPool};
use crate::httpd::text::c_str;

/// The main server, then its virtual hosts.
pub(crate) fn servers(main: &server_rec) -> impl Iterator<Item = &server_rec> {
    // SAFETY: null or a server that httpd keeps as long as the main one.
    std::iter::successors(Some(main), |server| unsafe { server.next.as_ref() })
}

/// The arguments that httpd was started with.
pub(crate) fn arguments(main: &server_rec) -> impl Iterator<Item = &CStr> {
    // SAFETY: httpd's main server has the process's arguments, C strings that last as long as it.
    unsafe {
        let process = main.process.as_ref();
        let arguments = process.map_or(&[][..], |process| slice::from_raw_parts(process.argv, process.argc as usize));
        arguments.iter().filter_map(|&argument| c_str(argument))
    }
}

/// The pool of the process, for the parent's only thread.
pub(crate) fn process_pool<'p>(_parent: ConfigurationPool<'p>, main: &'p server_rec) -> Option<ProcessPool<'p>> {
    // SAFETY: a server has a process, and that a pool, which lives as long; the thread is as it must be.
    unsafe { main.process.as_ref().and_then(|process| NonNull::new(process.pool)).map(|pool| ProcessPool::new(pool)) }
}

/// True while httpd reads its configuration for the first time at start-up, which it does only to throw it away.
pub(crate) fn is_rehearsal(main: &server_rec) -> bool {
    // SAFETY: httpd's main server, which has a process; the call changes nothing but data of the process's pool.
    unsafe { esauth_is_rehearsal(ptr::from_ref(main).cast_mut()) != 0 }
}

/// Requests that the server can serve at once (`MaxRequestWorkers`), once the configuration is complete.
pub(crate) fn workers() -> usize {
    let ask = |query| ask_mpm(query).and_then(|answer| usize::try_from(answer).ok()).unwrap_or(1).max(1);
    ask(AP_MPMQ_MAX_DAEMONS).saturating_mul(ask(AP_MPMQ_MAX_THREADS))
}

/// True once httpd is ending, or cannot tell.
pub(super) fn is_stopping() -> bool {
    ask_mpm(AP_MPMQ_MPM_STATE).is_none_or(|state| state == AP_MPMQ_STOPPING as c_int)
}

fn ask_mpm(query: u32) -> Option<c_int> {
    let mut answer = 0;
    // SAFETY: an output pointer for the answer.
    let status = unsafe { ap_mpm_query(query as c_int, &mut answer) };
    (status == APR_SUCCESS as c_int).then_some(answer)
}
