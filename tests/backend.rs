//! EsAuthBackendCredentials and EsAuthBackendUser: what the back end is told about the user.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::process::Command;

use harness::backend::Backend;
use harness::client::{self, Answer, Request};
use harness::httpd::{self, Httpd, Mpm, Setup, Site};
use harness::installation::Installation;

/// `secret`, as `htpasswd -s` stores it.
const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

const CREDENTIALS: &str =
    "# keys\nalice: ApiKey YWxpY2U6a2V5\n@writers: Basic d3JpdGVyOnB3\n@readers: Basic cmVhZGVyOnB3\n";

/// Headers by which a client might claim an identity.
const CLAIMS: [&str; 12] = [
    "es-security-runas-user: root",
    "ES-Secondary-Authorization: Basic eDp5",
    "es-secondary-x-client-authentication: SharedSecret x",
    "ES-Client-Authentication: SharedSecret x",
    "X-Proxy-User: root",
    "x-proxy-roles: admin",
    "X_Proxy_Roles: admin",
    "X-Forwarded-User: root",
    "x-opensearch-security-user: root",
    "_opendistro_security_user: root",
    "Proxy-Authorization: Basic eDp5",
    "Remote-User: root",
];

fn load() -> String {
    let installation = Installation::get();
    installation.load_core()
        + &installation.load(&["authz_host", "proxy", "proxy_http", "rewrite", "headers", "slotmem_shm"])
        + &installation.load(&["proxy_balancer", "lbmethod_byrequests", "http2"])
        + &installation.load_ours()
}

fn text(site: &Site<'_>, backend: &Backend, configuration: &str) -> String {
    let folder = site.folder.display().to_string();
    let users = ["alice", "bob", "carol", "dave", "zo\u{eb}"].map(|user| format!("{user}:{SECRET}\n")).concat();
    fs::write(site.folder.join("users"), users).unwrap();
    fs::write(site.folder.join("groups"), "readers: alice bob carol\nwriters: bob\nstrange,name: bob\n").unwrap();
    fs::write(site.folder.join("keys"), CREDENTIALS).unwrap();
    format!(
        "DocumentRoot {folder}\nProtocols h2c http/1.1\n{}",
        configuration.replace("@FOLDER@", &folder).replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port()))
    )
}

/// A server with `configuration`, in which `@FOLDER@` and `@BACKEND@` are replaced.
fn start(backend: &Backend, configuration: &str) -> Httpd {
    let text = |site: &Site<'_>| text(site, backend, configuration);
    Httpd::start(&Setup { mpm: Mpm::usual(), load: load(), ports: 1, configuration: &text })
}

const GUARD: &str = "AuthType Basic\nAuthName realm\nAuthUserFile @FOLDER@/users\nAuthGroupFile @FOLDER@/groups\n\
                     <LimitExcept OPTIONS>\nRequire valid-user\n</LimitExcept>\n";

/// Everything is passed on, with these lines in the section.
fn usual(backend: &Backend, lines: &str) -> Httpd {
    start(backend, &format!("ProxyPass / http://@BACKEND@/\n<Location />\n{GUARD}{lines}\n</Location>\n"))
}

fn request(user: &str) -> Request {
    Request::get("/i/_search").header("Host: localhost").basic(user, "secret")
}

fn ask(server: &Httpd, user: &str) -> Answer {
    client::ask(server.port(), &request(user)).unwrap()
}

/// The headers that the back end got, in lower case but for their values, without those of every request.
fn told(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap().lines().skip(1).map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        format!("{}:{value}", name.to_ascii_lowercase())
    });
    let usual = ["host:", "connection:", "x-forwarded-for:", "x-forwarded-host:", "x-forwarded-server:"];
    let mut told: Vec<String> = head.filter(|line| !usual.iter().any(|name| line.starts_with(name))).collect();
    told.sort();
    told
}

fn skipped() -> bool {
    let is_22 = Installation::get().is_22();
    if is_22 {
        Installation::get().skip_this_test("EsAuthBackendCredentials needs httpd 2.4");
    }
    is_22
}

