//! The operator's view: the metrics add up to the requests sent, and are valid for Prometheus and for readers of
//! mod_status and the access log.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "metrics/exposition.rs"]
mod exposition;
mod harness;
#[path = "metrics/names.rs"]
mod names;

use std::collections::BTreeMap;
use std::fs;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use exposition::Page;
use harness::client::{self, Answer, Connection, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;

/// All of "secret": bcrypt with cost 4 and 8, and what `htpasswd` makes with -m and -s.
const FAST: &str = "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";
const SLOW: &str = "$2y$08$R2HAp1PUOTCuUzLYW4habOJ4VIpbyA2UqW3bkHFRgg9UPcRcyaTh.";
const APR1: &str = "$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071";
const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

/// Starts a server with sections for every outcome. `global` comes before them.
fn start(mpm: Mpm, stock: &[&str], global: &str) -> Httpd {
    let installation = Installation::get();
    let load = installation.load_core()
        + &installation.load(&["dir", "autoindex", "status"])
        + &installation.load(stock)
        + &installation.load_ours();
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        let users = format!("alice:{FAST}\nbob:{APR1}\ncarol:{SHA}\nslow:{SLOW}\n");
        fs::write(site.folder.join("users"), users).unwrap();
        fs::write(site.folder.join("groups"), "staff: alice carol\nguests: bob\n").unwrap();
        for path in ["data", "staff", "alone", "broken", "open", "unready", "errors", "front", "list/entry", "said"] {
            fs::create_dir_all(site.folder.join(path)).unwrap();
            fs::write(site.folder.join(path).join("file.txt"), "file\n").unwrap();
        }
        let section = |path: &str, lines: &str| {
            format!(
                "<Location /{path}>\nAuthType Basic\nAuthName realm\nAuthUserFile {folder}/users\n\
                 AuthGroupFile {folder}/groups\n{lines}\n</Location>\n"
            )
        };
        format!(
            "DocumentRoot {folder}\nDirectoryIndex file.txt\nErrorDocument 404 /errors/file.txt\n\
             LogFormat \"%U %>s %{{esauth-verdict}}n %{{esauth-hash-us}}n\" cost\nCustomLog {folder}/access.log cost\n\
             <Directory {folder}/list>\nOptions +Indexes\n</Directory>\n\
             <Location /metrics>\nSetHandler rust-esauth-metrics\n</Location>\n\
             <Location /server-status>\nSetHandler server-status\n</Location>\n{global}\n"
        ) + &section("data", "<LimitExcept OPTIONS>\nRequire valid-user\n</LimitExcept>")
            + &section("errors", "Require valid-user")
            + &section("front/file.txt", "Require valid-user")
            + &section("list/entry", "Require valid-user")
            + &section("said", "Require valid-user\nErrorDocument 401 /open/file.txt")
            + &section("staff", "Require group staff")
            + &section("alone", "Require user alice")
            + &section("unready", "Require group staff\nAuthGroupFile /no/such/file")
            + &section("broken", "Require valid-user\nAuthUserFile /no/such/file")
    };
    Httpd::start(&Setup { mpm, load, ports: 1, configuration: &configuration })
}

fn request(method: &str, target: &str) -> Request {
    Request::new(method, target).header("Host: localhost")
}

fn get(server: &Httpd, target: &str) -> Answer {
    client::ask(server.port(), &request("GET", target)).unwrap()
}

