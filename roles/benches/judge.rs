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

/// 100 MB of `_bulk` in pieces of 8 KB, with documents of about a kilobyte. The pieces are made on the way, so that
/// the memory is that of judging.
fn bulk(rights: &Arc<Rights>) {
    let document = format!("{{\"text\":\"{}\"}}", "x".repeat(1000));
    let items: String = (0..1000)
        .map(|n| format!("{{\"index\":{{\"_index\":\"shop0-1\",\"_id\":\"{n:05}\"}}}}\n{document}\n"))
        .collect();
    let (pieces, size) = ((0..100).flat_map(|_| items.as_bytes().chunks(8192)), 100 * items.len());
    let head = RequestHead {
        method: b"POST",
        target: b"/_bulk",
        content_type: Some(b"application/x-ndjson"),
        content_encoding: None,
        has_body: true,
    };
    let resident = forget_peak();
    let rates = (0..15).map(|_| {
        let Decision::Body(mut judge) = judge(rights, &head, &Limits::default()) else { panic!("no body to judge") };
        let (mut sent, mut held, mut fed) = (0, 0, 0);
        let began = time_on_core();
        for piece in pieces.clone() {
            sent += judge.feed(piece).unwrap();
            fed += piece.len();
            held = held.max(fed - sent);
        }
        judge.finish().unwrap();
        assert!(held < 64 * 1024, "{held}");
        size as f64 / (time_on_core() - began) * 1e3
    });
    let rate = rates.fold(0.0, f64::max);
    println!("_bulk of {} MB, one core: {:.0} MB/s", size / 1_000_000, rate);
    if let (Some(before), Some(peak)) = (resident, memory("VmHWM:")) {
        println!(
            "_bulk of {} MB, peak of memory beyond that before: {} KiB",
            size / 1_000_000,
            peak.saturating_sub(before)
        );
    }
}

/// Nanoseconds that this thread has run; without Linux, that have passed.
fn time_on_core() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let first = told.as_ref().and_then(|told| told.split(' ').next()?.parse().ok());
    first.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as f64)
}

/// Makes the peak of resident memory the present, which it returns in KiB. `None` where Linux does not tell.
fn forget_peak() -> Option<usize> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    memory("VmRSS:")
}

fn memory(name: &str) -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name))?.trim().trim_end_matches(" kB").parse().ok()
}
