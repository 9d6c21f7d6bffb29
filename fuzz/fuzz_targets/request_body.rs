//! Any bytes as a body, in pieces of any size: the verdict does not depend on the pieces, and no more is sent than was
//! fed.

#![no_main]

use std::sync::{Arc, LazyLock};

use esauth_roles::{Decision, Limits, RequestHead, Rights, Roles, judge};

static RIGHTS: LazyLock<Arc<Rights>> = LazyLock::new(|| {
    let text = "r:\n  indices:\n    - names: [ 'own-*' ]\n      privileges: [ all ]\n";
    let roles = Roles::parse(text.as_bytes()).unwrap_or_default();
    Arc::new(Rights::of(&roles, [&b"r"[..]].into_iter()))
});

const TARGETS: &[&str] = &[
    "/_bulk",
    "/own-1/_bulk",
    "/_msearch",
    "/own-1/_msearch/template",
    "/_mget",
    "/own-1/_mtermvectors",
    "/own-1/_search",
    "/_aliases",
    "/own-1/_clone/own-2",
    "/_reindex",
    "/own-1/_search/template",
    "/own-1/_termvectors/1",
];

fn passes(target: &str, body: &[u8], piece: usize, is_gzip: bool) -> bool {
    let head = RequestHead {
        method: b"POST",
        target: target.as_bytes(),
        content_type: Some(b"application/json"),
        content_encoding: is_gzip.then_some(b"gzip"),
        has_body: true,
    };
    let Decision::Body(mut judge) = judge(&RIGHTS, &head, &Limits::default()) else { return false };
    let (mut fed, mut sent) = (0, 0);
    for piece in body.chunks(piece) {
        fed += piece.len();
        match judge.feed(piece) {
            Ok(more) => sent += more,
            Err(_) => return false,
        }
        assert!(sent <= fed);
    }
    match judge.finish() {
        Ok(more) => {
            assert_eq!(sent + more, body.len());
            assert!(judge.facts().indices.iter().all(|name| name.trim_start_matches('<').starts_with("own-")));
            true
        }
        Err(_) => false,
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [kind, piece, body @ ..] = input else { return };
    let target = TARGETS[*kind as usize % TARGETS.len()];
    let is_gzip = kind & 0x80 != 0;
    let whole = passes(target, body, body.len().max(1), is_gzip);
    assert_eq!(whole, passes(target, body, 1 + *piece as usize, is_gzip));
});
