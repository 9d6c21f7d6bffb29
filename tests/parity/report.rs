//! Differences, written for people.

use super::case::{Case, Expected};
use super::run::{Observations, Observed, tag};
use crate::harness::log;

/// Differences between `observations` and the table's entries for the server, which is the stock one or ours.
pub(crate) fn against_the_table(variant: &str, ours: bool, table: &[Case], observations: &Observations) -> Vec<String> {
    let mut found = Vec::new();
    each(table, |case, number| {
        let ask = &case.asks[number];
        let answers = ask.answers();
        let expected = match &answers.ours {
            Some(difference) if ours => &difference.expected,
            Some(difference) if difference.only_ours => return,
            _ => &answers.expected,
        };
        let Some(observed) = observations.get(&tag(case, number)) else {
            found.push(format!("{variant}: {}: no answer\n", tag(case, number)));
            return;
        };
        let meant =
            answers.ours.as_ref().map_or(String::new(), |difference| format!(" (on purpose: {})", difference.why));
        for complaint in complaints(expected, observed) {
            let seen = shown(observed);
            let request = asked(case, number);
            found.push(format!("{variant}: {}: {complaint}{meant}\n{request}  it did:\n{seen}", tag(case, number)));
        }
    });
    found
}

/// Differences between two servers. Intended ones are left to the table.
pub(crate) fn against_the_oracle(
    variant: &str,
    table: &[Case],
    oracle: &Observations,
    observations: &Observations,
) -> Vec<String> {
    let mut found = Vec::new();
    each(table, |case, number| {
        let tag = tag(case, number);
        if case.asks[number].answers().ours.is_some() {
            return;
        }
        let (Some(stock), Some(ours)) = (oracle.get(&tag), observations.get(&tag)) else { return };
        if stock != ours {
            let request = asked(case, number);
            let (stock, ours) = (shown(stock), shown(ours));
            found.push(format!("{variant}: {tag} differs\n{request}  stock:\n{stock}  {variant}:\n{ours}"));
        }
    });
    found
}

fn each(table: &[Case], mut visit: impl FnMut(&Case, usize)) {
    for case in table {
        (0..case.asks.len()).for_each(|number| visit(case, number));
    }
}

fn complaints(expected: &Expected, observed: &Observed) -> Vec<String> {
    let mut complaints = Vec::new();
    if observed.status != expected.status {
        complaints.push(format!("status {}, expected {}", observed.status, expected.status));
    }
    for &mark in &expected.logged {
        let mark = if mark.starts_with("AH") { log::mark(mark) } else { Some(mark) };
        if mark.is_some_and(|mark| !observed.logged.iter().any(|line| line.contains(mark))) {
            complaints.push(format!("no {mark:?} in the log"));
        }
    }
    if expected.body.is_some_and(|text| !observed.body.contains(text)) {
        complaints.push(format!("no {:?} in the body", expected.body.unwrap_or_default()));
    }
    complaints
}

fn asked(case: &Case, number: usize) -> String {
    let bytes = case.asks[number].request.bytes();
    let text: String = bytes.escape_ascii().map(char::from).take(300).collect();
    let conf: String =
        case.conf.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("    | {line}\n")).collect();
    format!("  asked: {text}\n{conf}")
}

fn shown(observed: &Observed) -> String {
    let Observed { status, challenges, user, auth_type, body, accessed, logged } = observed;
    let body: String = body.escape_debug().take(400).collect();
    let mut text = format!(
        "    {status} {challenges:?} user {user:?} type {auth_type:?} accessed {accessed:?}\n    body \"{body}\"\n"
    );
    for line in logged {
        text += &format!("    {line}\n");
    }
    text
}
