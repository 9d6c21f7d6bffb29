//! EsAuthLimit in a running server: how many requests of a user pass, whose they are, and what the others are answered.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::thread;
use std::time::Duration;

use harness::client::{self, Answer, Connection, Request};
use harness::fleet::wait_until;
use harness::httpd::{self, Httpd, Mpm, Setup, Site};
use harness::installation::Installation;

/// Of "secret".
const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

/// Beginning of the line about a user who is over the limit.
const LINE: &str = "is over EsAuthLimit ";

const USERS: [&str; 4] = ["alice", "bob", "carol", "dora"];

fn setup<'a>(mpm: Mpm, stock: &[&str], configuration: &'a dyn Fn(&Site<'_>) -> String) -> Setup<'a> {
    let installation = Installation::get();
    let load =
        installation.load_core() + &installation.load(&["dir"]) + &installation.load(stock) + &installation.load_ours();
    Setup { mpm, load, ports: 1, configuration }
}

/// A server with a protected section for everything, with these directives, and `more` behind it.
fn start_with(mpm: Mpm, stock: &[&str], section: &str, more: &str) -> Httpd {
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        fs::write(site.folder.join("users"), USERS.map(|user| format!("{user}:{SHA}\n")).concat()).unwrap();
        fs::write(site.folder.join("groups"), "Staff: alice bob\nguests: bob\n").unwrap();
        for path in ["", "inner", "other"] {
            fs::create_dir_all(site.folder.join(path)).unwrap();
            fs::write(site.folder.join(path).join("file.txt"), "file\n").unwrap();
        }
        format!(
            "DocumentRoot {folder}\nDirectoryIndex file.txt\nMaxKeepAliveRequests 0\n\
             LogFormat \"%U %>s %{{esauth-verdict}}n\" verdict\nCustomLog {folder}/access.log verdict\n\
             <Location />\nAuthType Basic\nAuthName realm\nAuthUserFile {folder}/users\nRequire valid-user\n\
             {}\n</Location>\n{more}\n",
            section.replace("FOLDER", &folder.to_string())
        )
    };
    Httpd::start(&setup(mpm, stock, &configuration))
}

fn start(section: &str) -> Httpd {
    start_with(Mpm::usual(), &[], section, "")
}

fn request(target: &str, user: &str) -> Request {
    Request::get(target).header("Host: localhost").basic(user, "secret")
}

fn ask(server: &Httpd, request: &Request) -> Answer {
    client::ask(server.port(), request).unwrap()
}

fn status(server: &Httpd, user: &str) -> u16 {
    ask(server, &request("/file.txt", user)).status
}

/// How many of so many requests pass before the first is refused; more than `most`: all of them.
fn passing(server: &Httpd, target: &str, user: &str, most: usize) -> usize {
    (0..=most).take_while(|_| ask(server, &request(target, user)).status == 200).count()
}

#[test]
fn exactly_as_many_requests_of_a_user_pass_as_the_limit_whatever_children_and_connections_they_meet() {
    for mpm in Mpm::available() {
        let server = start_with(mpm, &[], "EsAuthLimit 50/3600", "");
        let port = server.port();
        let answers: Vec<Answer> = thread::scope(|scope| {
            let clients: Vec<_> = (0..12)
                .map(|number| {
                    scope.spawn(move || {
                        let request = request("/file.txt", "alice");
                        if number % 2 == 0 {
                            return (0..10).map(|_| client::ask(port, &request).unwrap()).collect::<Vec<_>>();
                        }
                        // On one connection, which recalls the credentials. httpd may end it before it reads a request.
                        let mut connection = Connection::open(port).unwrap();
                        (0..10)
                            .map(|_| connection.ask(&request).or_else(|_| client::ask(port, &request)).unwrap())
                            .collect()
                    })
                })
                .collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        let with = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((with(200), with(429)), (50, 70), "{mpm:?}");
        for refused in answers.iter().filter(|answer| answer.status == 429) {
            let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=72).contains(&seconds), "{mpm:?}: Retry-After: {seconds}");
            assert_eq!(refused.header("www-authenticate"), None);
            assert!(String::from_utf8_lossy(&refused.body).contains("429 Too Many Requests"));
        }
        assert_eq!(status(&server, "bob"), 200, "{mpm:?}: another user");
        let line = format!("rust_esauth: user alice at 127.0.0.1 {LINE}50/3600, answered with 429; ");
        assert_eq!((server.lines_with(LINE), server.lines_with(&line)), (1, 1), "{mpm:?}");

        server.graceful();
        assert_eq!(status(&server, "alice"), 429, "{mpm:?}: a graceful restart forgets nothing");
        server.restart();
        assert_eq!(status(&server, "alice"), 200, "{mpm:?}: any other restart forgets everything");
    }
}

