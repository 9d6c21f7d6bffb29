//! Comparison with the stock modules on generated configurations, files and requests: every answer, header, log line
//! and back-end request must be the same, except for the intended differences.
//!
//! `ESAUTH_SEED` and `ESAUTH_CONFIGURATIONS` choose the run, `ESAUTH_FIRST` the number of the first configuration; each
//! depends only on the seed and its number. httpd 2.2 has other directives, so the generator is for 2.4.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(httpd = "2.4")]

#[path = "differential/mod.rs"]
mod differential;
mod harness;
// A part of it is used only by the table of cases.
#[allow(dead_code)]
#[path = "parity/variant.rs"]
mod variant;
use std::time::{Duration, Instant};

use differential::batch::{self, speaks_http2};
use differential::configurations::configuration;
use differential::judge::{Difference, Tally, judge, with_twins};
use differential::model::{Configuration, line, section, written};
use differential::random::Random;
use differential::report;
use differential::shrink::shrink;
use harness::backend::Backend;
use harness::memcheck;
use variant::{OTHERS, Variant};

/// Configurations served by one pair of servers.
const TOGETHER: usize = 50;
/// Configurations in a run of all tests.
const SHORT_RUN: usize = 100;
/// At most this many differing configurations are shrunk, each in this time.
const MOST_SHRUNK: usize = 3;
const TIME_TO_SHRINK: Duration = Duration::from_secs(60);

#[test]
fn ours_answers_as_stock_does_whatever_the_configuration() {
    let seed = setting("ESAUTH_SEED").unwrap_or(1);
    let first = setting("ESAUTH_FIRST").unwrap_or(0) as usize;
    let count = setting("ESAUTH_CONFIGURATIONS").map_or(SHORT_RUN, |count| count as usize);
    println!("ESAUTH_SEED={seed} ESAUTH_FIRST={first} ESAUTH_CONFIGURATIONS={count}");
    let backend = Backend::start();
    let mut tally = Tally::default();
    let started = Instant::now();
    let mut at = first;
    while at < first + count {
        // Batches begin at multiples of their size, so that a configuration meets the same variant in every run.
        let end = ((at / TOGETHER + 1) * TOGETHER).min(first + count);
        let variant = variant_of(seed, at / TOGETHER);
        let http2 = speaks_http2(variant);
        let configurations: Vec<_> = (at..end).map(|number| configuration(seed, number, http2)).collect();
        let found = differences(variant, &configurations, &backend, &mut tally);
        assert!(found.is_empty(), "{}\n\nESAUTH_SEED={seed}, {}", found.join("\n\n"), report::summary(&tally));
        let (done, seconds) = (end - first, started.elapsed().as_secs());
        println!("{done} of {count} configurations, {} requests, {seconds} s ({})", tally.requests, variant.name);
        at = end;
    }
    println!("{}", report::summary(&tally));
    if count >= TOGETHER {
        says_something(&tally);
    }
}

/// A test that cannot find differences proves nothing.
#[test]
fn a_difference_is_found_and_made_small() {
    if memcheck::changes("making it small takes too long") {
        return;
    }
    let backend = Backend::start();
    let variant = &OTHERS[0];
    let mut planted = configuration(1, 0, false);
    planted.files.retain(|file| !file.path.ends_with(".htaccess"));
    planted.host.push(section("IfModule rust_esauth_module", vec![line("Header always set X-Ours yes")]));
    let taken = batch::run(variant, &with_twins(vec![planted.clone()]), &backend);
    let difference = judge(&planted, &taken, &mut Tally::default()).expect("a header is a difference");
    let small = shrink(variant, &planted, difference, &backend, TIME_TO_SHRINK).expect("it comes again");
    assert_eq!(written(&small.host), "<IfModule rust_esauth_module>\n  Header always set X-Ours yes\n</IfModule>\n");
    assert_eq!((small.global.len(), small.files.len(), small.asks().count()), (0, 0, 1));
}

#[test]
fn a_configuration_depends_on_seed_and_number_only() {
    let text = |seed, number| written(&configuration(seed, number, true).host);
    let first = text(1, 7);
    assert_ne!(first, text(1, 8));
    assert_ne!(first, text(2, 7));
    assert_eq!(first, text(1, 7));
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// Half of the batches are served by ours alone, instead of the stock modules.
fn variant_of(seed: u64, batch: usize) -> &'static Variant {
    let random = &mut Random::new(seed ^ 0x5eed, batch as u64);
    if random.chance(50) { &OTHERS[0] } else { &OTHERS[1 + random.below(OTHERS.len() - 1)] }
}

/// Unintended differences, shrunk and described.
fn differences(
    variant: &Variant,
    configurations: &[Configuration],
    backend: &Backend,
    tally: &mut Tally,
) -> Vec<String> {
    let taken = batch::run(variant, &with_twins(configurations.to_vec()), backend);
    let mut differing = Vec::new();
    for configuration in configurations {
        if let Some(difference) = judge(configuration, &taken, tally) {
            differing.push((configuration, difference));
        }
    }
    let mut written: Vec<String> = Vec::new();
    for (configuration, difference) in differing.iter().take(MOST_SHRUNK) {
        let text = small(variant, configuration, *difference, backend).unwrap_or_else(|| {
            format!("not repeatable: {}", report::difference(variant.name, configuration, &taken, *difference))
        });
        written.push(format!("found in configuration {}\n{text}", configuration.name));
    }
    if differing.len() > MOST_SHRUNK {
        written.push(format!("and {} configurations more of this batch differ", differing.len() - MOST_SHRUNK));
    }
    written
}

/// None if the difference does not recur.
fn small(variant: &Variant, found: &Configuration, difference: Difference, backend: &Backend) -> Option<String> {
    let smallest = shrink(variant, found, difference, backend, TIME_TO_SHRINK)?;
    let taken = batch::run(variant, &with_twins(vec![smallest.clone()]), backend);
    let difference = judge(&smallest, &taken, &mut Tally::default())?;
    Some(report::difference(variant.name, &smallest, &taken, difference))
}

/// Agreement of two servers that refuse everything would mean little.
fn says_something(tally: &Tally) {
    for status in [200, 401, 403, 404, 500] {
        let share = tally.statuses.get(&status).copied().unwrap_or(0) * 1000 / tally.requests;
        assert!(share >= 1, "hardly a request was answered with {status}: {}", report::summary(tally));
    }
    let often = tally.requests / 10;
    assert!(tally.with_user > often && tally.logged > often, "too little to compare: {}", report::summary(tally));
}