#[test]
fn the_back_end_gets_the_credential_of_the_user_then_of_the_first_group_in_the_file() {
    if skipped() {
        return;
    }
    let backend = Backend::start();
    let server = usual(&backend, "EsAuthBackendCredentials @FOLDER@/keys");
    assert_eq!(told(&ask(&server, "alice")), ["authorization: ApiKey YWxpY2U6a2V5"]);
    assert_eq!(told(&ask(&server, "bob")), ["authorization: Basic d3JpdGVyOnB3"]);
    assert_eq!(told(&ask(&server, "carol")), ["authorization: Basic cmVhZGVyOnB3"]);
    let refused = ask(&server, "dave");
    assert_eq!((refused.status, refused.header("content-type")), (403, Some("application/json")));
    assert_eq!(server.lines_with("has no line for user dave, none of a group of theirs, and none for *"), 1);
    let with_all = format!("{CREDENTIALS}*: Bearer AAE\n");
    fs::write(server.folder().join("keys"), with_all).unwrap();
    assert_eq!(told(&ask(&server, "dave")), ["authorization: Bearer AAE"]);
}

#[test]
fn by_default_the_client_s_own_headers_pass_as_from_stock_httpd() {
    if skipped() {
        return;
    }
    let backend = Backend::start();
    let ours = usual(&backend, "");
    let stock = {
        let installation = Installation::get();
        let load = installation.load_core()
            + &installation.load(&["auth_basic", "authn_file", "authz_groupfile", "proxy", "proxy_http", "headers"]);
        let site = format!("ProxyPass / http://@BACKEND@/\n<Location />\n{GUARD}</Location>\n");
        let text = |place: &Site<'_>| text(place, &backend, &site).replace("Protocols h2c http/1.1\n", "");
        Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &text })
    };
    let request = CLAIMS.iter().fold(request("alice"), Request::header);
    let seen = [&ours, &stock].map(|server| told(&client::ask(server.port(), &request).unwrap()));
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].contains(&"es-security-runas-user: root".to_owned()));
}

#[test]
fn what_a_client_claims_of_an_identity_reaches_no_back_end() {
    if skipped() {
        return;
    }
    let backend = Backend::start();
    let settings = [
        ("EsAuthBackendCredentials None", vec![]),
        ("EsAuthBackendCredentials @FOLDER@/keys", vec!["authorization: ApiKey YWxpY2U6a2V5"]),
        (
            "EsAuthBackendUser Proxy\nEsAuthBackendCredentials None",
            vec!["x-proxy-roles: readers", "x-proxy-user: alice"],
        ),
        (
            "EsAuthBackendUser RunAs\nEsAuthBackendCredentials @FOLDER@/keys",
            vec!["authorization: ApiKey YWxpY2U6a2V5", "es-security-runas-user: alice"],
        ),
    ];
    for (lines, expected) in settings {
        let server = usual(&backend, lines);
        let claims = CLAIMS.iter().fold(request("alice"), Request::header);
        assert_eq!(told(&client::ask(server.port(), &claims).unwrap()), expected, "{lines}");
        // Headers that Connection names are for this hop only: none of ours is lost, and none of the client's kept.
        let connection = "Connection: es-security-runas-user, authorization, x-proxy-user, x-proxy-roles";
        let claims = CLAIMS.iter().fold(request("alice").header(connection), Request::header);
        assert_eq!(told(&client::ask(server.port(), &claims).unwrap()), expected, "{lines}");
        // Nobody is known where no password is asked for.
        let open = Request::new("OPTIONS", "/").header("Host: localhost").basic("alice", "wrong");
        let open = CLAIMS.iter().fold(open, Request::header);
        assert_eq!(told(&client::ask(server.port(), &open).unwrap()), [""; 0], "{lines}");
    }
}

