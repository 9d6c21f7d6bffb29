//! The documentation shows what really happens. The tag behind each fence in README.md, docs/ and other pages says who runs
//! the block (```` ```sh debian ````); a block that nothing runs fails here:
//!
//! | block | run |
//! |---|---|
//! | `sh`, `text` with names of systems | one after the other, by scripts/package_test.sh, on such a system (see scripts/follow.sh); those of docs/secured-back-ends.md by tests/e2e/secured_page.sh, `sh tarball` by scripts/dist_test.sh |
//! | `sh container`, `sh systemd` | nowhere: the files that they install are tried with other paths (see CONTRIBUTING.md) |
//! | `sh make` | by .ci/run or a person; here the targets are compared with the Makefile |
//! | `sh esauth`, `sh control`, `text control`, `console`, `json …` | here, against a running server |
//! | `apache`, `text configtest` | here, by `httpd -t`; `2.4` or `2.2` behind it: on that one only |
//! | `nginx …` | by nginx/tests/nginx/documentation.rs, with `nginx -t`; the word behind it is the block that it belongs into |
//! | `yaml elasticsearch` | by every script that starts Elasticsearch |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails while a test is set up fails the test"
)]

#[path = "../../tests/harness/mod.rs"]
mod harness;
mod program;

#[path = "documentation/blocks.rs"]
mod blocks;
#[path = "verify/front.rs"]
mod front;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use blocks::{blocks, blocks_with, pages};
use esauth_engine::{CredentialsFile, LineRules, Parse};
use front::{Certificate, Front};
use harness::client::{self, Request};
use harness::httpd::{self, Httpd, Mpm, Setup, Site};
use harness::installation::{self, Installation, workspace};
use harness::scratch::Scratch;
use program::{Run, esauth, esauth_with};
use serde_json::Value;

/// Systems whose commands no test runs, and why. Commands shared with other systems are run there.
const NOT_RUN: [(&str, &str); 1] = [(
    "httpd-2.2",
    "its mod_ssl wants an OpenSSL that no distribution of today has; `make test APXS=…` installs there, and tries the virtual hosts",
)];

#[test]
fn every_block_is_run() {
    let script = |name: &str| fs::read_to_string(workspace().join(name)).unwrap();
    let scripts = ["scripts/package_test.sh", "scripts/dist_test.sh", "tests/e2e/secured_page.sh"];
    let script = scripts.map(script).concat();
    for block in blocks() {
        let marks: Vec<_> = block.marks.iter().map(String::as_str).collect();
        let is_followed = |system: &&str| {
            let not_run = NOT_RUN.iter().any(|(name, _)| name == system);
            not_run || script.contains(&format!("follow \"$root/{}\" {system} ", block.page))
        };
        let is_run = match (block.language.as_str(), &marks[..]) {
            ("apache", [] | ["2.4"] | ["2.2"]) | ("console", []) => true,
            ("nginx", ["main" | "http" | "server"]) => true,
            ("sh", ["make" | "esauth" | "control"]) => true,
            // Files that are tried otherwise: CONTRIBUTING.md says how.
            ("sh", ["container" | "systemd"]) => true,
            ("json", ["esauth-check" | "esauth-lockouts" | "esauth-verify"]) => true,
            ("text", ["configtest" | "control" | "credentials"]) | ("yaml", ["elasticsearch" | "roles"]) => true,
            ("sh" | "text", systems) => !systems.is_empty() && systems.iter().all(is_followed),
            _ => false,
        };
        assert!(is_run, "{}: nothing runs this block, ```{} {}", block.place(), block.language, marks.join(" "));
    }
}

#[test]
fn credentials_files_are_well_formed() {
    for block in blocks_with("text", "credentials") {
        let file = CredentialsFile::parse(block.text.clone().into_bytes(), LineRules::Httpd24).unwrap();
        assert_eq!(file.credentials().err(), None, "{}", block.place());
    }
}

