//! Cost of a verdict: `cargo bench -p esauth_roles`. Each figure is that of the fastest of many batches: other
//! work on the machine only adds to it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails while a benchmark is set up ends it")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use esauth_roles::{Decision, Limits, RequestHead, Rights, Roles, judge};

fn main() {
    let text: String = (0..10_000)
        .map(|n| {
            let cluster = if n == 0 { "cluster: [ monitor ]\n  " } else { "" };
            format!("role-{n}:\n  {cluster}indices:\n    - names: [ 'shop{n}-*' ]\n      privileges: [ read, write, create_index ]\n")
        })
        .collect();
    let began = Instant::now();
    let roles = Roles::parse(text.as_bytes()).unwrap();
    println!("10,000 roles read in {:?}", began.elapsed());
    let of = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("role-{n}")).collect();
        Arc::new(Rights::of(&roles, names.iter().map(|name| name.as_bytes())))
    };
    let (one, many) = (of(1), of(1000));
    for (what, rights, target) in [
        ("search, one role", &one, "/shop0-1/_search?size=10&pretty"),
        ("document, one role", &one, "/shop0-1/_doc/123"),
        ("narrowed, one role", &one, "/_search?size=10"),
        ("health, one role", &one, "/_cluster/health"),
        ("refused, one role", &one, "/shop1-1/_search"),
        ("search, 1,000 roles", &many, "/shop999-1/_search?size=10&pretty"),
        ("document, 1,000 roles", &many, "/shop500-1/_doc/123"),
        ("narrowed, 1,000 roles", &many, "/_search"),
    ] {
        println!("{what}: {:.2} µs", fastest(|| drop(black_box(verdict(rights, target)))));
    }
    bulk(&one);
}

fn verdict(rights: &Arc<Rights>, target: &str) -> Decision {
    let head = RequestHead {
        method: b"GET",
        target: target.as_bytes(),
        content_type: None,
        content_encoding: None,
        has_body: false,
    };
    judge(rights, &head, &Limits::default())
}

/// Microseconds of one call.
fn fastest(call: impl Fn()) -> f64 {
    const CALLS: u32 = 200;
    let batch = || {
        let began = Instant::now();
        (0..CALLS).for_each(|_| call());
        began.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
    };
    (0..501).map(|_| batch()).fold(f64::INFINITY, f64::min)
}

/// 100 MB of `_bulk` in pieces of 8 KB, with documents of about a kilobyte.
fn bulk(rights: &Arc<Rights>) {
    let document = format!("{{\"text\":\"{}\"}}", "x".repeat(1000));
    let mut body = String::new();
    for n in 0..100_000 {
        body += &format!("{{\"index\":{{\"_index\":\"shop0-1\",\"_id\":\"{n}\"}}}}\n{document}\n");
    }
    let head = RequestHead {
        method: b"POST",
        target: b"/_bulk",
        content_type: Some(b"application/x-ndjson"),
        content_encoding: None,
        has_body: true,
    };
    let mut rates: Vec<f64> = (0..9)
        .map(|_| {
            let Decision::Body(mut judge) = judge(rights, &head, &Limits::default()) else {
                panic!("no body to judge")
            };
            let (mut sent, mut held, mut fed) = (0, 0, 0);
            let began = Instant::now();
            for piece in body.as_bytes().chunks(8192) {
                sent += judge.feed(piece).unwrap();
                fed += piece.len();
                held = held.max(fed - sent);
            }
            judge.finish().unwrap();
            assert!(held < 64 * 1024, "{held}");
            body.len() as f64 / began.elapsed().as_secs_f64() / 1e6
        })
        .collect();
    rates.sort_unstable_by(f64::total_cmp);
    println!("_bulk of {} MB: {:.0} MB/s", body.len() / 1_000_000, rates[rates.len() / 2]);
}
