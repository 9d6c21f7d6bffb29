//! Roles files and requests, by a seed.

use super::rows::Row;

/// Numbers by a seed (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// The indices that there are.
pub(crate) const INDICES: &[&str] = &["shopa-1", "shopa-2", "shopb-1", "shopb-2", "logs-1", "logs-2", "orders"];
/// The aliases, and what they lead to.
pub(crate) const ALIASES: &[(&str, &str)] = &[("shopa-now", "shopa-1"), ("shopb-now", "shopb-1")];

const PATTERNS: &[&str] = &[
    "shopa-*",
    "shopa-*",
    "shopb-*",
    "logs-*",
    "orders",
    "shopa-1",
    "*-1",
    "shop*",
    "logs-?",
    "*",
    "shopa-new*",
    "l*s-1",
];
const INDEX_PRIVILEGES: &[&str] = &[
    "read",
    "read",
    "write",
    "index",
    "create",
    "create_doc",
    "delete",
    "create_index",
    "delete_index",
    "view_index_metadata",
    "monitor",
    "manage",
    "maintenance",
    "auto_configure",
    "all",
];
const CLUSTER_PRIVILEGES: &[&str] = &["monitor", "monitor", "manage_index_templates", "manage_ingest_pipelines"];

/// One role: on the cluster, and pairs of patterns and privileges.
pub(crate) struct Role {
    pub(crate) cluster: Vec<&'static str>,
    pub(crate) grants: Vec<(Vec<&'static str>, Vec<&'static str>)>,
}

impl Role {
    pub(crate) fn generate(dice: &mut Dice) -> Role {
        let cluster = (0..dice.below(2)).map(|_| dice.pick(CLUSTER_PRIVILEGES)).collect();
        let grants = (0..1 + dice.below(2)).map(|_| {
            let patterns = (0..1 + dice.below(2)).map(|_| dice.pick(PATTERNS)).collect();
            let privileges = (0..1 + dice.below(4)).map(|_| dice.pick(INDEX_PRIVILEGES)).collect();
            (patterns, if dice.once_in(30) { vec!["none"] } else { privileges })
        });
        Role { cluster, grants: grants.collect() }
    }

    /// As a roles file has it.
    pub(crate) fn yaml(&self, name: &str) -> String {
        let list = |words: &[&str]| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
        let mut text = format!("{name}:\n  cluster: [ {} ]\n  indices:\n", list(&self.cluster));
        for (patterns, privileges) in &self.grants {
            text += &format!("    - names: [ {} ]\n      privileges: [ {} ]\n", list(patterns), list(privileges));
        }
        text
    }
}

/// A request to be judged.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) parameters: Vec<String>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Option<String>,
    pub(crate) is_gzip: bool,
}

impl Request {
    pub(crate) fn target(&self) -> String {
        match self.parameters.is_empty() {
            true => self.path.clone(),
            false => format!("{}?{}", self.path, self.parameters.join("&")),
        }
    }

    /// The kind of its body: the last word of its path that begins with `_`, or `create` for an index.
    pub(crate) fn grammar(&self) -> &str {
        let word = self.path.split('/').rfind(|part| part.starts_with('_'));
        word.unwrap_or(if self.method == "PUT" { "create" } else { "" })
    }

    /// True if the server keeps it, and looks something up later.
    pub(crate) fn has_kept_look_up(&self) -> bool {
        let words = ["\"percolator\"", "\"lookup\""];
        self.body.as_ref().is_some_and(|body| words.iter().any(|word| body.contains(word)))
    }

    /// True if it can make an alias.
    pub(crate) fn makes_alias(&self) -> bool {
        let has_aliases = self.body.as_ref().is_some_and(|body| body.contains("\"aliases\""));
        self.method != "GET" && (has_aliases || self.path.contains("/_alias"))
    }