#[test]
fn every_link_within_the_documentation_leads_somewhere() {
    let mut seen = 0;
    for page in pages() {
        let folder = workspace().join(&page).parent().unwrap().to_owned();
        let text = fs::read_to_string(workspace().join(&page)).unwrap();
        let targets = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for target in targets.filter(|target| !target.contains("://")) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { workspace().join(&page) } else { folder.join(path) };
            assert!(path.exists(), "{page}: no file for {target}");
            if !heading.is_empty() {
                let headings = headings(&fs::read_to_string(&path).unwrap());
                assert!(headings.contains(heading), "{page}: no heading for {target}");
            }
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} links are few");
}

/// The anchors that GitHub gives to the headings of a page.
fn headings(text: &str) -> BTreeSet<String> {
    let is_kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
    let anchor = |title: &str| title.to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-");
    // Comments in blocks begin with `#`, too.
    let outside_blocks = text.split("\n```").step_by(2);
    let titles = outside_blocks.flat_map(str::lines).filter(|line| line.starts_with('#'));
    titles.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

#[test]
fn the_tests_that_the_threat_model_names_exist() {
    let page = fs::read_to_string(workspace().join("docs/threat-model.md")).unwrap();
    let code: String = ["tests", "engine", "roles", "cli/tests", "nginx/tests"]
        .iter()
        .flat_map(|at| sources(&workspace().join(at)))
        .collect();
    let mut seen = 0;
    for name in page.split('`').skip(1).step_by(2) {
        if name.ends_with(".rs") {
            assert!(workspace().join(name).exists(), "no {name}");
        } else if name.contains('_') {
            assert!(code.contains(&format!("fn {}", name.trim_end_matches('…'))), "no test {name}");
        } else {
            continue;
        }
        seen += 1;
    }
    assert!(seen > 30, "{seen} tests are few");
}

#[test]
fn roles_files_are_read() {
    for block in blocks_with("yaml", "roles") {
        let roles = esauth_roles::Roles::parse(block.text.as_bytes());
        assert!(roles.is_ok_and(|roles| roles.iter().next().is_some()), "{}", block.place());
    }
}

#[test]
fn make_has_the_targets() {
    let makefile = fs::read_to_string(workspace().join("Makefile")).unwrap();
    for block in blocks_with("sh", "make") {
        for words in block.commands().filter(|words| !words.is_empty()) {
            let words = words.strip_prefix(&["sudo"]).unwrap_or(&words);
            assert_eq!(words[0], "make", "{}", block.place());
            for target in words[1..].iter().filter(|word| !word.contains('=')) {
                assert!(makefile.contains(&format!("\n{target}: ")), "{}: no target {target}", block.place());
            }
        }
    }
}

#[test]
fn elasticsearch_is_started_with_the_settings() {
    let script = fs::read_to_string(workspace().join("scripts/backend.sh")).unwrap();
    for block in blocks_with("yaml", "elasticsearch") {
        for setting in block.text.lines() {
            assert!(script.lines().any(|line| line == setting), "{}: {setting}", block.place());
        }
    }
}

#[test]
fn trouble_shooting_has_every_log_line() {
    let page = fs::read_to_string(workspace().join("docs/trouble-shooting.md")).unwrap();
    let mut lines = BTreeSet::new();
    for source in sources(&workspace().join("src")) {
        // Stock httpd's numbers, and our own texts up to the first value or the end of the text's first part.
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
        lines.extend(source.split("\"AH").skip(1).map(|rest| format!("AH{}", digits(rest))));
        let texts =
            source.split("\"rust_esauth: ").skip(1).map(|rest| rest.split(['"', '{', ',', ';']).next().unwrap());
        lines.extend(texts.filter(|text| text.contains(' ')).map(|text| format!("rust_esauth: {}", text.trim_end())));
    }
    assert!(lines.len() > 25, "{lines:?}");
    let missing: Vec<_> = lines.iter().filter(|line| !page.contains(line.trim_end_matches(':'))).collect();
    assert!(missing.is_empty(), "not in docs/trouble-shooting.md: {missing:?}");
}

/// The content of each Rust file in a folder and below it.
fn sources(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let content = |path: PathBuf| match path.extension() {
        Some(extension) if extension == "rs" => vec![fs::read_to_string(path).unwrap()],
        _ if path.is_dir() => sources(&path),
        _ => Vec::new(),
    };
    entries.flat_map(content).collect()
}

/// httpd's output for a configuration with Debian's paths, whose password file has this mode.
fn configtest(text: &str, mode: u32) -> (Option<i32>, String) {
    let installation = Installation::get();
    let mut modules = vec!["alias", "authz_host", "headers", "proxy", "proxy_http"];
    if text.contains("SSLProxy") {
        modules.push("ssl");
    }
    modules.retain(|module| installation.has(module));
    let is_loaded = text.contains("LoadModule rust_esauth_module");
    let ours = installation.load_ours();
    let configuration = |folder: &Path| {
        fs::write(folder.join("es.conf"), on_this_machine(text, folder, &ours)).unwrap();
        write_credentials(folder, mode);
        format!("Include {}/es.conf\n", folder.display())
    };
    let load = installation.load_core() + &installation.load(&modules) + if is_loaded { "" } else { &ours };
    let setup = Setup { mpm: Mpm::usual(), load, ports: 0, configuration: &|site| configuration(site.folder) };
    httpd::run(&setup, &["-t"], None)
}

fn on_this_machine(text: &str, folder: &Path, load_ours: &str) -> String {
    let folder = folder.display().to_string();
    let lines = text.lines().map(|line| match line.starts_with("LoadModule rust_esauth_module") {
        true => load_ours.to_owned(),
        false => line.replace("/etc/apache2", &folder).replace("${APACHE_LOG_DIR}", &folder) + "\n",
    });
    lines.collect()
}

fn write_credentials(folder: &Path, mode: u32) {
    let hash = harness::crypt::hash(b"secret", "$2y$10$abcdefghijklmnopqrstuu").expect("the C library knows bcrypt");
    let files = [
        ("elasticsearch.users", format!("alice:{hash}\n"), mode),
        ("elasticsearch.groups", GROUPS.into(), 0o640),
        ("elasticsearch.roles.yml", String::new(), 0o640),
        ("elasticsearch.credentials", "alice: ApiKey YTpi\n".into(), 0o640),
        ("elasticsearch.ca.crt", fs::read_to_string(workspace().join("tests/fixtures/ca.crt")).unwrap(), 0o644),
    ];
    for (name, text, mode) in files {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if installation::is_root() {
            let (_, group) = installation::user_ids(&installation::run_user().0);
            chown(&path, Some(0), Some(group)).unwrap();
        }
    }
}

const GROUPS: &str = "elasticsearch: alice\n";

#[test]
fn configurations_are_sound() {
    let (this, other) = if Installation::get().is_22() { ("2.2", "2.4") } else { ("2.4", "2.2") };
    let mut tried = 0;
    for block in blocks().iter().filter(|block| block.language == "apache" && block.marks != [other]) {
        let (status, said) = configtest(&block.text, 0o640);
        assert_eq!(status, Some(0), "{} on {this}: {said}", block.place());
        assert!(!said.contains("] rust_esauth: "), "{} on {this}: {said}", block.place());
        tried += 1;
    }
    assert!(tried > 2, "{tried} configurations are few");
}

#[test]
fn configtest_warns_in_the_words_shown() {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for block in blocks_with("text", "configtest") {
        let thirteen_lines = "\n".repeat(13);
        let section = "AuthType Basic\nAuthName x\nRequire valid-user\n";
        let (_, said) = configtest(
            &format!(
                "<Location />{thirteen_lines}AuthUserFile /etc/apache2/elasticsearch.users\n{section}</Location>\n"
            ),
            0o644,
        );
        let (_, warning) = said.split_once("] rust_esauth: ").unwrap_or_else(|| panic!("no warning: {said}"));
        let warning = warning.lines().next().unwrap().replace("FOLDER/es.conf", "FOLDER/sites-enabled/es.conf");
        let (_, group) = installation::run_user();
        let warning = warning.replace("FOLDER", "/etc/apache2").replace(&format!("chgrp {group}"), "chgrp www-data");
        assert_eq!(format!("[rust_esauth:warn] rust_esauth: {}", squeeze(&warning)), squeeze(&block.text));
    }
}

/// The shipped virtual host for groups as docs/ sets it up, and a page with metrics.
fn documented_server() -> front::Running {
    const METRICS: &str = "ProxyPass /esauth-metrics !\n\
        <Location /esauth-metrics>\nSetHandler rust-esauth-metrics\n</Location>\nProxyPass / ";
    let names = ["search.example.org", "localhost"].map(str::to_owned).to_vec();
    let certificate = Certificate { names, ..Certificate::default() };
    Front::new("groups").certificate(certificate).edit("ProxyPass / ", METRICS).start()
}

#[test]
fn commands_of_esauth_do_what_they_say() {
    if front::is_impossible() {
        return;
    }
    let (server, folder) = (documented_server(), Scratch::new());
    write_credentials(folder.path(), 0o640);
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (users, groups) = (file("elasticsearch.users"), file("elasticsearch.groups"));
    let passphrase = folder.write("passphrase", "not one of the common ones");
    let (tls_port, plain_port) = (server.tls_port(), server.plain_port().to_string());
    // A key is never replaced.
    let keys = Cell::new(0);
    let on_this_machine = |word: &str| match word {
        "/etc/apache2/elasticsearch.fleet-key" => file(&format!("key-{}", keys.replace(keys.get() + 1))),
        "users" | "/etc/apache2/elasticsearch.users" => users.clone(),
        "groups" | "/etc/apache2/elasticsearch.groups" => groups.clone(),
        "http://localhost:8081/esauth-metrics" => format!("http://localhost:{plain_port}/esauth-metrics"),
        "https://search.example.org" => format!("{word}:{tls_port}"),
        _ => word.to_owned(),
    };
    for block in blocks_with("sh", "esauth") {
        for words in block.commands().filter(|words| !words.is_empty()) {
            let mut arguments: Vec<_> = words[1..].iter().map(|word| on_this_machine(word)).collect();
            if words[1] == "verify" {
                let more = ["--connect", "127.0.0.1", "--ca", server.ca(), "--http-port", &plain_port];
                arguments.extend(more.map(str::to_owned));
            }
            // In place of typing it.
            if words[1] == "passwd" && !words.iter().any(|word| ["--delete", "--drop-old"].contains(word)) {
                arguments.extend(["--user-password".to_owned(), passphrase.display().to_string()]);
            }
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let run = esauth_with(&arguments, &[("ESAUTH_PASSWORD", "secret")]);
            assert_eq!(
                (words[0], run.status),
                ("esauth", 0),
                "{}: {words:?}: {}",
                block.place(),
                run.output + &run.errors
            );
        }
    }
}

#[test]
fn commands_for_lockouts_do_what_they_say() {
    let load = Installation::get().load_core() + &Installation::get().load_ours();
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        fs::write(site.folder.join("users"), "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
        format!(
            "EsAuthMaxFailures 10/300\nEsAuthControl {folder}/control.sock\n<Location />\nAuthType Basic\nAuthName x\n\
             AuthUserFile {folder}/users\nRequire valid-user\n</Location>\n"
        )
    };
    let server = Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration });
    let fail = |user: &str, password: &str| {
        let request = Request::get("/").header("Host: localhost").basic(user, password);
        client::ask(server.port(), &request).unwrap();
    };
    for number in 0..10 {
        fail("alice", &format!("guess {number}"));
        fail("bob", "old");
    }
    let socket = server.folder().join("control.sock").display().to_string();
    let run = |words: &[&str]| esauth(&[words, &["--socket", &socket]].concat());

    // Names, addresses and times differ.
    let shape = |text: &str| -> Vec<Vec<String>> {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        text.lines().map(|line| words(line.split_once(" left ").map_or(line, |(_, why)| why))).collect()
    };
    let sorted = |mut lines: Vec<Vec<String>>| {
        lines.sort();
        lines
    };
    for block in blocks_with("text", "control") {
        assert_eq!(sorted(shape(&run(&["lockouts"]).output)), sorted(shape(&block.text)), "{}", block.place());
    }
    let printed = run(&["lockouts", "--json"]).json;
    for block in blocks_with("json", "esauth-lockouts") {
        let shown: Value = serde_json::from_str(&block.text).unwrap();
        assert_eq!(members(&shown), members(&printed), "{}", block.place());
    }
    for block in blocks_with("sh", "control") {
        for words in block.commands().filter(|words| !words.is_empty()) {
            let run = run(&words[1..]);
            let is_fine = run.status == 0 || words[1] == "unlock" && run.status == 1;
            assert!(words[0] == "esauth" && is_fine, "{}: {words:?}: {}", block.place(), run.errors);
        }
    }
}