#[test]
fn whatever_leads_to_the_back_end_is_told_the_same() {
    if skipped() {
        return;
    }
    let ways = [
        ("Proxy", "ProxyPass / http://@BACKEND@/\n<Proxy *>\n", "</Proxy>\n"),
        ("rewrite", "RewriteEngine On\nRewriteRule ^/(.*) http://@BACKEND@/$1 [P]\n<Location />\n", "</Location>\n"),
        (
            "balancer",
            "<Proxy balancer://es>\nBalancerMember http://127.0.0.1:1 retry=1\nBalancerMember http://@BACKEND@\n</Proxy>\n\
             ProxyPass / balancer://es/\n<Location />\n",
            "</Location>\n",
        ),
        (
            "redirect",
            "RewriteEngine On\nRewriteRule ^/i/(.*) /j/$1 [PT]\nProxyPass /j http://@BACKEND@/j\n<Location />\n",
            "</Location>\n",
        ),
        (
            "dispatcher",
            "ProxyPass /j http://@BACKEND@/j\n<Location />\nFallbackResource /j\n",
            "</Location>\n<Location /j>\nFallbackResource disabled\n</Location>\n",
        ),
        (
            "headers",
            "ProxyPass / http://@BACKEND@/\n<Location />\nRequestHeader set Authorization mine\n",
            "</Location>\n",
        ),
    ];
    let backend = Backend::start();
    for (name, before, after) in ways {
        let dir = if name == "dispatcher" { Installation::get().load(&["dir"]) } else { String::new() };
        let lines = format!("{before}{GUARD}EsAuthBackendCredentials @FOLDER@/keys\n{after}");
        let text = |site: &Site<'_>| text(site, &backend, &lines);
        let server = Httpd::start(&Setup { mpm: Mpm::usual(), load: load() + &dir, ports: 1, configuration: &text });
        assert_eq!(told(&ask(&server, "alice")), ["authorization: ApiKey YWxpY2U6a2V5"], "{name}");
        assert_eq!(ask(&server, "dave").status, 403, "{name}");
        assert_eq!(client::ask(server.port(), &Request::get("/i/x").header("Host: localhost")).unwrap().status, 401);
    }
}

#[test]
fn http2_is_told_the_same() {
    if skipped() {
        return;
    }
    let backend = Backend::start();
    let server = usual(&backend, "EsAuthBackendCredentials @FOLDER@/keys");
    let url = format!("http://127.0.0.1:{}/i/_search", server.port());
    let arguments = ["-sS", "--http2-prior-knowledge", "-u", "alice:secret", "-H", CLAIMS[0], &url];
    let output = Command::new("curl").args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).to_ascii_lowercase();
    assert!(text.contains("authorization: apikey ywxpy2u6a2v5"), "{text}");
    assert!(!text.contains("runas"), "{text}");
}

#[test]
fn a_changed_or_removed_credential_counts_at_the_next_request_and_a_broken_file_refuses_everybody() {
    if skipped() {
        return;
    }
    let backend = Backend::start();
    let server = usual(&backend, "EsAuthBackendCredentials @FOLDER@/keys");
    let file = server.folder().join("keys");
    let put = |content: &str| {
        let next = server.folder().join("keys.new");
        fs::write(&next, content).unwrap();
        fs::rename(next, &file).unwrap();
    };
    assert_eq!(told(&ask(&server, "alice")), ["authorization: ApiKey YWxpY2U6a2V5"]);
    put("alice: ApiKey YWxpY2U6bmV3\n");
    assert_eq!(told(&ask(&server, "alice")), ["authorization: ApiKey YWxpY2U6bmV3"]);
    put("bob: ApiKey YWxpY2U6bmV3\n");
    assert_eq!(ask(&server, "alice").status, 403);
    put("bob: ApiKey YWxpY2U6bmV3\nalice ApiKey SECRET\n");
    for user in ["alice", "bob"] {
        let answer = ask(&server, user);
        assert_eq!((answer.status, answer.header("content-type")), (500, Some("application/json")));
    }
    assert_ne!(server.lines_with("line 2: no colon; expected 'USER: ApiKey TOKEN'"), 0);
    fs::remove_file(&file).unwrap();
    assert_eq!(ask(&server, "bob").status, 500);
    assert_ne!(server.lines_with("keys cannot be read: No such file or directory"), 0);
    put(CREDENTIALS);
    assert_eq!(told(&ask(&server, "alice")), ["authorization: ApiKey YWxpY2U6a2V5"]);
    let log = String::from_utf8_lossy(&server.error_log()).into_owned();
    assert!(!log.contains("SECRET") && !log.contains("YWxpY2U6"), "{log}");
}

