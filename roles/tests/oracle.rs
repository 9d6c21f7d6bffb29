//! Elasticsearch's own security as the oracle: we never pass on a request that it refuses, and a request that we pass
//! on to an open server shows nothing of other users' indices that the secured server does not show to that user.
//!
//! `scripts/oracle.sh` starts a server and sets `ESAUTH_ORACLE` (host:port) and `ESAUTH_ORACLE_CONFIG` (its folder of
//! users and roles). Without them the tests are skipped. `ESAUTH_ROLES_FILES` and `ESAUTH_REQUESTS` (for each file) set
//! the length, `ESAUTH_SEED` the seed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod oracle {
    pub(crate) mod generate;
    pub(crate) mod http;
    pub(crate) mod rows;
}

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use esauth_roles::{Decision, Limits, RequestHead, Rights, Roles, judge};
use flate2::Compression;
use flate2::write::GzEncoder;

use oracle::generate::{ALIASES, Dice, INDICES, Request, Role};
use oracle::http::{Answer, Client, Sent};
use oracle::rows::{Row, rows};

/// Our result for a request: the target to send, or the reason for refusing it.
fn ours(
    rights: &Arc<Rights>,
    request: &Request,
    body: Option<&[u8]>,
    dice: &mut Dice,
    hole: Option<&str>,
) -> Result<Vec<u8>, &'static str> {
    let target = request.target();
    let head = RequestHead {
        method: request.method.as_bytes(),
        target: target.as_bytes(),
        content_type: body.map(|_| request.content_type.as_bytes()),
        content_encoding: request.is_gzip.then_some(b"gzip"),
        has_body: body.is_some_and(|body| !body.is_empty()),
    };
    match judge(rights, &head, &Limits::default()) {
        Decision::Pass(pass) => Ok(pass.target.unwrap_or(target.into_bytes())),
        Decision::Refuse(refusal) if hole == Some(refusal.reason.word()) => Ok(target.into_bytes()),
        Decision::Refuse(refusal) => Err(refusal.reason.word()),
        Decision::Body(judge) if hole.is_some_and(|hole| request.grammar() == hole) => {
            Ok(judge.target().map_or(target.into_bytes(), <[u8]>::to_vec))
        }
        Decision::Body(mut judge) => {
            let (mut rest, mut sent) = (body.unwrap_or_default(), 0);
            let whole = rest.len();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + dice.below(rest.len()));
                sent += judge.feed(piece).map_err(|refusal| refusal.reason.word())?;
                assert!(sent <= whole - after.len(), "more is sent than there is");
                rest = after;
            }
            sent += judge.finish().map_err(|refusal| refusal.reason.word())?;
            assert_eq!(sent, whole, "all of a body that passes is sent");
            Ok(judge.target().map_or(target.into_bytes(), <[u8]>::to_vec))
        }
    }
}

struct Server {
    client: Client,
    /// Ids of another user's scroll and point in time.
    scroll: String,
    pit: String,
}

impl Server {
    fn new(address: &str) -> Server {
        Server { client: Client::new(address), scroll: String::new(), pit: String::new() }
    }

    /// The requests that this server knows.
    fn rows(&mut self) -> Vec<Row> {
        let modules = self.administer("GET", "/_nodes/_local/plugins?filter_path=**.modules.name", "").body;
        rows(|module| modules.contains(&format!("\"name\":\"{module}\"")))
    }

    fn send(&mut self, request: &Request, target: &[u8], user: Option<&str>, body: Option<&[u8]>) -> Answer {
        let mut headers = Vec::new();
        if body.is_some() {
            headers.push(("Content-Type", request.content_type.to_owned()));
        }
        if request.is_gzip {
            headers.push(("Content-Encoding", "gzip".into()));
        }
        self.client.send(&Sent { method: request.method, target, user, headers: &headers, body })
    }

    fn administer(&mut self, method: &str, target: &str, body: &str) -> Answer {
        let headers = [("Content-Type", "application/json".to_owned())];
        let body = (!body.is_empty()).then_some(body.as_bytes());
        self.client.send(&Sent { method, target: target.as_bytes(), user: None, headers: &headers, body })
    }

