//! `esauth explain` shows the decision of EsAuthRoles, and `esauth check` the faults of a roles file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod program;

use std::fs;

use program::{Run, esauth};

const ROLES: &str =
    "shop-a:\n  cluster: [ monitor ]\n  indices:\n    - names: [ 'shopa-*' ]\n      privileges: [ read ]\n";

/// Its output for a user of the group `shop-a`, with these files.
fn explain(roles: &str, request: &str, body: &str) -> Run {
    let folder = std::env::temp_dir().join(format!("esauth-explain-{}-{:p}", std::process::id(), &request));
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str, content: &str| {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (roles, groups, body) = (path("roles.yml", roles), path("groups", "shop-a: alice\n"), path("body", body));
    let run = esauth(&[
        "explain", "--json", "--roles", &roles, "--groups", &groups, "--user", "alice", "--body", &body, request,
    ]);
    fs::remove_dir_all(&folder).unwrap();
    run
}

#[test]
fn a_request_that_is_narrowed_is_shown_as_it_is_sent() {
    let run = explain(ROLES, "GET /_search?q=shoes", "");
    assert_eq!((run.status, run.json["sent_as"].as_str()), (0, Some("/shopa-*/_search?q=shoes")));
    assert_eq!(run.json["roles"][0], "shop-a");
}

#[test]
fn a_refusal_names_the_privilege_that_lacks() {
    let run = explain(ROLES, "DELETE /shopa-1", "");
    assert_eq!(run.status, 1);
    assert_eq!(run.json["refusal"]["privileges"][0], "delete_index");
    let run = explain(ROLES, "POST /_mget", "{\"docs\":[{\"_index\":\"shopb-1\",\"_id\":\"1\"}]}");
    assert_eq!((run.status, run.json["refusal"]["reason"].as_str()), (1, Some("privilege")));
}

#[test]
fn the_faults_of_a_roles_file_are_told_by_line() {
    let run = explain("shop-a:\n  cluster: [ moniter ]\n", "GET /", "");
    assert_eq!(run.status, 2);
    assert!(run.errors.contains("roles.yml: line 2: cluster privilege \"moniter\" is not known"), "{}", run.errors);
}

#[test]
fn roles_and_groups_are_held_against_each_other() {
    let folder = std::env::temp_dir().join(format!("esauth-check-roles-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let grant =
        |name: &str, pattern: &str| format!("{name}:\n  indices:\n  - names: ['{pattern}']\n    privileges: [read]\n");
    let text = [grant("shop", "shop-*"), grant("shop-eu", "shop-eu-*"), grant("all", "*")].concat();
    fs::write(folder.join("roles.yml"), text).unwrap();
    fs::write(folder.join("groups"), "shop: alice\nall: root\nold: bob\nshop-eu:\n").unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let run = esauth(&[
        "check",
        "--json",
        "--allow",
        "empty-group",
        "--roles",
        &path("roles.yml"),
        "--groups",
        &path("groups"),
    ]);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(run.status, 1, "{}{}", run.output, run.errors);
    let findings = run.json["files"][1]["findings"].as_array().unwrap();
    let mut found: Vec<_> =
        findings.iter().map(|one| (one["kind"].as_str().unwrap(), one["name"].as_str().unwrap())).collect();
    found.sort_unstable();
    assert_eq!(found, [("no-role", "old"), ("overlapping-patterns", "shop-eu"), ("unused-role", "shop-eu")]);
}
