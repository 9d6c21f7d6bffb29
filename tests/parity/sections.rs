//! Sections inside sections, and requirements of every shape.

use super::case::{BASIC, Case, OTHER, Oddity, SECRET, UNKNOWN_GROUPS, basic, case, file, guarded, users};
use crate::harness::client::Request;

/// Banned users must never be admitted, least of all if membership is unknown.
const NOT_BANNED: &str = "<RequireAll>\nRequire valid-user\nRequire not group banned\n</RequireAll>";

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = merges();
    cases.extend(kinds());
    cases.extend(methods());
    cases.extend(requirements());
    cases.extend(expressions());
    cases
}

/// An outer section over everything and an inner one over `/in/`.
fn nested(name: &str, outer: &str, inner: &str) -> Case {
    let section = |place: &str, text: &str| format!("<Location \"{place}\">\n{text}\n</Location>\n");
    case(name, section("/", &format!("{BASIC}\n{outer}")) + &section("/in/", inner))
        .file("htdocs/in/file.txt", "inner")
        .file("users", users())
        .file("groups", "staff: alice\n")
}

fn inner() -> Request {
    Request::get("/in/file.txt")
}

fn merges() -> Vec<Case> {
    let others = format!("alice:{OTHER}\n");
    vec![
        nested("merge-user-file-only", "Require group staff", "AuthUserFile @DIR@/others")
            .file("others", &others)
            .ask(file().basic("alice", "secret"), 200)
            .ask(inner().basic("alice", "secret"), 401)
            .ask(inner().basic("alice", "other"), 200),
        nested("merge-group-file-only", "Require group staff", "AuthGroupFile @DIR@/inner-groups")
            .file("inner-groups", "staff: bob\n")
            .ask(inner().basic("alice", "secret"), 401)
            .logs(&["AH01666"])
            .ask(inner().basic("bob", "secret"), 200)
            .ask(file().basic("bob", "secret"), 401),
        nested(
            "merge-provider-only",
            "AuthBasicProvider anon\nAnonymous *\nRequire valid-user",
            "AuthBasicProvider file",
        )
        .ask(file().basic("mallory", "a@b.c"), 200)
        .ask(inner().basic("mallory", "a@b.c"), 401)
        .ask(inner().basic("alice", "secret"), 200),
        nested("merge-provider-inherited", "AuthBasicProvider file\nRequire valid-user", "AuthUserFile @DIR@/others")
            .file("others", &others)
            .ask(inner().basic("alice", "other"), 200),
        nested("merge-authoritative-off-inside", "Require valid-user", "AuthBasicAuthoritative Off")
            .ask(file().basic("mallory", "x"), 401)
            .ask(inner().basic("mallory", "x"), 500)
            .in_22(401, &["not configured"]),
        nested(
            "merge-authoritative-on-again",
            "AuthBasicAuthoritative Off\nRequire valid-user",
            "AuthBasicAuthoritative On",
        )
        .ask(file().basic("mallory", "x"), 500)
        .in_22(401, &["not configured"])
        .ask(inner().basic("mallory", "x"), 401)
        .logs(&["AH01618"]),
        nested(
            "merge-authoritative-inherited",
            "AuthBasicAuthoritative Off\nRequire valid-user",
            "AuthUserFile @DIR@/users",
        )
        .ask(inner().basic("mallory", "x"), 500)
        .in_22(401, &["not configured"]),
        nested("merge-realm-only", "Require valid-user", "AuthName inner").ask(inner(), 401).ask(file(), 401),
        nested("merge-require-replaces", "Require user alice", "Require user bob")
            .ask(inner().basic("alice", "secret"), 401)
            .ask(inner().basic("bob", "secret"), 200),
        nested("merge-opens-inside", "Require valid-user", "Require all granted")
            .ask(file(), 401)
            .ask(inner(), 200)
            .ask(inner().basic("alice", "wrong"), 200),
        nested("merge-auth-merging-and", "Require group staff", "AuthMerging And\nRequire user alice bob")
            .ask(inner().basic("alice", "secret"), 200)
            .ask(inner().basic("bob", "secret"), 401),
        nested("merge-auth-merging-or", "Require group staff", "AuthMerging Or\nRequire user bob")
            .ask(inner().basic("alice", "secret"), 200)
            .ask(inner().basic("bob", "secret"), 200)
            .ask(inner().basic("carol", "other"), 401),
        nested("merge-auth-merging-off", "Require group staff", "AuthMerging Off\nRequire user bob")
            .ask(inner().basic("alice", "secret"), 401)
            .ask(inner().basic("bob", "secret"), 200),
        nested("merge-auth-type-none-inside", "Require valid-user", "AuthType None\nRequire all granted")
            .ask(inner(), 200),
        case("merge-virtual-host-over-main", "<Directory \"@DIR@/htdocs\">\nAuthUserFile @DIR@/others\n</Directory>\n")
            .global(&format!("<Directory \"@DIR@/htdocs\">\n{BASIC}\nRequire valid-user\n</Directory>\n"))
            .file("users", users())
            .file("others", &others)
            .alice(401)
            .user("alice", "other", 200),
    ]
}

