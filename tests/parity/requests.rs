//! Requests inside requests, and proxies between client and server.

use super::case::{BASIC, Case, basic, case, file, users};
use crate::harness::client::{Request, credentials};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = inside();
    cases.extend(proxies());
    cases.extend(seen_behind());
    cases
}

/// Subrequests and internal redirects: authentication must neither be skipped nor run (and log) twice.
fn inside() -> Vec<Case> {
    let site = |name: &str, conf: &str| {
        case(
            name,
            format!(
                "<Directory \"@DIR@/htdocs\">\nOptions +Includes\nAllowOverride None\n\
</Directory>\nAddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\n{conf}"
            ),
        )
        .file("users", users())
        .file("groups", "staff: alice\n")
        .file("htdocs/in/file.txt", "inner")
        .file("htdocs/page.shtml", "<!--#include virtual=\"/file.txt\" -->|<!--#include virtual=\"/in/file.txt\" -->")
    };
    let page = || Request::get("/page.shtml");
    let require = "Require valid-user";
    vec![
        site("index-of-a-folder", &basic("/", require))
            .ask(Request::get("/"), 401)
            .ask(Request::get("/").basic("alice", "secret"), 200)
            .says("index")
            .ask(Request::get("/").basic("alice", "wrong"), 401)
            .logs(&["AH01617"]),
        site("folder-without-slash", &basic("/", require))
            .ask(Request::get("/in"), 401)
            .ask(Request::get("/in").basic("alice", "secret"), 301),
        site("include-within-one-section", &basic("/", require))
            .ask(page(), 401)
            .ask(page().basic("alice", "secret"), 200)
            .says("inner"),
        site("include-of-a-guarded-part", &basic("/in/", require))
            .ask(page(), 200)
            .ask(page().basic("alice", "secret"), 200)
            .ask(page().basic("alice", "wrong"), 200)
            .logs(&["AH01617"]),
        site(
            "include-of-another-realm",
            &(basic("/", require) + &basic("/in/", "AuthName inner\nRequire group staff")),
        )
        .ask(page().basic("alice", "secret"), 200)
        .says("inner")
        .ask(page().basic("bob", "secret"), 200)
        .logs(&["AH01666"]),
        site(
            "include-into-another-file",
            &(basic("/", require) + "<Location /in/>\nAuthUserFile @DIR@/others\n</Location>\n"),
        )
        .file("others", "bob:x\n")
        .ask(page().basic("alice", "secret"), 200)
        .logs(&["AH01618"]),
        site(
            "include-into-an-open-part",
            &(basic("/", require) + "<Location /in/>\nRequire all granted\n</Location>\n"),
        )
        .ask(page().basic("alice", "secret"), 200)
        .says("inner"),
        site("error-document-inside", &(basic("/", require) + "ErrorDocument 401 /in/file.txt\n"))
            .anonymous(401)
            .user("alice", "wrong", 401)
            .logs(&["AH01617"]),
        site("error-document-outside", &(basic("/file.txt", require) + "ErrorDocument 401 /in/file.txt\n"))
            .anonymous(401)
            .says("inner")
            .user("alice", "wrong", 401)
            .logs(&["AH01617"]),
        site("error-document-for-missing", &(basic("/", require) + "ErrorDocument 404 /file.txt\n"))
            .ask(Request::get("/nowhere").basic("alice", "secret"), 404)
            .says("file"),
        site("error-document-for-group", &(basic("/", "Require group staff") + "ErrorDocument 401 /in/file.txt\n"))
            .user("bob", "secret", 401),
        site("rewrite-in-the-server", &(basic("/", require) + "RewriteEngine On\nRewriteRule ^/old$ /file.txt\n"))
            .ask(Request::get("/old"), 401)
            .ask(Request::get("/old").basic("alice", "secret"), 200)
            .ask(Request::get("/old").basic("alice", "wrong"), 401)
            .logs(&["AH01617"]),
        site(
            "rewrite-in-a-folder",
            &(basic("/", require)
                + "<Directory \"@DIR@/htdocs\">\nRewriteEngine On\nRewriteRule ^old$ /file.txt\n</Directory>\n"),
        )
        .ask(Request::get("/old"), 401)
        .ask(Request::get("/old").basic("alice", "secret"), 200)
        .says("file")
        .ask(Request::get("/old").basic("alice", "wrong"), 401)
        .logs(&["AH01617"]),
        site(
            "rewrite-into-a-guarded-part",
            &(basic("/in/", require)
                + "<Directory \"@DIR@/htdocs\">\nRewriteEngine On\nRewriteRule ^old$ /in/file.txt\n</Directory>\n"),
        )
        .ask(Request::get("/old"), 401)
        .ask(Request::get("/old").basic("alice", "secret"), 200)
        .says("inner")
        .ask(Request::get("/old").basic("mallory", "x"), 401)
        .logs(&["AH01618"]),
        site(
            "rewrite-reads-the-user",
            &(basic("/", require)
                + "RewriteEngine On\nRewriteCond %{LA-U:REMOTE_USER} ^alice$\nRewriteRule ^/me$ /in/file.txt\n"),
        )
        .ask(Request::get("/me").basic("alice", "secret"), 200)
        .says("inner")
        .ask(Request::get("/me").basic("bob", "secret"), 404),
        site(
            "fallback-resource",
            &(basic("/", require) + "<Directory \"@DIR@/htdocs\">\nFallbackResource /file.txt\n</Directory>\n"),
        )
        .ask(Request::get("/nowhere"), 401)
        .ask(Request::get("/nowhere").basic("alice", "secret"), 200)
        .says("file"),
        site(
            "folder-listing",
            &(basic("/in/file.txt", require) + "<Directory \"@DIR@/htdocs\">\nOptions +Indexes\n</Directory>\n"),
        )
        .ask(Request::get("/in/"), 200),
        site(
            "negotiated",
            &(basic("/", require) + "<Directory \"@DIR@/htdocs\">\nOptions +MultiViews\n</Directory>\n"),
        )
        .ask(Request::get("/file"), 401)
        .ask(Request::get("/file").basic("alice", "secret"), 200)
        .ask(Request::get("/file").basic("alice", "wrong"), 401)
        .logs(&["AH01617"]),
    ]
}

