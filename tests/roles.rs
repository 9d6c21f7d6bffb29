//! EsAuthRoles in httpd: what reaches the back end, and what the client gets instead.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../roles/tests/escapes/mod.rs"]
mod escapes;
mod harness;
#[path = "roles/server.rs"]
mod server;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use escapes::unescape;
use harness::client::{self, Connection, Request};
use harness::httpd::{self, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::{memcheck, process};
use server::{GUARD, ROLES, Recorder, ask, request, send, skipped, start, status, usual};

#[test]
fn a_refusal_has_elasticsearchs_own_form_and_reaches_no_back_end() {
    if skipped() {
        return;
    }
    let backend = Recorder::start();
    let server = usual(&backend, "ErrorDocument 403 /never");
    let answer = ask(&server, "alice", "GET /shopb-1/_search");
    assert_eq!((answer.status, answer.header("content-type")), (403, Some("application/json")));
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    for part in [
        "\"type\":\"security_exception\"",
        "indices:data/read/search",
        "[alice]",
        "[shop]",
        "[shopb-1]",
        "\"status\":403",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let head = client::ask(server.port(), &request("alice", "HEAD /shopb-1")).unwrap();
    assert_eq!((head.status, head.body.len()), (403, 0));
    for line in [
        "DELETE /logs-1",
        "GET /_cat/indices",
        "GET /logs-1/_search?source=x",
        "GET /logs-1%23/_search",
        "GET /logs-1/../x",
    ] {
        assert_eq!(status(&server, "bob", line), 403, "{line}");
    }
    assert_eq!(backend.take(), []);
    assert_eq!(
        server
            .lines_with("rust_esauth: roles: user bob refused: DELETE /logs-1: no role allows [indices:admin/delete]"),
        1
    );
    assert_eq!(status(&server, "alice", "GET /shopa-1/_search"), 200);
    assert_eq!(status(&server, "admin", "DELETE /shopb-1"), 200);
    let options = Request::new("OPTIONS", "/shopb-1/_search").header("Host: localhost");
    assert_eq!(client::ask(server.port(), &options).unwrap().status, 200);
    assert_eq!(backend.lines(), ["GET /shopa-1/_search", "DELETE /shopb-1", "OPTIONS /shopb-1/_search"]);
}

#[test]
fn the_target_that_is_sent_is_narrowed_to_what_the_roles_allow() {
    if skipped() {
        return;
    }
    let backend = Recorder::start();
    let server = usual(&backend, "");
    for line in ["GET /_search?size=1", "GET /*/_count", "GET /shopa-1,logs-1/_search"] {
        ask(&server, "alice", line);
    }
    assert_eq!(backend.lines(), ["GET /shopa-*/_search?size=1", "GET /shopa-*/_count"]);
}

#[test]
fn whatever_leads_to_the_back_end_is_judged() {
    if skipped() {
        return;
    }
    let ways = [
        ("ProxyPass", "ProxyPass / http://@BACKEND@/\n<Location />\n", "</Location>\n"),
        ("Proxy", "ProxyPass / http://@BACKEND@/\n<Proxy *>\n", "</Proxy>\n"),
        ("nocanon", "ProxyPass / http://@BACKEND@/ nocanon\n<Location />\n", "</Location>\n"),
        ("rewrite", "RewriteEngine On\nRewriteRule ^/(.*) http://@BACKEND@/$1 [P]\n<Location />\n", "</Location>\n"),
        (
            "balancer",
            "<Proxy balancer://es>\nBalancerMember http://@BACKEND@\n</Proxy>\nProxyPass / balancer://es/\n<Location />\n",
            "</Location>\n",
        ),
        (
            "prefix",
            "RewriteEngine On\nRewriteRule ^/x/(.*) /$1 [PT]\nProxyPass / http://@BACKEND@/\n<Location />\n",
            "</Location>\n",
        ),
    ];
    for (name, before, after) in ways {
        let backend = Recorder::start();
        let server = start(&backend, &format!("{before}{GUARD}{after}"));
        let prefix = if name == "prefix" { "/x" } else { "" };
        assert_eq!(status(&server, "alice", &format!("GET {prefix}/shopb-1/_search")), 403, "{name}");
        assert_eq!(status(&server, "alice", &format!("GET {prefix}/shopa-1/_search")), 200, "{name}");
        assert_eq!(status(&server, "alice", &format!("GET {prefix}/_search")), 200, "{name}");
        let escaped = status(&server, "alice", &format!("GET {prefix}/shopa-1%2Cshopb-1/_search"));
        assert!([403, 404].contains(&escaped), "{name}: {escaped}");
        assert_eq!(backend.lines(), ["GET /shopa-1/_search", "GET /shopa-*/_search"], "{name}");
    }
}

#[test]
fn a_section_that_asks_for_no_password_lets_nobody_through() {
    if skipped() {
        return;
    }
    let backend = Recorder::start();
    let server = start(
        &backend,
        "ProxyPass / http://@BACKEND@/\n<Location />\nAuthGroupFile @FOLDER@/groups\nEsAuthRoles @FOLDER@/roles.yml\n\
         Require all granted\n</Location>\n",
    );
    assert_eq!(status(&server, "admin", "GET /shopa-1/_search"), 403);
    assert_eq!(backend.take(), []);
}

#[test]
fn the_page_of_a_wrong_password_is_judged_without_the_user_it_named() {
    if skipped() {
        return;
    }
    let backend = Recorder::start();
    let server = usual(&backend, "ErrorDocument 401 /shopa-1/_search");
    let wrong = Request::get("/shopa-1/_search").header("Host: localhost").basic("alice", "wrong");
    let answer = client::ask(server.port(), &wrong).unwrap();
    assert!([401, 403].contains(&answer.status), "{}", answer.status);
    assert_eq!(backend.take(), []);
}

const NDJSON: &str = "application/x-ndjson";
const OWN: &str = "{\"index\":{\"_index\":\"shopa-1\"}}\n{\"a\":1}\n";
const FOREIGN: &str = "{\"delete\":{\"_index\":\"shopb-1\",\"_id\":\"1\"}}\n";

#[test]
fn bodies_are_sent_as_they_came_or_not_at_all() {
    if skipped() {
        return;
    }
    let backend = Recorder::start();
    let server = usual(&backend, "EsAuthRolesBodyLimit 4096");
    let json = "application/json";
    let look_up = br#"{"query":{"terms":{"x":{"index":"shopb-1","id":"1","path":"y"}}}}"#;
    let large = format!(r#"{{"query":{{"match":{{"x":"{}"}}}}}}"#, "x".repeat(4096));
    for chunked in [false, true] {
        assert_eq!(send(&server, "alice", "POST /shopa-1/_search", json, look_up, chunked).status, 403);
        assert_eq!(send(&server, "alice", "POST /shopa-1/_search", json, large.as_bytes(), chunked).status, 413);
        assert_eq!(send(&server, "alice", "POST /shopa-1/_search", "application/yaml", b"---", chunked).status, 415);
        assert_eq!(
            send(&server, "alice", "POST /_bulk", NDJSON, [OWN, FOREIGN].concat().as_bytes(), chunked).status,
            403
        );
        assert_eq!(backend.take(), []);
        assert_eq!(send(&server, "alice", "POST /shopa-1/_search", json, b"{}", chunked).status, 200);
        assert_eq!(send(&server, "alice", "POST /_bulk", NDJSON, OWN.as_bytes(), chunked).status, 200);
        let got: Vec<_> = backend.take().into_iter().map(|request| (request.line, request.body_bytes)).collect();
        assert_eq!(got, [("POST /shopa-1/_search".to_owned(), 2), ("POST /_bulk".to_owned(), OWN.len())]);
    }
    let tricked =
        request("alice", "POST /shopa-1/_search").header("Connection: content-type").header("Content-Length: 2");
    let mut connection = Connection::open(server.port()).unwrap();
    connection.send(&[&tricked.header("Content-Type: application/json").bytes()[..], b"{}"].concat()).unwrap();
    assert_eq!(connection.read().unwrap().status, 415);
    assert_eq!(backend.take(), []);
}

#[test]
fn a_long_bulk_is_cut_off_before_the_line_that_is_refused() {
    if skipped() {
        return;
    }
    let backend = Recorder::start();
    let server = usual(&backend, "");
    let own = OWN.repeat(300_000);
    for chunked in [false, true] {
        let body = [&own, FOREIGN, OWN].concat();
        let answer = send(&server, "alice", "POST /_bulk", NDJSON, body.as_bytes(), chunked);
        assert_eq!((answer.status, answer.header("content-type")), (403, Some("application/json")));
        assert_eq!(send(&server, "alice", "POST /_bulk", NDJSON, own.as_bytes(), chunked).status, 200);
        let mut got = backend.take();
        got.sort_by_key(|request| request.is_complete);
        assert_eq!(got.iter().map(|request| request.is_complete).collect::<Vec<_>>(), [false, true], "{got:?}");
        assert!(got[0].body_bytes <= own.len() && got[1].body_bytes == own.len(), "{got:?}");
    }
}

#[test]
fn an_edit_of_roles_or_groups_counts_at_once_and_a_broken_file_refuses_all() {
    if skipped() {
        return;
    }
    let backend = Recorder::start();
    let server = usual(&backend, "");
    let (roles, groups) = (server.folder().join("roles.yml"), server.folder().join("groups"));
    assert_eq!(status(&server, "bob", "GET /shopa-1/_search"), 403);
    fs::write(&groups, "shop: bob\n").unwrap();
    assert_eq!(
        (status(&server, "bob", "GET /shopa-1/_search"), status(&server, "alice", "GET /shopa-1/_search")),
        (200, 403)
    );
    fs::write(&roles, ROLES.replace("shopa-*", "shopc-*")).unwrap();
    assert_eq!(
        (status(&server, "bob", "GET /shopa-1/_search"), status(&server, "bob", "GET /shopc-1/_search")),
        (403, 200)
    );
    fs::write(&roles, ROLES.replace("[ monitor ]", "[ moniter ]")).unwrap();
    for _ in 0..3 {
        let answer = ask(&server, "bob", "GET /shopa-1/_search");
        assert_eq!((answer.status, answer.header("content-type")), (500, Some("application/json")));
    }
    let options = Request::new("OPTIONS", "/").header("Host: localhost");
    assert_eq!(client::ask(server.port(), &options).unwrap().status, 200);
    let line = format!("EsAuthRoles {} line 2: cluster privilege \"moniter\" is not known here", roles.display());
    assert!((1..=server.children().len()).contains(&server.lines_with(&line)), "{}", server.lines_with(&line));
    fs::write(&roles, ROLES).unwrap();
    assert_eq!(status(&server, "bob", "GET /shopa-1/_search"), 200);
    fs::remove_file(&roles).unwrap();
    assert_eq!(status(&server, "bob", "GET /shopa-1/_search"), 500);
}

#[test]
fn report_mode_lets_pass_what_it_logs() {
    if skipped() {
        return;
    }
    let backend = Recorder::start();
    let server = usual(&backend, "EsAuthRolesMode Report");
    assert_eq!(status(&server, "alice", "GET /_search"), 200);
    assert_eq!(status(&server, "bob", "DELETE /logs-1"), 200);
    assert_eq!(send(&server, "alice", "POST /_bulk", NDJSON, FOREIGN.as_bytes(), true).status, 200);
    assert_eq!(backend.lines(), ["GET /_search", "DELETE /logs-1", "POST /_bulk"]);
    assert_eq!(server.lines_with("would be refused (EsAuthRolesMode Report): "), 2);
}

#[test]
fn the_access_log_and_the_metrics_tell_what_was_asked_for() {
    if skipped() {
        return;
    }
    let backend = Recorder::start();
    let server = usual(&backend, "");
    status(&server, "alice", "GET /shopa-1,shopa-2/_search");
    status(&server, "bob", "DELETE /logs-1");
    send(&server, "alice", "POST /_bulk", NDJSON, OWN.as_bytes(), false);
    let page = client::ask(server.port(), &Request::get("/metrics").header("Host: localhost")).unwrap();
    let page = String::from_utf8_lossy(&page.body).into_owned();
    for line in [
        "rust_esauth_roles_requests_total{verdict=\"passed\",action=\"read\"} 1",
        "rust_esauth_roles_requests_total{verdict=\"passed\",action=\"write\"} 1",
        "rust_esauth_roles_requests_total{verdict=\"refused\",action=\"index\"} 1",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    let log = fs::read_to_string(server.folder().join("audit")).unwrap();
    assert!(log.contains("alice|200|indices:data/read/search|shopa-1,shopa-2\n"), "{log}");
    assert!(log.contains("bob|403|indices:admin/delete|logs-1\n"), "{log}");
    assert!(
        log.lines().any(|line| line.starts_with("alice|200|indices:data/write/bulk") && line.ends_with("|shopa-1")),
        "{log}"
    );
}

#[test]
fn directives_that_make_no_sense_are_told_with_what_is_allowed() {
    let cases: &[(&str, &str)] = if Installation::get().is_22() {
        &[("EsAuthRoles roles.yml", "EsAuthRoles needs httpd 2.4")]
    } else {
        &[
            ("EsAuthRolesMode Maybe", "'Maybe' is neither Enforce nor Report"),
            ("EsAuthRolesBodyLimit 0", "'0' is not a whole number of bytes from 1 to 1073741824"),
        ]
    };
    for (line, expected) in cases {
        let text = |_: &Site<'_>| format!("<Location />\n{line}\n</Location>\n");
        let load = Installation::get().load_core() + &Installation::get().load_ours();
        let (code, output) = httpd::check(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &text });
        assert!(code != Some(0) && output.contains(expected), "{line}: {output}");
    }
}

/// The attempts of the crate's own tests, as a client sends them: by length and in chunks.
#[test]
fn no_attempt_on_another_index_reaches_the_back_end() {
    if skipped() {
        return;
    }
    let backend = Recorder::start();
    let server = usual(&backend, "");
    let all = ROLES.replace("[ read, write, create_index, view_index_metadata ]", "[ all ]");
    fs::write(server.folder().join("roles.yml"), all).unwrap();
    let probes = include_str!("../roles/tests/probes.txt");
    let probes: Vec<Vec<&str>> =
        probes.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    assert!(probes.len() >= 150);
    for probe in &probes {
        let [kind, method, target, content_type, body] = probe[..] else { panic!("{probe:?}") };
        let line = format!("{method} {}", String::from_utf8(unescape(target)).unwrap());
        for chunked in [false, true] {
            let body = if body == "-" { Vec::new() } else { unescape(body) };
            let answer = match content_type {
                _ if body.is_empty() && chunked => continue,
                _ if body.is_empty() => client::ask(server.port(), &request("alice", &line)).unwrap(),
                "-" => send(&server, "alice", &line, "", &body, chunked),
                // The crate's own tests and the end-to-end tests compress them.
                compressed if compressed.starts_with("gzip ") => continue,
                content_type => send(&server, "alice", &line, content_type, &body, chunked),
            };
            let sent = backend.lines();
            if kind == "narrowed" {
                assert!(!sent.contains(&line), "{probe:?}");
            } else {
                assert_ne!(answer.status, 200, "{probe:?}");
                assert!(sent.is_empty(), "{probe:?}: {sent:?}");
            }
        }
    }
}

/// `make soak` sends 1 GB.
#[test]
fn a_bulk_of_any_size_is_judged_in_the_memory_of_a_small_one() {
    if skipped() || memcheck::changes("memory is not given back at once") {
        return;
    }
    let megabytes = std::env::var("ESAUTH_BULK_MB").map_or(64, |given| given.parse().unwrap());
    let backend = Recorder::start();
    let server = usual(&backend, "");
    let document = format!("{{\"text\":\"{}\"}}\n", "x".repeat(1000));
    let items = ["{\"index\":{\"_index\":\"shopa-1\"}}\n", &document].concat().repeat(1 << 10);
    let post = |pieces: usize, chunked: bool| {
        let size = pieces * items.len();
        let framing = if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {size}") };
        let request = request("alice", "POST /_bulk").header(format!("Content-Type: {NDJSON}")).header(framing);
        let mut connection = Connection::open(server.port()).unwrap();
        connection.send(&request.bytes()).unwrap();
        for _ in 0..pieces {
            if chunked {
                connection.send(format!("{:x}\r\n{items}\r\n", items.len()).as_bytes()).unwrap();
            } else {
                connection.send(items.as_bytes()).unwrap();
            }
        }
        if chunked {
            connection.send(b"0\r\n\r\n").unwrap();
        }
        assert_eq!(connection.read().unwrap().status, 200);
        assert_eq!(backend.take().iter().map(|request| request.body_bytes).sum::<usize>(), size);
    };
    // Every child has been this large.
    let peaks = || {
        let peak = |child: &u32| {
            let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        process::children(server.parent()).iter().map(peak).max().unwrap()
    };
    for chunked in [false, true] {
        (0..8).for_each(|_| post(8, chunked));
    }
    let before = peaks();
    for chunked in [false, true] {
        post(megabytes, chunked);
    }
    let said = format!("{megabytes} MB twice: peak of a child {before} -> {} KiB", peaks());
    Installation::get().say(&said);
    assert!(peaks() <= before + 4096, "{said}");
}

/// A client that stalls in the middle of a body is cut off by httpd's own Timeout, as without roles.
#[test]
fn a_client_that_stalls_in_a_body_holds_a_worker_no_longer_than_without_roles() {
    if skipped() || memcheck::changes("it compares times") {
        return;
    }
    let backend = Recorder::start();
    let server = start(
        &backend,
        &format!(
            "Timeout 2\nProxyPass /open/ http://@BACKEND@/\nProxyPass / http://@BACKEND@/\n<LocationMatch \"^/(?!open/)\">\n{GUARD}</LocationMatch>\n"
        ),
    );
    let item = b"{\"index\":{\"_index\":\"shopa-1\"}}\n{\"text\":\"x\"}\n";
    // Streamed: held back, and sent in part; read as a whole.
    let cases = [
        ("_bulk", "application/x-ndjson", item.repeat(3)),
        ("_bulk", "application/x-ndjson", item.repeat(50_000)),
        ("shopa-1/_search", "application/json", b"{\"query\":".to_vec()),
    ];
    let stall = |prefix: &str, target: &str, content_type: &str, body: &[u8], chunked: bool| {
        let framing = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 9000000" };
        let request = request("alice", &format!("POST {prefix}{target}"));
        let request = request.header(format!("Content-Type: {content_type}")).header(framing);
        let mut connection = Connection::open(server.port()).unwrap();
        connection.send(&request.bytes()).unwrap();
        let size = format!("{:x}\r\n", body.len() + 1000);
        let _ = connection.send(&[if chunked { size.as_bytes() } else { b"" }, body].concat());
        let began = Instant::now();
        let answer = connection.read().map(|answer| answer.status).ok();
        (answer, began.elapsed())
    };
    thread::scope(|scope| {
        for (target, content_type, body) in &cases {
            for chunked in [false, true] {
                let stall = &stall;
                let usual = scope.spawn(move || stall("/open/", target, content_type, body, chunked));
                scope.spawn(move || {
                    let (answer, took) = stall("/", target, content_type, body, chunked);
                    let (usual_answer, usually) = usual.join().unwrap();
                    let what = format!("{target}, {} bytes, chunked: {chunked}", body.len());
                    assert_eq!(answer, usual_answer, "{what}");
                    // Waiting twice would take twice as long.
                    assert!(took < usually + Duration::from_millis(1500), "{what}: {took:?}, usually {usually:?}");
                });
            }
        }
    });
}
