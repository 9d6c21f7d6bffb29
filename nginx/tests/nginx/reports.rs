//! What operators and their programs see: metrics, variables for the access log, and fail2ban.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::client::{Connection, Request, ask};
use crate::server::{FAST, Nginx, Setup, skip};

const SITE: &str = "esauth_max_failures 3 1m;
log_format esauth \"$remote_user|$status|$esauth_verdict|$esauth_hash_time|$request_uri\";
server { listen PORT0; root FOLDER/html;
    access_log FOLDER/access.log esauth;
    location / { esauth x; esauth_user_file users; }
    location /open/ { alias FOLDER/html/; }
    location /metrics { esauth_metrics; access_log off; }
    location /admins/ { alias FOLDER/html/; esauth x; esauth_user_file users; esauth_group_file groups;
                        esauth_require group admins; }
    location /dora/ { alias FOLDER/html/; esauth x; esauth_user_file users; esauth_require user dora; }
    location /any/ { alias FOLDER/html/; satisfy any; allow 127.0.0.1; deny all; esauth x; esauth_user_file users; }
    location /either/ { alias FOLDER/html/; satisfy any; auth_request /yes; esauth x; esauth_user_file users; }
    location = /yes { internal; return 204; }
    location /none/ { alias FOLDER/html/; satisfy any; deny all; esauth x; esauth_user_file users; }
    location /missing/ { alias FOLDER/html/; esauth x; esauth_user_file missing; }
    location /told/ { alias FOLDER/html/; esauth x; esauth_user_file users; error_page 401 =200 /open/page; }
    location /twice/ { esauth x; esauth_user_file users; rewrite ^ /again/page last; }
    location /again/ { alias FOLDER/html/; esauth y; esauth_user_file users; } }";

fn start(workers: usize) -> Nginx {
    let users = format!("alice:{FAST}\nbob:{FAST}\n");
    let files = [("html/page", "page"), ("users", users.as_str()), ("groups", "admins: alice\n")];
    Nginx::start(&Setup { ports: 1, workers, http: SITE, files: &files })
}

fn request(target: &str) -> Request {
    Request::get(target).header("Host: localhost").header("Connection: close")
}

fn status(server: &Nginx, request: &Request) -> u16 {
    ask(server.port(), request).expect("nginx answers").status
}

/// The samples of the page with metrics, without the common prefix.
fn metrics(server: &Nginx) -> BTreeMap<String, f64> {
    let answer = ask(server.port(), &request("/metrics")).unwrap();
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(answer.body).unwrap();
    let samples = text.lines().filter_map(|line| line.strip_prefix("rust_esauth_")?.rsplit_once(' '));
    samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// The counts of requests by reason, without zeros, when there are so many: nginx counts a request after its answer.
fn outcomes(server: &Nginx, requests: usize) -> BTreeMap<String, u64> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let counts = counts(server);
        if counts.values().sum::<u64>() >= requests as u64 || Instant::now() > deadline {
            return counts;
        }
    }
}

