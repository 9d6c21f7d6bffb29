//! The verdict on one request.

use crate::decision::{Decision, IdKind, Reason, Refusal};
use crate::rights::Rights;

/// What is known of a request before its body arrives. All of it exactly as it is going to be sent to the back end.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// Such as `POST`. Compared by case.
    pub method: &'a [u8],
    /// Path and query, such as `/shop/_search?size=1`: the very bytes of the request line to the back end. A mapping such as
    /// `ProxyPass /es/ http://host:9200/` has been applied.
    pub target: &'a [u8],
    /// The value of `Content-Type`, or `None` without one. With several the caller has to refuse by itself.
    pub content_type: Option<&'a [u8]>,
    /// The value of `Content-Encoding`, or `None` without one; several joined by commas.
    pub content_encoding: Option<&'a [u8]>,
    /// True where a body comes or may come: a `Content-Length` other than 0, a `Transfer-Encoding`, an HTTP/2 stream that the
    /// header did not end.
    pub has_body: bool,
}

/// Bounds of what is held in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body that has to be read as a whole before any of it is sent, after decompression. Past it: 413. Bodies
    /// that are streamed (`_bulk`) have no bound.
    pub document: usize,
    /// Bytes of one action line of `_bulk`. Past it: 413.
    pub line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { document: 8 * 1024 * 1024, line: 64 * 1024 }
    }
}

/// Tells whether an id that carries authority (of a scroll, a point in time, an asynchronous search) was given to the user
/// whose request is judged.
pub trait Ids {
    /// True where this user was given the id.
    fn are_own(&self, kind: IdKind, id: &[u8]) -> bool;
}

/// Nobody's id is known: only users who may read everything can use one.
pub struct NoIds;

impl Ids for NoIds {
    fn are_own(&self, _: IdKind, _: &[u8]) -> bool {
        false
    }
}

/// Decides about a request of a user with these rights. Never fails: what is in doubt is refused.
pub fn judge(rights: &std::sync::Arc<Rights>, request: &RequestHead<'_>, limits: &Limits, ids: &dyn Ids) -> Decision {
    let _ = (rights, request, limits, ids);
    Decision::Refuse(Box::new(Refusal::new(Reason::Endpoint, "not known here".into())))
}
