//! Comparison with the stock modules: one table of cases, the same configuration, the same answers.
//!
//! The stock modules' answers are determined at run time; the table also contains known ones, so that a setup in which
//! nothing works cannot pass.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;
#[path = "parity/mod.rs"]
mod table;

use std::thread;

use harness::backend::Backend;
use harness::httpd::{self, Setup};
use harness::installation::Installation;
use harness::log;
use harness::scratch::Scratch;
use table::run::{Files, Observations, Observed, run};
use table::variant::{Variant, variants};
use table::{report, start_up, table};

#[test]
fn ours_answers_as_the_stock_modules_do() {
    let (table, skipped) = table();
    let (stock, others) = variants();
    let files = Files::write(&table);
    let backend = Backend::start();
    let (table, files, backend) = (&table, &files, &backend);
    let (oracle, answers) = thread::scope(|scope| {
        let oracle = scope.spawn(|| run(&stock, table, files, backend));
        let others: Vec<_> = others.iter().map(|variant| scope.spawn(|| run(variant, table, files, backend))).collect();
        let others: Vec<_> = others.into_iter().map(|other| other.join()).collect();
        (oracle.join().unwrap(), others)
    });

    let mut found = report::against_the_table(stock.name, false, table, &oracle);
    for (variant, observations) in others.iter().zip(answers) {
        let Ok(observations) = observations else {
            found.push(format!("{}: did not run to its end\n", variant.name));
            continue;
        };
        found.extend(report::against_the_table(variant.name, true, table, &observations));
        found.extend(report::against_the_oracle(variant.name, table, &oracle, &observations));
    }
    found.extend(lines_that_never_occur(&oracle));
    found.extend(what_is_never_seen(&oracle));
    let requests: usize = table.iter().map(|case| case.asks.len()).sum();
    for (why, names) in &skipped {
        Installation::get().skip(&names.join(", "), why);
    }
    let skipped: usize = skipped.values().map(Vec::len).sum();
    let (ran, servers) = (table.len(), 1 + others.len());
    Installation::get().say(&format!("{ran} cases, {requests} requests, {servers} servers; {skipped} cases skipped"));
    assert!(found.is_empty(), "{} disagreements:\n\n{}", found.len(), found.join("\n"));
}

#[test]
fn ours_takes_and_refuses_the_same_configurations() {
    let (cases, skipped) = start_up::cases();
    let (stock, others) = variants();
    let folder = Scratch::new();
    let mut found = Vec::new();
    for case in &cases {
        // In a file of its own, so that the line numbers are the same whatever was loaded.
        let file = folder.write(&format!("{}.conf", case.name), case.conf.replace("@DIR@", "/nowhere") + "\n");
        let include = format!("Include {}\n", file.display());
        let check = |variant: &Variant| {
            httpd::check(&Setup {
                mpm: variant.mpm,
                load: variant.load(),
                ports: 0,
                configuration: &|_| include.clone(),
            })
        };
        let oracle = check(&stock);
        let as_expected = match case.refusal() {
            None => oracle.0 == Some(0),
            Some(text) => oracle.0 != Some(0) && oracle.1.contains(text),
        };
        if !as_expected {
            found.push(format!("stock: {}: expected {:?}, got {oracle:?}\n", case.name, case.refusal()));
        }
        let variants = others.iter().filter(|variant| variant.mpm == stock.mpm);
        for (variant, answer) in variants.map(|variant| (variant, check(variant))) {
            if answer != oracle {
                found.push(format!("{}: {}:\n  stock {oracle:?}\n  ours  {answer:?}\n", variant.name, case.name));
            }
        }
    }
    Installation::get().say(&format!("{} configurations; {skipped} skipped", cases.len()));
    assert!(found.is_empty(), "{} disagreements:\n\n{}", found.len(), found.join("\n"));
}

/// The lines that the table compares must occur in the log.
fn lines_that_never_occur(oracle: &Observations) -> Vec<String> {
    const NUMBERS: &[&str] = &[
        "AH00554", "AH01614", "AH01615", "AH01617", "AH01618", "AH01619", "AH01620", "AH01621", "AH01622", "AH01626",
        "AH01627", "AH01629", "AH01630", "AH01631", "AH01664", "AH01665", "AH01666", "AH01667", "AH01668", "AH01669",
        "AH01670", "AH01671", "AH01796", "AH02493",
    ];
    let seen = |mark: &str| oracle.values().flat_map(|observed| &observed.logged).any(|line| line.contains(mark));
    let missing = NUMBERS.iter().filter_map(|number| log::mark(number)).filter(|mark| !seen(mark));
    missing.map(|mark| format!("no request made the stock modules log {mark:?}\n")).collect()
}

/// Agreement on a user name or challenge that never occurs would mean little.
fn what_is_never_seen(oracle: &Observations) -> Vec<String> {
    let any = |what: &str, seen: &dyn Fn(&Observed) -> bool| {
        (!oracle.values().any(seen)).then(|| format!("no answer of the stock modules has {what}\n"))
    };
    let challenge = |start: &'static str| move |it: &Observed| it.challenges.iter().any(|text| text.starts_with(start));
    let in_22 = Installation::get().is_22();
    let missing = [
        // Not visible in its headers.
        any("the user alice", &|it| in_22 || it.user.as_deref() == Some("alice")),
        any("the type BASIC", &|it| in_22 || it.auth_type.as_deref() == Some("BASIC")),
        any("alice in the access log", &|it| it.accessed == ["200 alice 200 alice"]),
        any("a realm", &challenge("www-authenticate: Basic realm=\"Elasticsearch server\"")),
        any("a proxy's realm", &challenge("proxy-authenticate: Basic realm=\"Elasticsearch server\"")),
    ];
    missing.into_iter().flatten().collect()
}