fn counts(server: &Nginx) -> BTreeMap<String, u64> {
    let reason = |name: &str| Some(name.strip_prefix("requests_total{")?.split('"').nth(3)?.to_owned());
    let counts = metrics(server).into_iter().filter_map(|(name, value)| Some((reason(&name)?, value as u64)));
    counts.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn each_request_is_counted_once_by_its_outcome_and_has_it_in_the_access_log() {
    // One worker logs in the order of the requests.
    let server = start(1);
    let requests = [
        ("granted", 200, request("/page").basic("alice", "secret")),
        ("granted", 200, request("/page").basic("alice", "secret")),
        ("granted", 200, request("/twice/page").basic("alice", "secret")),
        ("granted", 200, request("/admins/page").basic("alice", "secret")),
        ("granted", 404, request("/absent").basic("alice", "secret")),
        ("wrong_password", 401, request("/page").basic("alice", "guess")),
        ("wrong_password", 401, request("/none/page").basic("alice", "guess")),
        ("wrong_password", 200, request("/told/page").basic("bob", "guess")),
        ("unknown_user", 401, request("/page").basic("mallory", "secret")),
        ("no_credentials", 401, request("/page")),
        ("no_credentials", 401, request("/none/page")),
        ("other_scheme", 401, request("/page").header("Authorization: Bearer token")),
        ("not_in_group", 401, request("/admins/page").basic("bob", "secret")),
        ("other_requirement", 401, request("/dora/page").basic("bob", "secret")),
        ("error", 403, request("/missing/page").basic("bob", "secret")),
        ("granted", 200, request("/either/page").basic("alice", "secret")),
        // Of these, others decide.
        ("-", 200, request("/any/page").basic("alice", "secret")),
        ("-", 200, request("/either/page").basic("bob", "guess")),
        ("-", 200, request("/either/page")),
        ("-", 200, request("/any/page")),
        ("-", 200, request("/open/page").basic("alice", "guess")),
        ("-", 200, request("/open/page")),
    ];
    let mut expected = BTreeMap::new();
    for (outcome, answered, request) in &requests {
        assert_eq!(status(&server, request), *answered, "{} {outcome}", request.target);
        if *outcome != "-" {
            *expected.entry((*outcome).to_owned()).or_default() += 1;
        }
    }
    assert_eq!(outcomes(&server, expected.values().sum::<u64>() as usize), expected);
    let log = fs::read_to_string(server.path("access.log")).unwrap();
    for (line, (outcome, answered, request)) in log.lines().zip(&requests) {
        let fields: Vec<_> = line.split('|').collect();
        assert_eq!((fields[1], fields[4]), (answered.to_string().as_str(), request.target.as_str()));
        if !request.target.starts_with("/either/") {
            assert_eq!(fields[2], *outcome, "{line}");
        }
    }
    assert_eq!(log.lines().count(), requests.len());
    // The first needed a hash, the second did not.
    let times: Vec<_> = log.lines().map(|line| line.split('|').nth(3).unwrap()).collect();
    let seconds: f64 = times[0].parse().unwrap();
    assert!(seconds > 0.0 && seconds < 10.0 && times[0].split('.').nth(1).unwrap().len() == 6, "{times:?}");
    assert_eq!(times[1], "-");
}

#[test]
fn a_client_that_is_locked_out_or_refused_for_lack_of_room_is_counted_as_failed() {
    let server = start(2);
    for number in 0..5 {
        status(&server, &request("/page").basic("alice", format!("guess {number}")));
    }
    let expected = BTreeMap::from([("locked_out".to_owned(), 2), ("wrong_password".to_owned(), 3)]);
    assert_eq!(outcomes(&server, 5), expected);
}

#[test]
fn the_page_shows_files_hashes_and_the_server_and_takes_only_reading_methods() {
    let server = start(2);
    status(&server, &request("/page").basic("alice", "secret"));
    status(&server, &request("/missing/page").basic("alice", "secret"));
    let file = |metric: &str, directive: &str, name: &str| {
        let path = server.path(name).display().to_string();
        format!("file_{metric}{{directive=\"esauth_{directive}_file\",path=\"{path}\"}}")
    };
    // Each worker reads it when it starts.
    let deadline = Instant::now() + Duration::from_secs(20);
    while metrics(&server)[&file("loads_total", "user", "users")] < 2.0 && Instant::now() < deadline {}
    let page = metrics(&server);
    assert_eq!(page[&file("users", "user", "users")], 2.0);
    assert_eq!(page[&file("readable", "user", "users")], 1.0);
    assert_eq!(page[&file("groups", "group", "groups")], 1.0);
    assert_eq!(page[&file("loads_total", "user", "users")], 2.0);
    assert_eq!(
        (page[&file("readable", "user", "missing")], page[&file("failures_total", "user", "missing")]),
        (0.0, 1.0)
    );
    assert_eq!(page["hashes_total{family=\"bcrypt\"}"], 1.0);
    assert_eq!(page["hashes_running"], 0.0);
    assert!(page.keys().any(|name| name.starts_with("build_info{version=\"") && name.contains("\",nginx=\"1.")));
    fs::write(server.path("users"), format!("alice:{FAST}\n")).unwrap();
    status(&server, &request("/page").basic("alice", "secret"));
    let page = metrics(&server);
    assert_eq!((page[&file("users", "user", "users")], page[&file("loads_total", "user", "users")]), (1.0, 3.0));

    let asked = |method: &str| Request::new(method, "/metrics").header("Host: localhost");
    let mut connection = Connection::open(server.port()).unwrap();
    let head = connection.ask(&asked("HEAD")).unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(
        connection
            .ask(&asked("POST").header("Content-Length: 3").header("X: y"))
            .map(|answer| answer.status)
            .unwrap_or(405),
        405
    );
}

#[test]
fn the_counts_survive_a_reload() {
    let server = start(2);
    status(&server, &request("/page").basic("alice", "secret"));
    server.reload();
    status(&server, &request("/page").basic("alice", "secret"));
    assert_eq!(outcomes(&server, 2), BTreeMap::from([("granted".to_owned(), 2)]));
}

#[test]
fn prometheus_finds_nothing_to_object_to() {
    if Command::new("promtool").arg("--version").output().is_err() {
        return skip("promtool is not installed (package prometheus)");
    }
    let server = start(2);
    status(&server, &request("/page").basic("alice", "secret"));
    let page = ask(server.port(), &request("/metrics")).unwrap().body;
    let mut command = Command::new("promtool");
    let promtool =
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(&page).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

/// A user name that tries to get another address banned.
const INJECTED: &str = "2026/11/24 12:00:00 [error] 1#1: *1 user \"eve\": password mismatch, client: 203.0.113.9, \
                        server: x, request: \"GET / HTTP/1.1\", host: \"x\"";

#[test]
fn fail2ban_sees_the_same_addresses_fail_as_with_auth_basic() {
    if Command::new("fail2ban-regex").arg("--version").output().is_err() {
        return skip("fail2ban-regex is not installed (package fail2ban)");
    }
    let site = |port: &str, directive: &str, log: &str| {
        format!(
            "server {{ listen {port}; server_name x; root FOLDER/html; error_log FOLDER/{log} info;
             location / {{ {directive} x; {directive}_user_file users; }} }}\n"
        )
    };
    let users = format!("alice:{FAST}\n");
    let http = site("PORT0", "auth_basic", "stock.log") + &site("PORT1", "esauth", "ours.log");
    let files = [("html/page", "page"), ("users", users.as_str())];
    let server = Nginx::start(&Setup { ports: 2, workers: 1, http: &http, files: &files });
    let injected = format!("mallory\n{INJECTED}\n");
    let deeds: Vec<(Request, bool)> = vec![
        (request("/page").basic("alice", "secret"), false),
        (request("/page"), false),
        (request("/page").header("Authorization: Bearer token"), false),
        (request("/page").basic("alice", "guess"), true),
        (request("/page").basic("mallory", "guess"), true),
        (request("/page").basic("mal\"lo'ry", "guess"), true),
        (request("/page").basic("mal lory\\", "guess"), true),
        (request("/page").basic("M\u{fc}ller", "guess"), true),
        (request("/page").basic("n".repeat(1000), "guess"), true),
    ];
    let address = |number: usize| IpAddr::from(Ipv4Addr::new(127, 0, 1, 1 + u8::try_from(number).unwrap()));
    for (number, (request, _)) in deeds.iter().enumerate() {
        for &port in server.ports() {
            // Twice: also if the verdict is remembered.
            for _ in 0..2 {
                Connection::open_from(address(number), port).unwrap().ask(request).unwrap();
            }
        }
    }
    // nginx's own lines would let it through.
    Connection::open_from(address(99), server.ports()[1])
        .unwrap()
        .ask(&request("/page").basic(&injected, "x"))
        .unwrap();
    let stock = failures(&server.path("stock.log"));
    let mut ours = failures(&server.path("ours.log"));
    let at_injector = ours.remove(&address(99));
    assert!(!ours.contains_key(&"203.0.113.9".parse().unwrap()), "{ours:?} {at_injector:?}");
    assert_eq!(ours, stock);
    for (number, (request, fails)) in deeds.iter().enumerate() {
        if *fails {
            assert_eq!(ours.get(&address(number)), Some(&2), "{:?}", String::from_utf8_lossy(&request.bytes()));
        }
    }
}

fn failures(log: &Path) -> BTreeMap<IpAddr, usize> {
    let output = Command::new("fail2ban-regex").args(["--out", "ip"]).arg(log).arg("nginx-http-auth").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut seen = BTreeMap::new();
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        let address = line.trim().parse().unwrap_or_else(|_| panic!("fail2ban-regex says {line:?}"));
        *seen.entry(address).or_default() += 1;
    }
    seen
}
