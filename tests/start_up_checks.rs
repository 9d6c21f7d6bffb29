//! The output of `httpd -t`, and of a starting server, about insecure configurations. Each check names the directive's
//! file and line, can be silenced, and says nothing about sound configurations, first of all the shipped examples.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "start_up_checks/backend.rs"]
mod backend;
#[path = "start_up_checks/clients.rs"]
mod clients;
#[path = "start_up_checks/conditions.rs"]
mod conditions;
#[path = "start_up_checks/files.rs"]
mod files;
mod harness;
#[path = "start_up_checks/network.rs"]
mod network;
#[path = "start_up_checks/open.rs"]
mod open;
#[path = "start_up_checks/routes.rs"]
mod routes;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use harness::client::{self, Request};
use harness::httpd::{self, Httpd, Mpm, Setup, Site};
use harness::installation::{self, Installation};

/// `secret`, as `htpasswd -s` stores it.
const USERS: &str = "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

/// Directives that a section needs besides its `Require`.
const BASIC: &str = "AuthType Basic\nAuthName realm\nAuthUserFile users\nAuthGroupFile groups\n";

const NAMES: [&str; 22] = [
    "served-file",
    "world-readable",
    "writable",
    "unreadable",
    "no-auth-name",
    "no-user-file",
    "no-group-file",
    "require-outside",
    "plain-http",
    "public-backend",
    "limited-methods",
    "no-require",
    "open-to-all",
    "unguarded-backend",
    "open-proxy",
    "stock-module-condition",
    "remoteip-trust",
    "shared-address",
    "not-proxied",
    "run-as-without-credentials",
    "unverified-backend",
    "plain-credentials",
];

fn load() -> String {
    let installation = Installation::get();
    let mut modules = vec!["alias", "authn_anon", "authz_host", "proxy", "proxy_http", "rewrite"];
    modules.extend(if installation.is_22() { &["proxy_balancer"][..] } else { &["access_compat", "macro"] });
    installation.load_core() + &installation.load(&modules) + &installation.load_ours()
}

/// Sound files `users` and `groups` beside the configuration, which is in a file of its own.
fn write(folder: &Path, configuration: &str) -> String {
    for (name, content) in [("users", USERS), ("groups", "staff: alice\n")] {
        fs::write(folder.join(name), content).unwrap();
        set_mode(&folder.join(name), 0o640);
    }
    for name in ["served", "empty"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    fs::write(folder.join("case.conf"), configuration).unwrap();
    format!("Include {}/case.conf\n", folder.display())
}

/// Sets the mode, and gives the file to the group that httpd runs as.
fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if installation::is_root() {
        chown(path, Some(0), Some(run_user().1)).unwrap();
    }
}

/// A warning: the place, and the name that silences it.
type Warning = (String, String);

fn warnings(said: &str) -> Vec<Warning> {
    let ours = said.lines().filter_map(|line| line.split_once("] rust_esauth: ")).map(|(_, text)| text);
    let parts = ours.map(|text| {
        let (place, _) = text.split_once(": ").unwrap_or_else(|| panic!("no place: {text}"));
        let (_, name) = text.rsplit_once("EsAuthSilence ").unwrap_or_else(|| panic!("no name: {text}"));
        (place.to_owned(), name.to_owned())
    });
    parts.collect()
}

/// Warnings of `httpd -t`, with `prepare` called on the server's folder first.
fn tested(configuration: &str, prepare: &dyn Fn(&Path)) -> Vec<Warning> {
    let configuration = |site: &Site<'_>| {
        let include = write(site.folder, configuration);
        prepare(site.folder);
        include
    };
    let setup = Setup { mpm: Mpm::usual(), load: load(), ports: 0, configuration: &configuration };
    let (status, said) = httpd::run(&setup, &["-t"], None);
    assert!(status == Some(0) && said.contains("Syntax OK"), "{status:?} {said}");
    warnings(&said)
}

