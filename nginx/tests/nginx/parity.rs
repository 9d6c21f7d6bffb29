//! The module beside nginx's own auth_basic, in the same nginx: one word per directive is all that differs. Status,
//! headers, body and error log must be the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::client::{Connection, Request};
use crate::pair::Pair;

const BASIC: &str = "location / { auth_basic \"The realm\"; auth_basic_user_file users; }";

fn alice() -> Request {
    Request::get("/page").header("Host: localhost").basic("alice", "secret")
}

fn nobody() -> Request {
    Request::get("/page").header("Host: localhost")
}

#[test]
fn right_and_wrong_credentials() {
    let pair = Pair::new(BASIC);
    assert_eq!(pair.status(&alice()), 200);
    let (answer, _) = pair.ask(&nobody());
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Basic realm=\"The realm\"")));
    for _ in 0..2 {
        let (_, log) = pair.ask(&nobody().basic("alice", "wrong"));
        assert!(log[0].contains("user \"alice\": password mismatch, client: "), "{log:?}");
        let (_, log) = pair.ask(&nobody().basic("mallory", "secret"));
        assert!(log[0].contains("user \"mallory\" was not found in \""), "{log:?}");
    }
}

#[test]
fn whatever_the_header_says() {
    let pair = Pair::new(BASIC);
    for header in [
        "Basic YWxpY2U6c2VjcmV0",
        "basic YWxpY2U6c2VjcmV0",
        "BASIC   YWxpY2U6c2VjcmV0",
        "Basic\tYWxpY2U6c2VjcmV0",
        "Basic",
        "Basic ",
        "Basic !",
        "Basic YWxpY2U6c2VjcmV0=",
        "Basic YWxpY2U6c2VjcmV",
        "Basic YWxpY2U6c2VjcmV0 x",
        "Basic YWxpY2U=",
        "Basic OnNlY3JldA==",
        "Basic Og==",
        "Basic YWxpY2U6",
        "Basic YWxpY2U6c2VjcmV0AHg=",
        "Basic YWxpY2UAOnNlY3JldA==",
        "Basic YWxpY2U6c2VjcmV0OnNlY3JldA==",
        "Bearer YWxpY2U6c2VjcmV0",
        "Digest username=alice",
        "",
    ] {
        pair.ask(&nobody().header(format!("Authorization: {header}")));
    }
    pair.ask(&nobody().basic("x".repeat(3000), "y".repeat(3000)));
    pair.ask(&alice().header("Authorization: Basic eDp5"));
}

#[test]
fn methods_and_bodies() {
    let pair = Pair::new(
        "location / { auth_basic x; auth_basic_user_file users; }
         location /open { alias FOLDER/html/; limit_except OPTIONS { auth_basic x; auth_basic_user_file users; } }
         location /read { alias FOLDER/html/; limit_except GET { auth_basic x; auth_basic_user_file users; deny 127.0.0.2; } }",
    );
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE", "PROPFIND", "ODD"] {
        for target in ["/page", "/open/page", "/read/page"] {
            for with_credentials in [false, true] {
                let request = Request::new(method, target).header("Host: localhost").header("Connection: close");
                pair.ask(&if with_credentials { request.basic("alice", "secret") } else { request });
            }
        }
    }
    let body = Request::new("POST", "/page").header("Host: localhost").header("Content-Length: 0");
    assert_eq!(pair.status(&body.clone().basic("alice", "secret")), 405);
    assert_eq!(pair.status(&body), 401);
}

#[test]
fn inner_blocks_inherit_and_replace_each_directive() {
    let pair = Pair::new(
        "auth_basic outer; auth_basic_user_file users;
         location /in/ { auth_basic inner; }
         location /other/ { alias FOLDER/html/; auth_basic_user_file others; }
         location /off/ { alias FOLDER/html/; auth_basic off; location /off/on/ { alias FOLDER/html/; auth_basic on; } }",
    );
    for target in ["/page", "/in/page", "/other/page", "/off/page", "/off/on/page", "/missing", "/"] {
        for user in ["alice", "carol", "mallory"] {
            pair.ask(&Request::get(target).header("Host: localhost").basic(user, "secret"));
        }
        pair.ask(&Request::get(target).header("Host: localhost"));
    }
}

#[test]
fn with_addresses_any_or_all_must_be_satisfied() {
    let mut site = String::new();
    for (satisfy, address) in [("any", "allow"), ("any", "deny"), ("all", "allow"), ("all", "deny")] {
        site += &format!(
            "location /{satisfy}-{address}/ {{ alias FOLDER/html/; satisfy {satisfy}; {address} 127.0.0.1; deny all;
             auth_basic x; auth_basic_user_file users; }}
             location /{satisfy}-{address}-missing/ {{ alias FOLDER/html/; satisfy {satisfy}; {address} 127.0.0.1; deny all;
             auth_basic x; auth_basic_user_file missing; }}\n"
        );
    }
    let pair = Pair::new(&site);
    for place in ["any-allow", "any-deny", "all-allow", "all-deny"] {
        for suffix in ["", "-missing"] {
            let request = Request::get(&format!("/{place}{suffix}/page")).header("Host: localhost");
            pair.ask(&request);
            pair.ask(&request.clone().basic("alice", "wrong"));
            pair.ask(&request.basic("alice", "secret"));
        }
    }
}

#[test]
fn variables_in_realm_and_file() {
    let pair = Pair::new(
        "location / { auth_basic \"realm of $host\"; auth_basic_user_file FOLDER/$arg_file; }
         location /in/ { auth_basic $arg_realm; auth_basic_user_file users; }",
    );
    for query in ["file=users", "file=others", "file=missing", "file=", "file=users%00", "file=html"] {
        for user in ["alice", "carol"] {
            pair.ask(&Request::get(&format!("/page?{query}")).header("Host: localhost").basic(user, "secret"));
        }
    }
    for realm in ["off", "on", "", "%22", "OFF"] {
        pair.ask(&Request::get(&format!("/in/page?realm={realm}")).header("Host: localhost"));
    }
}