fn proxies() -> Vec<Case> {
    let forward = |name: &str, section: &str, require: &str| {
        case(
            name,
            format!(
                "ProxyRequests On\n{section}\n{BASIC}\n{require}\n{}\n",
                section.replace('<', "</").split(' ').next().unwrap_or("").to_owned() + ">"
            ),
        )
        .file("users", users())
        .file("groups", "staff: alice\n")
        .own_port()
    };
    let ask = || Request::get("http://127.0.0.1:@BACKEND@/there");
    let proxy_authorization = |user: &str, password: &str| {
        ask().header(format!("Proxy-Authorization: Basic {}", credentials(user, password)))
    };
    vec![
        forward("forward-proxy", "<Proxy *>", "Require valid-user")
            .ask(ask(), 407)
            .ask(proxy_authorization("alice", "secret"), 200)
            .says("GET /there HTTP/1.1")
            .ask(proxy_authorization("alice", "wrong"), 407)
            .logs(&["AH01617"])
            .ask(proxy_authorization("mallory", "x"), 407)
            .logs(&["AH01618"])
            .ask(ask().basic("alice", "secret"), 407)
            .ask(ask().header("Proxy-Authorization: Bearer x"), 407)
            .logs(&["AH01614"])
            .ask(proxy_authorization("alice", "secret").basic("app", "apppass"), 200)
            .says("Authorization: Basic YXBwOmFwcHBhc3M="),
        forward("forward-proxy-group", "<Proxy *>", "Require group staff")
            .ask(proxy_authorization("alice", "secret"), 200)
            .ask(proxy_authorization("bob", "secret"), 407)
            .logs(&["AH01666", "AH01631"]),
        forward("forward-proxy-local-document", "<Location />", "Require valid-user")
            .ask(Request::get("/file.txt"), 401)
            .ask(Request::get("/file.txt").basic("alice", "secret"), 200),
        forward("forward-proxy-missing-file", "<Proxy *>", "AuthUserFile @DIR@/nothing\nRequire valid-user")
            .ask(proxy_authorization("alice", "secret"), 500)
            .logs(&["AH01620"]),
    ]
}

/// The user as seen by a back end, a script or a log.
fn seen_behind() -> Vec<Case> {
    let behind = |name: &str, more: &str| {
        case(
            name,
            format!("ProxyPass / http://127.0.0.1:@BACKEND@/\n{}", basic("/", &format!("Require valid-user\n{more}"))),
        )
        .file("users", users())
        .file("groups", "staff: alice\n")
    };
    vec![
        behind("back-end-sees-authorization", "")
            .alice(200)
            .says("Authorization: Basic YWxpY2U6c2VjcmV0")
            .user("alice", "wrong", 401),
        behind("back-end-sees-user-header", "RequestHeader set X-Remote-User expr=%{REMOTE_USER}")
            .alice(200)
            .says("X-Remote-User: alice"),
        behind(
            "back-end-sees-user-by-rewrite",
            "RewriteEngine On\nRewriteCond %{REMOTE_USER} (.+)\nRewriteRule . - [E=RU:%1]\n\
RequestHeader set X-Remote-User %{RU}e",
        )
        .alice(200)
        .says("X-Remote-User: alice"),
        behind("back-end-without-authorization", "RequestHeader unset Authorization")
            .alice(200)
            .says("GET /file.txt HTTP/1.1"),
        behind("back-end-sees-type", "RequestHeader set X-Auth-Type expr=%{AUTH_TYPE}")
            .alice(200)
            .says("X-Auth-Type: Basic"),
        case("back-end-refuses", format!("ProxyPass / http://127.0.0.1:1/\n{}", basic("/", "Require valid-user")))
            .file("users", users())
            .anonymous(401)
            .alice(503),
        case(
            "document-shows-the-user",
            format!(
                "<Directory \"@DIR@/htdocs\">\nOptions +Includes\n</Directory>\n\
AddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\n{}",
                basic("/", "Require valid-user")
            ),
        )
        .file("users", users())
        .file("htdocs/who.shtml", "[<!--#echo var=\"REMOTE_USER\" -->][<!--#echo var=\"AUTH_TYPE\" -->]")
        .ask(Request::get("/who.shtml").basic("alice", "secret"), 200)
        .says("[alice][Basic]"),
        case("keeps-the-name-as-written", basic("/", "Require valid-user"))
            .file("users", format!("Alice M\u{fc}ller:{}\n", super::case::SECRET))
            .ask(file().basic("Alice M\u{fc}ller", "secret"), 200),
    ]
}
