//! Attempts of one role on the index of another, as data in `probes.txt`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod escapes;

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use esauth_roles::{Decision, Limits, RequestHead, Rights, Roles, judge};
use escapes::unescape;

const PROBES: &str = include_str!("probes.txt");
const ROLES: &str =
    "shop-a:\n  cluster: [ monitor ]\n  indices:\n    - names: [ 'shopa-*' ]\n      privileges: [ all ]\n";

#[derive(Clone)]
struct Probe {
    is_narrowed: bool,
    is_compressed: bool,
    method: String,
    target: Vec<u8>,
    media_type: Option<String>,
    body: Option<Vec<u8>>,
}

const JSON: &str = "application/json";

impl Probe {
    /// One to be refused or passed as it is.
    fn plain(method: &str, target: &str, media_type: Option<&str>, body: Option<&str>) -> Probe {
        Probe {
            is_narrowed: false,
            is_compressed: false,
            method: method.into(),
            target: target.into(),
            media_type: media_type.map(Into::into),
            body: body.map(Into::into),
        }
    }
}

fn compress(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn probes() -> Vec<Probe> {
    let lines = PROBES.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [kind, method, target, media_type, body] = fields[..] else {
                panic!("{line:?} does not have five fields")
            };
            let is_compressed = media_type.starts_with("gzip ");
            let media_type = media_type.trim_start_matches("gzip ");
            Probe {
                is_narrowed: kind == "narrowed",
                is_compressed,
                method: method.into(),
                target: unescape(target),
                media_type: (media_type != "-").then(|| media_type.into()),
                body: (body != "-").then(|| unescape(body)),
            }
        })
        .collect()
}

fn rights() -> Arc<Rights> {
    rights_by(ROLES)
}

/// Those of the role "shop-a" of a file.
fn rights_by(file: &str) -> Arc<Rights> {
    let roles = Roles::parse(file.as_bytes()).unwrap();
    Arc::new(Rights::of(&roles, [&b"shop-a"[..]].into_iter()))
}

/// The target that is sent, or nothing where the request is refused.
fn sent(rights: &Arc<Rights>, probe: &Probe, piece: usize) -> Option<Vec<u8>> {
    let head = RequestHead {
        method: probe.method.as_bytes(),
        target: &probe.target,
        content_type: probe.media_type.as_deref().map(str::as_bytes),
        content_encoding: probe.is_compressed.then_some(b"gzip"),
        has_body: probe.body.is_some(),
    };
    match judge(rights, &head, &Limits::default()) {
        Decision::Refuse(_) => None,
        Decision::Pass(pass) => Some(pass.target.unwrap_or_else(|| probe.target.clone())),
        Decision::Body(mut judge) => {
            let body = probe.body.as_deref().unwrap_or_default();
            let body = if probe.is_compressed { compress(body) } else { body.to_vec() };
            for piece in body.chunks(piece) {
                judge.feed(piece).ok()?;
            }
            judge.finish().ok()?;
            Some(judge.target().map_or_else(|| probe.target.clone(), <[u8]>::to_vec))
        }
    }
}

#[test]
fn no_attempt_on_another_index_passes() {
    let (rights, probes) = (rights(), probes());
    assert!(probes.len() >= 600, "{} probes", probes.len());
    let (mut passed, mut refused) = (Vec::new(), Vec::new());
    for probe in &probes {
        for piece in [1, 7, 1 << 20] {
            let sent = sent(&rights, probe, piece);
            if probe.is_narrowed && sent.is_none() {
                refused.push(String::from_utf8_lossy(&probe.target));
            }
            let harmless = |target: &Vec<u8>| probe.is_narrowed && *target != probe.target;
            if let Some(target) = sent.filter(|target| !harmless(target)) {
                let body = probe.body.as_deref().map(String::from_utf8_lossy);
                passed.push(format!("{} {} {body:?}", probe.method, String::from_utf8_lossy(&target)));
                break;
            }
        }
    }
    assert!(refused.is_empty(), "refused instead of narrowed: {refused:?}");
    assert!(passed.is_empty(), "{} of {} pass:\n{}", passed.len(), probes.len(), passed.join("\n"));
}

