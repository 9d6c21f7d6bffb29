//! The part of YAML that roles files need: mappings, lists and text, each with its line. Anchors, aliases, tags and
//! several documents are faults, because their meaning is ambiguous.

use std::fmt;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// A fault in a roles file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Number of the line, from 1.
    pub line: usize,
    /// The fault, and what is allowed. Has no control characters.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// A value, and the number of its first line, from 1.
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    /// `is_plain` if it was not in quotes.
    Text {
        text: String,
        is_plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Maximum nesting.
const DEEPEST: usize = 32;

/// The one document of a text, or `None` if there is none.
pub(crate) fn parse(text: &[u8]) -> Result<Option<Node>, Fault> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = 1 + memchr::memchr_iter(b'\n', &text[..error.valid_up_to()]).count();
        Fault { line, text: "the file is not UTF-8".into() }
    })?;
    let mut events = Events { parser: Parser::new_from_str(text) };
    let mut root = None;
    loop {
        let (line, event) = events.next()?;
        match event {
            Event::StreamEnd => return Ok(root),
            Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
            Event::DocumentStart(_) if root.is_some() => {
                return Err(Fault { line, text: "one document is enough: remove '---' and what follows".into() });
            }
            Event::DocumentStart(_) => {
                let (line, event) = events.next()?;
                let node = events.node(line, event, 0)?;
                let is_nothing =
                    matches!(&node.value, Value::Text { text, is_plain: true } if text.is_empty() || text == "~");
                root = (!is_nothing).then_some(node);
            }
            _ => return Err(Fault { line, text: "this is not YAML".into() }),
        }
    }
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(usize, Event<'a>), Fault> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((span.start.line(), event)),
            Some(Err(error)) => {
                let text = error.info().chars().filter(|letter| !letter.is_control()).collect();
                Err(Fault { line: error.marker().line().max(1), text })
            }
            None => Err(Fault { line: 1, text: "the file ends too early".into() }),
        }
    }

    fn node(&mut self, line: usize, event: Event<'a>, depth: usize) -> Result<Node, Fault> {
        let fault = |text: &str| Err(Fault { line, text: text.into() });
        if depth > DEEPEST {
            return fault("this is nested too deeply");
        }
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => (*anchor, tag),
            Event::Alias(_) => return fault("aliases ('*name') are not supported; put a pattern with '*' in quotes"),
            _ => return fault("a value is missing"),
        };
        if anchor != 0 {
            return fault("anchors ('&name') are not supported");
        }
        if tag.is_some() {
            return fault("tags ('!name') are not supported; put text with '!' in quotes");
        }
        let value = match event {
            Event::Scalar(text, style, ..) => {
                Value::Text { text: text.into_owned(), is_plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => {
                let mut nodes = Vec::new();
                loop {
                    match self.next()? {
                        (_, Event::SequenceEnd) => break Value::List(nodes),
                        (line, event) => nodes.push(self.node(line, event, depth + 1)?),
                    }
                }
            }
            _ => {
                let mut entries = Vec::new();
                loop {
                    match self.next()? {
                        (_, Event::MappingEnd) => break Value::Map(entries),
                        (line, event) => {
                            let key = self.node(line, event, depth + 1)?;
                            let (line, event) = self.next()?;
                            entries.push((key, self.node(line, event, depth + 1)?));
                        }
                    }
                }
            }
        };
        Ok(Node { line, value })
    }
}

/// True if any version of YAML would not read this as text without quotes: nothing, a truth value, a number.
pub(crate) fn is_no_text(plain: &str) -> bool {
    let words = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "-.inf", ".nan"];
    let is_word = words.iter().any(|word| plain.eq_ignore_ascii_case(word));
    let digits = plain.trim_start_matches(['+', '-', '.']);
    let begins_as_number = digits.starts_with(|letter: char| letter.is_ascii_digit());
    let is_number = begins_as_number
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b'_' | b':' | b'x' | b'o' | b'+' | b'-'));
    is_word || is_number
}
