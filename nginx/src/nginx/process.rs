//! The process that this is.

use super::bindings::{NGX_PROCESS_MASTER, ngx_process};

/// True in the master process, which answers no requests.
pub(crate) fn is_master() -> bool {
    // SAFETY: set by nginx before it calls a module in that process.
    unsafe { (&raw const ngx_process).read() as u32 == NGX_PROCESS_MASTER }
}
