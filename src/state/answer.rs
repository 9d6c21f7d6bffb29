//! Answers in place of the back end's, in the form of Elasticsearch's own, so that clients raise their own errors.

use std::ffi::CStr;

use crate::httpd::request::Request;

pub(crate) const JSON: &CStr = c"application/json";

/// The answer's body. `kind` and `reason` need no escapes in JSON.
fn error(status: u16, kind: &str, reason: &str) -> String {
    let cause = format!(r#""type":"{kind}","reason":"{reason}""#);
    format!(r#"{{"error":{{"root_cause":[{{{cause}}}],{cause}}},"status":{status}}}"#)
}

/// The body for a request that must not reach the back end. `reason` needs no escapes in JSON.
#[cfg(httpd = "2.4")]
pub(crate) fn security_exception(status: u16, reason: &str) -> String {
    error(status, "security_exception", reason)
}

/// Answers the request so. (A status for mod_proxy would make it take the back end for broken.)
#[cfg(httpd = "2.4")]
pub(crate) fn refuse(request: Request<'_>, status: u16, reason: &str) {
    refuse_as(request, status, "security_exception", reason);
}

/// Answers the request with an error of another type.
pub(crate) fn refuse_as(request: Request<'_>, status: u16, kind: &str, reason: &str) {
    request.answer(status, JSON, error(status, kind, reason).as_bytes());
}

/// Whether the client is one of Elasticsearch's: it accepts JSON by name, or sends it.
pub(crate) fn wants_json(request: Request<'_>) -> bool {
    let names_json = |name| {
        let value = request.headers_in().get(name).map_or(&b""[..], CStr::to_bytes);
        value.windows(4).any(|part| part.eq_ignore_ascii_case(b"json"))
    };
    names_json(c"Accept") || names_json(c"Content-Type")
}