/// The runs shown on esauth's page: of `check` on files with a few faults, and of `verify` on a server without any.
fn shown_runs(is_json: bool) -> BTreeMap<&'static str, Run> {
    let folder = Scratch::new();
    let hash = |setting: &str| harness::crypt::hash(b"secret", setting).expect("the C library knows bcrypt");
    let (good, weak) = (hash("$2y$10$abcdefghijklmnopqrstuu"), hash("$2y$05$abcdefghijklmnopqrstuu"));
    let (users, groups) = (
        folder.write("users", format!("alice:{good}\nbob:{weak}\ncarol:secret\ndave:{}\nalice:{weak}\n", &weak[..50])),
        folder.write("groups", "elasticsearch: alice bob carol zoe\n"),
    );
    let mut check = vec!["check", users.to_str().unwrap(), "--groups", groups.to_str().unwrap()];
    check.extend(is_json.then_some("--json"));
    let mut check = esauth(&check);
    check.output = check.output.replace(&format!("{}/", folder.path().display()), "");

    let text = "shop-a:\n  indices:\n    - names: [ 'shopa-*' ]\n      privileges: [ read ]\n";
    let (roles, shops) = (folder.write("roles.yml", text), folder.write("shops", "shop-a: alice\n"));
    let (roles, shops) = (roles.to_str().unwrap(), shops.to_str().unwrap());
    let request = ["--user", "alice", "GET /_search?q=shoes"];
    let explain = esauth(&[&["explain", "--roles", roles, "--groups", shops], &request[..]].concat());

    let server = documented_server();
    let verify = ["--outsider", "bob", "--outsider-password", "bob.password"];
    let verify = if is_json {
        server.verify(&[&verify[..], &["--min-days", "1000"]].concat())
    } else {
        server.verify_as_text(&verify, &[])
    };
    BTreeMap::from([("check", check), ("explain", explain), ("verify", verify)])
}

