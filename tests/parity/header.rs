//! Every form of the Authorization header.

use super::case::{BASIC, Case, SECRET, basic, case, file, guarded};
use crate::harness::base64::encode;
use crate::harness::client::{Request, credentials};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = forms();
    cases.extend(several());
    cases.extend(section_text());
    cases
}

/// A case with one request that has this header line, of any bytes.
fn form(name: &str, header: impl AsRef<[u8]>, status: u16) -> Case {
    guarded(name, "Require valid-user")
        .file("users", format!("alice:{SECRET}\n:{SECRET}\nblank:{{SHA}}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n"))
        .ask(file().header(header), status)
}

fn forms() -> Vec<Case> {
    let alice = credentials("alice", "secret");
    let unpadded = alice.trim_end_matches('=').to_owned();
    let long_password = credentials("alice", "x".repeat(5000));
    let long_name = credentials("n".repeat(5000), "secret");
    vec![
        form("header-plain", format!("Authorization: Basic {alice}"), 200),
        form("header-lower-case-name", format!("authorization: Basic {alice}"), 200),
        form("header-upper-case-name", format!("AUTHORIZATION: Basic {alice}"), 200),
        form("header-lower-case-scheme", format!("Authorization: basic {alice}"), 200),
        form("header-upper-case-scheme", format!("Authorization: BASIC {alice}"), 200),
        form("header-mixed-case-scheme", format!("Authorization: bAsIc {alice}"), 200),
        form("header-no-blank-behind-colon", format!("Authorization:Basic {alice}"), 200),
        form("header-several-spaces", format!("Authorization: Basic     {alice}"), 200),
        form("header-tab-behind-space", format!("Authorization: Basic \t \t{alice}"), 200),
        form("header-tab-behind-scheme", format!("Authorization: Basic\t{alice}"), 401).logs(&["AH01614"]),
        form("header-leading-blanks", format!("Authorization: \t  Basic {alice}"), 200),
        form("header-trailing-blanks", format!("Authorization: Basic {alice} \t"), 200),
        form("header-folded", format!("Authorization: Basic\r\n {alice}"), 200),
        form("header-scheme-alone", "Authorization: Basic", 401).logs(&["AH01617"]),
        form("header-scheme-and-space", "Authorization: Basic ", 401).logs(&["AH01617"]),
        form("header-empty", "Authorization:", 401).logs(&["AH01614"]),
        form("header-only-blanks", "Authorization:   \t ", 401).logs(&["AH01614"]),
        form("header-bearer", "Authorization: Bearer abcdef", 401).logs(&["AH01614"]),
        form("header-negotiate", "Authorization: Negotiate TlRMTVNTUAAB", 401).logs(&["AH01614"]),
        form("header-digest", "Authorization: Digest username=\"alice\", realm=\"x\"", 401).logs(&["AH01614"]),
        form("header-longer-scheme", format!("Authorization: Basics {alice}"), 401).logs(&["AH01614"]),
        form("header-shorter-scheme", format!("Authorization: Basi {alice}"), 401).logs(&["AH01614"]),
        form("header-without-scheme", format!("Authorization: {alice}"), 401).logs(&["AH01614"]),
        form("header-quoted-scheme", format!("Authorization: \"Basic\" {alice}"), 401).logs(&["AH01614"]),
        form("header-comma", format!("Authorization: Basic, {alice}"), 401).logs(&["AH01614"]),
        form("header-other-name", format!("X-Authorization: Basic {alice}"), 401),
        form("header-proxy-authorization", format!("Proxy-Authorization: Basic {alice}"), 401),
        form("base64-without-padding", format!("Authorization: Basic {unpadded}"), 200),
        form("base64-much-padding", format!("Authorization: Basic {unpadded}====="), 200),
        form("base64-text-behind-padding", format!("Authorization: Basic {unpadded}=={}", encode(b"more")), 200),
        form("base64-text-behind-blank", format!("Authorization: Basic {alice} and more"), 200),
        form("base64-foreign-byte-first", format!("Authorization: Basic !{alice}"), 401).logs(&["AH01617"]),
        form("base64-foreign-byte-in-the-name", "Authorization: Basic YWxp!Y2U6c2VjcmV0", 401).logs(&["AH01618"]),
        form("base64-foreign-byte-in-the-password", "Authorization: Basic YWxpY2U6!c2VjcmV0", 401).logs(&["AH01617"]),
        form("base64-high-byte", b"Authorization: Basic YWxpY2U6\xffc2VjcmV0", 401),
        form("base64-url-alphabet", "Authorization: Basic YWxpY2U6c2VjcmV0-_", 200),
        // The lower bits of the last character belong to no byte.
        form("base64-spare-bits-after-one-byte", "Authorization: Basic Og==", 401)
            .logs(&["AH01617"])
            .ask(file().header("Authorization: Basic Op=="), 401)
            .logs(&["AH01617"]),
        form("base64-spare-bits-after-two-bytes", "Authorization: Basic OnNlY3JldB==", 200)
            .ask(file().header("Authorization: Basic OnNlY3JldA=="), 200)
            .ask(file().header("Authorization: Basic OnNlY3JldP=="), 200),
        form("base64-left-over-character", "Authorization: Basic YWxpY2U6c2VjcmV0Y", 200),
        form("base64-one-character", "Authorization: Basic Y", 401).logs(&["AH01617"]),
        form("base64-two-characters", "Authorization: Basic YQ", 401).logs(&["AH01618"]),
        form("credentials-no-colon", format!("Authorization: Basic {}", encode(b"alice")), 401).logs(&["AH01617"]),
        form("credentials-no-colon-empty-password", format!("Authorization: Basic {}", encode(b"blank")), 200),
        form("credentials-colon-alone", format!("Authorization: Basic {}", encode(b":")), 401).logs(&["AH01617"]),
        form("credentials-empty-user", format!("Authorization: Basic {}", encode(b":secret")), 200),
        form("credentials-two-colons", format!("Authorization: Basic {}", encode(b"alice::secret")), 401)
            .logs(&["AH01617"]),
        form("credentials-nul-in-the-name", format!("Authorization: Basic {}", encode(b"alice\0:secret")), 401)
            .logs(&["AH01617"]),
        form("credentials-nul-in-the-password", format!("Authorization: Basic {}", encode(b"alice:secret\0more")), 200),
        form("credentials-nul-first", format!("Authorization: Basic {}", encode(b"\0alice:secret")), 401)
            .logs(&["AH01617"]),
        form(
            "credentials-nul-for-an-empty-password",
            format!("Authorization: Basic {}", encode(b"blank\0:secret")),
            200,
        ),
        form("credentials-newline", format!("Authorization: Basic {}", encode(b"alice:secret\n")), 401)
            .logs(&["AH01617"]),
        form("credentials-blank-before-name", format!("Authorization: Basic {}", encode(b" alice:secret")), 401)
            .logs(&["AH01618"]),
        form("credentials-long-password", format!("Authorization: Basic {long_password}"), 401).logs(&["AH01617"]),
        form("credentials-long-name", format!("Authorization: Basic {long_name}"), 401).logs(&["AH01618"]),
        form("header-too-long", format!("Authorization: Basic {}", "A".repeat(9000)), 400),
        form("header-nul", b"Authorization: Basic YWxp\0Y2U6c2VjcmV0", 400),
        form("header-control-byte", b"Authorization: Basic YWxpY2U6c2VjcmV0\x01", 400),
    ]
}

