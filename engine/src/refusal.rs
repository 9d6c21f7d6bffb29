//! Answers in place of Elasticsearch's, in the form of its own, so that its clients raise their own errors.

/// The media type of the answers.
pub const MEDIA_TYPE: &str = "application/json";

/// The body of an answer. `kind` and `reason` need no escapes in JSON.
pub fn body(status: u16, kind: &str, reason: &str) -> String {
    let cause = format!(r#""type":"{kind}","reason":"{reason}""#);
    format!(r#"{{"error":{{"root_cause":[{{{cause}}}],{cause}}},"status":{status}}}"#)
}

/// Whether one of a client's headers Accept and Content-Type shows that it is one of Elasticsearch's: it accepts JSON by
/// name, or sends it.
pub fn names_json(header: &[u8]) -> bool {
    header.windows(4).any(|part| part.eq_ignore_ascii_case(b"json"))
}
