//! Expressions for names of indices, which Elasticsearch accepts in place of one name.

use std::borrow::Cow;

use crate::action::Actions;
use crate::decision::{Reason, Refusal, clean};
use crate::rights::Rights;

/// A list of names and patterns, as in one part of a path or a body.
#[derive(Debug)]
pub(crate) struct Expression<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Debug)]
struct Part<'a> {
    /// The original text.
    text: Cow<'a, str>,
    /// Its meaning: a name, or a pattern with `*`.
    pattern: Cow<'a, str>,
    /// It only excludes names.
    is_exclusion: bool,
}

impl Part<'_> {
    fn is_date(&self) -> bool {
        self.text.starts_with('<')
    }
}

/// The verdict on an expression.
pub(crate) enum Access {
    /// Allowed unchanged.
    Whole,
    /// Must be replaced by this.
    Narrowed(String),
}

impl<'a> Expression<'a> {
    /// From names separated by commas.
    pub(crate) fn parse(text: &'a str) -> Result<Expression<'a>, Refusal> {
        let mut parts: Vec<Part<'a>> = Vec::with_capacity(1);
        for text in text.split(',') {
            // Behind a date Elasticsearch takes the same for a name.
            let is_wildcard = |part: &Part<'_>| !part.is_exclusion && part.text.contains('*') && !part.is_date();
            let is_exclusion = text.starts_with('-') && parts.iter().any(is_wildcard);
            let pattern = part(if is_exclusion { &text[1..] } else { text })?;
            parts.push(Part { text: text.into(), pattern, is_exclusion });
        }
        if parts.len() > 1 && parts.iter().any(|part| part.text.trim_start_matches('-') == "_all") {
            return Err(Refusal::new(Reason::Name, "[_all] stands in a list".into()));
        }
        Ok(Expression { parts })
    }

    /// All names.
    pub(crate) fn all() -> Expression<'static> {
        Expression { parts: vec![Part { text: "*".into(), pattern: "*".into(), is_exclusion: false }] }
    }

    /// The same, independent of the text it was parsed from.
    pub(crate) fn into_owned(self) -> Expression<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let parts = self.parts.into_iter().map(|part| Part {
            text: own(part.text),
            pattern: own(part.pattern),
            is_exclusion: part.is_exclusion,
        });
        Expression { parts: parts.collect() }
    }

    /// True if something is excluded. With `expand_wildcards=none` Elasticsearch reads that as another name.
    pub(crate) fn has_exclusions(&self) -> bool {
        self.parts.iter().any(|part| part.is_exclusion)
    }

    /// The included names, without exclusions.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|part| !part.is_exclusion).map(|part| &*part.text)
    }

    /// Refuses `new` as another name of these indices, or of a copy, if more is allowed on it.
    pub(crate) fn gains_nothing_as(&self, new: &Expression<'_>, rights: &Rights) -> Result<(), Refusal> {
        for new in &new.parts {
            for old in self.parts.iter().filter(|part| !part.is_exclusion) {
                if let Some(action) = rights.gained(&new.pattern, &old.pattern) {
                    let mut refusal = Refusal::of_action(Reason::Privilege, action, vec![old.text.to_string()]);
                    refusal.text = format!("{}, and [{}] would allow it", refusal.text, clean(&new.text));
                    return Err(refusal);
                }
            }
        }
        Ok(())
    }

    /// True if it is one name without a wildcard, or a date that becomes part of one.
    pub(crate) fn is_one_name(&self) -> bool {
        self.parts.len() == 1 && !self.parts[0].text.contains('*') && self.parts[0].text != "_all"
    }

    /// Whether all of the actions are allowed on all of it. With `may_narrow`, patterns that reach further are replaced
    /// by those of the rights that lie inside.
    pub(crate) fn judge(&self, rights: &Rights, actions: Actions, may_narrow: bool) -> Result<Access, Refusal> {
        let missing = |part: &Part<'_>| {
            if part.is_exclusion { None } else { rights.missing_on(&part.pattern, actions) }
        };
        if self.parts.iter().all(|part| missing(part).is_none()) {
            return Ok(Access::Whole);
        }
        let mut kept = String::new();
        let mut keep = |text: &str| {
            if !kept.is_empty() {
                kept.push(',');
            }
            kept.push_str(text);
        };
        for part in &self.parts {
            let Some(action) = missing(part) else {
                keep(&part.text);
                continue;
            };
            let is_wildcard = part.pattern.contains('*') && !part.is_date();
            let refusal = |reason| Refusal::of_action(reason, action, vec![part.text.to_string()]);
            if !is_wildcard {
                return Err(refusal(Reason::Privilege));
            }
            if !may_narrow {
                return Err(refusal(Reason::Wildcard));
            }
            if let Err(why) = inside(rights, actions, &part.pattern, &mut keep) {
                let mut refusal = refusal(Reason::Wildcard);
                refusal.text = format!("{}; {why}", refusal.text);
                return Err(refusal);
            }
        }
        Ok(Access::Narrowed(kept))
    }
}