fn kinds() -> Vec<Case> {
    let require = "Require valid-user";
    let everywhere = |name: &str, open: &str, close: &str| {
        case(name, format!("{open}\n{BASIC}\n{require}\n{close}\n")).file("users", users())
    };
    vec![
        everywhere("in-directory", "<Directory \"@DIR@/htdocs\">", "</Directory>").anonymous(401).alice(200),
        everywhere("in-directory-match", "<DirectoryMatch \"^@DIR@/ht\">", "</DirectoryMatch>")
            .anonymous(401)
            .alice(200),
        everywhere("in-files", "<Files file.txt>", "</Files>")
            .anonymous(401)
            .alice(200)
            .ask(Request::get("/index.html"), 200),
        everywhere("in-files-match", "<FilesMatch \"\\.txt$\">", "</FilesMatch>").anonymous(401).alice(200),
        everywhere("in-location-match", "<LocationMatch \"^/f\">", "</LocationMatch>").anonymous(401).alice(200),
        everywhere("in-if", "<If \"%{HTTP:X-Guard} == 'yes'\">", "</If>")
            .anonymous(200)
            .ask(file().header("X-Guard: yes"), 401)
            .ask(file().header("X-Guard: yes").basic("alice", "secret"), 200)
            .ask(file().header("X-Guard: yes").basic("alice", "wrong"), 401)
            .logs(&["AH01617"]),
        case(
            "in-if-user-file",
            format!(
                "<Location />\n{BASIC}\n{require}\n<If \"-n %{{HTTP:X-Other}}\">\n\
AuthUserFile @DIR@/others\n</If>\n</Location>\n"
            ),
        )
        .file("users", users())
        .file("others", format!("alice:{OTHER}\n"))
        .alice(200)
        .ask(file().header("X-Other: 1").basic("alice", "secret"), 401)
        .ask(file().header("X-Other: 1").basic("alice", "other"), 200),
        case(
            "in-else",
            format!(
                "<If \"%{{REQUEST_METHOD}} == 'OPTIONS'\">\nRequire all granted\n</If>\n<Else>\n\
{BASIC}\n{require}\n</Else>\n"
            ),
        )
        .file("users", users())
        .anonymous(401)
        .alice(200)
        .ask(Request::new("OPTIONS", "/file.txt"), 200),
        case(
            "in-proxy",
            format!(
                "ProxyPass / http://127.0.0.1:@BACKEND@/\n<Proxy *>\n{BASIC}\n{require}\n\
</Proxy>\n"
            ),
        )
        .file("users", users())
        .anonymous(401)
        .alice(200)
        .says("Authorization: Basic"),
        case(
            "in-proxy-of-one-target",
            format!(
                "ProxyPass /a/ http://127.0.0.1:@BACKEND@/\n\
ProxyPass /b/ http://localhost:@BACKEND@/\n<Proxy \"http://localhost*\">\n\
{BASIC}\n{require}\n</Proxy>\n"
            ),
        )
        .file("users", users())
        .ask(Request::get("/a/"), 200)
        .ask(Request::get("/b/"), 401)
        .ask(Request::get("/b/").basic("alice", "secret"), 200),
        case(
            "in-proxy-match",
            format!(
                "ProxyPass / http://127.0.0.1:@BACKEND@/\n<ProxyMatch \"^http://127\">\n\
{BASIC}\n{require}\n</ProxyMatch>\n"
            ),
        )
        .file("users", users())
        .anonymous(401)
        .alice(200),
        case(
            "in-location-before-proxy",
            format!("ProxyPass / http://127.0.0.1:@BACKEND@/\n{}", basic("/_cluster", require)),
        )
        .file("users", users())
        .ask(Request::get("/_cluster/health"), 401)
        .ask(Request::get("/_cluster/health").basic("alice", "secret"), 200)
        .says("GET /_cluster/health HTTP/1.1")
        .ask(Request::get("/index"), 200),
        case("in-nothing", "DocumentRoot @DIR@/htdocs\n").anonymous(200).alice(200),
    ]
}

