//! esauth_limit in a running server: how many requests of a user pass, whose they are, and what the others are answered.

use std::fs;
use std::thread::{self, sleep};
use std::time::Duration;

use crate::fleet::{Front, is_too_slow, metric};
use crate::fleet_counts::until_in_time;
use crate::harness::client::{Answer, Connection, Request, ask};
use crate::harness::fleet::unanswered;
use crate::harness::fleet::wait_until;
use crate::harness::redis::{Kind, Redis};
use crate::harness::scratch::Scratch;
use crate::http2::Http2;
use crate::server::{FAST, Nginx, Setup, check};

/// A server with a protected location for everything, with these directives, and `more` beside it.
fn start_with(location: &str, more: &str) -> Nginx {
    let http = format!(
        "log_format verdict \"$request_uri $status $esauth_verdict\";
         server {{ listen PORT0; root FOLDER/html; keepalive_requests 100000; access_log FOLDER/access.log verdict;
             esauth x; esauth_user_file users; client_max_body_size 1m;
             {location}
             location /metrics {{ esauth off; esauth_metrics; access_log off; }}
             location /shown/ {{ ssi on; }}
             location /moved/ {{ rewrite ^ /page last; }}
             {more} }}"
    );
    let users = ["alice", "bob", "carol", "dora"].map(|user| format!("{user}:{FAST}\n")).concat();
    let groups = "Staff: alice bob\nguests: bob\n";
    let included = "<!--#include virtual=\"/page\" --><!--#include virtual=\"/inner/page\" -->";
    let files = [
        ("html/page", "page"),
        ("html/inner/page", "page"),
        ("html/other/page", "page"),
        ("html/shown/page.html", included),
        ("users", &users),
        ("groups", groups),
    ];
    let ports = if more.contains("PORT1") { 2 } else { 1 };
    Nginx::start(&Setup { ports, workers: 2, http: &http, files: &files })
}

fn start(location: &str) -> Nginx {
    start_with(location, "")
}

fn request(target: &str, user: &str) -> Request {
    Request::get(target).header("Host: localhost").basic(user, "secret")
}

fn get(server: &Nginx, request: &Request) -> Answer {
    ask(server.port(), request).expect("nginx answers")
}

fn status(server: &Nginx, target: &str, user: &str) -> u16 {
    get(server, &request(target, user)).status
}

/// How many of so many requests pass before the first is refused; more than `most`: all of them.
fn passing(server: &Nginx, target: &str, user: &str, most: usize) -> usize {
    (0..=most).take_while(|_| status(server, target, user) == 200).count()
}

const LINE: &str = "esauth: user \"alice\" is over esauth_limit ";