/// The configuration must cause warnings with these names, at lines with these beginnings, and none of a name once that
/// is silenced for the server or at the fault.
fn warns(configuration: &str, expected: &[(&str, &str)], prepare: &dyn Fn(&Path)) {
    let at = |configuration: &str, (name, beginning): (&str, &str)| {
        let line = configuration.lines().position(|line| line.starts_with(beginning));
        let line = line.unwrap_or_else(|| panic!("no line {beginning:?} in:\n{configuration}")) + 1;
        (format!("FOLDER/case.conf:{line}"), name.to_owned())
    };
    let sorted = |mut warnings: Vec<Warning>| {
        warnings.sort();
        warnings
    };
    let expect = |configuration: &str, expected: &[(&str, &str)]| {
        let expected = expected.iter().map(|&warning| at(configuration, warning)).collect();
        assert_eq!(sorted(tested(configuration, prepare)), sorted(expected), "{configuration}");
    };
    expect(configuration, expected);
    for (silenced, _) in expected {
        let left: Vec<_> = expected.iter().copied().filter(|(name, _)| name != silenced).collect();
        expect(&format!("EsAuthSilence {silenced}\n{configuration}"), &left);
        let inside = configuration.replace("AuthType Basic\n", &format!("EsAuthSilence {silenced}\nAuthType Basic\n"));
        expect(&inside, &left);
    }
    let all = NAMES.join(" ");
    expect(&format!("EsAuthSilence {all}\n{configuration}"), &[]);
}

fn nothing(_folder: &Path) {}

fn guarded(more: &str) -> String {
    format!("<Location />\n{BASIC}{more}\n</Location>\n")
}

/// Numeric user and group of httpd's run user.
fn run_user() -> (u32, u32) {
    installation::user_ids(&installation::run_user().0)
}

#[test]
fn a_directive_that_a_section_lacks() {
    let without = |name: &str, requirement: &str| {
        let lines = guarded(requirement);
        lines.lines().filter(|line| !line.starts_with(name)).map(|line| format!("{line}\n")).collect::<String>()
    };
    warns(&without("AuthName", "Require valid-user"), &[("no-auth-name", "Require")], &nothing);
    warns(&without("AuthUserFile", "Require user alice"), &[("no-user-file", "Require")], &nothing);
    warns(&without("AuthUserFile", "Require group staff"), &[("no-user-file", "Require")], &nothing);
    warns(&without("AuthGroupFile", "Require group staff"), &[("no-group-file", "Require")], &nothing);
    warns(&without("AuthGroupFile", "Require valid-user"), &[], &nothing);
    // Around it, or in a section that applies there, too.
    let outer = format!("<Location />\n{BASIC}</Location>\n<Location /a/b>\nRequire group staff\n</Location>\n");
    warns(&outer, &[], &nothing);
    let wildcard = outer.replace("<Location />", "<Location /*>").replace("Require", "AuthType Basic\nRequire");
    warns(&wildcard, &[], &nothing);
    // In one that applies elsewhere.
    let beside = outer.replace("<Location />", "<Location /c>").replace("Require", "AuthType Basic\nRequire");
    let all = ["no-auth-name", "no-user-file", "no-group-file"].map(|name| (name, "Require"));
    // Nothing is required there.
    assert_eq!(tested(&beside, &nothing).len(), all.len() + 1);
    warns("<Location />\nAuthType Basic\nRequire group staff\n</Location>\n", &all, &nothing);
}

#[test]
fn a_requirement_that_leaves_no_method_open() {
    let fault = [("require-outside", "<LimitExcept")];
    let inside =
        |outside: &str, inside: &str| guarded(&format!("{outside}\n<LimitExcept OPTIONS>\n{inside}\n</LimitExcept>"));
    warns(&inside("Require valid-user", ""), &fault, &nothing);
    warns(&inside("Require group staff", ""), &fault, &nothing);
    warns(&inside("Require valid-user", "Require valid-user"), &fault, &nothing);
    warns(&inside("Require valid-user", "Require group staff"), &fault, &nothing);
    warns(&inside("", "Require valid-user"), &[], &nothing);
    // It allows alice more than the others.
    warns(&inside("Require group staff", "Require user alice"), &[], &nothing);
    let limit =
        "<Limit POST>\nRequire valid-user\n</Limit>\n<LimitExcept GET POST>\nRequire group staff\n</LimitExcept>";
    warns(&guarded(limit), &[], &nothing);
}

