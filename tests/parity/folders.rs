//! Behaviour that depends on the requested folder and file: .htaccess, mod_access_compat, the file's own group.

use super::case::{BASIC, Case, OTHER, UNKNOWN_GROUPS, basic, case, guarded, users};
use crate::harness::client::Request;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = htaccess();
    cases.extend(access());
    cases.extend(file_group());
    cases
}

fn htaccess() -> Vec<Case> {
    let allow = |name: &str, what: &str| {
        case(name, format!("<Directory \"@DIR@/htdocs\">\nAllowOverride {what}\n</Directory>\n"))
            .file("users", users())
            .file("groups", "staff: alice\n")
    };
    let text = |require: &str| format!("{BASIC}\n{require}\n");
    vec![
        allow("htaccess", "AuthConfig")
            .file("htdocs/.htaccess", text("Require valid-user"))
            .anonymous(401)
            .alice(200)
            .user("alice", "wrong", 401)
            .logs(&["AH01617"]),
        allow("htaccess-group", "AuthConfig")
            .file("htdocs/.htaccess", text("Require group staff"))
            .alice(200)
            .user("bob", "secret", 401)
            .logs(&["AH01666"]),
        allow("htaccess-all-directives", "AuthConfig")
            .file("htdocs/.htaccess", text("AuthBasicProvider file\nAuthBasicAuthoritative Off\nRequire valid-user"))
            .alice(200)
            .user("mallory", "x", 500)
            .in_22(401, &["not configured"]),
        allow("htaccess-not-read", "None").file("htdocs/.htaccess", text("Require valid-user")).anonymous(200),
        allow("htaccess-not-allowed", "Limit").file("htdocs/.htaccess", text("Require valid-user")).anonymous(500),
        allow(
            "htaccess-directive-list",
            "None\nAllowOverrideList AuthType AuthName AuthUserFile AuthGroupFile Require",
        )
        .file("htdocs/.htaccess", text("Require valid-user"))
        .anonymous(401)
        .alice(200),
        allow("htaccess-user-file-not-in-the-list", "None\nAllowOverrideList AuthType AuthName Require")
            .file("htdocs/.htaccess", text("Require valid-user"))
            .anonymous(500),
        allow("htaccess-unknown-provider", "AuthConfig")
            .file("htdocs/.htaccess", text("AuthBasicProvider nosuch\nRequire valid-user"))
            .anonymous(500),
        allow("htaccess-wrong-flag", "AuthConfig")
            .file("htdocs/.htaccess", text("AuthBasicAuthoritative Perhaps"))
            .anonymous(500),
        allow("htaccess-nested", "AuthConfig")
            .file("htdocs/.htaccess", text("Require valid-user"))
            .file("htdocs/in/.htaccess", "AuthUserFile @DIR@/others\n")
            .file("htdocs/in/file.txt", "inner")
            .file("others", format!("alice:{OTHER}\n"))
            .alice(200)
            .ask(Request::get("/in/file.txt").basic("alice", "secret"), 401)
            .ask(Request::get("/in/file.txt").basic("alice", "other"), 200),
        allow("htaccess-replaces-the-user-file", &format!("AuthConfig\n{BASIC}\nRequire valid-user"))
            .file("htdocs/.htaccess", "AuthUserFile @DIR@/others\n")
            .file("others", format!("alice:{OTHER}\n"))
            .alice(401)
            .user("alice", "other", 200),
    ]
}

/// mod_access_compat, whose directives the published text uses.
fn access() -> Vec<Case> {
    vec![
        guarded("order-allow-all", "Order deny,allow\nAllow from all\nRequire valid-user").anonymous(401).alice(200),
        guarded("order-deny-all", "Order allow,deny\nDeny from all\nRequire valid-user").anonymous(403).alice(403),
        guarded("satisfy-any-denied-host", "Order deny,allow\nDeny from all\nSatisfy Any\nRequire valid-user")
            .anonymous(401)
            .alice(200)
            .user("alice", "wrong", 401),
        guarded("satisfy-any-allowed-host", "Order deny,allow\nAllow from all\nSatisfy Any\nRequire group staff")
            .anonymous(200)
            .user("alice", "wrong", 200),
        guarded("satisfy-all", "Order deny,allow\nAllow from 127.0.0.1\nSatisfy All\nRequire group staff")
            .anonymous(401)
            .alice(200)
            .user("carol", "other", 401),
        guarded("satisfy-any-with-group", "Order deny,allow\nDeny from all\nSatisfy Any\nRequire group admins")
            .alice(401)
            .user("bob", "secret", 200),
    ]
}