#[test]
fn a_challenge_of_the_back_end_reaches_no_client() {
    if skipped() {
        return;
    }
    let backend = Backend::start();
    let target = Request::get("/asks-itself").header("Host: localhost").basic("alice", "secret");
    for (lines, reason) in [
        ("EsAuthBackendCredentials @FOLDER@/keys", "keys has for user alice, from the user's own line, with 401"),
        ("EsAuthBackendCredentials None", "the back end asks for credentials, with 401, and was given none"),
    ] {
        for more in ["", "ProxyErrorOverride On"] {
            let server = usual(&backend, &format!("{lines}\n{more}"));
            let answer = client::ask(server.port(), &target).unwrap();
            assert_eq!((answer.status, answer.all("www-authenticate")), (502, vec![]), "{lines} {more}");
            assert!(!String::from_utf8_lossy(&answer.body).contains("asks-itself"), "{lines} {more}");
            assert_eq!(server.lines_with(reason), 1, "{lines} {more}");
            // The back end is not taken for broken.
            assert_eq!(ask(&server, "alice").status, 200);
        }
    }
    let server = usual(&backend, "");
    assert_eq!(client::ask(server.port(), &target).unwrap().all("www-authenticate"), ["Basic realm=\"its own\""]);
}

#[test]
fn the_page_of_an_error_is_told_of_nobody() {
    if skipped() {
        return;
    }
    let backend = Backend::start();
    let lines = "ErrorDocument 401 /page\nEsAuthBackendCredentials @FOLDER@/keys\n</Location>\n<Location /page>\nRequire all granted";
    let server = usual(&backend, lines);
    let answer =
        client::ask(server.port(), &Request::get("/i").header("Host: localhost").basic("alice", "wrong")).unwrap();
    let text = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    assert!(text.contains("get /page") && !text.contains("authorization:"), "{text}");
}

#[test]
fn a_name_that_no_header_can_carry_is_refused() {
    if skipped() {
        return;
    }
    let backend = Backend::start();
    let server = usual(&backend, "EsAuthBackendUser Proxy\nEsAuthBackendCredentials None");
    assert_eq!(ask(&server, "zo\u{eb}").status, 403);
    assert_eq!(server.lines_with("the name of the user is refused in a header for the back end"), 1);
    // A group whose name would be two is left out.
    assert_eq!(told(&ask(&server, "bob")), ["x-proxy-roles: readers,writers", "x-proxy-user: bob"]);
    assert_eq!(told(&ask(&server, "dave")), ["x-proxy-user: dave"]);
}

#[test]
fn run_as_without_a_credential_is_refused() {
    if skipped() {
        return;
    }
    let backend = Backend::start();
    let server = usual(&backend, "EsAuthBackendUser RunAs");
    assert_eq!(ask(&server, "alice").status, 500);
    assert_eq!(server.lines_with("EsAuthBackendUser RunAs needs EsAuthBackendCredentials PATH"), 1);
}

#[test]
fn back_ends_that_do_not_get_these_headers_are_refused() {
    if skipped() {
        return;
    }
    let backend = Backend::start();
    for (line, load_more) in [
        ("ProxyPass / ajp://@BACKEND@/", "proxy_ajp"),
        ("ProxyRemote * http://127.0.0.1:1\nProxyPass / http://@BACKEND@/", "headers"),
    ] {
        let lines = format!("{line}\n<Location />\n{GUARD}EsAuthBackendCredentials @FOLDER@/keys\n</Location>\n");
        let more = if load_more == "headers" { String::new() } else { Installation::get().load(&[load_more]) };
        let text = |site: &Site<'_>| text(site, &backend, &lines);
        let server = Httpd::start(&Setup { mpm: Mpm::usual(), load: load() + &more, ports: 1, configuration: &text });
        assert_eq!(ask(&server, "alice").status, 500, "{line}");
        assert_eq!(server.lines_with("are for back ends of http, https, ws and wss"), 1, "{line}");
    }
}

#[test]
fn a_wrong_value_is_an_error_that_names_what_is_allowed() {
    let is_22 = Installation::get().is_22();
    for (line, error) in [
        ("EsAuthBackendUser On", "EsAuthBackendUser: 'On' is not one of Off, RunAs, Proxy"),
        ("EsAuthBackendCredentials", "EsAuthBackendCredentials takes one argument"),
    ] {
        let text = |_: &Site<'_>| format!("{line}\n");
        let load = Installation::get().load_core() + &Installation::get().load_ours();
        let (status, output) = httpd::check(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &text });
        assert_ne!(status, Some(0), "{output}");
        let error = if is_22 && line.contains(' ') { "needs httpd 2.4" } else { error };
        assert!(output.contains(error), "{output}");
    }
}