#[test]
fn a_refused_user_gets_one_request_back_after_each_interval() {
    let server = start("EsAuthLimit 2/2");
    assert_eq!([0; 4].map(|_| status(&server, "alice")), [200, 200, 429, 429]);
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(status(&server, "alice"), 200);
}

#[test]
fn a_wrong_password_uses_up_nothing() {
    let server = start("EsAuthLimit 2/3600");
    let wrong = Request::get("/file.txt").header("Host: localhost").basic("alice", "wrong");
    assert_eq!([0; 5].map(|_| ask(&server, &wrong).status), [401; 5]);
    assert_eq!([0; 3].map(|_| status(&server, "alice")), [200, 200, 429]);
    assert_eq!(ask(&server, &wrong).status, 401, "the answer to a guess does not reveal that the user is refused");
}

#[test]
fn the_line_with_the_user_counts_before_those_with_groups_and_those_before_the_one_without_names() {
    let server = start(
        "AuthGroupFile FOLDER/groups\nEsAuthLimit 2/3600\nEsAuthLimit 3/3600 group nobody staff\n\
         EsAuthLimit 4/3600 GROUP guests\nEsAuthLimit 5/3600 user dora bob\nEsAuthLimit Off user dora",
    );
    let expected = [("alice", 3), ("bob", 5), ("carol", 2), ("dora", 5)];
    for (user, limit) in expected {
        assert_eq!(passing(&server, "/file.txt", user, 7), limit, "{user}");
    }
    let server = start("EsAuthLimit 2/3600\nEsAuthLimit off user dora");
    assert_eq!((passing(&server, "/file.txt", "carol", 7), passing(&server, "/file.txt", "dora", 7)), (2, 8));
}

#[test]
fn a_section_inherits_limits_unless_it_has_its_own_and_counts_them_apart() {
    let inner = "<Location /inner>\nEsAuthLimit 3/3600\n</Location>\n<Location /other>\nEsAuthLimit Off\n</Location>\n";
    let server = start_with(Mpm::usual(), &[], "EsAuthLimit 2/3600\nEsAuthLimit 1/3600 user bob", inner);
    assert_eq!(passing(&server, "/file.txt", "alice", 7), 2);
    assert_eq!(passing(&server, "/inner/file.txt", "alice", 7), 3);
    assert_eq!(passing(&server, "/inner/file.txt", "bob", 7), 3, "the outer section's line about bob is not inherited");
    assert_eq!(passing(&server, "/other/file.txt", "bob", 7), 8);
    assert_eq!(passing(&server, "/file.txt", "bob", 7), 1);
}

#[test]
fn while_a_users_groups_are_unknown_the_lowest_limit_counts() {
    let limits = "EsAuthLimit Off\nEsAuthLimit 3/3600 group nobody\nEsAuthLimit 1/60 group staff\n\
                  EsAuthLimit 1/3600 user dora";
    let server = start(&format!("AuthGroupFile FOLDER/groups\n{limits}"));
    assert_eq!((passing(&server, "/file.txt", "carol", 7), passing(&server, "/file.txt", "alice", 7)), (8, 1));
    fs::rename(server.folder().join("groups"), server.folder().join("away")).unwrap();
    assert_eq!(passing(&server, "/file.txt", "carol", 7), 3, "3 in an hour are fewer than 1 in a minute");
    assert!(server.lines_with("rust_esauth: AuthGroupFile ") >= 1);

    let server = start(limits);
    assert_eq!(passing(&server, "/file.txt", "carol", 7), 3);
    // One in each child.
    assert!((1..=3).contains(&server.lines_with("EsAuthLimit names groups, but the section has no AuthGroupFile")));
}

