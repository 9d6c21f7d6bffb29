//! The connection cache changes no answer.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::client::{Connection, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;

/// Of "secret" and of "other", with costs low enough for quick tests.
const SECRET: &str = "$2y$05$HOV6x4X5rNNMQGIgrwEKXeqe4orHR15caxe1Ru8ueuYdLl3TVuG5C";
const OTHER: &str = "{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=";

/// Two sections with a file each: alice's password is "secret" in /one/, "other" in /two/.
fn server(mpm: Mpm, global: &str) -> Httpd {
    let installation = Installation::get();
    let load = installation.load_core() + &installation.load_ours();
    let level = if installation.is_22() { "debug" } else { "notice rust_esauth:debug" };
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        let section = |name: &str| {
            fs::create_dir(site.folder.join(name)).unwrap();
            fs::write(site.folder.join(name).join("file.txt"), "file\n").unwrap();
            format!(
                "<Location /{name}/>\nAuthType Basic\nAuthName {name}\nAuthUserFile {folder}/{name}.users\n\
                 Require valid-user\n</Location>\n"
            )
        };
        let long = long_name();
        fs::write(site.folder.join("one.users"), format!("alice:{SECRET}\nbob:{SECRET}\n{long}:{SECRET}\n")).unwrap();
        fs::write(site.folder.join("two.users"), format!("alice:{OTHER}\n")).unwrap();
        format!(
            "DocumentRoot {folder}\nLogLevel {level}\nMaxKeepAliveRequests 0\nKeepAliveTimeout 60\n\
             CustomLog {folder}/access.log \"%>s %u %U\"\n{global}\n{}{}",
            section("one"),
            section("two")
        )
    };
    Httpd::start(&Setup { mpm, load, ports: 1, configuration: &configuration })
}

fn long_name() -> String {
    "longer-than-a-connection-remembers-".repeat(3)
}

fn request(section: &str, user: &str, password: &str) -> Request {
    Request::get(&format!("/{section}/file.txt")).header("Host: localhost").basic(user, password)
}

fn replace(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

fn a_changed_file_counts_at_the_next_request(mpm: Mpm) {
    if mpm.is_missing() {
        return;
    }
    let server = server(mpm, "");
    let users = server.folder().join("one.users");
    let mut connection = Connection::open(server.port()).unwrap();
    let mut statuses = |times: usize| -> Vec<u16> {
        (0..times).map(|_| connection.ask(&request("one", "alice", "secret")).unwrap().status).collect()
    };
    assert_eq!(statuses(20), [200; 20]);
    for round in 0..50 {
        // Another password, then no such user, then all as before: alternately in place and by another file.
        let change =
            |content: &str| if round % 2 == 0 { fs::write(&users, content).unwrap() } else { replace(&users, content) };
        change(&format!("alice:{OTHER}\n"));
        assert_eq!(statuses(1), [401], "round {round}: another password");
        change(&format!("alice:{SECRET}\n"));
        assert_eq!(statuses(5), [200; 5], "round {round}: the password of before");
        change(&format!("alicia:{SECRET}\n"));
        assert_eq!(statuses(1), [401], "round {round}: no such user");
        change(&format!("bob:{OTHER}\nalice:{SECRET}\n"));
        assert_eq!(statuses(5), [200; 5], "round {round}: the user is back");
    }
    fs::remove_file(&users).unwrap();
    assert_eq!(statuses(1), [500]);
}

#[test]
fn a_changed_file_counts_at_the_next_request_on_an_open_connection_under_event() {
    a_changed_file_counts_at_the_next_request(Mpm::Event);
}

#[test]
fn a_changed_file_counts_at_the_next_request_on_an_open_connection_under_prefork() {
    a_changed_file_counts_at_the_next_request(Mpm::Prefork);
}

#[test]
fn users_taking_turns_on_a_connection_keep_their_own_names() {
    let server = server(Mpm::usual(), "");
    let long = long_name();
    let mut connection = Connection::open(server.port()).unwrap();
    let turns = ["alice", "alice", "bob", "alice", "bob", "bob", &long, &long, "alice"];
    let right: Vec<u8> = turns.iter().flat_map(|user| request("one", user, "secret").bytes()).collect();
    let mut expected = String::new();
    for _ in 0..20 {
        // Pipelined: the next request may be answered before the previous one is logged.
        connection.send(&right).unwrap();
        for user in turns {
            assert_eq!(connection.read().unwrap().status, 200);
            expected += &format!("200 {user} /one/file.txt\n");
        }
        assert_eq!(connection.ask(&request("one", "bob", "wrong")).unwrap().status, 401);
        expected += "401 bob /one/file.txt\n";
    }
    // A request is logged after it was answered.
    let log = server.folder().join("access.log");
    let began = Instant::now();
    while fs::read_to_string(&log).unwrap().len() < expected.len() && began.elapsed() < Duration::from_secs(10) {
        sleep(Duration::from_millis(5));
    }
    assert_eq!(fs::read_to_string(&log).unwrap(), expected);
}

#[test]
fn a_grant_of_one_file_says_nothing_about_another() {
    let server = server(Mpm::usual(), "");
    let mut connection = Connection::open(server.port()).unwrap();
    for _ in 0..20 {
        for (section, password, status) in
            [("one", "secret", 200), ("two", "secret", 401), ("two", "other", 200), ("one", "other", 401)]
        {
            let answer = connection.ask(&request(section, "alice", password)).unwrap();
            assert_eq!(answer.status, status, "{section}, {password}");
        }
    }
}

#[test]
fn only_the_same_header_is_recalled() {
    let server = server(Mpm::usual(), "");
    let mut connection = Connection::open(server.port()).unwrap();
    let mut status = |header: &str| {
        let request =
            Request::get("/one/file.txt").header("Host: localhost").header(format!("Authorization: {header}"));
        connection.ask(&request).unwrap().status
    };
    // "alice:secret"
    let right = "Basic YWxpY2U6c2VjcmV0";
    for other in
        ["Basic YWxpY2U6c2VjcmV1", "Basic YWxpY2U6c2VjcmV", "Bearer YWxpY2U6c2VjcmV0", "Basic", "YWxpY2U6c2VjcmV0"]
    {
        assert_eq!([status(right), status(right), status(other), status(right)], [200, 200, 401, 200], "{other}");
    }
    let without = Request::get("/one/file.txt").header("Host: localhost");
    assert_eq!(connection.ask(&without).unwrap().status, 401);
}

#[test]
fn without_a_cache_every_request_of_a_connection_is_hashed() {
    let server = server(Mpm::usual(), "EsAuthCacheSize 0");
    let mut connection = Connection::open(server.port()).unwrap();
    for _ in 0..5 {
        assert_eq!(connection.ask(&request("one", "alice", "secret")).unwrap().status, 200);
    }
    assert_eq!(server.hashes("alice"), 5);
}