fn page(server: &Httpd) -> Page {
    let answer = get(server, "/metrics");
    let text = String::from_utf8(answer.body).unwrap();
    exposition::parse(&text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// Requests by reason, without zeros.
fn requests(page: &Page) -> BTreeMap<String, u64> {
    let samples = page.0["rust_esauth_requests_total"].samples.iter();
    samples
        .filter(|(.., count)| *count > 0.0)
        .map(|(_, labels, count)| (labels["reason"].clone(), *count as u64))
        .collect()
}

/// A request is counted when httpd logs it, which may be a moment after its answer.
fn page_when(server: &Httpd, is_there: impl Fn(&Page) -> bool) -> Page {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let page = page(server);
        if is_there(&page) || Instant::now() > deadline {
            return page;
        }
        sleep(Duration::from_millis(20));
    }
}

fn assert_requests(server: &Httpd, expected: &BTreeMap<String, u64>, when: &str) {
    let page = page_when(server, |page| requests(page) == *expected);
    assert_eq!(requests(&page), *expected, "{when}");
}

/// A request, its status, and the outcome it must be counted as.
struct Case(Request, u16, Option<&'static str>);

fn cases() -> Vec<Case> {
    let get = |target| request("GET", target);
    vec![
        Case(get("/data/file.txt").basic("alice", "secret"), 200, Some("granted")),
        Case(get("/data/file.txt").basic("bob", "secret"), 200, Some("granted")),
        Case(get("/data/file.txt").basic("carol", "secret"), 200, Some("granted")),
        // Authenticated separately, the folder's index and nothing twice.
        Case(get("/data/").basic("alice", "secret"), 200, Some("granted")),
        // A subrequest asks for the index of an open folder.
        Case(get("/front/").basic("alice", "secret"), 200, Some("granted")),
        Case(get("/front/"), 401, Some("no_credentials")),
        // An open listing leaves out entries that need credentials.
        Case(get("/list/"), 200, None),
        // The text of the error is open,
        Case(get("/said/").basic("alice", "wrong"), 401, Some("wrong_password")),
        // or protected as well, by another section.
        Case(get("/data/missing").basic("alice", "secret"), 404, Some("granted")),
        Case(get("/data/file.txt").basic("alice", "wrong"), 401, Some("wrong_password")),
        Case(get("/data/file.txt").basic("carol", "wrong"), 401, Some("wrong_password")),
        Case(get("/data/file.txt").basic("nobody", "secret"), 401, Some("unknown_user")),
        Case(get("/data/file.txt"), 401, Some("no_credentials")),
        Case(get("/data/file.txt").header("Authorization: Bearer abc"), 401, Some("other_scheme")),
        Case(get("/staff/file.txt").basic("alice", "secret"), 200, Some("granted")),
        Case(get("/staff/file.txt").basic("bob", "secret"), 401, Some("not_in_group")),
        Case(get("/staff/file.txt").basic("slow", "secret"), 401, Some("not_in_group")),
        Case(get("/alone/file.txt").basic("bob", "secret"), 401, Some("other_requirement")),
        Case(get("/broken/file.txt").basic("alice", "secret"), 500, Some("error")),
        Case(get("/unready/file.txt").basic("alice", "secret"), 500, Some("error")),
        Case(get("/open/file.txt"), 200, None),
        Case(get("/open/file.txt").basic("alice", "wrong"), 200, None),
        Case(request("OPTIONS", "/data/file.txt"), 200, None),
    ]
}

/// Sends every case `times` times from each of several clients at once, and adds up the expected counts.
fn load(server: &Httpd, clients: u64, times: u64, expected: &mut BTreeMap<String, u64>) {
    let cases = cases();
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut connection = Connection::open(server.port()).unwrap();
                for _ in 0..times {
                    for Case(request, status, reason) in &cases {
                        let answer = connection.ask(request).or_else(|_| {
                            // httpd may close a connection between two requests.
                            connection = Connection::open(server.port())?;
                            connection.ask(request)
                        });
                        assert_eq!(answer.unwrap().status, *status, "{} {reason:?}", request.target);
                    }
                }
            });
        }
    });
    for reason in cases.iter().filter_map(|case| case.2) {
        *expected.entry(reason.to_owned()).or_default() += clients * times;
    }
}

mod requests_add_up {
    use super::*;

    #[test]
    fn under_event() {
        requests_add_up(Mpm::Event);
    }

    #[test]
    fn under_worker() {
        requests_add_up(Mpm::Worker);
    }

    #[test]
    fn under_prefork() {
        requests_add_up(Mpm::Prefork);
    }

