//! Other providers beside the file, and directives of mod_auth_basic only.

use super::case::{BASIC, Case, OTHER, Oddity, SECRET, basic, case, file, guarded, users};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = authoritative();
    cases.extend(lists());
    cases.extend(aliases());
    cases.extend(fake());
    cases.extend(by_digest());
    cases.extend(digest());
    cases.extend(socache());
    cases.extend(served_by_ours());
    cases
}

/// The text of 2.2's mod_authn_default when no other module has decided.
const NOT_CONFIGURED: &str = "not configured";

fn authoritative() -> Vec<Case> {
    let off = |name: &str, require: &str| guarded(name, &format!("AuthBasicAuthoritative Off\n{require}"));
    vec![
        off("not-authoritative", "Require valid-user")
            .anonymous(401)
            .alice(200)
            .user("alice", "wrong", 401)
            .logs(&["AH01617"])
            .user("mallory", "x", 500)
            .logs(&["AH01796"])
            .in_22(401, &[NOT_CONFIGURED])
            .ask(file().header("Authorization: Bearer x"), 401)
            .logs(&["AH01614"]),
        off("not-authoritative-missing-file", "Require valid-user")
            .without("users")
            .anonymous(401)
            .alice(500)
            .logs(&["AH01620", "AH01796"])
            .in_22(401, &["AH01620", NOT_CONFIGURED]),
        case(
            "not-authoritative-no-file",
            "<Location />\nAuthType Basic\nAuthName x\nAuthBasicAuthoritative Off\n\
Require valid-user\n</Location>\n",
        )
        .anonymous(401)
        .alice(500)
        .logs(&["AH01619", "AH01796"])
        .in_22(401, &["AH01619", NOT_CONFIGURED]),
        off("not-authoritative-file-named", "AuthBasicProvider file\nRequire valid-user")
            .alice(200)
            .user("mallory", "x", 500)
            .in_22(401, &[NOT_CONFIGURED])
            .user("alice", "wrong", 401),
        off("not-authoritative-group", "Require group staff")
            .alice(200)
            .user("carol", "other", 401)
            .user("mallory", "x", 500)
            .in_22(401, &[NOT_CONFIGURED]),
        off("not-authoritative-or-local", "<RequireAny>\nRequire local\nRequire valid-user\n</RequireAny>")
            .anonymous(200)
            .user("mallory", "x", 200),
        guarded("authoritative-on", "AuthBasicAuthoritative On\nRequire valid-user")
            .alice(200)
            .user("mallory", "x", 401)
            .logs(&["AH01618"]),
    ]
}

fn lists() -> Vec<Case> {
    let with = |name: &str, providers: &str, more: &str| {
        guarded(name, &format!("AuthBasicProvider {providers}\n{more}\nRequire valid-user"))
            .odd("users.dbm", Oddity::Dbm)
    };
    const DBM: &str = "AuthDBMUserFile @DIR@/users.dbm";
    const ANON: &str = "Anonymous *\nAnonymous_MustGiveEmail Off";
    // A directory server that does not exist.
    const LDAP: &str = "AuthLDAPURL ldap://127.0.0.1:1/o=nowhere?uid";
    vec![
        with("list-file", "file", "").alice(200).user("alice", "wrong", 401).user("mallory", "x", 401),
        with("list-file-dbm", "file dbm", DBM)
            .anonymous(401)
            .alice(200)
            .user("alice", "dbmsecret", 401)
            .logs(&["AH01617"])
            .user("dana", "dbmsecret", 200)
            .user("dana", "wrong", 401)
            .user("bob", "secret", 200)
            .user("mallory", "x", 401)
            .logs(&["AH01618"])
            .ask(file().header("Authorization: Bearer x"), 401)
            .logs(&["AH01614"]),
        with("list-dbm-file", "dbm file", DBM)
            .anonymous(401)
            .alice(401)
            .user("alice", "dbmsecret", 200)
            .user("dana", "dbmsecret", 200)
            .user("bob", "secret", 200)
            .user("bob", "wrong", 401)
            .user("mallory", "x", 401),
        with("list-dbm-alone", "dbm", DBM).alice(401).user("dana", "dbmsecret", 200),
        with("list-on-two-lines", "file\nAuthBasicProvider dbm", DBM)
            .alice(200)
            .user("dana", "dbmsecret", 200)
            .user("mallory", "x", 401),
        with("list-file-twice", "file file", "").alice(200).user("mallory", "x", 401),
        with("list-file-missing-then-dbm", "file dbm", DBM).without("users").alice(500).logs(&["AH01620"]).user(
            "dana",
            "dbmsecret",
            500,
        ),
        with("list-dbm-missing-then-file", "dbm file", "AuthDBMUserFile @DIR@/nothing").alice(500).logs(&["AH10285"]),
        with("list-file-dbm-not-authoritative", "file dbm", &format!("{DBM}\nAuthBasicAuthoritative Off"))
            .alice(200)
            .user("dana", "dbmsecret", 200)
            .user("alice", "wrong", 401)
            .user("mallory", "x", 500)
            .in_22(401, &[NOT_CONFIGURED]),
        with("list-file-anon", "file anon", ANON).alice(200).user("alice", "wrong", 401).user("mallory", "x", 200),
        with("list-anon-file", "anon file", "Anonymous guest")
            .alice(200)
            .user("guest", "a@b.c", 200)
            .user("mallory", "x", 401),
        with("list-file-ldap", "file ldap", LDAP)
            .anonymous(401)
            .alice(200)
            .user("alice", "wrong", 401)
            .user("mallory", "x", 500),
        with("list-ldap-file", "ldap file", LDAP).anonymous(401).alice(500),
        with("list-without-list", "file", "AuthBasicProvider file").alice(200),
    ]
}

