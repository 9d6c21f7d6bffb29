//! Queries: walked at any depth without understanding them, in search of parts that read from another index.

use super::scope::{LOOK_UP, Scope};
use crate::decision::{Facts, Reason, Refusal, clean};
use crate::json::Json;

/// Names whose content cannot be judged here: encoded queries, rules kept elsewhere, extensions.
const UNREADABLE: &[&str] = &["wrapper", "rule", "rule_query", "search_pipeline", "ext", "template"];

/// Judges a query, or any value that contains queries.
pub(super) fn walk(json: &Json<'_>, scope: &Scope, facts: &mut Facts) -> Result<(), Refusal> {
    match json {
        Json::Null | Json::Plain | Json::Text(_) => Ok(()),
        Json::List(values) => values.iter().try_for_each(|value| walk(value, scope, facts)),
        Json::Map(entries) => {
            for (name, value) in entries {
                entry(name, value, scope, facts)?;
            }
            Ok(())
        }
    }
}

/// Judges a filter that the server keeps, and later runs for others and with their rights, or with none: nothing may be
/// looked up in it, not even where its author could.
pub(super) fn walk_kept(json: &Json<'_>, scope: &Scope, facts: &mut Facts) -> Result<(), Refusal> {
    fn looks_up(json: &Json<'_>) -> bool {
        match json {
            Json::Null | Json::Plain | Json::Text(_) => false,
            Json::List(values) => values.iter().any(looks_up),
            Json::Map(entries) => entries.iter().any(|(name, value)| {
                is_index(name) && matches!(value, Json::Text(_) | Json::List(_)) || looks_up(value)
            }),
        }
    }
    if looks_up(json) {
        return Err(Refusal::new(Reason::Query, "a filter that is kept looks something up in an index".into()));
    }
    walk(json, scope, facts)
}

fn entry(name: &str, value: &Json<'_>, scope: &Scope, facts: &mut Facts) -> Result<(), Refusal> {
    let refuse = |what: &str| Err(Refusal::new(Reason::Query, format!("[{}] of a query {what}", clean(name))));
    match name {
        "indices_boost" | "indicesBoost" => return boosts(value, scope, facts),
        "pit" => return refuse("is a point in time, which is not judged here"),
        name if UNREADABLE.contains(&name) && matches!(value, Json::Map(_) | Json::List(_) | Json::Text(_)) => {
            return refuse("is not judged here");
        }
        "indexed_shape" => match value {
            Json::Map(entries) if entries.iter().any(|(name, _)| name == "index") => {}
            _ => return refuse("names no index"),
        },
        name if is_index(name) => match value {
            Json::Text(text) => return scope.names(text, LOOK_UP, facts),
            Json::List(values) => {
                for value in values {
                    match value {
                        Json::Text(text) => scope.names(text, LOOK_UP, facts)?,
                        _ => return refuse("is a list of something else than names"),
                    }
                }
                return Ok(());
            }
            // A field of this name.
            Json::Map(_) => {}
            Json::Null | Json::Plain => return refuse("is no name"),
        },
        _ => {}
    }
    walk(value, scope, facts)
}

/// True for every name that denotes the index of a lookup, in any version.
fn is_index(name: &str) -> bool {
    matches!(name, "index" | "_index" | "indices" | "target_index" | "index_name" | "lookup_index")
}

fn boosts(value: &Json<'_>, scope: &Scope, facts: &mut Facts) -> Result<(), Refusal> {
    match value {
        Json::List(values) => values.iter().try_for_each(|value| boosts(value, scope, facts)),
        Json::Map(entries) => entries.iter().try_for_each(|(name, _)| scope.names(name, LOOK_UP, facts)),
        _ => Err(Refusal::new(Reason::Query, "[indices_boost] of a query names no index".into())),
    }
}

/// Refuses templates with placeholders.
pub(super) fn has_no_mustache(json: &Json<'_>) -> Result<(), Refusal> {
    let check = |text: &str| {
        if text.contains("{{") {
            return Err(Refusal::new(Reason::Query, "a template that is filled in is not judged here".into()));
        }
        Ok(())
    };
    match json {
        Json::Null | Json::Plain => Ok(()),
        Json::Text(text) => check(text),
        Json::List(values) => values.iter().try_for_each(has_no_mustache),
        Json::Map(entries) => {
            entries.iter().try_for_each(|(name, value)| check(name).and_then(|()| has_no_mustache(value)))
        }
    }
}
