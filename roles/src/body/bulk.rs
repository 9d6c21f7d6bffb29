//! `_bulk`: action lines, which state an action and its index, each (except for deletions) followed by a line with a
//! document. Only action lines are read, so the memory needed does not depend on the body's size.

use memchr::memchr;

use super::scope::{Scope, malformed};
use crate::action::{Action, Actions};
use crate::decision::{Facts, Reason, Refusal};
use crate::json::{self, Entry, Json};

#[derive(Default)]
pub(super) struct Bulk {
    /// The beginning of an action line.
    line: Vec<u8>,
    /// True if the rest of a document's line is still to come.
    in_document: bool,
    /// The last allowed item: most bodies repeat it in each line.
    last: Option<(Actions, Option<String>)>,
}

impl Bulk {
    /// True if everything has been judged; otherwise the end, an incomplete line, has not.
    pub(super) fn feed(&mut self, mut bytes: &[u8], scope: &Scope, facts: &mut Facts) -> Result<bool, Refusal> {
        while !bytes.is_empty() {
            let end = memchr(b'\n', bytes);
            if self.in_document {
                let Some(end) = end else { return Ok(true) };
                bytes = &bytes[end + 1..];
                self.in_document = false;
                continue;
            }
            let (part, rest) = match end {
                Some(end) => (&bytes[..end], &bytes[end + 1..]),
                None => (bytes, &bytes[bytes.len()..]),
            };
            if self.line.len() + part.len() > scope.limits.line {
                let most = scope.limits.line;
                return Err(Refusal::new(Reason::TooLarge, format!("an action line is longer than {most} bytes")));
            }
            if end.is_none() {
                self.line.extend_from_slice(part);
                return Ok(false);
            }
            if self.line.is_empty() {
                self.action(part, scope, facts)?;
            } else {
                self.line.extend_from_slice(part);
                let line = std::mem::take(&mut self.line);
                self.action(&line, scope, facts)?;
                self.line = line;
                self.line.clear();
            }
            bytes = rest;
        }
        Ok(self.line.is_empty())
    }

    /// Number of bytes at the end that have not been judged.
    pub(super) fn pending(&self) -> usize {
        self.line.len()
    }

    /// The body has ended. Elasticsearch refuses a last line without an end, but some version may accept it.
    pub(super) fn finish(&mut self, scope: &Scope, facts: &mut Facts) -> Result<(), Refusal> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() { Ok(()) } else { self.action(&line, scope, facts) }
    }

    fn action(&mut self, line: &[u8], scope: &Scope, facts: &mut Facts) -> Result<(), Refusal> {
        if line.is_empty() || line == b"\r" {
            return Ok(());
        }
        let json = json::parse(line).map_err(|error| malformed(format!("an action line is not JSON: {error}")))?;
        let Json::Map(entries) = json else { return Err(malformed("an action line is not an object")) };
        let [(word, Json::Map(settings))] = &entries[..] else {
            return Err(malformed("an action line does not have one action"));
        };
        let item = Item::read(word, settings)?;
        self.in_document = word != "delete";
        let is_known = self
            .last
            .as_ref()
            .is_some_and(|(actions, index)| *actions == item.actions && index.as_deref() == item.index);
        if is_known {
            return Ok(());
        }
        match item.index {
            Some(index) => scope.one_name(index, item.actions, facts)?,
            None => scope.own_names(item.actions, facts)?,
        }
        self.last = Some((item.actions, item.index.map(Into::into)));
        Ok(())
    }
}

/// The content of an action line.
struct Item<'a> {
    index: Option<&'a str>,
    actions: Actions,
}

/// Keys of an action line beside the index that do not affect rights.
const HARMLESS: &[&str] = &[
    "_id",
    "_type",
    "type",
    "id",
    "routing",
    "_routing",
    "version",
    "_version",
    "version_type",
    "_version_type",
    "retry_on_conflict",
    "_retry_on_conflict",
    "if_seq_no",
    "if_primary_term",
    "pipeline",
    "require_alias",
    "require_data_stream",
    "list_executed_pipelines",
    "dynamic_templates",
];

impl<'a> Item<'a> {
    fn read(word: &str, settings: &'a [Entry<'a>]) -> Result<Item<'a>, Refusal> {
        let mut index = None;
        let mut creates = word == "create";
        let mut is_versioned = false;
        for (name, value) in settings {
            match (&**name, value) {
                ("_index", Json::Text(text)) => index = Some(&**text),
                ("op_type", Json::Text(text)) if word == "index" && matches!(&**text, "index" | "create") => {
                    creates = text == "create";
                }
                ("_source" | "fields", _) if word == "update" => {}
                (name, Json::Map(_)) if name != "dynamic_templates" => {
                    return Err(malformed(format!("[{}] of an action line is an object", name.escape_debug())));
                }
                (name, Json::List(_)) => {
                    return Err(malformed(format!("[{}] of an action line is a list", name.escape_debug())));
                }
                (name, _) if HARMLESS.contains(&name) => is_versioned |= name.ends_with("version_type"),
                (name, _) => {
                    return Err(malformed(format!("[{}] in an action line is not known", name.escape_debug())));
                }
            }
        }
        let actions = match word {
            "index" | "create" if creates => Actions::of(&[Action::CreateDocument, Action::Bulk, Action::AutoCreate]),
            "index" => Actions::of(&[Action::Index, Action::Bulk, Action::AutoCreate]),
            "update" => Actions::of(&[Action::Update, Action::Bulk, Action::AutoCreate]),
            // A deletion with an external version creates a missing index.
            "delete" if is_versioned => Actions::of(&[Action::Delete, Action::Bulk, Action::AutoCreate]),
            "delete" => Actions::of(&[Action::Delete, Action::Bulk]),
            _ => return Err(malformed(format!("[{}] is not an action of _bulk", word.escape_debug()))),
        };
        Ok(Item { index, actions })
    }
}