    /// By reason, whichever child served them, over graceful restarts and the death of children.
    fn requests_add_up(mpm: Mpm) {
        if mpm.is_missing() {
            return;
        }
        // No request is lost when a child ends after its last connection.
        let server = start(mpm, &[], "MaxKeepAliveRequests 0\nKeepAliveTimeout 60\n");
        let mut expected = BTreeMap::new();
        load(&server, 8, 10, &mut expected);
        assert_requests(&server, &expected, "after the load");
        let before = page(&server);

        server.graceful();
        assert_requests(&server, &expected, "after a graceful restart");
        load(&server, 4, 2, &mut expected);
        assert_requests(&server, &expected, "after a graceful restart and more requests");

        server.kill_children();
        load(&server, 4, 2, &mut expected);
        assert_requests(&server, &expected, "after all children were killed");
        let after = page(&server);
        assert_eq!(
            after.value("rust_esauth_start_time_seconds", &[]),
            before.value("rust_esauth_start_time_seconds", &[])
        );
        // Every credential with a slow hash was looked up, and computed when first seen.
        let hits = |part| after.value("rust_esauth_cache_hits_total", &[("part", part)]);
        assert!(hits("grants") > 0.0 && hits("denials") > 0.0);
        assert_eq!(after.value("rust_esauth_cache_entries", &[("part", "grants")]), 3.0, "alice, bob and slow");
        let hashes = |family| after.value("rust_esauth_hashes_total", &[("family", family)]);
        let timed = |family| after.value("rust_esauth_hash_duration_seconds_count", &[("family", family)]);
        assert_eq!((timed("bcrypt"), timed("apr1")), (hashes("bcrypt"), hashes("apr1")));
        assert!(hashes("apr1") >= 1.0 && hashes("bcrypt") >= 2.0);
        // Carol's are computed every time, and so are an unknown user's if hers is the substitute.
        let (carols, nobodys) = (expected["granted"] / 7 + expected["wrong_password"] / 3, expected["unknown_user"]);
        assert!([carols, carols + nobodys].contains(&(hashes("sha1") as u64)), "{} of {carols}", hashes("sha1"));
        let misses = after.value("rust_esauth_cache_misses_total", &[]);
        assert_eq!(misses, after.sum("rust_esauth_wait_duration_seconds_count"), "every miss waits");

        server.restart();
        assert_eq!(requests(&page(&server)), BTreeMap::new(), "any other restart begins anew");
    }
}

