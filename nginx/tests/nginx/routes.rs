//! The ways of a request through nginx: HTTP/2, copies, the cache of a proxy, redirects and subrequests. None is served
//! unauthenticated, and none is judged twice for nothing.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::client::{Request, ask};
use crate::http2::Http2;
use crate::server::{FAST, Nginx, SLOW, Setup, slower};

/// The server under test, and one behind it that logs who asks.
fn start(workers: usize, alice: &str) -> Nginx {
    let http = "log_format seen \"$request_uri $remote_user\";
        proxy_cache_path FOLDER/cache keys_zone=cache:1m;
        server { listen PORT0 http2; root FOLDER/html;
            location / { esauth x; esauth_user_file users; } }
        server { listen PORT1; root FOLDER/html;
            esauth x; esauth_user_file users;
            location /cached/ { proxy_pass http://BEHIND/; proxy_cache cache; proxy_cache_valid 1m; }
            location /copied/ { alias FOLDER/html/; mirror /mirror; }
            location = /mirror { internal; proxy_pass http://BEHIND/mirrored; }
            location /asked/ { alias FOLDER/html/; auth_request /ask; }
            location = /ask { internal; proxy_pass http://BEHIND/asked; }
            location /included/ { ssi on; ssi_types *; alias FOLDER/html/; }
            location /many/ { rewrite ^ /more/page last; }
            location /more/ { try_files /absent /most/page; }
            location /most/ { alias FOLDER/html/; }
            location /absent/ { error_page 404 /most/page; } }
        server { listen PORT2; access_log FOLDER/behind.log seen; location / { return 200 behind; } }";
    let users = format!("alice:{alice}\nbob:{FAST}\n");
    let included = "<!--#include virtual=\"/most/page\" --> <!--#include virtual=\"/copied/page\" -->";
    let files =
        [("html/page", "page"), ("html/both.shtml", included), ("html/absent/x", ""), ("users", users.as_str())];
    Nginx::start(&Setup { ports: 3, workers, http: &http.replace("http://BEHIND", "http://PORT2"), files: &files })
}

fn request(target: &str) -> Request {
    Request::get(target).header("Host: localhost")
}

fn answer(server: &Nginx, request: &Request) -> (u16, String) {
    let answer = ask(server.ports()[1], request).expect("nginx answers");
    (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

/// The lines that the server behind has logged, when there are as many.
fn behind(server: &Nginx, lines: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let log = fs::read_to_string(server.path("behind.log")).unwrap_or_default();
        let seen: Vec<_> = log.lines().map(str::to_owned).collect();
        if seen.len() >= lines || Instant::now() > deadline {
            return seen;
        }
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn streams_of_one_connection_wait_together_and_share_one_hash() {
    let server = start(1, SLOW);
    let mut client = Http2::open(server.port());
    for (user, status) in [(Some(("alice", "secret")), 200), (Some(("alice", "wrong")), 401), (None, 401)] {
        let streams: Vec<_> = (0..40).map(|_| client.get("/page", user)).collect();
        let statuses: Vec<_> = streams.into_iter().map(|stream| client.status(stream)).collect();
        assert_eq!(statuses, [status; 40]);
    }
    assert_eq!(server.hashes("alice"), 2);
}

#[test]
fn streams_that_are_reset_while_they_wait_leave_the_others_alone() {
    let server = start(1, slower());
    let mut client = Http2::open(server.port());
    for round in 0..3 {
        let password = format!("guess {round}");
        let streams: Vec<_> = (0..20).map(|_| client.get("/page", Some(("alice", &password)))).collect();
        let others: Vec<_> = (0..3).map(|_| client.get("/page", Some(("bob", "secret")))).collect();
        sleep(Duration::from_millis(50));
        streams.iter().skip(1).for_each(|stream| client.reset(*stream));
        assert!(others.into_iter().all(|stream| client.status(stream) == 200));
        assert_eq!(client.status(streams[0]), 401);
    }
    // The whole connection goes away.
    let stream = client.get("/page", Some(("alice", "guess")));
    client.get("/page", Some(("alice", "other guess")));
    sleep(Duration::from_millis(50));
    drop((client, stream));
    let mut client = Http2::open(server.port());
    let mut status = 503;
    // On a busy machine, the hash of the guess may take longer than anybody may wait.
    for _ in 0..5 {
        if status == 503 {
            let stream = client.get("/page", Some(("alice", "secret")));
            status = client.status(stream);
        }
    }
    assert_eq!(status, 200);
    assert_eq!(server.lines_with("exited on signal"), 0);
}

#[test]
fn a_cached_answer_needs_credentials_too() {
    let server = start(2, FAST);
    let cached = request("/cached/x");
    assert_eq!(answer(&server, &cached).0, 401);
    assert_eq!(answer(&server, &cached.clone().basic("alice", "secret")), (200, "behind".to_owned()));
    assert_eq!(answer(&server, &cached).0, 401);
    assert_eq!(answer(&server, &cached.clone().basic("alice", "wrong")).0, 401);
    assert_eq!(answer(&server, &cached.clone().basic("bob", "secret")), (200, "behind".to_owned()));
    assert_eq!(behind(&server, 1), ["/x alice"]);
}

#[test]
fn only_requests_that_pass_are_copied_and_a_copy_is_not_judged_again() {
    let server = start(1, SLOW);
    let copied = request("/copied/page");
    assert_eq!(answer(&server, &copied).0, 401);
    assert_eq!(answer(&server, &copied.clone().basic("alice", "wrong")).0, 401);
    assert_eq!(answer(&server, &copied.clone().basic("alice", "secret")), (200, "page".to_owned()));
    assert_eq!(behind(&server, 1), ["/mirrored alice"]);
    assert_eq!(server.hashes("alice"), 2);
}

#[test]
fn what_a_request_includes_asks_or_is_redirected_to_is_judged_with_it() {
    let server = start(1, FAST);
    for (target, status, body) in [
        ("/included/both.shtml", 200, "page page"),
        ("/many/page", 200, "page"),
        ("/absent/nothing", 404, "page"),
        ("/asked/page", 200, "page"),
    ] {
        assert_eq!(answer(&server, &request(target)).0, 401, "{target}");
        assert_eq!(answer(&server, &request(target).basic("alice", "wrong")).0, 401, "{target}");
        assert_eq!(answer(&server, &request(target).basic("alice", "secret")), (status, body.to_owned()), "{target}");
    }
    // Remembered after the first of each.
    assert_eq!(server.hashes("alice"), 2);
    let mismatches = server.lines_with("user \"alice\": password mismatch");
    assert_eq!(mismatches, 4, "each wrong password is logged once");
}
