//! Bodies that are read as a whole before any part is sent.

use super::mapping;
use super::query::{has_no_mustache, walk, walk_kept};
use super::scope::{LOOK_UP, Scope, malformed};
use crate::action::{Action, Actions};
use crate::decision::{Facts, Reason, Refusal};
use crate::endpoints::Body;
use crate::json::{self, Entry, Json};
use crate::names::Expression;

type Judged = Result<(), Refusal>;

pub(super) fn judge(text: &[u8], scope: &Scope, facts: &mut Facts) -> Judged {
    if matches!(scope.grammar, Body::MultiSearch | Body::MultiTemplate) {
        return searches(text, scope, facts);
    }
    if text.is_empty() {
        return match scope.names {
            Some(_) => Ok(()),
            None => Err(malformed("the body names no index, nor does the target")),
        };
    }
    let json = json::parse(text).map_err(|error| malformed(format!("the body is not strict JSON: {error}")))?;
    let Json::Map(entries) = &json else { return Err(malformed("the body is not an object")) };
    match scope.grammar {
        Body::Query => walk(&json, scope, facts),
        Body::Template => template(entries, scope, facts),
        Body::MultiGet | Body::MultiTermVectors => items(entries, scope, facts),
        Body::TermVectors => item(entries, scope, facts),
        Body::Aliases => alias_changes(entries, scope, facts),
        Body::Alias => walk_kept(&json, scope, facts),
        Body::Mapping => mapping::mapping(&json),
        Body::IndexTemplate => mapping::template(entries, scope, facts),
        Body::CreateIndex => creation(entries, &["settings"], scope, facts),
        Body::Resize => creation(entries, &["settings", "max_primary_shard_size"], scope, facts),
        Body::Rollover => creation(entries, &["settings", "conditions"], scope, facts),
        Body::Reindex => reindex(entries, scope, facts),
        Body::Scroll => Ok(()),
        Body::Any | Body::Without | Body::Bulk | Body::MultiSearch | Body::MultiTemplate => {
            Err(malformed("no body is known here"))
        }
    }
}

fn unknown(name: &str, place: &str) -> Refusal {
    malformed(format!("[{}] in {place} is not known", name.escape_debug()))
}

/// Keys in the header of an `_msearch` search that do not affect rights.
const HARMLESS_IN_HEADER: &[&str] = &[
    "search_type",
    "preference",
    "routing",
    "ccs_minimize_roundtrips",
    "request_cache",
    "allow_partial_search_results",
    "expand_wildcards",
    "ignore_unavailable",
    "allow_no_indices",
    "ignore_throttled",
    "max_concurrent_shard_requests",
    "version",
];

fn searches(text: &[u8], scope: &Scope, facts: &mut Facts) -> Judged {
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    if lines.len() % 2 != 0 {
        return Err(malformed("a header of _msearch has no search"));
    }
    fn parse(line: &[u8]) -> Result<Json<'_>, Refusal> {
        json::parse(line).map_err(|error| malformed(format!("a line of _msearch is not strict JSON: {error}")))
    }
    for pair in lines.chunks(2) {
        let &[header, search] = pair else { return Err(malformed("a header of _msearch has no search")) };
        let Json::Map(header) = parse(header)? else { return Err(malformed("a header of _msearch is not an object")) };
        let Json::Map(search) = parse(search)? else { return Err(malformed("a search of _msearch is not an object")) };
        search_header(&header, scope, facts)?;
        if scope.grammar == Body::MultiTemplate {
            template(&search, scope, facts)?;
        } else {
            walk(&Json::Map(search), scope, facts)?;
        }
    }
    Ok(())
}