    /// Smaller requests, for finding what matters in one.
    pub(crate) fn smaller(&self) -> Vec<Request> {
        let mut smaller = Vec::new();
        for number in 0..self.parameters.len() {
            let mut parameters = self.parameters.clone();
            parameters.remove(number);
            smaller.push(Request { parameters, ..self.clone() });
        }
        if let Some((before, after)) = self.path.split_once(',') {
            let start = before.rfind('/').map_or(0, |slash| slash + 1);
            smaller.push(Request { path: format!("{}{after}", &before[..start]), ..self.clone() });
        }
        if self.is_gzip {
            smaller.push(Request { is_gzip: false, ..self.clone() });
        }
        if let Some(body) = &self.body {
            let lines: Vec<&str> = body.split_inclusive('\n').collect();
            for at in (0..lines.len().saturating_sub(2)).step_by(2) {
                let kept: String = lines[..at].iter().chain(&lines[at + 2..]).copied().collect();
                smaller.push(Request { body: Some(kept), ..self.clone() });
            }
        }
        smaller
    }

    /// One of these rows, with everything in it filled in but the ids of [`Request::fill`].
    pub(crate) fn generate(dice: &mut Dice, rows: &[Row]) -> Request {
        let (method, path, kind) = rows[dice.below(rows.len())];
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = path.split('/').skip(1).map(|part| match part {
            "{index}" => format!("/{}", spelled(dice)),
            "{name}" => format!("/{}", name(dice)),
            "{id}" => format!("/{}", dice.pick(&["1", "2", "a%20b", "_search", "%5Fx"])),
            part => format!("/{part}"),
        });
        let path: String = path.collect();
        let mut parameters: Vec<String> = query.split('&').filter(|part| !part.is_empty()).map(Into::into).collect();
        while dice.once_in(3) {
            parameters.push(parameter(dice));
        }
        let body = body(kind, dice);
        let content_type = match kind {
            "bulk" | "msearch" | "templates" if !dice.once_in(4) => "application/x-ndjson",
            _ if dice.once_in(30) => "application/yaml",
            _ => "application/json",
        };
        let is_gzip = body.is_some() && dice.once_in(6);
        Request { method, path, parameters, content_type, body, is_gzip }
    }

    /// The request with ids that a server gave out.
    pub(crate) fn fill(mut self, scroll: &str, pit: &str) -> Request {
        self.body = self.body.map(|body| body.replace("{scroll}", scroll).replace("{pit}", pit));
        self
    }
}

/// The name of one index or alias, mostly one that there is.
fn name(dice: &mut Dice) -> String {
    let names = [
        "shopa-1",
        "shopa-2",
        "shopb-1",
        "shopb-2",
        "logs-1",
        "orders",
        "shopa-now",
        "shopb-now",
        "shopa-new",
        "shopb-new",
    ];
    dice.pick(&names).into()
}

/// An expression for names.
fn names(dice: &mut Dice) -> String {
    let odd = [
        "*",
        "_all",
        "shop*",
        "shopa-*",
        "shopb-*",
        "*-1",
        "logs-*",
        "*-2,-shopb-*",
        "-shopa-1",
        "*,-orders",
        "<shopa-{now/d}>",
        "<shopb-{now/d}>",
        "<sho{now/d}>",
        ".security",
        ".*",
        "remote:shopa-1",
        "shopa-?",
        "or*",
        "shopa-now*",
        "nothing-*",
    ];
    let mut expression = if dice.once_in(2) { name(dice) } else { dice.pick(&odd).into() };
    while dice.once_in(5) {
        expression = format!("{expression},{}", if dice.once_in(3) { dice.pick(&odd).into() } else { name(dice) });
    }
    expression
}

/// The same as a segment of a path, in one of its spellings.
fn spelled(dice: &mut Dice) -> String {
    let escaped = |text: String, which: &dyn Fn(u8) -> bool| -> String {
        text.bytes().map(|byte| if which(byte) { format!("%{byte:02x}") } else { (byte as char).to_string() }).collect()
    };
    let text = names(dice);
    match dice.below(12) {
        0 => escaped(text, &|_| true),
        1 => escaped(text, &|byte| b",*-".contains(&byte) || b"<>{}/?:".contains(&byte)),
        2 => escaped(escaped(text, &|byte| byte == b'-'), &|byte| byte == b'%'),
        _ => escaped(text, &|byte| b"<>{}/?".contains(&byte)),
    }
}

