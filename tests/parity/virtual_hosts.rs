//! The virtual hosts that people paste: the published texts unchanged, later editions, and the corrected form.

use super::case::{Case, case, users};
use crate::harness::client::Request;

const USER: &str = include_str!("../fixtures/published-user.conf");
const GROUP: &str = include_str!("../fixtures/published-group.conf");

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = published();
    cases.extend(shipped_hosts());
    cases
}

fn published() -> Vec<Case> {
    vec![
        host("published-user", filled_in(USER)).ask(options(), 401),
        // Without an AuthUserFile nobody can log in.
        case("published-group", filled_in(GROUP))
            .file("groups", "staff: alice bob\n")
            .ask(health(), 401)
            .ask(health().basic("alice", "secret"), 500)
            .logs(&["AH01619"])
            .ask(options(), 401),
        group_host("published-group-with-users", with_users(&filled_in(GROUP))).ask(options(), 401),
        host("published-user-later-edition", required_twice(&filled_in(USER))).ask(options(), 401),
        group_host("published-group-later-edition", required_twice(&with_users(&filled_in(GROUP)))).ask(options(), 401),
        host("corrected-user", required_inside(&filled_in(USER))).ask(options(), 200).says("OPTIONS /_cluster/health"),
        group_host("corrected-group", required_inside(&with_users(&filled_in(GROUP)))).ask(options(), 200),
        host(
            "published-user-without-order-and-allow",
            filled_in(USER).replace("Order deny,allow\nAllow from all\n", ""),
        ),
        host(
            "published-user-in-location",
            filled_in(USER).replace("<Proxy *>", "<Location />").replace("</Proxy>", "</Location>"),
        ),
        host("published-user-provider-unset", filled_in(USER).replace("AuthBasicProvider file", "")),
        host(
            "published-user-file-ldap",
            filled_in(USER).replace(
                "AuthBasicProvider file",
                "AuthBasicProvider file ldap\nAuthLDAPURL ldap://127.0.0.1:1/o=nowhere?uid",
            ),
        )
        .ask(health().basic("mallory", "x"), 500),
    ]
}

/// This project's virtual hosts: those for TLS without the TLS, and the plain ones.
fn shipped_hosts() -> Vec<Case> {
    let both = |users: &str, groups: &str, tls: &str, plain: &str, more: &str| {
        let hosts = [("", tls), ("-plain", plain)].map(|(name, opening)| {
            [
                host(&format!("shipped-user{more}{name}"), shipped(users, opening)),
                group_host(&format!("shipped-group{more}{name}"), shipped(groups, opening)),
            ]
        });
        hosts.into_iter().flatten().map(|case| case.ask(options(), 200).says("OPTIONS /_cluster/health"))
    };
    let newer = both(
        include_str!("../../apache/elasticsearch-users-2.4.conf"),
        include_str!("../../apache/elasticsearch-groups-2.4.conf"),
        "*:${ES_TLS_PORT}",
        "${ES_PLAIN_ADDRESS}",
        "",
    );
    let older = both(
        include_str!("../../apache/elasticsearch-users-2.2.conf"),
        include_str!("../../apache/elasticsearch-groups-2.2.conf"),
        "*:443",
        "127.0.0.1:8080",
        "-2.2",
    );
    newer.map(Case::only_24).chain(older.map(Case::only_22)).collect()
}

/// A published text with its placeholders filled in.
fn filled_in(text: &str) -> String {
    text.replace("<elastic search server host name or ip>", "127.0.0.1")
        .replace("<elasticsearch port>", "@BACKEND@")
        .replace("<path to optional group file>", "@DIR@/groups")
        .replace("<name>", "staff")
        .replace("/etc/apache2/htpasswd", "@DIR@/users")
}

fn with_users(text: &str) -> String {
    text.replace("AuthGroupFile", "AuthUserFile @DIR@/users\nAuthGroupFile")
}

/// The requirement of the text, which stands before the empty `<LimitExcept>`.
fn requirement(text: &str) -> &str {
    text.lines().find(|line| line.trim_start().starts_with("Require")).expect("the text requires something")
}

/// Later editions require the same inside `<LimitExcept OPTIONS>` once more.
fn required_twice(text: &str) -> String {
    text.replace("</LimitExcept>", &format!("{}\n</LimitExcept>", requirement(text)))
}

/// Only a requirement inside keeps the promise that OPTIONS needs no credentials.
fn required_inside(text: &str) -> String {
    required_twice(text).replacen(requirement(text), "", 1)
}

/// The content of one of a file's virtual hosts, with its placeholders filled in.
fn shipped(text: &str, host: &str) -> String {
    let (_, rest) = text.split_once(&format!("<VirtualHost {host}>\n")).expect("the virtual host");
    let (inside, _) = rest.split_once("</VirtualHost>").expect("its end");
    let lines = inside.lines().filter(|line| !line.trim_start().starts_with("SSL")).map(|line| format!("{line}\n"));
    let filled_in = lines
        .collect::<String>()
        .replace("${ES_BACKEND}", "http://127.0.0.1:@BACKEND@")
        .replace("http://127.0.0.1:9200", "http://127.0.0.1:@BACKEND@")
        .replace("${ES_USERS}", "@DIR@/users")
        .replace("${ES_GROUPS}", "@DIR@/groups")
        .replace("/etc/httpd/conf/elasticsearch.", "@DIR@/")
        .replace("Require group elasticsearch", "Require group staff");
    assert!(
        !filled_in.contains("${") && !filled_in.contains("/etc/"),
        "a value that this test does not know: {filled_in}"
    );
    filled_in
}

fn health() -> Request {
    Request::get("/_cluster/health")
}

fn options() -> Request {
    Request::new("OPTIONS", "/_cluster/health")
}

fn host(name: &str, conf: String) -> Case {
    case(name, conf)
        .file("users", users())
        .ask(health(), 401)
        .ask(health().basic("alice", "secret"), 200)
        .says("GET /_cluster/health")
        .ask(health().basic("alice", "wrong"), 401)
        .logs(&["AH01617"])
        .ask(Request::new("HEAD", "/").basic("alice", "secret"), 200)
        .ask(Request::new("DELETE", "/products"), 401)
        .ask(Request::new("DELETE", "/products").basic("alice", "secret"), 200)
        .says("DELETE /products")
}

fn group_host(name: &str, conf: String) -> Case {
    host(name, conf)
        .file("groups", "staff: alice bob\n")
        .ask(health().basic("carol", "other"), 401)
        .logs(&["AH01666", "AH01631"])
}