fn search_header(header: &[Entry<'_>], scope: &Scope, facts: &mut Facts) -> Judged {
    let mut is_named = false;
    let has_states = header.iter().any(|(name, _)| name == "expand_wildcards");
    let judge = |text: &str, facts: &mut Facts| {
        if has_states && Expression::parse(text)?.has_exclusions() {
            return Err(malformed("a header of _msearch has expand_wildcards, and takes names away"));
        }
        scope.names(text, scope.actions, facts)
    };
    for (name, value) in header {
        match (&**name, value) {
            ("index" | "indices", _) if is_named => {
                return Err(malformed("a header of _msearch names its indices twice"));
            }
            ("index" | "indices", Json::Text(text)) => {
                judge(text, facts)?;
                is_named = true;
            }
            ("index" | "indices", Json::List(values)) if !values.is_empty() => {
                let mut names = Vec::new();
                for value in values {
                    match value {
                        Json::Text(text) if !text.is_empty() && !text.contains(',') => names.push(&**text),
                        _ => return Err(malformed("a header of _msearch has something else than names")),
                    }
                }
                judge(&names.join(","), facts)?;
                is_named = true;
            }
            (name, _) if HARMLESS_IN_HEADER.contains(&name) => {}
            (name, _) => return Err(unknown(name, "a header of _msearch")),
        }
    }
    if is_named || scope.names.is_some() { Ok(()) } else { Err(malformed("a search of _msearch names no index")) }
}

fn template(entries: &[Entry<'_>], scope: &Scope, facts: &mut Facts) -> Judged {
    for (name, value) in entries {
        match (&**name, value) {
            ("source", Json::Map(_)) => {
                has_no_mustache(value)?;
                walk(value, scope, facts)?;
            }
            ("params" | "explain" | "profile", _) => {}
            ("source" | "id" | "inline" | "file" | "template", _) => {
                return Err(Refusal::new(
                    Reason::Query,
                    "a template that is text, or kept elsewhere, is not judged here".into(),
                ));
            }
            (name, _) => return Err(unknown(name, "a template")),
        }
    }
    Ok(())
}

fn items(entries: &[Entry<'_>], scope: &Scope, facts: &mut Facts) -> Judged {
    for (name, value) in entries {
        match (&**name, value) {
            ("docs", Json::List(values)) => {
                for value in values {
                    let Json::Map(entries) = value else { return Err(malformed("one of [docs] is not an object")) };
                    item(entries, scope, facts)?;
                }
            }
            ("ids", Json::List(_)) if scope.names.is_some() => {}
            ("parameters", Json::Map(entries)) if scope.names.is_some() => item(entries, scope, facts)?,
            (name, _) => return Err(unknown(name, "the body")),
        }
    }
    Ok(())
}

/// Keys in an item of `_mget` or `_mtermvectors` that do not affect rights.
const HARMLESS_IN_ITEM: &[&str] = &[
    "_id",
    "_type",
    "routing",
    "_routing",
    "version",
    "_version",
    "version_type",
    "_version_type",
    "stored_fields",
    "_source",
    "doc",
    "fields",
    "filter",
    "offsets",
    "positions",
    "payloads",
    "term_statistics",
    "field_statistics",
    "per_field_analyzer",
    "realtime",
    "preference",
    "dfs",
];

fn item(entries: &[Entry<'_>], scope: &Scope, facts: &mut Facts) -> Judged {
    let mut is_named = false;
    for (name, value) in entries {
        match (&**name, value) {
            ("_index", Json::Text(text)) => {
                scope.one_name(text, scope.actions, facts)?;
                is_named = true;
            }
            (name, _) if HARMLESS_IN_ITEM.contains(&name) => {}
            (name, _) => return Err(unknown(name, "an item")),
        }
    }
    if is_named || scope.names.is_some() {
        Ok(())
    } else {
        Err(malformed("an item names no index, nor does the target"))
    }
}

/// One name or a list of them.
fn texts<'j>(value: &'j Json<'_>) -> Result<Vec<&'j str>, Refusal> {
    match value {
        Json::List(values) if !values.is_empty() => values.iter().map(text).collect(),
        value => Ok(vec![text(value)?]),
    }
}

fn text<'j>(value: &'j Json<'_>) -> Result<&'j str, Refusal> {
    match value {
        Json::Text(text) => Ok(text),
        _ => Err(malformed("a name is not text")),
    }
}

fn alias_changes(entries: &[Entry<'_>], scope: &Scope, facts: &mut Facts) -> Judged {
    let [(word, Json::List(changes))] = entries else { return Err(malformed("the body is not a list of [actions]")) };
    if word != "actions" {
        return Err(unknown(word, "the body"));
    }
    for change in changes {
        let Json::Map(change) = change else { return Err(malformed("one of [actions] is not an object")) };
        let [(word, Json::Map(settings))] = &change[..] else {
            return Err(malformed("one of [actions] is not one action"));
        };
        let (needed, has_alias) = match &**word {
            "add" | "remove" => (Actions::of(&[Action::ChangeAliases]), true),
            "remove_index" => (Actions::of(&[Action::ChangeAliases, Action::DeleteIndex]), false),
            word => return Err(unknown(word, "[actions]")),
        };
        let (mut indices, mut aliases) = (Vec::new(), Vec::new());
        for (name, value) in settings {
            match &**name {
                "index" | "indices" => {
                    indices.extend(texts(value)?);
                }
                "alias" | "aliases" if has_alias => {
                    aliases.extend(texts(value)?);
                }
                "filter" => walk_kept(value, scope, facts)?,
                "routing" | "index_routing" | "indexRouting" | "search_routing" | "searchRouting"
                | "is_write_index" | "is_hidden" | "must_exist" => {}
                name => return Err(unknown(name, "an action")),
            }
        }
        if indices.is_empty() || aliases.is_empty() == has_alias {
            return Err(malformed("an action names no index, or no alias"));
        }
        // Elasticsearch takes names with commas between them for one odd name here.
        if indices.iter().chain(&aliases).any(|text| text.contains(',')) {
            return Err(malformed("a name in [actions] has a comma; write a list"));
        }
        indices.iter().chain(&aliases).try_for_each(|text| scope.names(text, needed, facts))?;
        if word == "add" {
            for (index, alias) in indices.iter().flat_map(|index| aliases.iter().map(move |alias| (index, alias))) {
                Expression::parse(index)?.gains_nothing_as(&Expression::parse(alias)?, &scope.rights)?;
            }
        }
    }
    Ok(())
}

fn creation(entries: &[Entry<'_>], harmless: &[&str], scope: &Scope, facts: &mut Facts) -> Judged {
    let change = Actions::of(&[Action::ChangeAliases]);
    for (name, value) in entries {
        match (&**name, value) {
            ("aliases", Json::Map(aliases)) => {
                if !aliases.is_empty() {
                    scope.own_names(change, facts)?;
                }
                for (alias, settings) in aliases {
                    scope.one_name(alias, change, facts)?;
                    if let Some(index) = &scope.names {
                        index.gains_nothing_as(&Expression::parse(alias)?, &scope.rights)?;
                    }
                    walk_kept(settings, scope, facts)?;
                }
            }
            ("mappings", value) if scope.grammar != Body::Resize => mapping::mapping(value)?,
            (name, _) if harmless.contains(&name) => {}
            (name, _) => return Err(unknown(name, "the body")),
        }
    }
    Ok(())
}

fn reindex(entries: &[Entry<'_>], scope: &Scope, facts: &mut Facts) -> Judged {
    let read = Actions::of(&[Action::Reindex, Action::Search, Action::Scroll, Action::ClearScroll]);
    // The target's actions are Reindex and, by a parameter, Refresh.
    let write = scope.actions | Actions::of(&[Action::Index, Action::Bulk, Action::AutoCreate]);
    let (mut has_source, mut has_dest) = (false, false);
    for (name, value) in entries {
        match (&**name, value) {
            ("source", Json::Map(source)) => {
                for (name, value) in source {
                    match &**name {
                        "index" => {
                            for text in texts(value)? {
                                scope.names(text, LOOK_UP, facts)?;
                                // Reindexing itself is judged at the destination.
                                scope.names(text, read.without(Actions::of(&[Action::Reindex])), facts)?;
                            }
                            has_source = true;
                        }
                        "query" | "slice" | "sort" | "runtime_mappings" => walk(value, scope, facts)?,
                        "size" | "_source" | "search_type" => {}
                        name => return Err(unknown(name, "[source]")),
                    }
                }
            }
            ("dest", Json::Map(dest)) => {
                for (name, value) in dest {
                    match (&**name, value) {
                        ("index", Json::Text(text)) => {
                            scope.one_name(text, write, facts)?;
                            has_dest = true;
                        }
                        ("op_type" | "version_type" | "routing" | "pipeline", _) => {}
                        (name, _) => return Err(unknown(name, "[dest]")),
                    }
                }
            }
            ("conflicts" | "max_docs" | "size", _) => {}
            ("script", _) => {
                return Err(Refusal::new(
                    Reason::Query,
                    "a script of _reindex can choose another index, and is not judged here".into(),
                ));
            }
            (name, _) => return Err(unknown(name, "the body")),
        }
    }
    if has_source && has_dest { Ok(()) } else { Err(malformed("[source] or [dest] names no index")) }
}
