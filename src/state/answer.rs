//! Answers in place of the back end's, in the form of Elasticsearch's own, so that clients raise their own errors.

use std::ffi::CStr;

use crate::httpd::request::Request;

pub(crate) const JSON: &CStr = c"application/json";

/// The answer's body. `reason` needs no escapes in JSON.
pub(crate) fn security_exception(status: u16, reason: &str) -> String {
    let cause = format!(r#""type":"security_exception","reason":"{reason}""#);
    format!(r#"{{"error":{{"root_cause":[{{{cause}}}],{cause}}},"status":{status}}}"#)
}

/// Answers the request so. (A status for mod_proxy would make it take the back end for broken.)
pub(crate) fn refuse(request: Request<'_>, status: u16, reason: &str) {
    request.answer(status, JSON, security_exception(status, reason).as_bytes());
}
