//! httpd's error log in a format that tests can parse.

use super::installation::{Generation, Installation};

/// For `ErrorLogFormat`: the request's tag (its X-Case header), level, module, status of the system call, message.
pub(crate) const FORMAT: &str = "%-{X-Case}i|%-l|%-m|%-E|%M";

/// The directive for [`FORMAT`], if there is one: 2.2 has a single format, which ends with the Referer header.
pub(crate) fn format() -> String {
    match Installation::get().generation {
        Generation::V24 => format!("ErrorLogFormat \"{FORMAT}\"\n"),
        Generation::V22 => String::new(),
    }
}

/// The header that makes `tag` the tag of a request's lines.
pub(crate) fn tag(tag: &str) -> String {
    match Installation::get().generation {
        Generation::V24 => format!("X-Case: {tag}"),
        Generation::V22 => format!("Referer: {tag}"),
    }
}

/// The mark of a stock module's line: its number, or in 2.2, which logs none, its text. None: 2.2 has no such line.
pub(crate) fn mark(number: &'static str) -> Option<&'static str> {
    if Installation::get().generation == Generation::V24 {
        return Some(number);
    }
    Some(match number {
        "AH00554" => "denied by server: not a regular file",
        "AH01614" => "client used wrong authentication scheme: ",
        "AH01615" => "need AuthName: ",
        "AH01617" => ": Password Mismatch",
        "AH01618" => " not found: ",
        "AH01619" | "AH01621" => "AuthUserFile not specified in the configuration",
        "AH01620" | "AH01622" => "Could not open password file: ",
        "AH01665" | "AH01669" => "Could not open group file: ",
        "AH01666" | "AH01670" => "user doesn't appear in group file (",
        "AH01667" => "user is not part of the 'require'ed group(s).",
        "AH01671" => "file group '",
        "AH01790" => " not found: ",
        "AH01794" => ": password mismatch: ",
        _ => return None,
    })
}

/// One line of an error log that is written in [`FORMAT`], or in 2.2's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The X-Case header of the request; `-` for lines outside of any.
    pub(crate) tag: String,
    pub(crate) level: String,
    pub(crate) module: String,
    /// Such as `(2)No such file or directory`; `-` for none.
    pub(crate) status: String,
    pub(crate) text: String,
}

impl Line {
    /// None for a line that a program printed into the log by itself.
    pub(crate) fn parse(line: &str) -> Option<Line> {
        if Installation::get().generation == Generation::V22 {
            return Line::parse_22(line);
        }
        let mut fields = line.splitn(5, '|').map(str::to_owned);
        Some(Line {
            tag: fields.next()?,
            level: fields.next()?,
            module: fields.next()?,
            status: fields.next()?,
            text: fields.next()?,
        })
    }

    /// `[time] [level] [client ADDRESS] (2)No such file or directory: text, referer: tag`; client, status and referer
    /// may be missing. The module is not named, except by our own lines.
    fn parse_22(line: &str) -> Option<Line> {
        let (_, rest) = line.strip_prefix('[')?.split_once("] [")?;
        let (level, mut text) = rest.split_once("] ")?;
        if let Some((_, rest)) = text.strip_prefix("[client ").and_then(|rest| rest.split_once("] ")) {
            text = rest;
        }
        let mut status = "-";
        if text.starts_with('(') {
            (status, text) = text.split_once(": ")?;
        }
        let (text, tag) = text.rsplit_once(", referer: ").unwrap_or((text, "-"));
        // At level debug a line begins with its source position: `log.rs(12): `.
        let from = text.split_once("): ").filter(|(from, _)| level == "debug" && !from.contains(' '));
        let text = from.map_or(text, |(_, text)| text);
        let module = if text.starts_with("rust_esauth") { "rust_esauth" } else { "-" };
        let [tag, level, module, status, text] = [tag, level, module, status, text].map(str::to_owned);
        Some(Line { tag, level, module, status, text })
    }

    /// Such as `AH01617`.
    pub(crate) fn number(&self) -> Option<&str> {
        let number = self.text.split(':').next()?;
        (number.len() == 7 && number.starts_with("AH")).then_some(number)
    }
}

pub(crate) fn parse(log: &[u8]) -> Vec<Line> {
    String::from_utf8_lossy(log).lines().filter_map(Line::parse).collect()
}