fn parameter(dice: &mut Dice) -> String {
    let usual = [
        "pretty",
        "ignore_unavailable=true",
        "allow_no_indices=false",
        "expand_wildcards=all",
        "expand_wildcards=none",
        "refresh=true",
        "routing=1",
        "q=text:x",
        "op_type=create",
        "op_type=index",
        "version=3&version_type=external",
        "filter_path=*",
        "size=1",
        "preference=_local",
        "require_alias=true",
        "rest_total_hits_as_int=true",
        "scroll=1m",
        "local=true",
        "wait_for_active_shards=0",
        "explain=true",
        "level=shards",
        "format=json",
        "h=index",
        "include_type_name=true",
        "human",
        "rewrite=true",
    ];
    match dice.below(8) {
        0 => format!("index={}", name(dice)),
        1 => dice
            .pick(&[
                "source=%7B%7D&source_content_type=application/json",
                "type=_doc",
                "name=shopb-now",
                "alias=shopb-now",
            ])
            .into(),
        _ => dice.pick(&usual).into(),
    }
}

fn body(kind: &str, dice: &mut Dice) -> Option<String> {
    let quoted = |text: String| serde_json::Value::from(text).to_string();
    Some(match kind {
        "query" | "explain" => {
            let query = query(dice);
            match dice.below(if kind == "query" { 8 } else { 1 }) {
                5 => "{\"fields\":[\"looked_up\"]}".into(),
                1 => format!("{{\"query\":{query},\"aggs\":{{\"a\":{{\"filter\":{query}}}}}}}"),
                2 => format!("{{\"post_filter\":{query}}}"),
                3 => format!("{{\"indices_boost\":[{{{}:2}}]}}", quoted(name(dice))),
                4 => format!("{{\"query\":{query}}}{{\"query\":{{\"match_all\":{{}}}}}}"),
                _ => format!("{{\"query\":{query}}}"),
            }
        }
        "msearch" => (0..1 + dice.below(3))
            .map(|_| {
                let header = match dice.below(6) {
                    0 => "{}".into(),
                    1 => format!("{{\"index\":[{},{}]}}", quoted(name(dice)), quoted(names(dice))),
                    2 => format!("{{\"\\u0069ndex\":{}}}", quoted(names(dice))),
                    3 => format!("{{\"indices\":{}}}", quoted(names(dice))),
                    _ => format!("{{\"index\":{}}}", quoted(names(dice))),
                };
                format!("{header}\n{{\"query\":{}}}\n", query(dice))
            })
            .collect(),
        "mget" | "mtermvectors" => {
            let docs: Vec<String> = (0..1 + dice.below(3))
                .map(|_| match dice.below(4) {
                    0 => "{\"_id\":\"1\"}".into(),
                    _ => format!("{{\"_index\":{},\"_id\":\"1\"}}", quoted(name(dice))),
                })
                .collect();
            match dice.below(6) {
                0 => "{\"ids\":[\"1\",\"2\"]}".into(),
                _ => format!("{{\"docs\":[{}]}}", docs.join(",")),
            }
        }
        "termvectors" => format!("{{\"_index\":{},\"doc\":{{\"text\":\"x\"}}}}", quoted(name(dice))),
        "doc" if dice.once_in(3) => format!("{{\"kept_query\":{}}}", query(dice)),
        "doc" => "{\"text\":\"x\",\"owner\":\"x\"}".into(),
        "update" => {
            dice.pick(&["{\"doc\":{\"text\":\"y\"}}", "{\"doc\":{\"text\":\"y\"},\"doc_as_upsert\":true}"]).into()
        }
        "bulk" => (0..1 + dice.below(4))
            .map(|_| {
                let word = dice.pick(&["index", "create", "update", "delete", "index"]);
                let index = if dice.once_in(4) { String::new() } else { format!("\"_index\":{},", quoted(name(dice))) };
                let id = dice.below(5);
                match word {
                    "delete" => format!("{{\"delete\":{{{index}\"_id\":\"{id}\"}}}}\n"),
                    "update" => format!("{{\"update\":{{{index}\"_id\":\"{id}\"}}}}\n{{\"doc\":{{\"text\":\"z\"}}}}\n"),
                    word => format!("{{\"{word}\":{{{index}\"_id\":\"{id}\"}}}}\n{{\"text\":\"b\"}}\n"),
                }
            })
            .collect(),
        "create" | "resize" => match dice.below(4) {
            0 => format!("{{\"aliases\":{{{}:{{\"filter\":{}}}}}}}", quoted(name(dice)), query(dice)),
            1 => "{\"settings\":{\"index.number_of_replicas\":0}}".into(),
            2 if dice.once_in(2) => format!("{{\"mappings\":{}}}", mapping(dice)),
            2 => format!("{{\"aliases\":{{{}:{{}},{}:{{}}}}}}", quoted(name(dice)), quoted(name(dice) + "-more")),
            _ => format!("{{\"aliases\":{{{}:{{}}}}}}", quoted(name(dice))),
        },
        "filter" => format!("{{\"index_filter\":{}}}", query(dice)),
        "scroll" => "{\"scroll_id\":\"{scroll}\"}".into(),
        "pit" => "{\"pit\":{\"id\":\"{pit}\"}}".into(),
        "reindex" => {
            let source = match dice.below(3) {
                0 => format!("[{},{}]", quoted(name(dice)), quoted(names(dice))),
                1 => quoted(names(dice)),
                _ => quoted(name(dice)),
            };
            let query = if dice.once_in(2) { format!(",\"query\":{}", query(dice)) } else { String::new() };
            let op_type = if dice.once_in(3) { ",\"op_type\":\"create\"" } else { "" };
            let dest = quoted(name(dice));
            format!("{{\"source\":{{\"index\":{source}{query}}},\"dest\":{{\"index\":{dest}{op_type}}}}}")
        }
        "template_search" => format!("{{\"source\":{{\"query\":{}}}}}", query(dice)),
        "templates" => (0..1 + dice.below(2))
            .map(|_| {
                let header =
                    if dice.once_in(3) { "{}".into() } else { format!("{{\"index\":{}}}", quoted(names(dice))) };
                format!("{header}\n{{\"source\":{{\"query\":{}}}}}\n", query(dice))
            })
            .collect(),
        "percolate" => format!(
            "{{\"query\":{{\"percolate\":{{\"field\":\"text\",\"index\":{},\"id\":\"1\"}}}}}}",
            quoted(name(dice))
        ),
        "mapping" => mapping(dice),
        "settings" => "{\"index\":{\"refresh_interval\":\"2s\"}}".into(),
        "aliases" => {
            let word = dice.pick(&["add", "add", "remove", "remove_index"]);
            let alias =
                if word == "remove_index" { String::new() } else { format!(",\"alias\":{}", quoted(name(dice))) };
            format!("{{\"actions\":[{{\"{word}\":{{\"index\":{}{alias}}}}}]}}", quoted(names(dice)))
        }
        "rollover" => match dice.below(2) {
            0 => format!("{{\"conditions\":{{\"max_docs\":1}},\"aliases\":{{{}:{{}}}}}}", quoted(name(dice))),
            _ => "{\"conditions\":{\"max_docs\":1}}".into(),
        },
        "analyze" => "{\"text\":\"a b\"}".into(),
        "template" => "{\"index_patterns\":[\"nothing-*\"]}".into(),
        "component" => "{\"template\":{}}".into(),
        _ => return None,
    })
}