fn aliases() -> Vec<Case> {
    let with =
        |name: &str, providers: &str| guarded(name, &format!("AuthBasicProvider {providers}\nRequire valid-user"));
    let alias = |name: &str, file: &str| {
        format!("<AuthnProviderAlias file {name}>\nAuthUserFile @DIR@/{file}\n</AuthnProviderAlias>\n")
    };
    vec![
        with("alias-over-file", "esauth-test-one")
            .global(&alias("esauth-test-one", "others"))
            .file("others", format!("alice:{OTHER}\ndana:{SECRET}\n"))
            .alice(401)
            .user("alice", "other", 200)
            .user("bob", "secret", 401)
            .logs(&["AH01618"])
            .user("dana", "secret", 200),
        with("alias-then-file", "esauth-test-two file")
            .global(&alias("esauth-test-two", "others"))
            .file("others", format!("alice:{OTHER}\n"))
            .alice(401)
            .user("alice", "other", 200)
            .user("bob", "secret", 200)
            .user("mallory", "x", 401),
        with("alias-over-two-files", "esauth-test-three esauth-test-four")
            .global(&(alias("esauth-test-three", "one") + &alias("esauth-test-four", "two")))
            .file("one", format!("alice:{OTHER}\n"))
            .file("two", format!("alice:{SECRET}\nbob:{SECRET}\n"))
            .alice(401)
            .user("alice", "other", 200)
            .user("bob", "secret", 200),
        with("alias-over-a-missing-file", "esauth-test-five")
            .global(&alias("esauth-test-five", "nothing"))
            .alice(500)
            .logs(&["AH01620"]),
        with("alias-over-dbm", "esauth-test-six file")
            .global(
                "<AuthnProviderAlias dbm esauth-test-six>\nAuthDBMUserFile @DIR@/users.dbm\n</AuthnProviderAlias>\n",
            )
            .odd("users.dbm", Oddity::Dbm)
            .user("dana", "dbmsecret", 200)
            .user("bob", "secret", 200)
            .user("mallory", "x", 401),
    ]
}

/// `AuthBasicFake`: an Authorization header for the back end, whoever the client is.
fn fake() -> Vec<Case> {
    let behind = |name: &str, text: &str| {
        case(name, format!("ProxyPass / http://127.0.0.1:@BACKEND@/\n<Location />\n{text}\n</Location>\n"))
            .file("users", users())
            .file("groups", "staff: alice\n")
    };
    vec![
        behind("fake-with-password", "AuthBasicFake demo demopass")
            .anonymous(200)
            .says("Authorization: Basic ZGVtbzpkZW1vcGFzcw=="),
        behind("fake-without-password", "AuthBasicFake demo")
            .anonymous(200)
            .says("Authorization: Basic ZGVtbzpwYXNzd29yZA=="),
        behind("fake-expression", "AuthBasicFake %{HTTP:X-Name} pass-%{HTTP:X-Name}")
            .ask(file().header("X-Name: eve"), 200)
            .says("Authorization: Basic ZXZlOnBhc3MtZXZl")
            .ask(file().basic("alice", "secret"), 200)
            .logs(&["AH02458"]),
        behind("fake-expression-fails", "AuthBasicFake %{file:/nowhere/at/all}").alice(500).logs(&["AH02455"]),
        behind("fake-password-expression-fails", "AuthBasicFake demo %{file:/nowhere/at/all}")
            .alice(500)
            .logs(&["AH02456"]),
        behind("fake-off", "AuthBasicFake Off").alice(200).says("Authorization: Basic YWxpY2U6c2VjcmV0"),
        behind(
            "fake-behind-authentication",
            &format!("{BASIC}\nRequire valid-user\nAuthBasicFake %{{REMOTE_USER}} proxied"),
        )
        .anonymous(401)
        .alice(200)
        .says("Authorization: Basic YWxpY2U6cHJveGllZA==")
        .user("alice", "wrong", 401),
        behind("fake-off-inside", "AuthBasicFake demo\n</Location>\n<Location /file.txt>\nAuthBasicFake Off")
            .alice(200)
            .says("Authorization: Basic YWxpY2U6c2VjcmV0"),
        behind("fake-inherited", "AuthBasicFake demo\n</Location>\n<Location /file.txt>\nAuthBasicAuthoritative On")
            .alice(200)
            .says("Authorization: Basic ZGVtbzpwYXNzd29yZA=="),
        behind("fake-empty-password", "AuthBasicFake demo %{HTTP:X-None}").alice(200).logs(&["AH02459"]),
    ]
}