#[test]
fn a_file_that_is_missing_or_unreadable() {
    let pair = Pair::with_files(
        "location / { auth_basic x; auth_basic_user_file missing; }
         location /in/ { auth_basic x; auth_basic_user_file secret; }",
        &[("secret", "alice:x\n")],
    );
    assert_eq!(pair.status(&alice()), 403);
    assert_eq!(pair.status(&nobody()), 401);
    fs::set_permissions(pair.0.path("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    let (answer, log) = pair.ask(&Request::get("/in/page").header("Host: localhost").basic("alice", "x"));
    assert_eq!(answer.status, 500);
    assert!(log[0].starts_with("crit open() \""), "{log:?}");
}

#[test]
fn redirects_inside_nginx_and_error_pages() {
    let pair = Pair::new(
        "location / { auth_basic x; auth_basic_user_file users; error_page 401 /denied.html; }
         location = /denied.html { }
         location /kept/ { alias FOLDER/html/; auth_basic x; auth_basic_user_file users; error_page 401 /in/page; }
         location /in/ { auth_basic y; auth_basic_user_file users; }
         location /named/ { auth_basic x; auth_basic_user_file users; error_page 401 403 404 = @named; }
         location @named { return 200 \"named $remote_user\"; }
         location /try/ { auth_basic x; auth_basic_user_file users; try_files /absent @tried; }
         location @tried { auth_basic y; auth_basic_user_file others; return 200 tried; }
         location /to-others/ { auth_basic x; auth_basic_user_file users; try_files /absent /others/page; }
         location /others/ { alias FOLDER/html/; auth_basic y; auth_basic_user_file others; }
         location /rewritten/ { rewrite ^ /in/page last; }",
    );
    for target in
        ["/", "/page", "/absent", "/kept/page", "/named/x", "/try/x", "/to-others/x", "/others/page", "/rewritten/x"]
    {
        for (user, password) in [("alice", "secret"), ("carol", "secret"), ("alice", "wrong"), ("mallory", "x")] {
            pair.ask(&Request::get(target).header("Host: localhost").basic(user, password));
        }
        pair.ask(&Request::get(target).header("Host: localhost"));
    }
}

#[test]
fn subrequests() {
    let pair = Pair::new(
        "ssi on; ssi_types *;
         location / { auth_basic x; auth_basic_user_file users; }
         location = /ssi.shtml { }
         location /in/ { auth_basic y; auth_basic_user_file others; }
         location /asks/ { alias FOLDER/html/; auth_request /asked; }
         location = /asked { auth_basic y; auth_basic_user_file users; try_files /page =404; }
         location /both/ { alias FOLDER/html/; auth_request /asked; auth_basic x; auth_basic_user_file users; }",
    );
    for target in ["/ssi.shtml", "/in/page", "/asks/page", "/both/page", "/page"] {
        for user in ["alice", "carol"] {
            pair.ask(&Request::get(target).header("Host: localhost").basic(user, "secret"));
        }
        pair.ask(&Request::get(target).header("Host: localhost"));
    }
}

#[test]
fn the_user_is_known_to_variables() {
    let pair = Pair::new(
        "add_header X-User \"[$remote_user]\" always;
         location / { auth_basic x; auth_basic_user_file users; }",
    );
    let user = |request: &Request| pair.ask(request).0.header("x-user").unwrap().to_owned();
    assert_eq!(user(&alice()), "[alice]");
    assert_eq!(user(&nobody().basic("mallory", "x")), "[mallory]");
    assert_eq!(user(&nobody()), "[]");
}

#[test]
fn every_kind_of_hash_that_both_know() {
    let hashes = [
        "$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu",
        "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
        "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2",
        "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/",
        "$y$j75$saltsalt$0gBD67sgmJgRX3RZ6wHHO7sHimQEWGCWN85o4Twogh2",
        "abNANd1rDfiNc",
        "abNANd1rDfiNc:further:fields",
    ];
    let lines = hashes.iter().enumerate().map(|(number, hash)| format!("user{number}:{hash}\n"));
    let users = lines.collect::<String>() + "user0:second line of a user\nlast:abNANd1rDfiNc";
    let pair = Pair::with_files("auth_basic x; auth_basic_user_file hashes;", &[("hashes", &users)]);
    for number in 0..hashes.len() {
        let user = format!("user{number}");
        for (password, status) in [("secret", 200), ("Secret", 401), ("", 401)] {
            assert_eq!(pair.status(&nobody().basic(&user, password)), status, "{user} {password}");
            assert_eq!(pair.status(&nobody().basic(&user, password)), status, "{user} {password}");
        }
    }
    assert_eq!(pair.status(&nobody().basic("last", "secret")), 200);
}

#[test]
fn requests_on_one_connection_are_judged_one_by_one() {
    let pair = Pair::new(BASIC);
    let statuses = [0, 1].map(|server| {
        let mut connection = Connection::open(pair.0.ports()[server]).unwrap();
        let requests = [alice(), nobody(), nobody().basic("alice", "wrong"), alice(), nobody().basic("bob", "secret")];
        let all: Vec<u8> = requests.iter().flat_map(Request::bytes).collect();
        // All at once: the later ones wait while the first is judged.
        connection.send(&all).unwrap();
        requests.map(|_| connection.read().unwrap().status)
    });
    assert_eq!(statuses, [[200, 401, 401, 200, 200]; 2]);
}
