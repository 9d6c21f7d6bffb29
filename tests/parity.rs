//! Ours against the stock modules: one table of cases, the same configuration, the same answers.
//!
//! What the stock modules answer is found out at run time; the table also says what is known beforehand, so that a
//! set-up in which nothing works cannot pass.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;
#[path = "parity/mod.rs"]
mod table;

use std::collections::HashSet;
use std::thread;

use harness::backend::Backend;
use harness::httpd::{self, Setup};
use harness::scratch::Scratch;
use table::run::{Files, Outcome, Outcomes, run};
use table::variant::{OTHERS, STOCK, Variant};
use table::{report, start_up, table};

#[test]
fn ours_answers_as_the_stock_modules_do() {
    let table = table();
    let files = Files::write(&table);
    let backend = Backend::start();
    let (table, files, backend) = (&table, &files, &backend);
    let (oracle, others) = thread::scope(|scope| {
        let oracle = scope.spawn(|| run(&STOCK, table, files, backend));
        let others: Vec<_> = OTHERS.iter().map(|variant| scope.spawn(|| run(variant, table, files, backend))).collect();
        let others: Vec<_> = others.into_iter().map(|other| other.join()).collect();
        (oracle.join().unwrap(), others)
    });

    let mut found = report::against_the_table(STOCK.name, false, table, &oracle);
    for (variant, outcomes) in OTHERS.iter().zip(others) {
        let Ok(outcomes) = outcomes else {
            found.push(format!("{}: did not run to its end\n", variant.name));
            continue;
        };
        found.extend(report::against_the_table(variant.name, true, table, &outcomes));
        found.extend(report::against_the_oracle(variant.name, table, &oracle, &outcomes));
    }
    found.extend(lines_that_never_occur(&oracle));
    found.extend(what_is_never_seen(&oracle));
    let requests: usize = table.iter().map(|case| case.asks.len()).sum();
    println!("{} cases, {requests} requests, {} servers", table.len(), 1 + OTHERS.len());
    assert!(found.is_empty(), "{} disagreements:\n\n{}", found.len(), found.join("\n"));
}

#[test]
fn ours_takes_and_refuses_the_same_configurations() {
    let cases = start_up::cases();
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
        let oracle = check(&STOCK);
        let as_expected = match case.refusal {
            None => oracle.0 == Some(0),
            Some(text) => oracle.0 != Some(0) && oracle.1.contains(text),
        };
        if !as_expected {
            found.push(format!("stock: {}: expected {:?}, got {oracle:?}\n", case.name, case.refusal));
        }
        let variants = OTHERS.iter().filter(|variant| variant.mpm == STOCK.mpm);
        for (variant, answer) in variants.map(|variant| (variant, check(variant))) {
            if answer != oracle {
                found.push(format!("{}: {}:\n  stock {oracle:?}\n  ours  {answer:?}\n", variant.name, case.name));
            }
        }
    }
    println!("{} configurations", cases.len());
    assert!(found.is_empty(), "{} disagreements:\n\n{}", found.len(), found.join("\n"));
}

/// The lines that the table is there to compare must have been logged at all.
fn lines_that_never_occur(oracle: &Outcomes) -> Vec<String> {
    const NUMBERS: &[&str] = &[
        "AH00554", "AH01614", "AH01615", "AH01617", "AH01618", "AH01619", "AH01620", "AH01621", "AH01622", "AH01626",
        "AH01627", "AH01629", "AH01630", "AH01631", "AH01664", "AH01665", "AH01666", "AH01667", "AH01668", "AH01669",
        "AH01670", "AH01671", "AH01796", "AH02493",
    ];
    let lines = oracle.values().flat_map(|outcome| &outcome.logged);
    let seen: HashSet<&str> = lines.filter_map(|line| line.split("AH").nth(1)?.get(..5)).collect();
    let missing = NUMBERS.iter().filter(|number| !seen.contains(&number[2..]));
    missing.map(|number| format!("no request made the stock modules log {number}\n")).collect()
}

/// Nor would it say much that two servers agree on a user name or challenge that neither ever shows.
fn what_is_never_seen(oracle: &Outcomes) -> Vec<String> {
    let any = |what: &str, seen: &dyn Fn(&Outcome) -> bool| {
        (!oracle.values().any(seen)).then(|| format!("no answer of the stock modules has {what}\n"))
    };
    let challenge = |start: &'static str| move |it: &Outcome| it.challenges.iter().any(|text| text.starts_with(start));
    let missing = [
        any("the user alice", &|it| it.user.as_deref() == Some("alice")),
        any("the type BASIC", &|it| it.auth_type.as_deref() == Some("BASIC")),
        any("alice in the access log", &|it| it.accessed == ["200 alice 200 alice"]),
        any("a realm", &challenge("www-authenticate: Basic realm=\"Elasticsearch server\"")),
        any("a proxy's realm", &challenge("proxy-authenticate: Basic realm=\"Elasticsearch server\"")),
    ];
    missing.into_iter().flatten().collect()
}
