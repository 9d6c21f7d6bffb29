//! docs/recipes.md, as written there except for paths and ports.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use harness::backend::Backend;
use harness::client::{self, Answer, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;

/// `secret`, as `htpasswd -s` stores it.
const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const CHALLENGE: &str = "Basic realm=\"Elasticsearch server\"";

/// The block of configuration below a heading.
fn recipe(heading: &str) -> &'static str {
    let page = include_str!("../docs/recipes.md");
    let (_, section) = page.split_once(&format!("## {heading}")).unwrap();
    let (_, block) = section.split_once("```apache").unwrap();
    let (_, block) = block.split_once('\n').unwrap();
    block.split_once("```").unwrap().0
}

fn start(recipe: &str, more_stock: &[&str], backend: u16) -> Httpd {
    let installation = Installation::get();
    let load = installation.load_core()
        + &installation.load(&["alias", "authz_host", "headers", "proxy", "proxy_http"])
        + &installation.load(more_stock)
        + &installation.load_ours();
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        fs::write(site.folder.join("elasticsearch.users"), format!("alice:{SECRET}\njörg:{SECRET}\n")).unwrap();
        let challenges = site.folder.join("acme/.well-known/acme-challenge");
        fs::create_dir_all(&challenges).unwrap();
        fs::write(challenges.join("token"), "thumb\n").unwrap();
        fs::write(site.folder.join("file.txt"), "file\n").unwrap();
        let recipe = recipe
            .replace("/etc/apache2", &folder.to_string())
            .replace("/var/lib/acme", &format!("{folder}/acme"))
            .replace("127.0.0.1:9200", &format!("127.0.0.1:{backend}"));
        format!("DocumentRoot {folder}\n{recipe}")
    };
    Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration })
}

fn ask(server: &Httpd, request: Request) -> Answer {
    client::ask(server.port(), &request.header("Host: localhost")).unwrap()
}

#[test]
fn certificates_are_renewed_on_a_guarded_host() {
    if Installation::get().is_22() {
        return Installation::get().skip_this_test("it is written for 2.4");
    }
    let backend = Backend::start();
    let recipe = recipe("An open path for ACME");
    // The same beside the kind of section in the shipped virtual hosts.
    let section = &recipe[recipe.find("<Location \"/\">").unwrap()..recipe.find("# After").unwrap()];
    let proxy =
        recipe.replace(section, &section.replace("<Location \"/\">", "<Proxy *>").replace("</Location>", "</Proxy>"));
    assert_ne!(proxy, recipe);
    for recipe in [recipe, &proxy] {
        let server = start(recipe, &[], backend.port());
        let token = ask(&server, Request::get("/.well-known/acme-challenge/token"));
        assert_eq!((token.status, &token.body[..]), (200, &b"thumb\n"[..]));
        assert_eq!(ask(&server, Request::get("/.well-known/acme-challenge/none")).status, 404);
        for guarded in ["/", "/_search", "/.well-known/", "/.well-known/acme-challenge/../../_search"] {
            assert_eq!(ask(&server, Request::get(guarded)).status, 401, "{guarded}");
        }
        assert_eq!(ask(&server, Request::get("/_search").basic("alice", "secret")).status, 200);
    }
}

/// A back end that refuses everything, and reports the Authorization header it got.
fn refusing_backend() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let headers: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let seen = headers.iter().any(|line| line.to_ascii_lowercase().starts_with("authorization:"));
            let body = if seen { "handed on" } else { "no credentials" };
            let mut stream = stream;
            let _ = write!(
                stream,
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"security\"\r\n\
                 WWW-Authenticate: ApiKey\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    port
}

