//! The main server and its virtual hosts.

use crate::httpd::bindings::server_rec;

/// The main server, then its virtual hosts.
pub(crate) fn servers(main: &server_rec) -> impl Iterator<Item = &server_rec> {
    // SAFETY: null or a server that httpd keeps as long as the main one.
    std::iter::successors(Some(main), |server| unsafe { server.next.as_ref() })
}
