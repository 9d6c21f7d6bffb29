//! `esauth verify`, `status` and `check` on a real nginx with the module: they find the same faults as on httpd, and their
//! advice names nginx's directives.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails while a test is set up fails the test"
)]

#[path = "../../tests/harness/mod.rs"]
mod harness;
mod program;

// Used in part only.
#[allow(dead_code)]
#[path = "../../nginx/tests/nginx/server.rs"]
mod server;

use std::fs;

use harness::client::{Request, ask};
use harness::installation::workspace;
use harness::scratch::Scratch;
use program::{Run, esauth, esauth_with};
use server::{FAST, Nginx, Setup, has_module, skip};

/// Skips the calling test where there is no nginx to test with.
macro_rules! need_nginx {
    () => {
        if !has_module() {
            return skip("without nginx's headers, the nginx module is not built");
        }
    };
}

/// Elasticsearch 7.17.28's answer at `/`, shortened.
const CLUSTER: &str = r#"{"cluster_name":"test","version":{"number":"7.17.28"}}"#;

/// Directives that replace parts of the shipped configuration.
type Edits<'e> = &'e [(&'e str, &'e str)];

/// The shipped configuration, and a back end that answers like Elasticsearch.
struct Front {
    server: Nginx,
}

impl Front {
    fn start(edits: Edits<'_>) -> Front {
        let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (pem, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
        let mut site = fs::read_to_string(workspace().join("nginx/elasticsearch-esauth.conf")).unwrap();
        for (from, to) in edits {
            assert!(site.contains(from), "the shipped configuration has no {from:?}");
            site = site.replace(from, to);
        }
        let site = site
            .replace("listen 443 ssl", "listen PORT0 ssl")
            .replace("listen 127.0.0.1:8080", "listen PORT1")
            .replace("127.0.0.1:9200", "PORT2")
            .replace("/etc/ssl/certs/ssl-cert-snakeoil.pem", "FOLDER/certificate.pem")
            .replace("/etc/ssl/private/ssl-cert-snakeoil.key", "FOLDER/key.pem")
            .replace("/etc/nginx", "FOLDER");
        let http = format!(
            "{site}\nserver {{ listen PORT2; default_type application/json; add_header X-elastic-product Elasticsearch always;
             location / {{ return 200 '{CLUSTER}'; }} }}"
        );
        let files = [
            ("certificate.pem", pem.as_str()),
            ("key.pem", key.as_str()),
            ("elasticsearch.users", &format!("alice:{FAST}\nbob:{FAST}\n")),
            ("elasticsearch.groups", "elasticsearch: alice\n"),
            ("alice.password", "secret\n"),
        ];
        Front { server: Nginx::start(&Setup { ports: 3, workers: 1, http: &http, files: &files }) }
    }

    fn verify(&self) -> Run {
        let in_folder = |name: &str| self.server.path(name).display().to_string();
        let (url, plain) =
            (format!("https://localhost:{}", self.server.ports()[0]), self.server.ports()[1].to_string());
        let (backend, password) = (format!("127.0.0.1:{}", self.server.ports()[2]), in_folder("alice.password"));
        let (ca, users) = (in_folder("certificate.pem"), in_folder("elasticsearch.users"));
        let options = ["--json", "--ca", &ca, "--http-port", &plain, "--backend", &backend, "--auth-user-file", &users];
        let users = ["--user", "alice", "--user-password", &password, "--outsider", "bob"];
        let outsider = ["--outsider-password", &password];
        let run = esauth(&[&["verify", &url], &options[..], &users, &outsider].concat());
        assert!(run.json.is_object(), "{}{}", run.output, run.errors);
        run
    }
}

/// The checks with this result, and their advice.
fn checks(run: &Run, result: &str) -> Vec<(String, String)> {
    let checks = run.json["checks"].as_array().unwrap().iter().filter(|check| check["result"] == result);
    let text = |check: &serde_json::Value, member: &str| check[member].as_str().unwrap_or("").to_owned();
    checks.map(|check| (text(check, "id"), text(check, "advice"))).collect()
}

#[test]
fn the_shipped_configuration_passes_with_nothing_left_out() {
    need_nginx!();
    let run = Front::start(&[]).verify();
    assert_eq!((checks(&run, "failed"), checks(&run, "skipped")), (vec![], vec![]), "{}", run.output);
    assert_eq!((run.status, run.json["passed"].as_bool()), (0, Some(true)));
}