fn mapping(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 => "{\"properties\":{\"kept_query\":{\"type\":\"percolator\"}}}".into(),
        1 => format!(
            "{{\"runtime\":{{\"looked_up\":{{\"type\":\"lookup\",\"target_index\":\"{}\",\"input_field\":\"owner\",\"target_field\":\"text.keyword\",\"fetch_fields\":[\"owner\"]}}}}}}",
            name(dice)
        ),
        _ => "{\"properties\":{\"more\":{\"type\":\"keyword\"}}}".into(),
    }
}

fn query(dice: &mut Dice) -> String {
    let index = name(dice);
    match dice.below(7) {
        0 => format!("{{\"terms\":{{\"text\":{{\"index\":\"{index}\",\"id\":\"1\",\"path\":\"text\"}}}}}}"),
        1 => format!(
            "{{\"bool\":{{\"filter\":[{{\"terms\":{{\"text\":{{\"index\":\"{index}\",\"id\":\"1\",\"path\":\"text\"}}}}}}]}}}}"
        ),
        2 => format!(
            "{{\"more_like_this\":{{\"fields\":[\"text\"],\"like\":[{{\"_index\":\"{index}\",\"_id\":\"1\"}}],\"min_term_freq\":1,\"min_doc_freq\":1}}}}"
        ),
        3 => "{\"term\":{\"text\":\"x\"}}".into(),
        4 => format!("{{\"term\":{{\"_index\":\"{index}\"}}}}"),
        _ => "{\"match_all\":{}}".into(),
    }
}
