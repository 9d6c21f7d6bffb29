//! The process that this is.

use super::bindings::{
    NGX_PROCESS_HELPER, NGX_PROCESS_MASTER, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER, ngx_process, ngx_test_config,
    ngx_worker,
};

/// One of nginx's kinds of process.
fn kind() -> u32 {
    // SAFETY: set by nginx before it calls a module in that process.
    unsafe { (&raw const ngx_process).read() as u32 }
}

/// True in the master process, which answers no requests.
pub(crate) fn is_master() -> bool {
    kind() == NGX_PROCESS_MASTER
}

/// True in a process that the master has started.
pub(crate) fn is_worker() -> bool {
    [NGX_PROCESS_WORKER, NGX_PROCESS_HELPER].contains(&kind())
}

/// True in one of the processes that answer requests, and in the same one after each of its restarts.
pub(crate) fn is_first_worker() -> bool {
    // SAFETY: as above.
    let number = unsafe { (&raw const ngx_worker).read() };
    kind() == NGX_PROCESS_SINGLE || kind() == NGX_PROCESS_WORKER && number == 0
}

/// True if nginx only tests its configuration.
pub(crate) fn is_test() -> bool {
    // SAFETY: set by nginx when it starts.
    unsafe { (&raw const ngx_test_config).read() != 0 }
}