#[test]
fn sections_of_other_modules_are_left_alone() {
    let in_24 = !Installation::get().is_22();
    let mut configurations = vec![
        "<Location />\nAuthType Basic\nAuthName realm\nAuthBasicProvider anon\nRequire valid-user\n</Location>\n",
        "<Location />\nAuthType Digest\nRequire valid-user\n</Location>\n",
        "<Location />\nAuthType Basic\n</Location>\nProxyPass / http://203.0.113.7:9200/\n",
        "<Location />\nRequire valid-user\n</Location>\n",
    ];
    if in_24 {
        configurations.extend([
            "<Location />\nAuthType Basic\nRequire all granted\n</Location>\n",
            "<Location />\nAuthType Basic\nRequire ip 192.0.2.1\n</Location>\n",
            "<AuthnProviderAlias file mine>\nAuthUserFile nowhere\n</AuthnProviderAlias>\n\
             <Location />\nAuthType Basic\nAuthName realm\nAuthBasicProvider mine\nRequire valid-user\n</Location>\n",
        ]);
    }
    for configuration in configurations {
        warns(&format!("Listen 8080\n{configuration}"), &[], &nothing);
    }
}

#[test]
fn the_place_is_that_in_an_included_file_or_a_macro() {
    let prepare = |folder: &Path| fs::write(folder.join("inner.conf"), "\n\nAuthUserFile nowhere\n").unwrap();
    let section = guarded("Require valid-user").replace("AuthUserFile users", "Include inner.conf");
    let expected = ("FOLDER/inner.conf:3".to_owned(), "unreadable".to_owned());
    assert_eq!(tested(&section, &prepare), [expected]);
    if Installation::get().is_22() {
        return Installation::get().skip("macros", "it has no mod_macro");
    }
    let used = "<Macro Guard $file>\n<Location />\nAuthType Basic\nAuthName realm\nAuthUserFile $file\nRequire valid-user\n\
                </Location>\n</Macro>\nUse Guard nowhere\n";
    let found = tested(used, &nothing);
    assert!(found.len() == 1 && found[0].0.contains("on line 9 of \"FOLDER/case.conf\""), "{found:?}");
    // Content of false conditions is absent, of true ones present.
    let conditional =
        |define: &str| format!("{define}<IfDefine !OFF>\n{}</IfDefine>\n", guarded("Require group staff"));
    let remove = |folder: &Path| fs::remove_file(folder.join("users")).unwrap();
    warns(&conditional(""), &[("unreadable", "AuthUserFile")], &remove);
    warns(&conditional("Define OFF\n"), &[], &remove);
    let defined = guarded("Require valid-user").replace("AuthUserFile users", "AuthUserFile ${THERE}");
    warns(&format!("Define THERE users\n{defined}"), &[], &nothing);
    warns(&format!("Define THERE nowhere\n{defined}"), &[("unreadable", "AuthUserFile")], &nothing);
}