#[test]
fn the_same_on_its_own_index_passes() {
    let rights = rights();
    let own = |text: &str| text.replace("shopb", "shopa");
    let mut passed = 0;
    for probe in probes() {
        let body = probe.body.as_ref().map(|body| own(&String::from_utf8_lossy(body)).into_bytes());
        let target = own(&String::from_utf8_lossy(&probe.target)).into_bytes();
        passed += usize::from(sent(&rights, &Probe { target, body, ..probe }, 16).is_some());
    }
    // The others are refused for what they are, not for whose index it is.
    assert!(passed >= 60, "{passed}");
}

#[test]
fn requests_of_shops_pass() {
    let rights = rights();
    for (method, target, media_type, body, expected) in [
        ("HEAD", "/", None, None, "/"),
        ("HEAD", "/shopa-1", None, None, "/shopa-1"),
        ("GET", "/shopa-1/_stats/docs", None, None, "/shopa-1/_stats/docs"),
        ("GET", "/_alias/shopa-now", None, None, "/shopa-*/_alias/shopa-now"),
        ("POST", "/_refresh", None, None, "/shopa-*/_refresh"),
        ("GET", "/_cat/indices?format=json", None, None, "/_cat/indices/shopa-*?format=json"),
        ("GET", "/_stats", None, None, "/shopa-*/_stats"),
        ("GET", "/shop*/_search?q=x", None, None, "/shopa-*/_search?q=x"),
        (
            "POST",
            "/_search?size=1",
            Some("application/json"),
            Some("{\"query\":{\"term\":{\"a\":\"b\"}}}"),
            "/shopa-*/_search?size=1",
        ),
        (
            "POST",
            "/_msearch",
            Some("application/x-ndjson"),
            Some("{\"index\":\"shopa-1\"}\n{}\n{}\n{}\n"),
            "/shopa-*/_msearch",
        ),
        (
            "POST",
            "/_bulk",
            Some("application/vnd.elasticsearch+x-ndjson; compatible-with=8"),
            Some(
                "{\"index\":{\"_index\":\"shopa-1\",\"_id\":\"1\"}}\n{\"delete\":{\"_index\":\"shopb-1\"}}\n{\"delete\":{\"_index\":\"shopa-1\",\"_id\":\"1\"}}\n",
            ),
            "/_bulk",
        ),
        (
            "POST",
            "/_aliases",
            Some("application/json"),
            Some("{\"actions\":[{\"add\":{\"index\":\"shopa-1\",\"alias\":\"shopa-now\"}}]}"),
            "/_aliases",
        ),
        (
            "PUT",
            "/shopa-2",
            Some("application/json"),
            Some("{\"settings\":{},\"mappings\":{\"properties\":{\"index\":{\"type\":\"keyword\",\"index\":false}}}}"),
            "/shopa-2",
        ),
        ("OPTIONS", "/anything", None, None, "/anything"),
    ] {
        let probe = Probe::plain(method, target, media_type, body);
        let sent = sent(&rights, &probe, 5).map(|target| String::from_utf8_lossy(&target).into_owned());
        assert_eq!(sent.as_deref(), Some(expected), "{method} {target}");
    }
}