#[test]
fn a_back_ends_own_401_brings_no_challenge_and_the_fronts_does() {
    let recipe = recipe("A back end that answers 401");
    let server = start(recipe, &[], refusing_backend());
    let from_front = ask(&server, Request::get("/"));
    assert_eq!((from_front.status, from_front.all("www-authenticate")), (401, vec![CHALLENGE]));
    let wrong = ask(&server, Request::get("/").basic("alice", "wrong"));
    assert_eq!((wrong.status, wrong.all("www-authenticate")), (401, vec![CHALLENGE]));
    let from_backend = ask(&server, Request::get("/").basic("alice", "secret"));
    assert_eq!((from_backend.status, from_backend.all("www-authenticate")), (401, vec![]));
    assert_eq!(from_backend.body, b"no credentials");
    // The recipe is the cause.
    let without: String =
        recipe.lines().filter(|line| !line.contains("Header ")).map(|line| format!("{line}\n")).collect();
    let server = start(&without, &[], refusing_backend());
    let from_backend = ask(&server, Request::get("/").basic("alice", "secret"));
    assert_eq!((from_backend.status, from_backend.all("www-authenticate").len()), (401, 2));
    assert_eq!(from_backend.body, b"handed on");
}

#[test]
fn a_page_on_another_origin_gets_permission_and_reads_a_401() {
    if Installation::get().is_22() {
        return Installation::get().skip_this_test("it is written for 2.4");
    }
    let backend = Backend::start();
    let server = start(recipe("A page on another origin"), &[], backend.port());
    let preflight = Request::new("OPTIONS", "/products/_doc/1").header("Access-Control-Request-Method: PUT");
    for (request, status) in [
        (preflight, 200),
        (Request::get("/_search"), 401),
        (Request::get("/_search").basic("alice", "wrong"), 401),
        (Request::get("/_search").basic("alice", "secret"), 200),
    ] {
        let answer = ask(&server, request.header("Origin: https://dashboard.example.org"));
        let origins = answer.all("access-control-allow-origin");
        assert_eq!((answer.status, origins), (status, vec!["https://dashboard.example.org"]));
        assert_eq!(answer.all("access-control-allow-credentials"), ["true"]);
    }
}

#[test]
fn the_challenge_names_the_character_set_where_it_is_told_to() {
    const WITH: &str = "Basic realm=\"Elasticsearch server\", charset=\"UTF-8\"";
    let recipe = recipe("Names and passwords");
    for stock in [&[][..], &["auth_basic", "authn_file"]] {
        let server = start(recipe, stock, 1);
        let no_credentials = ask(&server, Request::get("/file.txt"));
        assert_eq!((no_credentials.status, no_credentials.all("www-authenticate")), (401, vec![WITH]), "{stock:?}");
        assert_eq!(ask(&server, Request::get("/file.txt").basic("jörg", "secret")).status, 200);
        let off = recipe.replace("EsAuthCharset UTF-8", "EsAuthCharset Off");
        let inner = format!("{recipe}<Location /file.txt>\nEsAuthCharset off\n</Location>\n");
        let none = recipe.replace("EsAuthCharset UTF-8", "");
        for recipe in [off, inner, none] {
            let server = start(&recipe, stock, 1);
            let answer = ask(&server, Request::get("/file.txt").basic("alice", "wrong"));
            assert_eq!((answer.status, answer.all("www-authenticate")), (401, vec![CHALLENGE]), "{stock:?} {recipe}");
        }
        // Refused by a requirement, not the password. In 2.2 httpd itself makes that challenge.
        if Installation::get().is_22() {
            continue;
        }
        let denied = recipe.replace("Require valid-user", "Require user nobody");
        let answer = ask(&start(&denied, stock, 1), Request::get("/file.txt").basic("alice", "secret"));
        assert_eq!((answer.status, answer.all("www-authenticate")), (401, vec![WITH]), "{stock:?}");
    }
}

#[test]
fn another_character_set_is_refused_with_the_allowed_ones() {
    let load = Installation::get().load_core() + &Installation::get().load_ours();
    let configuration = |_: &Site<'_>| "<Location />\nEsAuthCharset latin1\n</Location>\n".to_owned();
    let setup = Setup { mpm: Mpm::usual(), load, ports: 0, configuration: &configuration };
    let (status, said) = harness::httpd::run(&setup, &["-t"], None);
    assert!(status != Some(0) && said.contains("EsAuthCharset: 'latin1' is neither UTF-8 nor Off"), "{said}");
}