#[test]
fn the_published_texts_are_warned_of_and_the_shipped_ones_are_not() {
    let filled_in = |text: &str| {
        text.replace("<elastic search server host name or ip>", "127.0.0.1")
            .replace("<elasticsearch port>", "9200")
            .replace("<path to optional group file>", "groups")
            .replace("<name>", "staff")
            .replace("/etc/apache2/htpasswd", "users")
    };
    let user = filled_in(include_str!("fixtures/published-user.conf"));
    warns(&user, &[("require-outside", "<LimitExcept")], &nothing);
    let names = |found: Vec<Warning>| found.into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    let group = filled_in(include_str!("fixtures/published-group.conf"));
    assert_eq!(names(tested(&group, &nothing)), ["no-user-file", "require-outside"]);
    let shipped: &[(&str, &str)] = if Installation::get().is_22() {
        &[
            ("users", include_str!("../apache/elasticsearch-users-2.2.conf")),
            ("groups", include_str!("../apache/elasticsearch-groups-2.2.conf")),
        ]
    } else {
        &[
            ("users", include_str!("../apache/elasticsearch-users-2.4.conf")),
            ("groups", include_str!("../apache/elasticsearch-groups-2.4.conf")),
            ("roles", include_str!("../apache/elasticsearch-roles-2.4.conf")),
        ]
    };
    let has_ssl = Installation::get().has("ssl");
    if !has_ssl {
        Installation::get().skip("the shipped virtual hosts with TLS", "it has no mod_ssl");
    }
    for &(name, text) in shipped {
        let text = if has_ssl { text.to_owned() } else { without_tls_host(text) };
        // mod_ssl only checks that there is a certificate.
        let definitions = "Define ES_CERTIFICATE users\nDefine ES_CERTIFICATE_KEY users\nDefine ES_USERS users\n\
                           Define ES_GROUPS groups\nDefine ES_ROLES groups\n";
        let definitions = if Installation::get().is_22() { "" } else { definitions };
        let text = text
            .replace("/etc/pki/tls/certs/localhost.crt", "users")
            .replace("/etc/pki/tls/private/localhost.key", "users")
            .replace("/etc/httpd/conf/elasticsearch.", "");
        let ssl = if has_ssl { Installation::get().load(&["ssl"]) } else { String::new() };
        let configuration = format!("{ssl}{definitions}Listen 443\n{text}");
        assert!(configuration.matches("AuthUserFile").count() > 0, "{name}");
        warns(&configuration, &[], &nothing);
        // The checks do run.
        let found = tested(&configuration, &|folder| set_mode(&folder.join("users"), 0o644));
        assert!(found.iter().all(|(_, name)| name == "world-readable") && !found.is_empty(), "{name}: {found:?}");
    }
}

fn without_tls_host(text: &str) -> String {
    let (before, rest) = text.split_once("<VirtualHost *:").unwrap();
    let (_, after) = rest.split_once("</VirtualHost>\n").unwrap();
    before.to_owned() + after
}

#[test]
fn a_server_starts_all_the_same_and_says_so_once_at_each_start() {
    let configuration = |site: &Site<'_>| {
        let include = write(site.folder, &guarded("Require valid-user"));
        set_mode(&site.folder.join("users"), 0o644);
        include
    };
    let server = Httpd::start(&Setup { mpm: Mpm::usual(), load: load(), ports: 1, configuration: &configuration });
    let place = format!("{}/case.conf:4", server.folder().display());
    let warning = (place, "world-readable".to_owned());
    let logged = || warnings(&String::from_utf8_lossy(&server.error_log()));
    assert_eq!(logged(), std::slice::from_ref(&warning));
    let request = Request::get("/").header("Host: localhost");
    assert_eq!(client::ask(server.port(), &request).unwrap().status, 401);
    assert_ne!(client::ask(server.port(), &request.basic("alice", "secret")).unwrap().status, 401);
    server.graceful();
    assert_eq!(logged(), [warning.clone(), warning]);
}

#[test]
fn only_a_test_of_the_configuration_warns() {
    let configuration =
        |site: &Site<'_>| write(site.folder, "<Location />\nAuthType Basic\nRequire user a\n</Location>\n");
    let setup = Setup { mpm: Mpm::usual(), load: load(), ports: 0, configuration: &configuration };
    for shows in [&["-S"][..], &["-M"], &["-t", "-D", "DUMP_VHOSTS"]] {
        let (status, said) = httpd::run(&setup, shows, None);
        assert_eq!((status, warnings(&said)), (Some(0), vec![]), "{shows:?}");
    }
    assert_eq!(warnings(&httpd::run(&setup, &["-t"], None).1).len(), 2);
}

#[test]
fn a_name_that_is_none_is_refused() {
    let refused = |name: &str| {
        let configuration = |_: &Site<'_>| format!("EsAuthSilence writable {name}\n");
        httpd::run(&Setup { mpm: Mpm::usual(), load: load(), ports: 0, configuration: &configuration }, &["-t"], None)
    };
    let (status, said) = refused("nosuch");
    let expected = format!("EsAuthSilence: 'nosuch' is not one of {}", NAMES.join(", "));
    assert!(status != Some(0) && said.contains(&expected), "{status:?} {said}");
    assert_eq!(refused("Plain-HTTP").0, Some(0));
}