#[test]
fn each_fault_is_found_and_the_advice_names_the_directives_of_nginx() {
    need_nginx!();
    let require = "esauth_require group elasticsearch;";
    let refused = "error log";
    // Edits, the checks that fail, and a part of the advice of the first.
    let faults: &[(Edits<'_>, &[&str], &str)] = &[
        (
            &[("limit_except OPTIONS", "limit_except OPTIONS GET")],
            &["no-credentials"],
            "limit_except OPTIONS leaves only",
        ),
        (&[("limit_except OPTIONS", "limit_except OPTIONS PROPFIND")], &["methods"], "no other method"),
        (
            &[("    location / {", "    location /_cluster/ { proxy_pass http://elasticsearch; }\n    location / {")],
            &["paths"],
            "every location",
        ),
        (
            &[("    location / {", "    esauth x; esauth_user_file elasticsearch.users;\n    location / {")],
            &["options"],
            "inside limit_except OPTIONS",
        ),
        (
            &[("    location / {", "    location = / { return 200; }\n    location / {")],
            &["no-credentials"],
            "return and rewrite",
        ),
        (&[(require, "")], &["outsider"], "esauth_require group"),
        (&[(require, "esauth_require group others;")], &["right-password"], "esauth_require names"),
        (&[("elasticsearch.users;", "missing;")], &["wrong-password"], "password file is missing"),
        (&[("esauth_user_file /etc/nginx/elasticsearch.users;", "")], &["wrong-password"], "no esauth_user_file"),
        (&[("server 127.0.0.1:9200", "server 127.0.0.1:1")], &["right-password"], "proxy_pass"),
        (&[("proxy_pass http://elasticsearch;", "root FOLDER;")], &["right-password"], refused),
        (
            &[("    location / {", "    location = /elasticsearch.users { root FOLDER; }\n    location / {")],
            &["password-file"],
            "every root",
        ),
        (
            &[(
                "    client_max",
                "    ssl_client_certificate FOLDER/certificate.pem; ssl_verify_client on;\n    client_max",
            )],
            &["no-credentials"],
            "ssl_verify_client",
        ),
        (&[("    location / {", "    location / { deny 127.0.0.1;")], &["no-credentials"], "a deny for this address"),
    ];
    for (edits, expected, advice) in faults {
        let run = Front::start(edits).verify();
        let failed = checks(&run, "failed");
        assert_eq!(run.status, 1);
        assert!(expected.iter().all(|id| failed.iter().any(|(failed, _)| failed == id)), "{edits:?}: {}", run.output);
        let (_, first) = failed.iter().find(|(id, _)| id == expected[0]).unwrap();
        assert!(first.contains(advice), "{edits:?}: {}", run.output);
        for (_, advice) in &failed {
            let foreign = ["httpd", "Require", "AuthUserFile", "SSL", "ProxyPass", "AH0", "EsAuth"];
            assert!(!foreign.iter().any(|word| advice.contains(word)), "{edits:?}: {}", run.output);
        }
    }
}

#[test]
fn the_counters_are_shown_and_another_page_is_an_error() {
    need_nginx!();
    let http = "server { listen PORT0; root FOLDER/html;
        location / { esauth x; esauth_user_file users; }
        location /metrics { esauth_metrics; }
        location /guarded { esauth_metrics; esauth x; esauth_user_file users; }
        location /denied { esauth_metrics; deny all; }
        location /open/ { alias FOLDER/html/; } }";
    let users = format!("alice:{FAST}\n");
    let files = [("html/page", "page"), ("users", users.as_str())];
    let server = Nginx::start(&Setup { ports: 1, workers: 2, http, files: &files });
    for password in ["secret", "secret", "wrong"] {
        ask(server.port(), &Request::get("/page").header("Host: x").basic("alice", password)).unwrap();
    }
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", server.port());
    let run = esauth(&["status", &url("/metrics")]);
    let row = |name: &str| run.output.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or("").to_owned();
    assert_eq!(run.status, 0, "{}", run.errors);
    assert!(row("granted").ends_with(" 2  ") && row("wrong password").ends_with(" 1  "), "{}", run.output);
    assert!(run.output.contains("esauth_user_file") && run.output.contains("/users: 1 users"), "{}", run.output);
    let run = esauth_with(&["status", "--user", "alice", &url("/guarded")], &[("ESAUTH_PASSWORD", "secret")]);
    assert_eq!(run.status, 0, "{}", run.errors);
    for (path, advice) in [
        ("/guarded", "name one with --user"),
        ("/denied", "see allow and deny in its location"),
        ("/open/missing", "which location has esauth_metrics?"),
        ("/open/page", "is not the page of esauth_metrics"),
    ] {
        let run = esauth(&["status", &url(path)]);
        assert!(run.status == 2 && run.errors.contains(advice), "{path}: {}", run.errors);
    }
}

/// Lines, the user of each, the finding about it, and whether the user logs in with "secret".
const LINES: &[(&str, &str, &str, bool)] = &[
    ("good:HASH", "good", "", true),
    (" blank:HASH", "blank", "", true),
    ("colons::HASH", "colons", "", true),
    ("continued\\\n:HASH", "continued", "joined-lines", true),
    ("good:$apr1$xxx", "good", "duplicate-user", true),
    ("noted:HASH # a note", "noted", "altered-hash", false),
    ("cut:$2y$10$MxDzrYMjXP895CsJ4dbfhOPC4", "cut", "malformed-hash", false),
    ("plain:secret", "plain", "plain-text", false),
    ("ssha:{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "ssha", "unknown-hash", false),
    ("nothing:", "nothing", "no-hash", false),
];

#[test]
fn what_check_says_of_a_line_is_what_nginx_makes_of_it() {
    need_nginx!();
    let users: String = LINES.iter().map(|(line, ..)| line.replace("HASH", FAST) + "\n").collect();
    let folder = Scratch::new();
    let path = folder.write("users", &users);
    let run = esauth(&["check", "--json", path.to_str().unwrap()]);
    let findings = run.json["files"][0]["findings"].as_array().unwrap().clone();
    let http = "server { listen PORT0; root FOLDER/html; esauth x; esauth_user_file users; }";
    let files = [("html/page", "page"), ("users", users.as_str())];
    let server = Nginx::start(&Setup { ports: 1, workers: 1, http, files: &files });
    for &(line, name, finding, logs_in) in LINES {
        let is_found = findings.iter().any(|found| found["kind"] == finding);
        assert!(finding.is_empty() || is_found, "{line}: {}", run.output);
        let answer = ask(server.port(), &Request::get("/page").header("Host: x").basic(name, "secret")).unwrap();
        assert_eq!(answer.status, if logs_in { 200 } else { 401 }, "{line}");
    }
}