    /// Creates indices, aliases and documents.
    fn set_up(&mut self) {
        self.administer("DELETE", "/*,-.*", "");
        for template in ["/_template/t", "/_index_template/t", "/_component_template/t"] {
            self.administer("DELETE", template, "");
        }
        let mut lines = String::new();
        for index in INDICES {
            let settings = r#"{"settings":{"number_of_replicas":0,"index.translog.durability":"async"},"mappings":{"properties":{"text":{"type":"text"},"owner":{"type":"keyword"}}}}"#;
            let answer = self.administer("PUT", &format!("/{index}"), settings);
            assert_eq!(answer.status, 200, "{}", answer.body);
            lines += &format!(
                "{{\"index\":{{\"_index\":\"{index}\",\"_id\":\"1\"}}}}\n{{\"text\":\"x\",\"owner\":\"secret-{index}\"}}\n"
            );
        }
        self.set_up_aliases();
        let answer = self.administer("POST", "/_bulk?refresh=true", &lines);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let text = |answer: &Answer, key: &str| {
            let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            json[key].as_str().unwrap().to_owned()
        };
        self.administer("DELETE", "/_search/scroll/_all", "");
        self.scroll = text(&self.administer("GET", "/*/_search?scroll=10m&size=1", ""), "_scroll_id");
        self.pit = text(&self.administer("POST", "/*/_pit?keep_alive=10m", ""), "id");
    }

    /// Removes all aliases but those of the design.
    fn set_up_aliases(&mut self) {
        self.administer("DELETE", "/_all/_alias/*", "");
        for (alias, index) in ALIASES {
            self.administer("PUT", &format!("/{index}/_alias/{alias}"), "");
        }
    }

