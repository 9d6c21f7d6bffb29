//! Answers in place of the back end's, in the form of Elasticsearch's own, so that clients raise their own errors.

use std::ffi::CStr;

use esauth_engine::refusal;

use crate::httpd::request::Request;

pub(crate) const JSON: &CStr = c"application/json";

/// The body for a request that must not reach the back end. `reason` needs no escapes in JSON.
#[cfg(httpd = "2.4")]
pub(crate) fn security_exception(status: u16, reason: &str) -> String {
    refusal::body(status, "security_exception", reason)
}

/// Answers the request so. (A status for mod_proxy would make it take the back end for broken.)
#[cfg(httpd = "2.4")]
pub(crate) fn refuse(request: Request<'_>, status: u16, reason: &str) {
    request.answer(status, JSON, security_exception(status, reason).as_bytes());
}

/// Whether the client is one of Elasticsearch's: it accepts JSON by name, or sends it.
pub(crate) fn wants_json(request: Request<'_>) -> bool {
    let names_json = |name| request.headers_in().get(name).is_some_and(|value| refusal::names_json(value.to_bytes()));
    names_json(c"Accept") || names_json(c"Content-Type")
}