fn several() -> Vec<Case> {
    let ask = |name: &str, first: &str, second: &str, status: u16| {
        guarded(name, "Require valid-user")
            .ask(file().header(format!("Authorization: {first}")).header(format!("Authorization: {second}")), status)
    };
    let basic = |user: &str, password: &str| format!("Basic {}", credentials(user, password));
    vec![
        ask("two-headers-right-first", &basic("alice", "secret"), &basic("carol", "wrong"), 200),
        ask("two-headers-wrong-first", &basic("alice", "wrong"), &basic("alice", "secret"), 401).logs(&["AH01617"]),
        ask("two-headers-other-scheme-first", "Bearer token", &basic("alice", "secret"), 401).logs(&["AH01614"]),
        ask("two-headers-other-scheme-second", &basic("alice", "secret"), "Bearer token", 200),
        ask("two-headers-empty-first", "", &basic("alice", "secret"), 401).logs(&["AH01614"]),
        ask("two-headers-scheme-alone-first", "Basic", &basic("alice", "secret"), 401),
    ]
}

/// The section's scheme and realm.
fn section_text() -> Vec<Case> {
    let section = |name: &str, from: &str, to: &str| {
        case(name, basic("/", "Require valid-user").replace(from, to)).file("users", format!("alice:{SECRET}\n"))
    };
    const REALM: &str = "\"Elasticsearch server\"";
    vec![
        section("auth-type-upper-case", "AuthType Basic", "AuthType BASIC").anonymous(401).alice(200).says("file"),
        section("auth-type-lower-case", "AuthType Basic", "AuthType basic").anonymous(401).alice(200),
        section("auth-type-quoted", "AuthType Basic", "AuthType \"Basic\"").anonymous(401).alice(200),
        section("auth-type-unknown", "AuthType Basic", "AuthType Magic")
            .anonymous(500)
            .in_22(401, &["not configured"])
            .alice(500)
            .in_22(401, &["not configured"]),
        section("auth-type-none", "AuthType Basic", "AuthType None").anonymous(500).logs(&["AH00027"]).alice(500),
        section("auth-type-missing", "AuthType Basic", "").anonymous(500).alice(500).logs(&["AH00027"]),
        section("auth-type-expression", "AuthType Basic", "AuthType %{HTTP:X-Type}")
            .ask(file().header("X-Type: Basic"), 401)
            .ask(file().header("X-Type: Basic").basic("alice", "secret"), 200)
            .ask(file().header("X-Type: Other").basic("alice", "secret"), 500),
        section("auth-name-missing", &format!("AuthName {REALM}"), "")
            .anonymous(500)
            .logs(&["AH01615"])
            .alice(500)
            .logs(&["AH01615"]),
        section("auth-name-quotes", REALM, "'The \"inner\" realm'").anonymous(401),
        section("auth-name-backslash", REALM, "\"back\\\\slash\"").anonymous(401),
        section("auth-name-utf8", REALM, "\"B\u{fc}ro\"").anonymous(401),
        section("auth-name-one-word", REALM, "elastic").anonymous(401),
        section("auth-name-expression", REALM, "\"realm of %{HTTP:X-Realm}\"")
            .ask(file().header("X-Realm: mine"), 401)
            .ask(file().header("X-Realm: mine").basic("alice", "secret"), 200),
        section("auth-without-require", "Require valid-user", "")
            .anonymous(500)
            .logs(&["AH01627"])
            .in_22(200, &[])
            .alice(500)
            .logs(&["AH01627"])
            .in_22(200, &[]),
        case("require-without-auth-type", "<Location />\nRequire valid-user\n</Location>\n")
            .anonymous(500)
            .logs(&["AH00027"]),
        case(
            "auth-in-two-sections",
            format!(
                "<Directory \"@DIR@/htdocs\">\n{BASIC}\n</Directory>\n<Location />\nRequire valid-user\n</Location>\n"
            ),
        )
        .file("users", format!("alice:{SECRET}\n"))
        .anonymous(401)
        .alice(200),
        section("keeps-nothing-between-requests", "Require valid-user", "Require valid-user")
            .alice(200)
            .anonymous(401)
            .user("alice", "wrong", 401)
            .alice(200)
            .ask(Request::get("/").basic("alice", "secret"), 200),
    ]
}