    /// Installs these files in the server, as an operator does, and waits until it has read them.
    fn configure(&mut self, folder: &Path, roles: &str, users: &str, users_roles: &str) {
        // Of "secret".
        let root = "root:$2y$05$HOV6x4X5rNNMQGIgrwEKXeqe4orHR15caxe1Ru8ueuYdLl3TVuG5C\n";
        // The server must not read half a file.
        let replace = |name: &str, text: &str| {
            let new = folder.join(format!("{name}.new"));
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, folder.join(name)).unwrap();
        };
        replace("roles.yml", roles);
        // The server remembers which roles it has missed: it must not be asked about a user of the test too early.
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        let sentinel = format!("sentinel{}", since.as_nanos());
        let hash = root.trim_start_matches("root:");
        replace("users", &format!("{root}{users}{sentinel}:{hash}"));
        replace("users_roles", &format!("superuser:root\n{users_roles}{sentinel}_role:{sentinel}\n"));
        let any_deletion = r#"{"persistent":{"action.destructive_requires_name":false}}"#;
        assert_eq!(self.administer("PUT", "/_cluster/settings", any_deletion).status, 200);
        let began = Instant::now();
        let target = b"/_security/_authenticate";
        loop {
            let user = Some(sentinel.as_str());
            let answer = self.client.send(&Sent { method: "GET", target, user, headers: &[], body: None });
            if answer.status == 200 && answer.body.contains(&format!("{sentinel}_role")) {
                // Another watcher reads the roles, which may be slightly later.
                return std::thread::sleep(Duration::from_secs(1));
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the server does not read its files: {}", answer.body);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn is_refused(answer: &Answer) -> bool {
    let is_security = answer.body.contains("\"security_exception\"");
    // An index that somebody has made read-only says 403, too.
    is_security || matches!(answer.status, 401 | 403) && !answer.body.contains("\"cluster_block_exception\"")
}

/// True if all that the server refuses is the empty mapping that version 7 adds to an index that has none, even for a
/// deletion. Nobody here knows which index has one; to ask for that right would refuse all that only delete.
fn is_only_a_mapping(answer: &Answer) -> bool {
    let refused = answer.body.matches("\"type\":\"security_exception\",\"reason\":\"");
    let of_mapping = answer.body.matches("\"reason\":\"action [indices:admin/mapping/auto_put] is unauthorized");
    answer.body.contains("{\"delete\":{") && refused.count() == of_mapping.count()
}

fn plain_get() -> Request {
    let (path, content_type) = (String::new(), "application/json");
    Request { method: "GET", path, parameters: Vec::new(), content_type, body: None, is_gzip: false }
}

/// A fault in our treatment of a request, or the treatment itself.
enum Finding {
    Hole(String),
    Agreed,
    Stricter(&'static str),
}

fn compare(server: &mut Server, rights: &Arc<Rights>, user: &str, request: &Request, dice: &mut Dice) -> Finding {
    compare_with(server, rights, user, request, dice, None)
}

/// The same, with one of our parts disabled.
fn compare_with(
    server: &mut Server,
    rights: &Arc<Rights>,
    user: &str,
    request: &Request,
    dice: &mut Dice,
    hole: Option<&str>,
) -> Finding {
    let body = request.body.as_ref().map(|body| compressed(body.as_bytes(), request.is_gzip));
    let body = body.as_deref();
    match ours(rights, request, body, dice, hole) {
        Err(reason) => {
            let answer = server.send(request, request.target().as_bytes(), Some(user), body);
            if (200..300).contains(&answer.status) && !is_refused(&answer) {
                Finding::Stricter(reason)
            } else {
                Finding::Agreed
            }
        }
        Ok(target) => {
            let mut answer = server.send(request, &target, Some(user), body);
            let sent = String::from_utf8_lossy(&target).into_owned();
            if is_refused(&answer) && !is_only_a_mapping(&answer) {
                return Finding::Hole(format!(
                    "passed as {sent}, and Elasticsearch says {}: {}",
                    answer.status, answer.body
                ));
            }
            let readers = [
                "_search",
                "_msearch",
                "_count",
                "_mget",
                "_validate",
                "_explain",
                "_field_caps",
                "_termvectors",
                "_mtermvectors",
            ];
            let is_reading = request.method == "GET" || readers.iter().any(|word| sent.contains(word));
            // Those with rights on all indices: nothing of others is left to show.
            let is_global = ["/_nodes", "/_cluster", "/_search/scroll"].iter().any(|start| sent.starts_with(start));
            if !is_reading || is_global {
                return Finding::Agreed;
            }
            let open = server.send(request, &target, None, body);
            // The reason why a query is invalid is not shown unless requested.
            let is_valid = |answer: &Answer| answer.body.contains("\"valid\":true");
            if is_valid(&open) && !is_valid(&answer) {
                return Finding::Hole(format!(
                    "passed as {sent}, and is valid on an open server only: {}",
                    answer.body
                ));
            }
            let asked = format!("{sent} {}", request.body.as_deref().unwrap_or_default());
            let shown = |answer: &Answer| {
                let is_shown = |name: &&str| open.body.contains(*name) && !answer.body.contains(*name);
                INDICES.iter().copied().find(|name| is_shown(name) && !asked.contains(name))
            };
            if sent.contains("_alias") && shown(&answer).is_some() {
                // Elasticsearch leaves out a name here that it shows to the same user beside the index.
                let names = sent.split(['/', '?']).nth(1).unwrap_or_default();
                let beside = format!("/{names}");
                answer.body += &server.send(&plain_get(), beside.as_bytes(), Some(user), None).body;
            }
            if shown(&answer).is_some() {
                // A search may have refreshed an index for the next one.
                answer = server.send(request, &target, Some(user), body);
            }
            match shown(&answer) {
                Some(name) => {
                    Finding::Hole(format!("passed as {sent}, and an open server shows {name}: {}", open.body))
                }
                None => Finding::Agreed,
            }
        }
    }
}

fn compressed(body: &[u8], is_gzip: bool) -> Vec<u8> {
    if !is_gzip {
        return body.to_vec();
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Writes to standard error directly: a test's output is shown only if it fails.
fn skipped(test: &str) {
    let why = "ESAUTH_ORACLE names no Elasticsearch with security; scripts/oracle.sh starts one";
    let _ = writeln!(std::io::stderr(), "skipped test {test}: {why}");
}

/// Both tests write the server's files.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_passes_that_elasticsearch_refuses() {
    let Ok(address) = std::env::var("ESAUTH_ORACLE") else {
        return skipped("nothing_passes_that_elasticsearch_refuses");
    };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = std::env::var("ESAUTH_ORACLE_CONFIG").expect("ESAUTH_ORACLE_CONFIG is the server's config folder");
    let (files, requests, seed) =
        (number("ESAUTH_ROLES_FILES", 6), number("ESAUTH_REQUESTS", 300), number("ESAUTH_SEED", 1));
    let mut server = Server::new(&address);
    let rows = server.rows();
    let user = |file: usize| format!("s{seed}u{file}");
    let mut texts = Vec::new();
    let (mut users, mut users_roles) = (String::new(), String::new());
    for file in 0..files {
        let mut dice = Dice::new((seed * 2_000_003 + file) as u64);
        let user = user(file);
        let names = [format!("{user}_0"), format!("{user}_1")];
        texts.push(names.each_ref().map(|name| Role::generate(&mut dice).yaml(name)).concat());
        users += &format!("{user}:$2y$05$HOV6x4X5rNNMQGIgrwEKXeqe4orHR15caxe1Ru8ueuYdLl3TVuG5C\n");
        users_roles += &names.map(|name| format!("{name}:{user}\n")).concat();
    }
    let whole = texts.concat();
    server.configure(Path::new(&folder), &whole, &users, &users_roles);
    let parsed = Roles::parse(whole.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let mut stricter: BTreeMap<&str, (usize, String)> = BTreeMap::new();
    let (mut judged, mut holes, mut kinds) = (0, Vec::new(), BTreeMap::new());
    for (file, text) in texts.iter().enumerate() {
        let mut dice = Dice::new((seed * 1_000_003 + file) as u64);
        // State left by earlier requests is as good a target, as long as enough exists; except for aliases: those of a
        // mightier user are like an administrator's, and where they lead is not promised.
        if file % 4 == 0 {
            server.set_up();
        } else {
            server.set_up_aliases();
        }
        let user = user(file);
        let names = [format!("{user}_0"), format!("{user}_1")];
        let rights = Arc::new(Rights::of(&parsed, names.iter().map(|name| name.as_bytes())));
        for _ in 0..requests {
            let request = Request::generate(&mut dice, &rows).fill(&server.scroll, &server.pit);
            judged += 1;
            match compare(&mut server, &rights, &user, &request, &mut dice) {
                Finding::Agreed => {}
                Finding::Stricter(reason) => {
                    let example = || format!("{} {} {:?}", request.method, request.target(), request.body);
                    stricter.entry(reason).or_insert_with(|| (0, example())).0 += 1;
                    // Nor is anything promised for what did not come through us.
                    if request.has_kept_look_up() {
                        server.set_up();
                    } else if request.makes_alias() {
                        server.set_up_aliases();
                    }
                }
                Finding::Hole(what) => {
                    let (request, what) = shrink(&mut server, &rights, &user, request, what, &mut dice);
                    let kind = format!("{} {}", request.method, request.path.rsplit('/').next().unwrap_or_default());
                    *kinds.entry(kind).or_insert(0) += 1;
                    holes.push(format!("{request:?}\n  {what}\n{text}"));
                }
            }
        }
    }
    println!("{judged} requests over {files} roles files, seed {seed}; stricter than Elasticsearch, by reason:");
    for (reason, (count, example)) in stricter {
        println!("  {reason}: {count}, such as {example}");
    }
    let first: Vec<&str> = holes.iter().take(number("ESAUTH_HOLES", 3)).map(String::as_str).collect();
    assert!(holes.is_empty(), "{} holes, {kinds:?}, such as\n{}", holes.len(), first.join("\n\n"));
}

/// Parts of the judgement that can be disabled: the reading of a kind of body, or a reason for refusing.
const PARTS: &[&str] = &[
    "_bulk",
    "_msearch",
    "_mget",
    "_mtermvectors",
    "_termvectors",
    "_aliases",
    "_search",
    "_count",
    "_validate",
    "_explain",
    "create",
    "privilege",
    "wildcard",
    "name",
    "parameter",
];

/// The same for grammars that only a server with the module of `_reindex` knows.
const REINDEX_PARTS: &[&str] = &["_reindex", "_delete_by_query", "_update_by_query"];

#[test]
fn whatever_part_is_left_out_is_missed() {
    let Ok(address) = std::env::var("ESAUTH_ORACLE") else {
        return skipped("whatever_part_is_left_out_is_missed");
    };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = std::env::var("ESAUTH_ORACLE_CONFIG").expect("ESAUTH_ORACLE_CONFIG is the server's config folder");
    let mut server = Server::new(&address);
    let rows = server.rows();
    let text = "holes_1:\n  cluster: [ monitor ]\n  indices:\n    - names: [ 'shopa-*' ]\n      privileges: [ all ]\n";
    let users = "holes:$2y$05$HOV6x4X5rNNMQGIgrwEKXeqe4orHR15caxe1Ru8ueuYdLl3TVuG5C\n";
    server.configure(Path::new(&folder), text, users, "holes_1:holes\n");
    let roles = Roles::parse(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let rights = Arc::new(Rights::of(&roles, [&b"holes_1"[..]].into_iter()));
    server.set_up();
    let mut missed: Vec<&str> = Vec::new();
    let has_reindex = rows.iter().any(|(_, path, _)| *path == "/_reindex");
    let further = if has_reindex { REINDEX_PARTS } else { &[] };
    for part in PARTS.iter().chain(further) {
        let mut dice = Dice::new(7);
        let is_found = (0..40_000).any(|_| {
            let request = Request::generate(&mut dice, &rows).fill(&server.scroll, &server.pit);
            let body = request.body.as_ref().map(|body| compressed(body.as_bytes(), request.is_gzip));
            let verdict = |hole| ours(&rights, &request, body.as_deref(), &mut Dice::new(1), hole).is_ok();
            // Only requests admitted because of the disabled part are relevant.
            let matters = !verdict(None) && verdict(Some(part)) && request.method != "DELETE";
            matters
                && matches!(
                    compare_with(&mut server, &rights, "holes", &request, &mut Dice::new(1), Some(part)),
                    Finding::Hole(_)
                )
        });
        missed.extend((!is_found).then_some(*part));
    }
    assert!(missed.is_empty(), "nothing is noticed where one of these is left out: {missed:?}");
}

/// A smaller request with the same fault.
fn shrink(
    server: &mut Server,
    rights: &Arc<Rights>,
    user: &str,
    request: Request,
    what: String,
    dice: &mut Dice,
) -> (Request, String) {
    let (mut request, mut what) = (request, what);
    'smaller: loop {
        for smaller in request.smaller() {
            if let Finding::Hole(still) = compare(server, rights, user, &smaller, dice) {
                (request, what) = (smaller, still);
                continue 'smaller;
            }
        }
        return (request, what);
    }
}