fn methods() -> Vec<Case> {
    let limited = |name: &str, section: &str| guarded(name, section);
    let options = || Request::new("OPTIONS", "/file.txt");
    let head = || Request::new("HEAD", "/file.txt");
    vec![
        limited("limit-except-options", "<LimitExcept OPTIONS>\nRequire valid-user\n</LimitExcept>")
            .ask(options(), 200)
            .ask(options().basic("alice", "wrong"), 200)
            .anonymous(401)
            .alice(200)
            .ask(head(), 401),
        limited("limit-except-options-empty", "Require valid-user\n<LimitExcept OPTIONS>\n</LimitExcept>")
            .ask(options(), 401)
            .anonymous(401)
            .alice(200),
        limited(
            "limit-except-options-both",
            "Require valid-user\n<LimitExcept OPTIONS>\nRequire valid-user\n</LimitExcept>",
        )
        .ask(options(), 401)
        .alice(200),
        limited("limit-except-options-group", "<LimitExcept OPTIONS>\nRequire group staff\n</LimitExcept>")
            .ask(options(), 200)
            .anonymous(401)
            .alice(200)
            .user("carol", "other", 401),
        limited("limit-get", "<Limit GET>\nRequire valid-user\n</Limit>")
            .anonymous(401)
            .alice(200)
            .ask(head(), 401)
            .ask(options(), 200),
        limited(
            "limit-post",
            "<Limit POST PUT DELETE>\nRequire group admins\n</Limit>\n\
<LimitExcept POST PUT DELETE>\nRequire valid-user\n</LimitExcept>",
        )
        .alice(200)
        .ask(Request::new("DELETE", "/file.txt").basic("alice", "secret"), 401)
        .ask(Request::new("DELETE", "/file.txt").basic("bob", "secret"), 405),
        limited("limit-user-file-inside", "<Limit GET>\nAuthUserFile @DIR@/others\nRequire valid-user\n</Limit>")
            .file("others", format!("alice:{OTHER}\n"))
            .alice(401)
            .user("alice", "other", 200),
        limited("require-method", "<RequireAny>\nRequire method OPTIONS\nRequire valid-user\n</RequireAny>")
            .ask(options(), 200)
            .anonymous(401)
            .alice(200),
    ]
}