/// `AuthBasicUseDigestAlgorithm MD5`, with files made by htdigest.
fn by_digest() -> Vec<Case> {
    let with = |name: &str, more: &str| {
        guarded(name, &format!("AuthBasicUseDigestAlgorithm MD5\n{more}\nRequire valid-user")).file("users", DIGESTS)
    };
    vec![
        with("by-digest", "")
            .anonymous(401)
            .alice(200)
            .user("alice", "wrong", 401)
            .logs(&["AH01617"])
            .user("bob", "secret", 401)
            .logs(&["AH01618"])
            .user("carol", "secret", 401)
            .user("dana", "secret", 200)
            .user("mallory", "x", 401)
            .logs(&["AH01618"]),
        with("by-digest-lower-case-md5", "AuthBasicUseDigestAlgorithm md5").alice(200),
        with("by-digest-off", "AuthBasicUseDigestAlgorithm Off").alice(401).logs(&["AH01617"]),
        with("by-digest-other-realm", "AuthName elsewhere").alice(401).logs(&["AH01618"]).user("bob", "secret", 200),
        with("by-digest-file-named", "AuthBasicProvider file").alice(200),
        with("by-digest-missing-file", "").without("users").alice(500).logs(&["AH01622"]),
        with("by-digest-folder", "").odd("users", Oddity::Folder).alice(500).logs(&["AH00554", "AH01622"]),
        case(
            "by-digest-no-file",
            "<Location />\nAuthType Basic\nAuthName x\nAuthBasicUseDigestAlgorithm MD5\n\
Require valid-user\n</Location>\n",
        )
        .alice(500)
        .logs(&["AH01621"]),
        with("by-digest-provider-without", "AuthBasicProvider anon\nAnonymous *").alice(500).logs(&["AH02493"]),
        with("by-digest-alias", "AuthBasicProvider esauth-test-digest")
            .global(
                "<AuthnProviderAlias file esauth-test-digest>\nAuthUserFile @DIR@/users\n\
</AuthnProviderAlias>\n",
            )
            .alice(200)
            .user("alice", "wrong", 401),
        with("by-digest-not-authoritative", "AuthBasicAuthoritative Off").alice(200).user("mallory", "x", 500),
        with("by-digest-inherited", "</Location>\n<Location /file.txt>\nAuthBasicAuthoritative On").alice(200),
    ]
}

/// As written by htdigest: alice and dana have the password `secret` in the cases' realm, bob in another, and carol's
/// line is cut off.
pub(crate) const DIGESTS: &str = "\
alice:Elasticsearch server:@HA1:alice:Elasticsearch server:secret@
bob:elsewhere:@HA1:bob:elsewhere:secret@
carol:Elasticsearch server
dana:elsewhere:00000000000000000000000000000000
dana:Elsewhere:00000000000000000000000000000000
dana:Elasticsearch server:@HA1:dana:Elasticsearch server:secret@:more
";

