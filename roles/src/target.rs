//! The target of a request, parsed like Elasticsearch does; refused if another program could parse it differently.

use std::borrow::Cow;

use crate::decision::{Reason, Refusal};

/// A target whose parts are unambiguous.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// The path's segments. None for `/`.
    pub(crate) segments: Vec<Segment<'a>>,
    /// The query's parameters in their order, decoded; each name once.
    pub(crate) parameters: Vec<Parameter<'a>>,
    /// The original query, without its `?`. `None` without one.
    pub(crate) query: Option<&'a str>,
}

/// Name and value.
type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The text between two slashes.
#[derive(Debug)]
pub(crate) struct Segment<'a> {
    /// The original text: it is a word of an endpoint only if spelled exactly so.
    pub(crate) raw: &'a str,
    /// Decoded: not empty, without control characters, slashes, backslashes.
    pub(crate) text: Cow<'a, str>,
}

/// Maximum length of a target, in bytes. Elasticsearch's default limit is lines of 4096.
const LONGEST: usize = 16 * 1024;

fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(Reason::Target, text.into()))
}

impl<'a> Target<'a> {
    pub(crate) fn parse(target: &'a [u8]) -> Result<Target<'a>, Refusal> {
        if target.len() > LONGEST {
            return refuse(format!("the target is longer than {LONGEST} bytes"));
        }
        if !target.iter().all(u8::is_ascii_graphic) {
            return refuse("the target has a byte that has to be escaped");
        }
        let Ok(target) = std::str::from_utf8(target) else { return refuse("the target is not ASCII") };
        if target.contains(['#', '\\']) {
            return refuse("the target has a '#' or a backslash");
        }
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let Some(path) = path.strip_prefix('/') else { return refuse("the target's path does not begin with '/'") };
        let segments = match path {
            "" => Vec::new(),
            path => path.split('/').map(Segment::parse).collect::<Result<_, _>>()?,
        };
        let parameters = query.map_or(Ok(Vec::new()), parameters)?;
        Ok(Target { segments, parameters, query })
    }

    /// The value of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

impl<'a> Segment<'a> {
    fn parse(raw: &'a str) -> Result<Segment<'a>, Refusal> {
        // Characters that a URL's path may contain unescaped. All others have several readings.
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%<>{}|".contains(&byte);
        if !raw.bytes().all(is_usual) {
            return refuse("the path has a character that has to be escaped");
        }
        if raw.is_empty() {
            return refuse("the path has an empty segment");
        }
        let text = decode(raw, false)?;
        if text == "." || text == ".." {
            return refuse("the path has a segment of dots");
        }
        if matches!(text, Cow::Owned(_)) && text.contains(['/', '\\', '#', '?']) {
            return refuse("the path has an escaped slash, backslash, '#' or '?'");
        }
        Ok(Segment { raw, text })
    }
}

fn parameters(query: &str) -> Result<Vec<Parameter<'_>>, Refusal> {
    let mut parameters: Vec<Parameter<'_>> = Vec::new();
    if query.is_empty() {
        return Ok(parameters);
    }
    if query.contains(';') {
        return refuse("the query has a ';', which separates parameters for some");
    }
    for part in query.split('&') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (decode(name, true)?, decode(value, true)?);
        if name.is_empty() {
            return refuse("the query has a parameter without a name");
        }
        if parameters.iter().any(|(known, _)| *known == name) {
            return Err(Refusal::new(Reason::Parameter, format!("parameter [{}] is there twice", name.escape_debug())));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// The text without escapes: UTF-8 without control characters. `raw` is printable ASCII.
fn decode(raw: &str, plus_is_blank: bool) -> Result<Cow<'_, str>, Refusal> {
    if !raw.bytes().any(|byte| byte == b'%' || byte == b'+' && plus_is_blank) {
        return Ok(Cow::Borrowed(raw));
    }
    let digit = |byte: Option<u8>| byte.and_then(|byte| (byte as char).to_digit(16));
    let mut bytes = raw.bytes();
    let mut text = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'%' => match (digit(bytes.next()), digit(bytes.next())) {
                (Some(high), Some(low)) => (high << 4 | low) as u8,
                _ => return refuse("the target has a '%' without two hexadecimal digits"),
            },
            b'+' if plus_is_blank => b' ',
            byte => byte,
        });
    }
    match String::from_utf8(text) {
        Ok(text) if text.chars().any(char::is_control) => refuse("the target has a control character"),
        Ok(text) => Ok(Cow::Owned(text)),
        Err(_) => refuse("the target is not UTF-8"),
    }
}

/// Appends `text` as a segment of a path.
pub(crate) fn encode(raw: &mut String, text: &str) {
    raw.reserve(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'*' | b',') {
            raw.push(byte as char);
        } else {
            let digit = |digit: u8| char::from(b"0123456789ABCDEF"[usize::from(digit)]);
            raw.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ambiguous_target_is_refused() {
        for target in [
            "",
            "x",
            "//",
            "/a//b",
            "/a/",
            "/./a",
            "/a/..",
            "/%2e%2e/a",
            "/a%2Fb",
            "/a%5Cb",
            "/a\\b",
            "/a%00",
            "/a%0A",
            "/a b",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%%41",
            "/a#b",
            "/a%23b",
            "/a%3Fb",
            "/\u{e9}",
            "/a%E9",
            "/a%c0%af",
            "/a?b=%",
            "/a?x=1;y=2",
            "/a?=1",
            "/a?&",
            "/a?b&b",
            "/a?b=1&%62=2",
            "http://h/a",
            "/a\r\n",
            "/a\"b",
            "/a^b",
            "/a`b",
            "/a[b]",
            "/a%C2%85",
        ] {
            assert!(Target::parse(target.as_bytes()).is_err(), "{target}");
        }
    }

    #[test]
    fn segments_and_parameters_are_decoded_once() {
        let target = Target::parse(b"/shop%2ca/_doc/%2541?q=a+b%2B&pretty").unwrap();
        let texts: Vec<_> = target.segments.iter().map(|segment| &*segment.text).collect();
        assert_eq!(texts, ["shop,a", "_doc", "%41"]);
        assert_eq!(target.parameter("q"), Some("a b+"));
        assert_eq!(target.parameter("pretty"), Some(""));
        assert_eq!(target.parameter("none"), None);
        assert!(Target::parse(b"/").is_ok_and(|target| target.segments.is_empty()));
    }

    #[test]
    fn encoding_comes_back() {
        for text in ["shop-*,logs", "<a-{now/d}>", "é ü%"] {
            let mut raw = String::new();
            encode(&mut raw, text);
            assert_eq!(decode(&raw, false).as_deref(), Ok(text));
        }
    }
}