fn requirements() -> Vec<Case> {
    let plain = |name: &str, require: &str| {
        guarded(name, require).file("groups", "staff: alice bob\nadmins: bob\nbanned: carol\n")
    };
    vec![
        plain("require-user", "Require user alice bob")
            .anonymous(401)
            .alice(200)
            .user("carol", "other", 401)
            .logs(&["AH01631"]),
        plain("require-user-quoted", "Require user \"alice smith\"")
            .file("users", format!("alice smith:{SECRET}\nalice:{SECRET}\n"))
            .alice(401)
            .user("alice smith", "secret", 200),
        plain("require-user-or-group", "Require user carol\nRequire group admins")
            .alice(401)
            .user("bob", "secret", 200)
            .user("carol", "other", 200)
            // There each module decides about its own requirements.
            .in_22(401, &["failed, reason: "]),
        plain("require-all-granted", "Require all granted").anonymous(200).user("alice", "wrong", 200),
        plain("require-all-denied", "Require all denied").anonymous(403).alice(403),
        plain("require-any", "<RequireAny>\nRequire group admins\nRequire user alice\n</RequireAny>")
            .alice(200)
            .user("bob", "secret", 200)
            .user("carol", "other", 401),
        plain("require-every", "<RequireAll>\nRequire group staff\nRequire group admins\n</RequireAll>")
            .anonymous(401)
            .alice(401)
            .user("bob", "secret", 200),
        plain(
            "require-none",
            "<RequireAll>\nRequire valid-user\n<RequireNone>\nRequire group banned\n\
</RequireNone>\n</RequireAll>",
        )
        .anonymous(401)
        .alice(200)
        .user("carol", "other", 401),
        plain("require-not-group", "<RequireAll>\nRequire valid-user\nRequire not group banned\n</RequireAll>")
            .anonymous(401)
            .alice(200)
            .user("carol", "other", 401)
            .user("mallory", "x", 401),
        plain("require-not-group-file-missing", NOT_BANNED)
            .without("groups")
            .anonymous(401)
            .alice(200)
            .logs(&["AH01665"])
            .but_ours(UNKNOWN_GROUPS, 500, &["AH01665"])
            .user("carol", "other", 200)
            .but_ours(UNKNOWN_GROUPS, 500, &["AH01665"])
            .user("alice", "wrong", 401),
        plain("require-not-group-file-unreadable", NOT_BANNED)
            .odd("groups", Oddity::Unreadable)
            .user("carol", "other", 200)
            .but_ours(UNKNOWN_GROUPS, 500, &["AH01665"]),
        plain("require-not-group-file-is-a-folder", NOT_BANNED)
            .odd("groups", Oddity::Folder)
            .user("carol", "other", 200)
            .but_ours(UNKNOWN_GROUPS, 500, &["AH00554", "AH01665"]),
        case("require-not-group-file-none", basic("/", NOT_BANNED).replace("AuthGroupFile \"@DIR@/groups\"\n", ""))
            .file("users", users())
            .user("carol", "other", 200)
            .logs(&["AH01664"])
            .but_ours(UNKNOWN_GROUPS, 500, &["AH01664"]),
        plain("require-not-group-expression-fails", &NOT_BANNED.replace("banned", "banned %{file:/nowhere/at/all}"))
            .user("carol", "other", 200)
            .logs(&["AH02592"])
            .but_ours(UNKNOWN_GROUPS, 500, &["AH02592"]),
        plain(
            "require-none-group-file-missing",
            "<RequireAll>\nRequire valid-user\n<RequireNone>\nRequire group banned\n</RequireNone>\n</RequireAll>",
        )
        .without("groups")
        .user("carol", "other", 200)
        .but_ours(UNKNOWN_GROUPS, 500, &["AH01665"]),
        plain("require-group-or-user-file-missing", "Require group staff\nRequire user alice")
            .without("groups")
            .alice(200)
            .but_ours(UNKNOWN_GROUPS, 500, &["AH01665"])
            .in_22(500, &["AH01665"]),
        plain("require-not-user", "<RequireAll>\nRequire group staff\nRequire not user bob\n</RequireAll>")
            .alice(200)
            .user("bob", "secret", 401),
        plain(
            "require-nested",
            "<RequireAny>\n<RequireAll>\nRequire group staff\nRequire not group admins\n\
</RequireAll>\nRequire user carol\n</RequireAny>",
        )
        .anonymous(401)
        .alice(200)
        .user("bob", "secret", 401)
        .user("carol", "other", 200),
        plain("require-ip-or-group", "<RequireAny>\nRequire ip 192.0.2.1\nRequire group staff\n</RequireAny>")
            .anonymous(401)
            .alice(200),
        plain("require-local-or-group", "<RequireAny>\nRequire local\nRequire group staff\n</RequireAny>")
            .anonymous(200)
            .user("alice", "wrong", 200),
        plain("require-local-and-group", "<RequireAll>\nRequire local\nRequire group staff\n</RequireAll>")
            .anonymous(401)
            .alice(200)
            .user("carol", "other", 401),
        plain("require-elsewhere-and-group", "<RequireAll>\nRequire ip 192.0.2.1\nRequire group staff\n</RequireAll>")
            .anonymous(403)
            .alice(403),
        plain("require-env", "Require env let_in\nRequire group staff\nSetEnvIf X-Key open let_in")
            .anonymous(401)
            .ask(file().header("X-Key: open"), 200)
            .alice(200),
        plain("require-expr-on-the-user", "Require expr %{REMOTE_USER} == 'alice'")
            .alice(200)
            .user("bob", "secret", 401),
        plain("require-forbidden-user", "Require user bob\nAuthzSendForbiddenOnFailure On").alice(403).anonymous(401),
        plain("require-forbidden-wrong-password", "Require group staff\nAuthzSendForbiddenOnFailure On")
            .user("alice", "wrong", 401)
            .user("carol", "other", 403),
        plain("require-alias", "Require esauth-test-admins")
            .global(
                "<AuthzProviderAlias group esauth-test-admins admins>\n\
AuthGroupFile @DIR@/groups\n</AuthzProviderAlias>\n",
            )
            .alice(401)
            .user("bob", "secret", 200),
    ]
}

