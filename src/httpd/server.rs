//! The main server, its virtual hosts and its workers.

use std::ffi::c_int;

use crate::httpd::bindings::{AP_MPMQ_MAX_DAEMONS, AP_MPMQ_MAX_THREADS, APR_SUCCESS, ap_mpm_query, server_rec};

/// The main server, then its virtual hosts.
pub(crate) fn servers(main: &server_rec) -> impl Iterator<Item = &server_rec> {
    // SAFETY: null or a server that httpd keeps as long as the main one.
    std::iter::successors(Some(main), |server| unsafe { server.next.as_ref() })
}

/// Requests that the server can serve at once (`MaxRequestWorkers`), once the configuration is complete.
pub(crate) fn workers() -> usize {
    let ask = |query: u32| {
        let mut answer = 0;
        // SAFETY: an output pointer for the answer.
        let status = unsafe { ap_mpm_query(query as c_int, &mut answer) };
        usize::try_from(answer).ok().filter(|_| status == APR_SUCCESS as c_int).unwrap_or(1).max(1)
    };
    ask(AP_MPMQ_MAX_DAEMONS).saturating_mul(ask(AP_MPMQ_MAX_THREADS))
}
