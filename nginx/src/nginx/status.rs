//! What handlers return to nginx.

use super::bindings::ngx_int_t;

/// A status of nginx's own, or of HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct Status(pub(crate) ngx_int_t);

impl Status {
    /// Done, and the request goes on.
    pub(crate) const OK: Status = Status(0);
    /// Something that nginx has reported, such as a lack of memory.
    pub(crate) const ERROR: Status = Status(-1);
    /// Not now; the request is resumed later.
    pub(crate) const AGAIN: Status = Status(-2);
    /// The request has been answered here.
    pub(crate) const DONE: Status = Status(-4);
    /// Nothing to decide here.
    pub(crate) const DECLINED: Status = Status(-5);

    pub(crate) const FORBIDDEN: Status = Status(403);
    pub(crate) const NOT_ALLOWED: Status = Status(405);
    pub(crate) const TOO_MANY_REQUESTS: Status = Status(429);
    pub(crate) const INTERNAL_SERVER_ERROR: Status = Status(500);
    pub(crate) const SERVICE_UNAVAILABLE: Status = Status(503);
}