#[test]
fn clients_of_elasticsearch_are_refused_in_its_own_form() {
    for mpm in Mpm::available() {
        let server = start_with(mpm, &[], "EsAuthLimit 1/3600", "");
        assert_eq!(status(&server, "alice"), 200);
        for (header, other) in [
            ("Accept: application/json", "bob"),
            ("Accept: application/vnd.elasticsearch+json; compatible-with=8", "carol"),
            ("Content-Type: application/JSON", "dora"),
        ] {
            let mut connection = Connection::open(server.port()).unwrap();
            let asked = request("/file.txt", "alice").header(header);
            let refused = connection.ask(&asked).unwrap();
            assert_eq!((refused.status, refused.header("content-type")), (429, Some("application/json")), "{header}");
            let seconds = refused.header("retry-after").unwrap();
            let cause = format!(
                r#""type":"es_rejected_execution_exception","reason":"the user's limit is 1 requests in 3600 seconds; retry after {seconds} seconds""#
            );
            let body = format!(r#"{{"error":{{"root_cause":[{{{cause}}}],{cause}}},"status":429}}"#);
            assert_eq!(String::from_utf8(refused.body).unwrap(), body, "{header}");

            // The connection goes on, whatever the request's body was.
            let text = "x".repeat(20_000);
            let post = Request { method: "POST".to_owned(), ..asked.clone() };
            connection
                .send(&[post.header(format!("Content-Length: {}", text.len())).bytes(), text.into()].concat())
                .unwrap();
            assert_eq!(connection.read().unwrap().status, 429, "{header}");
            let head = Request { method: "HEAD".to_owned(), ..asked };
            let refused = connection.ask(&head).unwrap();
            assert_eq!((refused.status, refused.header("content-type")), (429, Some("application/json")), "{header}");
            assert_eq!(connection.ask(&request("/file.txt", other)).unwrap().status, 200, "{header}");
        }
    }
}

#[test]
fn a_request_counts_once_wherever_httpd_redirects_it_and_whoever_authenticates() {
    let installation = Installation::get();
    let stock: &[&str] = if installation.has("auth_basic") && installation.has("authn_dbm") {
        &["auth_basic", "authn_dbm"]
    } else {
        &[]
    };
    for (stock, section) in [(&[][..], ""), (stock, if stock.is_empty() { "" } else { "AuthBasicProvider file dbm\n" })]
    {
        // httpd 2.2 has no ErrorDocument for 429.
        let refused = if installation.is_22() { "" } else { "ErrorDocument 429 /inner/file.txt\n" };
        let more = format!("ErrorDocument 404 /file.txt\n{refused}");
        let server = start_with(Mpm::usual(), stock, &format!("{section}EsAuthLimit 3/3600"), &more);
        let targets = ["/", "/missing", "/inner/", "/"];
        let statuses = targets.map(|target| ask(&server, &request(target, "alice")).status);
        assert_eq!(statuses, [200, 404, 200, 429], "{section}");
    }
}

#[test]
fn refusals_are_counted_and_noted_as_such() {
    let more = "<Location /metrics>\nSetHandler rust-esauth-metrics\nEsAuthLimit Off\n</Location>\n";
    let mut server = start_with(Mpm::usual(), &[], "EsAuthLimit 2/3600", more);
    let json = request("/file.txt", "alice").header("Accept: application/json");
    let asked = [request("/file.txt", "alice"), json].map(|request| [0; 3].map(|_| ask(&server, &request).status));
    assert_eq!(asked, [[200, 200, 429], [429, 429, 429]]);
    // A request is counted when it is logged, behind its answer.
    wait_until("all refusals are counted", || {
        let page = String::from_utf8(ask(&server, &request("/metrics", "alice")).body).unwrap();
        page.contains("rust_esauth_requests_total{verdict=\"denied\",reason=\"rate_limited\"} 4\n")
    });
    server.stop();
    let log = fs::read_to_string(server.folder().join("access.log")).unwrap();
    assert_eq!(log.lines().filter(|line| *line == "/file.txt 429 rate_limited").count(), 4, "{log}");
}

#[test]
fn a_wrong_value_is_refused_with_the_allowed_ones() {
    let said = |line: &str| {
        let configuration = |_: &Site<'_>| format!("<Location />\n{line}\n</Location>\n");
        httpd::check(&setup(Mpm::usual(), &[], &configuration))
    };
    for line in ["EsAuthLimit 100/60", "EsAuthLimit 1000000/86400 user a \"b c\"", "EsAuthLimit OFF group x"] {
        assert_eq!(said(line).0, Some(0), "{line}");
    }
    for (value, fault) in [
        ("0/60", "'0/60' is neither Off nor a whole number of requests from 1 to 1000000, a slash and"),
        ("100", "'100' is neither Off nor"),
        ("100/86401", "'100/86401' is neither Off nor"),
        ("-1/60", "'-1/60' is neither Off nor"),
        ("user alice", "'user' is neither Off nor"),
        ("", "'' is neither Off nor"),
        ("100/60 user", "'user' is neither user nor group with a name behind it"),
        ("100/60 alice", "'alice' is neither user nor group"),
        ("100/60\nEsAuthLimit Off", "the section has another one that names neither users nor groups"),
    ] {
        let (status, text) = said(&format!("EsAuthLimit {value}"));
        assert!(status != Some(0) && text.contains(&format!("EsAuthLimit: {fault}")), "{value}: {text}");
    }
}