/// Maximum number of patterns in a narrowed request: Elasticsearch must accept the resulting line.
const MOST_PATTERNS: usize = 256;

/// Keeps the patterns that lie inside `asked` and allow all of the actions: at least one.
fn inside(rights: &Rights, actions: Actions, asked: &str, keep: &mut impl FnMut(&str)) -> Result<(), &'static str> {
    let Some(patterns) = rights.patterns_for(actions, MOST_PATTERNS) else {
        return Err("the roles have too many patterns to narrow it to");
    };
    let mut is_empty = true;
    for pattern in patterns.iter() {
        // Elasticsearch's `*` excludes names that begin with a dot.
        if pattern.starts_with('.') && !asked.starts_with('.') {
            continue;
        }
        if crate::pattern::is_within(pattern, asked) {
            if pattern.contains('?') {
                return Err("it cannot be narrowed to a pattern with '?'");
            }
            keep(pattern);
            is_empty = false;
        } else if crate::pattern::may_overlap(pattern, asked) {
            return Err("it and a pattern of the roles overlap, and neither contains the other");
        }
    }
    if is_empty { Err("no pattern of the roles lies inside it") } else { Ok(()) }
}

/// The meaning of one name, pattern or date-math expression.
fn part(text: &str) -> Result<Cow<'_, str>, Refusal> {
    let refuse = |what: &str| {
        Err(Refusal {
            indices: vec![clean(text)],
            ..Refusal::new(Reason::Name, format!("name [{}] {what}", clean(text)))
        })
    };
    if text == "_all" {
        return Ok(Cow::Borrowed("*"));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'*' | b'.' | b'_');
    let first = text.bytes().next().unwrap_or_default();
    if (first.is_ascii_alphanumeric() || first == b'*') && text.bytes().all(is_plain) {
        return Ok(Cow::Borrowed(text));
    }
    if text.is_empty() {
        return refuse("is empty");
    }
    let name = match text.strip_prefix('<') {
        None => text,
        Some(rest) => {
            let Some(inner) = rest.strip_suffix('>') else {
                return refuse("begins with '<' and does not end with '>'");
            };
            inner.split_once('{').map_or(inner, |(before, _)| before)
        }
    };
    if name.starts_with(['_', '-', '+']) {
        return refuse("begins with '_', '-' or '+'");
    }
    let is_wrong = |letter: char| {
        letter.is_control()
            || letter.is_whitespace()
            || matches!(letter, '\\' | '/' | '?' | '"' | '<' | '>' | '|' | '#' | ':')
    };
    if name.contains(is_wrong) || text.contains('\\') {
        return refuse("has a character that is not judged here");
    }
    if name.contains(['{', '}']) {
        return refuse("has braces");
    }
    if name.is_empty() && !text.starts_with('<') || matches!(name, "." | "..") {
        return refuse("is not a name");
    }
    Ok(if text.starts_with('<') { Cow::Owned(format!("{name}*")) } else { Cow::Borrowed(name) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Action;
    use crate::roles::Roles;

    fn judge(text: &str) -> String {
        let roles = "r:\n  indices:\n  - names: ['shopa-*', 'logs', '.own-*', '*-eu']\n    privileges: [read]\n";
        let rights = Rights::of(&Roles::parse(roles.as_bytes()).unwrap_or_default(), [&b"r"[..]].into_iter());
        match Expression::parse(text).and_then(|names| names.judge(&rights, Actions::of(&[Action::Search]), true)) {
            Ok(Access::Whole) => "allowed".into(),
            Ok(Access::Narrowed(names)) => names,
            Err(refusal) => refusal.reason.word().into(),
        }
    }

    #[test]
    fn names_pass_inside_the_patterns_and_wildcards_are_narrowed() {
        for (text, expected) in [
            ("shopa-1", "allowed"),
            ("shopa-1,logs", "allowed"),
            ("shopa-*,-shopa-1", "allowed"),
            ("shopa-*,-shopb", "allowed"),
            ("shopb-1", "privilege"),
            ("shopa-1,shopb-1", "privilege"),
            ("-shopa-1", "name"),
            ("shopa-1,-shopb-1", "name"),
            ("*", "*-eu,logs,shopa-*"),
            ("_all", "*-eu,logs,shopa-*"),
            ("*,-shopa-1", "*-eu,logs,shopa-*,-shopa-1"),
            ("lo*", "wildcard"),
            ("_all,shopa-1", "name"),
            ("_search", "name"),
            ("shopa-1,", "name"),
            ("shopa-?", "name"),
            ("remote:shopa-1", "name"),
            ("<shopa-{now/d}>", "allowed"),
            ("<shopa-{now/d}>,-shopa-1", "name"),
            ("<shop{now/d}>", "privilege"),
            ("<shopa-1", "name"),
            ("<{now}>", "privilege"),
            ("shopa-1,<shopb-{now}>", "privilege"),
            (".own-1", "allowed"),
            (".security", "privilege"),
            (".*", "wildcard"),
            (".own*", "wildcard"),
            ("shopa-1::failures", "name"),
        ] {
            assert_eq!(judge(text), expected, "{text}");
        }
    }
}