#[test]
fn exactly_as_many_requests_of_a_user_pass_as_the_limit_whatever_workers_and_connections_they_meet() {
    let server = start("esauth_limit 50/3600;");
    let port = server.port();
    let answers: Vec<Answer> = thread::scope(|scope| {
        let clients: Vec<_> = (0..12)
            .map(|number| {
                scope.spawn(move || {
                    let request = request("/page", "alice");
                    if number % 2 == 0 {
                        return (0..10).map(|_| ask(port, &request).unwrap()).collect::<Vec<_>>();
                    }
                    // On one connection, which recalls the credentials.
                    let mut connection = Connection::open(port).unwrap();
                    (0..10).map(|_| connection.ask(&request).unwrap()).collect()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let with = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(200), with(429)), (50, 70));
    for refused in answers.iter().filter(|answer| answer.status == 429) {
        let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=72).contains(&seconds), "Retry-After: {seconds}");
        assert_eq!(refused.header("www-authenticate"), None);
        assert!(String::from_utf8_lossy(&refused.body).contains("429 Too Many Requests"));
    }
    assert_eq!(status(&server, "/page", "bob"), 200, "another user");
    assert_eq!((server.lines_with(LINE), server.lines_with(&format!("{LINE}50/3600, answered with 429; "))), (1, 1));
    server.reload();
    assert_eq!(status(&server, "/page", "alice"), 429, "a reload forgets nothing");
}

#[test]
fn a_wrong_password_uses_up_nothing_and_a_refused_user_gets_requests_back() {
    let server = start("esauth_limit 2/2;");
    let wrong = Request::get("/page").header("Host: localhost").basic("alice", "wrong");
    assert_eq!([0; 5].map(|_| get(&server, &wrong).status), [401; 5]);
    assert_eq!([0; 4].map(|_| status(&server, "/page", "alice")), [200, 200, 429, 429]);
    assert_eq!(get(&server, &wrong).status, 401, "the answer to a guess does not reveal that the user is refused");
    sleep(Duration::from_millis(1100));
    assert_eq!(status(&server, "/page", "alice"), 200);
}

#[test]
fn the_line_with_the_user_counts_before_those_with_groups_and_those_before_the_one_without_names() {
    let server = start(
        "esauth_group_file groups; esauth_limit 2/3600; esauth_limit 3/3600 group nobody staff;
         esauth_limit 4/3600 group guests; esauth_limit 5/3600 user dora bob; esauth_limit off user dora;",
    );
    for (user, limit) in [("alice", 3), ("bob", 5), ("carol", 2), ("dora", 5)] {
        assert_eq!(passing(&server, "/page", user, 7), limit, "{user}");
    }
    let server = start("esauth_limit 2/3600; esauth_limit off user dora;");
    assert_eq!((passing(&server, "/page", "carol", 7), passing(&server, "/page", "dora", 7)), (2, 8));
}

#[test]
fn a_location_inherits_limits_unless_it_has_its_own_and_counts_them_apart() {
    let inner = "location /inner/ { esauth_limit 3/3600; } location /other/ { esauth_limit off; }";
    let server = start_with("esauth_limit 2/3600; esauth_limit 1/3600 user bob;", inner);
    assert_eq!(passing(&server, "/page", "alice", 7), 2);
    assert_eq!(passing(&server, "/inner/page", "alice", 7), 3);
    assert_eq!(passing(&server, "/inner/page", "bob", 7), 3, "the outer line about bob is not inherited");
    assert_eq!(passing(&server, "/other/page", "bob", 7), 8);
    assert_eq!(passing(&server, "/page", "bob", 7), 1);
}

#[test]
fn while_a_users_groups_are_unknown_the_lowest_limit_counts() {
    let limits = "esauth_limit off; esauth_limit 3/3600 group nobody; esauth_limit 1/60 group staff;
                  esauth_limit 1/3600 user dora;";
    let server = start(&format!("esauth_group_file groups; {limits}"));
    assert_eq!((passing(&server, "/page", "carol", 7), passing(&server, "/page", "alice", 7)), (8, 1));
    fs::rename(server.path("groups"), server.path("away")).unwrap();
    assert_eq!(passing(&server, "/page", "carol", 7), 3, "3 in an hour are fewer than 1 in a minute");
    let server = start(limits);
    assert_eq!(passing(&server, "/page", "carol", 7), 3);
    let said = server.lines_with("esauth: esauth_limit names groups, but esauth_group_file is not set here; ");
    assert!((1..=2).contains(&said), "one in each worker");
}

#[test]
fn clients_of_elasticsearch_are_refused_in_its_own_form() {
    let server = start("esauth_limit 1/3600;");
    assert_eq!(status(&server, "/page", "alice"), 200);
    for (header, other) in [
        ("Accept: application/json", "bob"),
        ("accept: application/vnd.elasticsearch+json; compatible-with=8", "carol"),
        ("Content-Type: application/JSON", "dora"),
    ] {
        let mut connection = Connection::open(server.port()).unwrap();
        let asked = request("/page", "alice").header(header);
        let refused = connection.ask(&asked).unwrap();
        assert_eq!((refused.status, refused.header("content-type")), (429, Some("application/json")), "{header}");
        let seconds = refused.header("retry-after").unwrap();
        let cause = format!(
            r#""type":"es_rejected_execution_exception","reason":"the user's limit is 1 requests in 3600 seconds; retry after {seconds} seconds""#
        );
        let body = format!(r#"{{"error":{{"root_cause":[{{{cause}}}],{cause}}},"status":429}}"#);
        assert_eq!(String::from_utf8(refused.body).unwrap(), body, "{header}");

        // The connection goes on, whatever the request's body was.
        let text = "x".repeat(200_000);
        let post = Request { method: "POST".to_owned(), ..asked.clone() };
        connection
            .send(&[post.header(format!("Content-Length: {}", text.len())).bytes(), text.into()].concat())
            .unwrap();
        assert_eq!(connection.read().unwrap().status, 429, "{header}");
        let head = Request { method: "HEAD".to_owned(), ..asked };
        let refused = connection.ask(&head).unwrap();
        assert_eq!((refused.status, refused.header("content-type")), (429, Some("application/json")), "{header}");
        assert_eq!(connection.ask(&request("/page", other)).unwrap().status, 200, "{header}");
    }
    // A refusal in the middle of a body that never ends.
    let mut connection = Connection::open(server.port()).unwrap();
    let post = Request { method: "POST".to_owned(), ..request("/page", "alice").header("Accept: application/json") };
    connection.send(&post.header("Content-Length: 500000").bytes()).unwrap();
    assert_eq!(connection.read().unwrap().status, 429);
    drop(connection);
    assert_eq!(status(&server, "/page", "alice"), 429);
    assert_eq!(server.lines_with("exited on signal"), 0);
}

#[test]
fn streams_of_one_connection_are_refused_each_for_itself() {
    let server = start_with("esauth_limit 20/3600;", "listen PORT1 http2;");
    let mut connection = Http2::open(server.ports()[1]);
    let streams: Vec<u32> = (0..40).map(|_| connection.get("/page", Some(("alice", "secret")))).collect();
    let statuses: Vec<u16> = streams.into_iter().map(|stream| connection.status(stream)).collect();
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 20);
    assert_eq!(statuses.iter().filter(|&&status| status == 429).count(), 20);
    let bobs = connection.get("/page", Some(("bob", "secret")));
    assert_eq!(connection.status(bobs), 200);
}

#[test]
fn a_request_counts_once_wherever_nginx_redirects_it_and_whatever_it_includes() {
    let more = "error_page 404 /page; error_page 429 /other/page;";
    let server = start_with("esauth_limit 4/3600;", more);
    let targets = ["/moved/x", "/missing", "/shown/page.html", "/page", "/page"];
    let answers = targets.map(|target| get(&server, &request(target, "alice")));
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 404, 200, 200, 429]);
    assert_eq!(answers[2].body, b"pagepage", "both parts are included");
    assert_eq!(answers[4].body, b"page", "the page of the refusal is no further request");
}