/// mod_auth_digest, which asks the provider `file` for hashes only.
fn digest() -> Vec<Case> {
    let with = |name: &str, more: &str| {
        case(
            name,
            format!(
                "<Location />\nAuthType Digest\nAuthName \"Elasticsearch server\"\n\
AuthDigestProvider file\n{more}\nRequire valid-user\n</Location>\n"
            ),
        )
        .file("users", DIGESTS)
    };
    vec![
        with("digest", "AuthUserFile @DIR@/users")
            .anonymous(401)
            .ask(file().header("@DIGEST:alice:secret@"), 200)
            .ask(file().header("@DIGEST:alice:wrong@"), 401)
            .logs(&["AH01794"])
            .ask(file().header("@DIGEST:mallory:x@"), 401)
            .logs(&["AH01790"])
            // In the file for another realm than this section's, whatever the client says.
            .ask(file().header("@DIGEST:bob:secret@"), 401)
            .logs(&["AH01790"])
            .ask(file().header("@DIGEST:bob:secret:elsewhere@"), 401)
            .logs(&["AH01788"])
            .ask(file().header("@DIGEST:carol:secret@"), 401)
            .ask(file().header("@DIGEST:dana:secret@"), 200)
            .alice(401),
        with("digest-realm-with-other-case", "AuthUserFile @DIR@/users\nAuthName \"Elasticsearch Server\"")
            .ask(file().header("@DIGEST:alice:secret@"), 401)
            .logs(&["AH01790"]),
        with("digest-missing-file", "AuthUserFile @DIR@/nothing")
            .ask(file().header("@DIGEST:alice:secret@"), 500)
            .logs(&["AH01622"]),
        with("digest-no-file", "").ask(file().header("@DIGEST:alice:secret@"), 500).logs(&["AH01621"]),
        with(
            "digest-and-group",
            "AuthUserFile @DIR@/users\nAuthGroupFile @DIR@/groups\n<RequireAll>\n\
Require group staff\n</RequireAll>\n</Location>\n<Location /file.txt>\n\
AuthMerging And",
        )
        .file("groups", "staff: alice\n")
        .ask(file().header("@DIGEST:alice:secret@"), 200)
        .ask(file().header("@DIGEST:dana:secret@"), 401)
        .logs(&["AH01666"]),
    ]
}

/// mod_authn_socache in front of the file: a hit there must not change the file's answer.
fn socache() -> Vec<Case> {
    let with = |name: &str, more: &str| {
        guarded(
            name,
            &format!(
                "AuthBasicProvider socache file\nAuthnCacheProvideFor file\n{more}\n\
Require valid-user"
            ),
        )
    };
    vec![
        with("socache-then-file", "")
            .anonymous(401)
            .alice(200)
            .alice(200)
            .user("alice", "wrong", 401)
            .user("bob", "secret", 200)
            .user("mallory", "x", 401)
            .user("mallory", "x", 401),
        case("socache-alone-in-the-list", basic("/", "AuthBasicProvider socache\nRequire valid-user"))
            .file("users", users())
            .alice(401),
        with("socache-missing-file", "").without("users").alice(500),
    ]
}

/// Whichever module drives, and whatever else is loaded: our provider answers, which reads lines of any length.
fn served_by_ours() -> Vec<Case> {
    const WHY: &str = "stock httpd stops reading at a line of 8191 bytes; ours reads lines of any length";
    let long = format!("long:{}\n", "x".repeat(9000));
    let with = |name: &str, more: &str, users: &str| {
        guarded(name, &format!("{more}\nRequire valid-user")).file("users", format!("{long}{users}"))
    };
    let alias = "<AuthnProviderAlias file esauth-test-seven>\nAuthUserFile @DIR@/users\n</AuthnProviderAlias>\n";
    vec![
        with("ours-in-a-list", "AuthBasicProvider file dbm\nAuthDBMUserFile @DIR@/users.dbm", &users())
            .odd("users.dbm", Oddity::Dbm)
            .user("bob", "secret", 401)
            .but_ours(WHY, 200, &[])
            .in_22(200, &[])
            .user("dana", "dbmsecret", 200),
        with("ours-behind-an-alias", "AuthBasicProvider esauth-test-seven", &users())
            .global(alias)
            .user("bob", "secret", 401)
            .but_ours(WHY, 200, &[])
            .in_22(200, &[]),
        with("ours-by-digest", "AuthBasicUseDigestAlgorithm MD5", DIGESTS)
            .alice(401)
            .but_ours(WHY, 200, &[])
            .in_22(200, &[]),
        with("ours-not-authoritative", "AuthBasicAuthoritative Off", &users())
            .user("bob", "secret", 500)
            .but_ours(WHY, 200, &[])
            .in_22(200, &[]),
        with("ours-asked-by-mod-auth-digest", "AuthType Digest\nAuthDigestProvider file", DIGESTS)
            .ask(file().header("@DIGEST:alice:secret@"), 401)
            .but_ours(WHY, 200, &[])
            .in_22(200, &[]),
    ]
}