#[test]
fn esauth_prints_the_output_shown() {
    if front::is_impossible() {
        return;
    }
    let runs = shown_runs(false);
    let consoles: Vec<_> = blocks().into_iter().filter(|block| block.language == "console").collect();
    assert_eq!(consoles.len(), runs.len());
    for block in consoles {
        let (command, shown) = block.text.split_once('\n').unwrap();
        let name = command.split_whitespace().nth(2).unwrap();
        // Addresses and times in the output of verify differ here.
        let is_same: fn(&str) -> String =
            if name == "verify" { |line| line.chars().take(19).collect() } else { without_times };
        let comparable = |text: &str| -> Vec<String> {
            let lines = text.trim().lines().filter(|line| !line.starts_with("https://"));
            lines.map(is_same).collect()
        };
        assert_eq!(comparable(&runs[name].output), comparable(shown), "{}", block.place());
    }
}

/// A line with single blanks, and without the numbers in front of `ms`.
fn without_times(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let is_time = |index: usize| words.get(index + 1) == Some(&"ms");
    let kept = words.iter().enumerate().map(|(index, word)| if is_time(index) { "N" } else { word });
    kept.collect::<Vec<_>>().join(" ")
}

#[test]
fn json_has_the_members_shown() {
    if front::is_impossible() {
        return;
    }
    let runs = shown_runs(true);
    let find = |list: &Value, key: &str, value: &str| {
        let mut all = list.as_array().unwrap().iter();
        all.find(|one| one[key] == value).unwrap_or_else(|| panic!("no {key} {value} in {list}")).clone()
    };
    let file = find(&runs["check"].json["files"], "kind", "passwords");
    let check = find(&runs["verify"].json["checks"], "result", "failed");
    for (mark, printed) in [("esauth-check", file), ("esauth-verify", check)] {
        for block in blocks_with("json", mark) {
            let shown: Value =
                serde_json::from_str(&block.text).unwrap_or_else(|error| panic!("{}: {error}", block.place()));
            assert_eq!(members(&shown), members(&printed), "{}", block.place());
        }
    }
}