#[test]
fn refusals_of_a_full_queue_are_counted_as_such() {
    let mpm = Mpm::usual();
    // Prefork starts further children one by one, and never as many as would wait.
    let started = if mpm == Mpm::Prefork { "StartServers 200\n" } else { "" };
    let server = start(mpm, &[], &format!("EsAuthHashSlots 1\n{}{started}", mpm.room_for_200()));
    // One address may hold at most half of the 256 workers.
    let statuses: Vec<u16> = thread::scope(|scope| {
        let guess = |n| {
            let request = request("GET", "/data/file.txt").basic("slow", format!("guess {n}"));
            let port = server.port();
            scope.spawn(move || client::ask(port, &request).unwrap().status)
        };
        let guesses: Vec<_> = (0..170).map(guess).collect();
        guesses.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|&&there| there == status).count() as u64;
    let expected = [("wrong_password".to_owned(), count(401)), ("queue_full".to_owned(), count(503))];
    assert!(count(503) > 0 && count(401) + count(503) == 170, "{statuses:?}");
    assert_requests(&server, &expected.into(), "after the guesses");
    let page = page(&server);
    let waits = |ended| page.value("rust_esauth_wait_duration_seconds_count", &[("ended", ended)]);
    assert_eq!((waits("slot") as u64, waits("refused") as u64), (count(401), count(503)));
    assert!(page.value("rust_esauth_wait_duration_seconds_sum", &[("ended", "slot")]) > 0.1, "they stood in line");
}

#[test]
fn refusals_of_a_lockout_are_counted_as_such() {
    let server = start(Mpm::usual(), &[], "EsAuthMaxFailures 3/60\n");
    let guess = |n| {
        let request = request("GET", "/data/file.txt").basic("alice", format!("guess {n}"));
        client::ask(server.port(), &request).unwrap().status
    };
    assert_eq!([1, 2, 3, 4, 5].map(guess), [401, 401, 401, 429, 429]);
    let expected = [("wrong_password".to_owned(), 3), ("locked_out".to_owned(), 2)];
    assert_requests(&server, &expected.into(), "after the guesses");
}

/// A gauge that was counted up and down would stay up here.
#[test]
fn a_child_killed_during_a_hash_leaves_no_gauge_stuck() {
    let server = start(Mpm::usual(), &[], "EsAuthHashSlots 1\n");
    let gauges = |page: &Page| {
        ["hashes_running", "credentials_waiting"].map(|name| page.value(&format!("rust_esauth_{name}"), &[]) as u64)
    };
    thread::scope(|scope| {
        for n in 0..12 {
            let request = request("GET", "/data/file.txt").basic("slow", format!("guess {n}"));
            let port = server.port();
            // Most of these get no answer, since their child is killed.
            scope.spawn(move || drop(client::ask(port, &request)));
        }
        let busy = page_when(&server, |page| gauges(page)[0] == 1 && gauges(page)[1] > 0);
        assert!(gauges(&busy)[0] == 1 && gauges(&busy)[1] > 0, "{:?}", gauges(&busy));
        server.kill_children();
    });
    let idle = page_when(&server, |page| gauges(page) == [0, 0]);
    assert_eq!(gauges(&idle), [0, 0]);
    assert_eq!(client::ask(server.port(), &request("GET", "/data/").basic("slow", "secret")).unwrap().status, 200);
}

/// mod_auth_basic asks another provider after ours, or before it, and decides.
#[test]
fn as_a_provider_of_mod_auth_basic_each_request_counts_once() {
    let installation = Installation::get();
    let stock: &[&str] =
        if installation.is_22() { &["auth_basic", "authn_dbm"] } else { &["auth_basic", "authn_dbm", "authn_anon"] };
    if let Some(missing) = stock.iter().find(|module| !installation.has(module)) {
        return installation.skip_this_test(&format!("it has no mod_{missing}"));
    }
    let server = start(Mpm::usual(), stock, "<Location />\nAuthBasicProvider file dbm\n</Location>\n");
    let ask = |target: &str, user: &str, password: &str| {
        let request = request("GET", target).basic(user, password);
        client::ask(server.port(), &request).unwrap().status
    };
    for _ in 0..5 {
        assert_eq!(ask("/data/", "alice", "secret"), 200);
        assert_eq!(ask("/data/", "alice", "wrong"), 401);
        assert_eq!(ask("/staff/", "bob", "secret"), 401);
        assert_eq!(ask("/broken/", "alice", "secret"), 500);
    }
    let expected = ["granted", "wrong_password", "not_in_group", "error"].map(|reason| (reason.to_owned(), 5));
    assert_requests(&server, &expected.into(), "driven by mod_auth_basic");
}

#[test]
fn the_page_is_for_get_and_head_and_not_to_be_stored() {
    let server = start(Mpm::usual(), &[], "");
    let answer = get(&server, "/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let head = client::ask(server.port(), &request("HEAD", "/metrics")).unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, answer.header("content-type")));
    for method in ["POST", "PUT", "DELETE"] {
        let answer = client::ask(server.port(), &request(method, "/metrics").header("Content-Length: 0")).unwrap();
        let allowed = answer.header("allow").unwrap_or("").to_owned();
        assert_eq!(answer.status, 405, "{method}");
        assert!(allowed.contains("GET") && allowed.contains("HEAD") && !allowed.contains("POST"), "{allowed}");
    }
}

#[test]
fn prometheus_finds_nothing_to_object_to() {
    let server = start(Mpm::usual(), &[], "");
    load(&server, 1, 1, &mut BTreeMap::new());
    let (status, said) = match names::promtool(&["check", "metrics"], &get(&server, "/metrics").body) {
        Some(checked) => checked,
        None => return,
    };
    assert!(status && said.is_empty(), "{said}");
}

#[test]
fn a_files_contents_loads_and_readability_are_shown() {
    let odd = r#"we"ird\users"#;
    let section = format!(
        "<Location /odd>\nAuthType Basic\nAuthName realm\nAuthUserFile '{odd}'\nRequire valid-user\n</Location>\n\
         <Directory />\nAllowOverride AuthConfig\n</Directory>\n"
    );
    let server = start(Mpm::usual(), &[], &section.replace('\\', r"\\"));
    let path = |name: &str| server.folder().join(name).display().to_string();
    let users = path("users");
    let of = |page: &Page, metric: &str, directive: &str, path: &str| {
        page.value(&format!("rust_esauth_file_{metric}"), &[("directive", directive), ("path", path)])
    };
    let page = page_when(&server, |page| of(page, "loads_total", "AuthUserFile", &users) > 0.0);
    assert_eq!(of(&page, "users", "AuthUserFile", &users), 4.0);
    assert_eq!(of(&page, "size_bytes", "AuthUserFile", &users) as u64, fs::metadata(&users).unwrap().len());
    assert_eq!(of(&page, "readable", "AuthUserFile", &users), 1.0);
    assert_eq!(of(&page, "users", "AuthGroupFile", &path("groups")), 3.0);
    assert_eq!(of(&page, "groups", "AuthGroupFile", &path("groups")), 2.0);
    let loaded_at = of(&page, "last_load_timestamp_seconds", "AuthUserFile", &users);
    assert!((loaded_at - page.value("rust_esauth_start_time_seconds", &[])).abs() < 60.0);
    assert_eq!(of(&page, "readable", "AuthUserFile", "/no/such/file"), 0.0);
    assert_eq!(of(&page, "loads_total", "AuthUserFile", "/no/such/file"), 0.0);
    assert_eq!(of(&page, "readable", "AuthUserFile", &path(odd)), 0.0, "a path is escaped");

    // Edited: the next request reads it.
    fs::write(&users, format!("alice:{FAST}\n")).unwrap();
    assert_eq!(client::ask(server.port(), &request("GET", "/data/").basic("alice", "secret")).unwrap().status, 200);
    let edited = page_when(&server, |page| of(page, "users", "AuthUserFile", &users) == 1.0);
    assert_eq!(of(&edited, "users", "AuthUserFile", &users), 1.0);
    assert!(of(&edited, "loads_total", "AuthUserFile", &users) > of(&page, "loads_total", "AuthUserFile", &users));

    // Gone, and back.
    fs::rename(&users, path("away")).unwrap();
    assert_eq!(client::ask(server.port(), &request("GET", "/data/").basic("alice", "secret")).unwrap().status, 500);
    let gone = page_when(&server, |page| of(page, "failures_total", "AuthUserFile", &users) > 0.0);
    assert_eq!(of(&gone, "readable", "AuthUserFile", &users), 0.0);
    fs::rename(path("away"), &users).unwrap();
    assert_eq!(client::ask(server.port(), &request("GET", "/data/").basic("alice", "secret")).unwrap().status, 200);
    assert_eq!(
        of(
            &page_when(&server, |page| of(page, "readable", "AuthUserFile", &users) == 1.0),
            "readable",
            "AuthUserFile",
            &users
        ),
        1.0
    );

    // An operator has not named a file that only a .htaccess file names.
    let hidden = path("hidden");
    fs::write(&hidden, format!("dora:{SHA}\n")).unwrap();
    let lines = format!("AuthType Basic\nAuthName realm\nAuthUserFile {hidden}\nRequire valid-user\n");
    fs::write(path("open/.htaccess"), lines).unwrap();
    assert_eq!(client::ask(server.port(), &request("GET", "/open/").basic("dora", "secret")).unwrap().status, 200);
    let text = String::from_utf8(get(&server, "/metrics").body).unwrap();
    let page = exposition::parse(&text).unwrap();
    assert!(of(&page, "loads_total", "AuthUserFile", "other") >= 1.0);
    assert!(!text.contains("hidden") && !text.contains("alice") && !text.contains("dora"), "{text}");
}

#[test]
fn a_htaccess_file_shows_no_metrics_by_whichever_directive() {
    let allowed = "<Directory />\nAllowOverride All\nOptions +FollowSymLinks\n</Directory>\n";
    let server = start(Mpm::usual(), &[], &format!("{allowed}<Location /metrics/own>\nSetHandler none\n</Location>\n"));
    let htaccess = server.folder().join("open/.htaccess");
    let status = |target: &str| get(&server, target).status;
    assert_eq!(status("/open/file.txt"), 200);
    for lines in [
        "SetHandler rust-esauth-metrics\n",
        "<Files file.txt>\nSetHandler rust-esauth-metrics\n</Files>\n",
        "SetHandler RUST-ESAUTH-METRICS\n",
    ] {
        fs::write(&htaccess, lines).unwrap();
        assert!(!String::from_utf8_lossy(&get(&server, "/open/file.txt").body).contains("rust_esauth_"), "{lines}");
    }
    fs::write(&htaccess, "SetHandler rust-esauth-metrics\n").unwrap();
    assert_eq!(status("/open/file.txt"), 403);
    assert!(server.lines_with("SetHandler rust-esauth-metrics works in the server's own configuration only") > 0);
    fs::remove_file(&htaccess).unwrap();
    assert_eq!((status("/open/file.txt"), status("/metrics"), status("/metrics/own")), (200, 200, 404));
}

#[test]
fn mod_status_shows_the_same_to_people_and_to_programs() {
    let server = start(Mpm::usual(), &[], "");
    let mut expected = BTreeMap::new();
    load(&server, 2, 2, &mut expected);
    assert_requests(&server, &expected, "after the load");
    let auto = String::from_utf8(get(&server, "/server-status?auto").body).unwrap();
    let lines: BTreeMap<&str, &str> = auto.lines().filter_map(|line| line.split_once(": ")).collect();
    for (reason, key) in [
        ("granted", "EsAuthRequestsGranted"),
        ("wrong_password", "EsAuthRequestsWrongPassword"),
        ("not_in_group", "EsAuthRequestsNotInGroup"),
    ] {
        assert_eq!(lines[key], expected[reason].to_string(), "{auto}");
    }
    assert_eq!(lines["EsAuthCacheGrantEntries"], "3");
    let keys = auto.lines().filter(|line| line.starts_with("EsAuth")).count();
    assert_eq!(keys, lines.keys().filter(|key| key.starts_with("EsAuth")).count(), "no key comes twice");

    let html = String::from_utf8(get(&server, "/server-status").body).unwrap();
    let row =
        format!("<tr><td>Requests: wrong password</td><td align=\"right\">{}</td></tr>", expected["wrong_password"]);
    assert!(html.contains(&row), "{html}");
    assert_eq!(html.matches("<tr><td>Requests: ").count(), page(&server).0["rust_esauth_requests_total"].samples.len());
    assert!(html.find(&row) < html.find("</body>"));
}

#[test]
fn mod_status_shows_none_of_them_where_only_a_htaccess_file_shows_its_page() {
    let allowed = "<Directory />\nAllowOverride All\nOptions +FollowSymLinks\n</Directory>\n";
    let own = "<Location /other-status>\nSetHandler application/x-httpd-status\n</Location>\n";
    let server = start(Mpm::usual(), &[], &format!("{allowed}{own}"));
    let shown = |target: &str| {
        let body = get(&server, target).body;
        let text = String::from_utf8_lossy(&body).into_owned();
        (text.contains("Server Version"), text.contains("EsAuth") || text.contains("rust_esauth"))
    };
    assert_eq!([shown("/server-status"), shown("/other-status")], [(true, true); 2]);
    for lines in ["SetHandler server-status\n", "<Files file.txt>\nSetHandler server-status\n</Files>\n"] {
        fs::write(server.folder().join("open/.htaccess"), lines).unwrap();
        for target in ["/open/file.txt", "/open/file.txt?auto"] {
            assert!(!shown(target).1, "{lines}");
        }
        assert!(shown("/open/file.txt").0, "{lines}");
    }
}

#[test]
fn the_access_log_shows_each_requests_verdict_and_the_time_of_its_hash() {
    let mut server = start(Mpm::usual(), &[], "");
    load(&server, 1, 2, &mut BTreeMap::new());
    server.stop();
    let log = fs::read_to_string(server.folder().join("access.log")).unwrap();
    let lines: Vec<Vec<&str>> = log.lines().map(|line| line.split(' ').collect()).collect();
    let cases = cases();
    assert_eq!(lines.len(), 2 * cases.len(), "{log}");
    for (line, Case(request, status, reason)) in lines.iter().zip(cases.iter().chain(&cases)) {
        let said = (line[1].parse(), line[2]);
        assert_eq!(said, (Ok(*status), reason.unwrap_or("-")), "{} of {line:?}", request.target);
    }
    // The first request of each credential with a slow hash computed one, and no other did.
    let first = &lines[0];
    assert!(first[3].parse::<u64>().unwrap() > 100, "{first:?}");
    assert!(lines[cases.len()..].iter().all(|line| line[3] == "-"), "{log}");
}
