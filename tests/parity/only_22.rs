//! Features of 2.2 that 2.4 has dropped: group modules that are not authoritative, requirements for some methods only,
//! and inheritance by whole modules.

use super::case::{BASIC, Case, basic, case, file, guarded, users};
use crate::harness::client::Request;

pub(crate) fn cases() -> Vec<Case> {
    let cases = [methods(), authoritative(), merges(), file_types()];
    cases.into_iter().flatten().map(Case::only_22).collect()
}

fn methods() -> Vec<Case> {
    let ask = |method: &str, user: &str| Request::new(method, "/file.txt").basic(user, "secret");
    vec![
        guarded(
            "masks-two-groups",
            "<Limit GET>\nRequire group staff\n</Limit>\n<Limit PUT DELETE>\nRequire group admins\n</Limit>",
        )
        .ask(ask("GET", "alice"), 200)
        .ask(ask("HEAD", "alice"), 200)
        .ask(ask("PUT", "alice"), 401)
        .logs(&["AH01667"])
        .ask(ask("PUT", "bob"), 405)
        .ask(ask("DELETE", "alice"), 401)
        .ask(Request::new("PUT", "/file.txt"), 401)
        // No requirement applies to this method.
        .ask(Request::new("OPTIONS", "/file.txt"), 200)
        .ask(ask("OPTIONS", "carol"), 200),
        guarded("masks-except", "<LimitExcept GET OPTIONS>\nRequire group admins\n</LimitExcept>\nRequire group staff")
            .ask(ask("GET", "alice"), 200)
            .ask(ask("POST", "alice"), 200)
            .ask(Request::new("OPTIONS", "/file.txt"), 401),
        guarded("masks-unknown-method", "<LimitExcept GET>\nRequire group admins\n</LimitExcept>")
            .ask(ask("BREW", "alice"), 401)
            .logs(&["AH01667"])
            .ask(ask("BREW", "mallory"), 401)
            .ask(Request::get("/file.txt"), 200),
        guarded(
            "masks-user-and-group",
            "<Limit GET>\nRequire user carol\n</Limit>\n<Limit POST>\nRequire group staff\n</Limit>",
        )
        .user("carol", "other", 200)
        .alice(401)
        .ask(ask("POST", "alice"), 200)
        .ask(Request::new("POST", "/file.txt").basic("carol", "other"), 401),
        guarded("require-group-in-upper-case", "Require GROUP staff").alice(200).user("carol", "other", 401),
    ]
}

/// Off passes users unknown to the group file to the next module.
fn authoritative() -> Vec<Case> {
    let off = |name: &str, require: &str| guarded(name, &format!("AuthzGroupFileAuthoritative Off\n{require}"));
    const NOBODY: &str = "no Authoritative handler";
    vec![
        off("groups-not-authoritative", "Require group staff")
            .anonymous(401)
            .alice(200)
            .user("alice", "wrong", 401)
            .logs(&["AH01617"])
            .user("carol", "other", 401)
            .logs(&[NOBODY]),
        off("groups-not-authoritative-or-user", "Require group staff\nRequire user carol")
            .alice(200)
            .user("carol", "other", 200)
            .user("mallory", "x", 401),
        off("groups-not-authoritative-or-any-user", "Require group admins\nRequire valid-user").alice(200).anonymous(401),
        off("groups-not-authoritative-missing-file", "Require group staff\nRequire user alice")
            .without("groups")
            .alice(500)
            .logs(&["AH01665"]),
        guarded("groups-authoritative-on", "AuthzGroupFileAuthoritative On\nRequire group staff\nRequire user carol")
            .alice(200)
            .user("carol", "other", 401)
            .logs(&["AH01666"]),
        case(
            "groups-not-authoritative-file-group",
            format!(
                "<Directory \"@DIR@/htdocs\">\n{BASIC}\nAuthzGroupFileAuthoritative Off\nAuthzOwnerAuthoritative Off\n\
                 Require file-group\nRequire group other\n</Directory>\n"
            ),
        )
        .file("users", users())
        .file("groups", "@GROUP@: alice\nother: bob\n")
        .alice(200)
        .user("bob", "secret", 200)
        .user("carol", "other", 401),
        case("groups-without-a-file-or-user", "<Location />\nAuthType Basic\nAuthName x\nAuthUserFile @DIR@/users\nRequire group staff\nRequire user alice\n</Location>\n")
            .file("users", users())
            .alice(200)
            .user("bob", "secret", 401),
    ]
}

/// The modules of 2.2 do not merge: one directive of a module inside replaces all of that module outside.
fn merges() -> Vec<Case> {
    let nested = |name: &str, outer: &str, inner: &str| {
        case(name, basic("/", outer) + &format!("<Location \"/in/\">\n{inner}\n</Location>\n"))
            .file("htdocs/in/file.txt", "inner")
            .file("users", users())
            .file("groups", "staff: alice\n")
    };
    let inner = || Request::get("/in/file.txt");
    vec![
        nested("merge-22-groups-off-inside", "Require group staff", "AuthzGroupFileAuthoritative Off")
            .alice(200)
            // The group file is forgotten with it.
            .ask(inner().basic("alice", "secret"), 401)
            .logs(&["no Authoritative handler"]),
        nested(
            "merge-22-group-file-inside",
            "AuthzGroupFileAuthoritative Off\nRequire group staff\nRequire user carol",
            "AuthGroupFile @DIR@/groups",
        )
        .ask(file().basic("carol", "other"), 200)
        .ask(inner().basic("carol", "other"), 401)
        .logs(&["AH01666"]),
        nested(
            "merge-22-providers-forgotten",
            "AuthBasicProvider anon\nAnonymous *\nRequire valid-user",
            "AuthBasicAuthoritative On",
        )
        .ask(file().basic("mallory", "a@b.c"), 200)
        .ask(inner().basic("mallory", "a@b.c"), 401)
        .logs(&["AH01618"])
        .ask(inner().basic("alice", "secret"), 200),
        nested(
            "merge-22-authoritative-forgotten",
            "AuthBasicAuthoritative Off\nRequire valid-user",
            "AuthBasicProvider file",
        )
        .ask(file().basic("mallory", "x"), 401)
        .logs(&["not configured"])
        .ask(inner().basic("mallory", "x"), 401)
        .logs(&["AH01618"]),
    ]
}

/// The word `standard` behind the path, from the time when other types existed.
fn file_types() -> Vec<Case> {
    let typed = BASIC.replace("/users\"", "/users\" standard").replace("/groups\"", "/groups\" standard");
    vec![
        case("files-of-type-standard", format!("<Location />\n{typed}\nRequire group staff\n</Location>\n"))
            .file("users", users())
            .file("groups", "staff: alice\n")
            .anonymous(401)
            .alice(200)
            .user("bob", "secret", 401)
            .logs(&["AH01666"]),
    ]
}