/// The group that owns the requested file.
fn file_group() -> Vec<Case> {
    let plain = |name: &str, require: &str, groups: &str| {
        case(name, format!("<Directory \"@DIR@/htdocs\">\n{BASIC}\n{require}\n</Directory>\n"))
            .file("users", users())
            .file("groups", groups)
    };
    vec![
        plain("file-group-member", "Require file-group", "@GROUP@: alice\nother: bob\n")
            .anonymous(401)
            .alice(200)
            .user("bob", "secret", 401)
            .logs(&["AH01671", "AH01631"])
            .user("carol", "other", 401)
            .logs(&["AH01670", "AH01631"]),
        plain("file-group-or-group", "Require file-group\nRequire group other", "@GROUP@: alice\nother: bob\n")
            .alice(200)
            .user("bob", "secret", 200)
            .in_22(401, &["AH01671"])
            .user("carol", "other", 401),
        plain(
            "file-group-not",
            "<RequireAll>\nRequire valid-user\nRequire not file-group\n</RequireAll>",
            "@GROUP@: alice\nother: bob\n",
        )
        .alice(401)
        .user("bob", "secret", 200),
        plain("file-group-missing-document", "Require file-group", "@GROUP@: alice\n")
            .ask(Request::get("/nowhere").basic("alice", "secret"), 401)
            .logs(&["AH01639"]),
        plain("file-group-file-missing", "Require file-group", "")
            .without("groups")
            .alice(401)
            .logs(&["AH01669"])
            .but_ours(UNKNOWN_GROUPS, 500, &["AH01669"])
            .in_22(500, &["AH01669"]),
        case(
            "file-group-no-file",
            "<Location />\nAuthType Basic\nAuthName realm\nAuthUserFile @DIR@/users\n\
Require file-group\n</Location>\n",
        )
        .file("users", users())
        .alice(401)
        .logs(&["AH01668"])
        .but_ours(UNKNOWN_GROUPS, 500, &["AH01668"])
        .in_22(401, &[]),
        case(
            "file-group-behind-a-proxy",
            format!("ProxyPass / http://127.0.0.1:@BACKEND@/\n{}", basic("/", "Require file-group")),
        )
        .file("users", users())
        .file("groups", "@GROUP@: alice\n")
        .alice(401)
        .logs(&["AH01639"]),
        // The group of a back end's resource is unknown.
        case(
            "file-group-not-behind-a-proxy",
            format!(
                "ProxyPass / http://127.0.0.1:@BACKEND@/\n{}",
                basic("/", "<RequireAll>\nRequire valid-user\nRequire not file-group\n</RequireAll>")
            ),
        )
        .file("users", users())
        .file("groups", "@GROUP@: alice\n")
        .alice(200)
        .logs(&["AH01639"])
        .but_ours(UNKNOWN_GROUPS, 500, &["AH01639"]),
        case(
            "file-group-none-behind-a-proxy",
            format!(
                "ProxyPass / http://127.0.0.1:@BACKEND@/\n{}",
                basic(
                    "/",
                    "<RequireAll>\nRequire valid-user\n<RequireNone>\nRequire file-group\n</RequireNone>\n</RequireAll>"
                )
            ),
        )
        .file("users", users())
        .file("groups", "@GROUP@: alice\n")
        .alice(200)
        .but_ours(UNKNOWN_GROUPS, 500, &["AH01639"]),
        plain("file-owner", "Require file-owner", "@GROUP@: alice\n").alice(401),
    ]
}