#[test]
fn mappings_and_templates_of_usual_types_pass() {
    let rights = rights_by(
        "shop-a:\n  cluster: [ manage_index_templates ]\n  indices:\n    - names: [ 'shopa-*' ]\n      privileges: [ all ]\n",
    );
    let mapping = r#"{"_meta":{"type":"of mine"},"dynamic":"strict","_routing":{"required":true},"runtime":{"day":{"type":"keyword"}},
        "dynamic_templates":[{"texts":{"match_mapping_type":"string","mapping":{"type":"{dynamic_type}"}}}],
        "properties":{"type":{"type":"keyword","null_value":"lookup"},"properties":{"properties":{"a":{"type":"date"}}},
        "v":{"type":"dense_vector","index_options":{"type":"int8_hnsw","m":16}},"name":{"type":"text","fields":{"raw":{"type":"keyword"}}}}}"#;
    let template = format!(
        r#"{{"settings":{{"analysis":{{"filter":{{"f":{{"type":"stop"}}}}}}}},"mappings":{mapping},"aliases":{{"shopa-x":{{"filter":{{"term":{{"a":1}}}}}}}}}}"#
    );
    let index_template =
        format!(r#"{{"index_patterns":["shopa-*"],"priority":1,"template":{template},"_meta":{{"a":"b"}}}}"#);
    let legacy = template.replacen('{', r#"{"index_patterns":["shopa-*"],"order":1,"version":3,"#, 1);
    let component = format!(r#"{{"template":{template}}}"#);
    let percolator = |text: &str| text.replace("\"int8_hnsw\"", "\"percolator\"");
    for (target, body) in [
        ("/shopa-1/_mapping", mapping),
        ("/shopa-1/_mapping/product", mapping),
        ("/shopa-1", &template),
        ("/_template/x", &legacy),
        ("/_index_template/x", &index_template),
        ("/_component_template/x", &component),
    ] {
        for (body, expected) in [(body.to_owned(), true), (percolator(body), false)] {
            let probe = Probe::plain("PUT", target, Some(JSON), Some(&body));
            assert_eq!(sent(&rights, &probe, 16).is_some(), expected, "{target}");
        }
    }
}

#[test]
fn a_list_of_aliases_in_one_text_is_refused() {
    let rights = rights();
    for (indices, expected) in [("[\"shopa-1\",\"shopa-2\"]", true), ("\"shopa-1,shopa-2\"", false)] {
        let body = format!("{{\"actions\":[{{\"add\":{{\"indices\":{indices},\"alias\":\"shopa-now\"}}}}]}}");
        let probe = Probe::plain("POST", "/_aliases", Some(JSON), Some(&body));
        assert_eq!(sent(&rights, &probe, 16).is_some(), expected, "{indices}");
    }
}

#[test]
fn privileges_that_sum_up_to_nearly_all_are_not_all() {
    let rights = rights_by(
        "shop-a:\n  indices:\n    - names: [ 'shopa-*' ]\n      privileges: [ manage, read, write ]\n    - names: [ shopa-all ]\n      privileges: [ all ]\n",
    );
    for (target, expected) in [("/shopa-1/_clone/shopa-all", false), ("/shopa-all/_clone/shopa-1", true)] {
        let probe = Probe::plain("PUT", target, None, None);
        assert_eq!(sent(&rights, &probe, 16).is_some(), expected, "{target}");
    }
}

#[test]
fn reindexing_with_a_refresh_needs_the_right_to_refresh_the_destination() {
    let rights =
        rights_by("shop-a:\n  indices:\n    - names: [ 'shopa-*' ]\n      privileges: [ read, write, create_index ]\n");
    let body = "{\"source\":{\"index\":\"shopa-1\"},\"dest\":{\"index\":\"shopa-2\"}}";
    for (target, expected) in [("/_reindex", true), ("/_reindex?refresh=true", false)] {
        let probe = Probe::plain("POST", target, Some(JSON), Some(body));
        assert_eq!(sent(&rights, &probe, 16).is_some(), expected, "{target}");
    }
}

#[test]
fn an_id_that_carries_authority_works_only_where_everything_may_be_read() {
    let narrow = rights();
    let wide = rights_by("shop-a:\n  indices:\n    - names: [ '*' ]\n      privileges: [ read ]\n");
    for (method, target, body, may_be_wide) in [
        ("POST", "/_search/scroll", "{\"scroll_id\":\"DXF1ZXJ5\"}", true),
        ("DELETE", "/_search/scroll", "{\"scroll_id\":\"DXF1ZXJ5\"}", true),
        ("POST", "/_search", "{\"pit\":{\"id\":\"46ToAwMDaWR5\"}}", false),
        ("GET", "/_async_search/FmRldE8zREVEUzA2ZVpUeGs2ejJFUFE", "", false),
    ] {
        let probe =
            Probe::plain(method, target, (!body.is_empty()).then_some(JSON), (!body.is_empty()).then_some(body));
        assert!(sent(&narrow, &probe, 16).is_none(), "{method} {target}");
        assert_eq!(sent(&wide, &probe, 16).is_some(), may_be_wide, "{method} {target}");
    }
}
