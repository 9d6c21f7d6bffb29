//! The dashboard, the alert rules and their description name exactly the metrics that the module exports.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Mpm, get, page, start};
use crate::harness::installation::Installation;

/// Runs promtool with `input`, and returns whether it succeeded, and its output. `None`, with a message, if it is not
/// installed.
pub(crate) fn promtool(arguments: &[&str], input: &[u8]) -> Option<(bool, String)> {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        Installation::get().skip_this_test("promtool is not installed (Debian's package prometheus)");
        return None;
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()))
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Names of metrics in a text, without the endings of a histogram's samples.
fn names_in(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_part(character)).filter(|word| word.starts_with("rust_esauth_"));
    words
        .filter(|word| !["rust_esauth_module", "rust_esauth_"].contains(word))
        .map(|word| {
            let endings = ["_bucket", "_sum", "_count"];
            endings.iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word).to_owned()
        })
        .collect()
}

fn exported() -> BTreeSet<String> {
    let server = start(Mpm::usual(), &[], "");
    assert_eq!(get(&server, "/metrics").status, 200);
    page(&server).0.into_keys().collect()
}

#[test]
fn dashboard_rules_and_description_name_the_exported_metrics() {
    let exported = exported();
    assert!(exported.len() > 15, "{exported:?}");
    for path in ["monitoring/grafana-dashboard.json", "monitoring/prometheus-rules.yml"] {
        let named = names_in(&read(path));
        assert!(named.len() > 3, "{path} names {named:?}");
        assert!(named.is_subset(&exported), "{path} names what is not exported: {:?}", &named - &exported);
    }
    let mut documented = names_in(&read("docs/monitoring.md"));
    if Installation::get().is_22() {
        // EsAuthRoles is for httpd 2.4.
        assert!(documented.remove("rust_esauth_roles_requests_total"));
    }
    assert_eq!(documented, exported, "docs/monitoring.md");
}

#[test]
fn every_alert_and_panel_is_described() {
    let documented = read("docs/monitoring.md");
    let rules = read("monitoring/prometheus-rules.yml");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 4, "{alerts:?}");
    let dashboard = read("monitoring/grafana-dashboard.json");
    let titles: Vec<&str> = dashboard
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"title\": \"")?.strip_suffix(['"', ','])?.split('"').next())
        .collect();
    assert!(titles.len() > 8, "{titles:?}");
    for name in alerts.iter().chain(&titles) {
        assert!(
            documented.contains(&format!("| {name} |")) || *name == "rust_esauth",
            "{name} is not in docs/monitoring.md"
        );
    }
}

#[test]
fn prometheus_takes_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring/prometheus-rules.yml");
    if let Some((content, said)) = promtool(&["check", "rules", path.to_str().unwrap()], b"") {
        assert!(content && said.contains("SUCCESS"), "{said}");
    }
}