#[test]
fn htpasswd_is_taught_with_a_cost_that_is_not_weak() {
    // nginx hashes at every request; its page explains the lower cost.
    let is_for_nginx = |file: &PathBuf| file.strip_prefix(workspace()).unwrap().to_string_lossy().contains("nginx");
    let folders = ["docs", "apache", "nginx", "debian"].map(|folder| workspace().join(folder));
    let mut files: Vec<_> =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())).collect();
    files.push(workspace().join("README.md"));
    let mut taught = 0;
    for file in files.iter().filter(|file| file.is_file() && !is_for_nginx(file)) {
        for line in fs::read_to_string(file).unwrap().lines() {
            let words: Vec<_> = line.split_whitespace().skip_while(|word| *word != "htpasswd").collect();
            if !words.contains(&"-B") || !words.contains(&"alice") {
                continue;
            }
            let cost = words.iter().skip_while(|word| **word != "-C").nth(1);
            assert_eq!(cost, Some(&"10"), "{}: {line}", file.display());
            taught += 1;
        }
    }
    assert!(taught >= 4, "{taught}");

    let made = |cost: &[&str]| {
        let mut htpasswd = std::process::Command::new(Installation::get().htpasswd());
        let output = htpasswd.args([&["-nbB"], cost, &["alice", "secret"]].concat()).output().unwrap();
        let folder = Scratch::new();
        let users = folder.write("users", output.stdout);
        esauth(&["check", "--json", users.to_str().unwrap()]).status
    };
    assert_eq!((made(&["-C", "10"]), made(&[])), (0, 1));
}

/// The names of all members, with those of a list's first element for the whole list.
fn members(value: &Value) -> Vec<String> {
    match value {
        // Its names are data.
        Value::Object(object) if object.contains_key("plain-text") => Vec::new(),
        Value::Object(object) => {
            let mut names: Vec<_> = object
                .iter()
                .flat_map(|(name, value)| {
                    let inner = members(value).into_iter().map(move |inner| format!("{name}.{inner}"));
                    std::iter::once(name.clone()).chain(inner)
                })
                .collect();
            names.sort();
            names
        }
        Value::Array(list) => list.first().map(members).unwrap_or_default(),
        _ => Vec::new(),
    }
}