#[test]
fn refusals_are_counted_and_in_the_access_log() {
    let server = start("esauth_limit 2/3600;");
    let json = request("/page", "alice").header("Accept: application/json");
    let asked = [request("/page", "alice"), json].map(|request| [0; 3].map(|_| get(&server, &request).status));
    assert_eq!(asked, [[200, 200, 429], [429, 429, 429]]);
    let counted = "rust_esauth_requests_total{verdict=\"denied\",reason=\"rate_limited\"}";
    // nginx counts a request after its answer.
    wait_until("it is counted", || metric(&server, counted) == 4);
    let log = fs::read_to_string(server.path("access.log")).unwrap();
    assert_eq!(log.lines().filter(|line| *line == "/page 429 rate_limited").count(), 4, "{log}");
}

#[test]
fn a_users_requests_are_limited_over_all_servers() {
    if is_too_slow() {
        return;
    }
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    // Users are counted together if their file has the same path.
    let folder = Scratch::new();
    let users = folder.write("users", format!("alice:{FAST}\nbob:{FAST}\n"));
    let location = format!("esauth_user_file {}; esauth_limit 30/600;", users.display());
    let front = Front { users: "", location: &location, ..Front::of(&url) };
    until_in_time(|| {
        redis.ask(&["FLUSHALL"]);
        let servers = [front.start(), front.start()];
        // Reported within a tenth of a second, and in less if nothing was reported before.
        let pause = || sleep(Duration::from_millis(250));
        assert_eq!(status(&servers[0], "/page", "alice"), 200);
        wait_until("it is counted", || redis.entries().iter().any(|entry| entry.starts_with("esauth:v1:r:")));
        let passing = |server: &Nginx, user: &str| {
            let statuses = (0..40).map(|number| {
                if number < 3 {
                    pause();
                }
                status(server, "/page", user)
            });
            statuses.filter(|&status| status == 200).count()
        };
        let first = passing(&servers[0], "alice");
        pause();
        let (second, another) = (passing(&servers[1], "alice"), passing(&servers[1], "bob"));
        // While an answer is late, a worker allows its share.
        if unanswered(&servers) > 0 {
            return false;
        }
        assert_eq!((first, another), (29, 30));
        assert!(second <= 3, "{second}: what was spent elsewhere is learned with the first request of a worker");
        assert!(metric(&servers[1], "rust_esauth_fleet_counts_total{result=\"taken\"}") > 0);
        true
    });
}

#[test]
fn without_redis_each_server_allows_its_share_of_requests() {
    let mut redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let front =
        Front { workers: 1, http: "esauth_fleet_servers 3;", location: "esauth_limit 12/600;", ..Front::of(&url) };
    let server = front.start();
    assert_eq!(status(&server, "/page", "user0"), 200);
    redis.kill();
    // The worker notices with its first question.
    assert_eq!(status(&server, "/page", "user2"), 200);
    assert_eq!((0..40).filter(|_| status(&server, "/page", "user1") == 200).count(), 4);
}

#[test]
fn a_wrong_value_is_refused_with_the_allowed_ones() {
    let says = |directive: &str| {
        let http = format!("server {{ listen PORT0; location / {{ {directive} }} }}");
        check(&Setup { ports: 1, workers: 1, http: &http, files: &[] })
    };
    for directive in ["esauth_limit 100/60;", "esauth_limit 1000000/86400 user a \"b c\";", "esauth_limit off group x;"]
    {
        let (accepted, said) = says(directive);
        assert!(accepted, "{directive}: {said}");
    }
    for (value, fault) in [
        (
            "0/60",
            "invalid value \"0/60\", expected \"off\" or a whole number of requests from 1 to 1000000, a slash and",
        ),
        ("100/86401", "invalid value \"100/86401\""),
        ("user alice", "invalid value \"user\", expected \"off\" or"),
        ("100/60 user", "invalid value \"user\", expected \"user NAME ...\" or \"group NAME ...\""),
        ("100/60 alice", "invalid value \"alice\""),
        (
            "1/1; esauth_limit off",
            "\"esauth_limit\" directive names neither users nor groups, and is not the first such",
        ),
    ] {
        let (accepted, said) = says(&format!("esauth_limit {value};"));
        assert!(!accepted && said.contains(fault), "{value}: {said}");
    }
}