fn expressions() -> Vec<Case> {
    let plain = |name: &str, require: &str| {
        guarded(name, require).file("groups", "staff: alice bob\nadmins: bob\nthe team: alice\n")
    };
    let with = |header: &str, user: &str| file().header(header).basic(user, "secret");
    vec![
        plain("group-from-header", "Require group %{HTTP:X-Group}")
            .ask(with("X-Group: staff", "alice"), 200)
            .ask(with("X-Group: admins", "alice"), 401)
            .ask(with("X-Group: admins staff", "alice"), 200)
            .ask(with("X-Group: \"the team\"", "alice"), 200)
            .ask(with("X-Group:", "alice"), 401)
            .alice(401),
        plain("group-from-environment", "SetEnvIf X-Group (.*) G=$1\nRequire group %{env:G}")
            .ask(with("X-Group: staff", "alice"), 200)
            .ask(with("X-Group: admins", "alice"), 401)
            .alice(401),
        plain("group-from-set-env", "SetEnv G staff\nRequire group %{env:G}").alice(401).user("carol", "other", 401),
        plain("group-partly-from-header", "Require group st%{HTTP:X-Rest} nobody")
            .ask(with("X-Rest: aff", "alice"), 200)
            .ask(with("X-Rest: uff", "alice"), 401),
        plain("group-named-like-the-user", "Require group %{REMOTE_USER}")
            .file("groups", "alice: alice\nteam: bob\n")
            .alice(200)
            .user("bob", "secret", 401),
        plain("group-expression-in-no-group", "Require group %{HTTP:X-Group}")
            .ask(with("X-Group: staff", "carol"), 401),
        plain("group-expression-fails", "Require group staff %{file:/nowhere/at/all}")
            .alice(401)
            .logs(&["AH02592", "AH01631"])
            .but_ours(UNKNOWN_GROUPS, 500, &["AH02592"])
            .user("carol", "other", 401)
            .logs(&["AH01666"]),
        plain("group-from-function", "Require group %{tolower:STAFF}").alice(200),
        plain("group-percent", "Require group 100%").file("groups", "100%: alice\n").alice(200),
        plain(
            "group-from-match",
            "<LocationMatch \"^/(?<team>[^.]+)\\.txt\">\nRequire group %{env:MATCH_TEAM}\n</LocationMatch>"
                .replace("<LocationMatch", "</Location>\n<LocationMatch")
                .replace("</LocationMatch>", "</LocationMatch>\n<Location />")
                .as_str(),
        )
        .file("groups", "file: alice\nother: bob\n")
        .alice(200)
        .user("bob", "secret", 401),
    ]
}
