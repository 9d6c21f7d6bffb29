//! `esauth check` finds each fault, and its verdict on who can log in matches a running httpd with the module.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails while a test is set up fails the test"
)]

#[path = "../../tests/harness/mod.rs"]
mod harness;
mod program;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::client::{Request, ask};
use harness::httpd::{Httpd, Mpm, Setup};
use harness::installation::Installation;
use harness::scratch::Scratch;
use program::{Run, esauth};
use serde_json::Value;

/// Users of a file with each fault: name, and the password that would be right.
const USERS: &[(&str, &str)] = &[
    ("bcrypt", "secret"),
    ("cheap", "secret"),
    ("apr1", "secret"),
    ("sha", "secret"),
    ("des", "secret"),
    ("crypt5", "secret"),
    ("crypt6", "secret"),
    ("yescrypt", "secret"),
    ("few", "secret"),
    ("plain", "password"),
    ("nothing", ""),
    ("nocolon", ""),
    ("unknown", "secret"),
    ("cut", "secret"),
    ("trailing", "secret"),
    ("spare", "secret"),
    ("longsalt", "secret"),
    ("zeros", "secret"),
    ("digest", "secret"),
    ("twice", "secret"),
    ("blank ", "secret"),
    ("blank", "secret"),
    ("swallowed", "secret"),
    ("joined", "secret"),
    ("", "secret"),
    ("after", "secret"),
];

/// Kinds with which nobody can log in.
const FATAL: &[&str] = &["no-hash", "plain-text", "unknown-hash", "malformed-hash", "digest-line"];

const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

fn file_with_each_fault() -> String {
    let too_long = "x".repeat(8200);
    format!(
        "# A comment that swallows a line \\\n\
         swallowed:{SHA}\n\
         bcrypt:$2y$10$abcdefghijklmnopqrstuuPkEEY6Q7fkZXSpsOSiJsZmcpz2QJMUe\n\
         cheap:$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu\n\
         apr1:$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071\n\
         sha:{SHA}\n\
         des:abNANd1rDfiNc\n\
         crypt5:$5$rounds=5000$saltsalt$CRYPT5\n\
         crypt6:$6$saltsalt$CRYPT6\n\
         yescrypt:$y$j75$saltsalt$0gBD67sgmJgRX3RZ6wHHO7sHimQEWGCWN85o4Twogh2\n\
         few:$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2\n\
         plain:password\n\
         nothing:\n\
         nocolon\n\
         unknown:{{SSHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\
         cut:$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCi\n\
         trailing:{SHA}x\n\
         spare:$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiv\n\
         longsalt:$apr1$w8uZk8ocX$UvcCyrDN3Z0SDpLMDzk071\n\
         zeros:$5$rounds=01000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2\n\
         digest:realm:0cc175b9c0f1b6a831c399e269772661\n\
         twice:{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n\
         twice:{SHA}\n\
         blank :{SHA}\n\
         joined:{{SHA}}5en6G6MezRroT3X\\\nKqkdPOmY/BfQ=\n\
         :{SHA}\n\
         long:{too_long}\n\
         after:{SHA}\n"
    )
    .replace("$5$rounds=5000$saltsalt$CRYPT5", &hash("$5$rounds=5000$saltsalt"))
    .replace("$6$saltsalt$CRYPT6", &hash("$6$saltsalt"))
    .replace("$2y$10$abcdefghijklmnopqrstuuPkEEY6Q7fkZXSpsOSiJsZmcpz2QJMUe", &hash("$2y$10$abcdefghijklmnopqrstuu"))
}

fn hash(setting: &str) -> String {
    harness::crypt::hash(b"secret", setting).expect("the C library knows the method")
}

fn findings(run: &Run) -> Vec<(String, u64, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |file: &Value| file["findings"].as_array().unwrap().clone();
    let all = run.json["files"].as_array().unwrap().iter().flat_map(of);
    all.map(|one| (text(&one["kind"]), one["line"].as_u64().unwrap(), text(&one["name"]))).collect()
}

fn check(arguments: &[&str]) -> Run {
    esauth(
        &[&["check", "--json", "--httpd", if Installation::get().is_22() { "2.2" } else { "2.4" }], arguments].concat(),
    )
}

#[test]
fn each_fault_of_a_password_file_is_found_in_its_line() {
    let folder = Scratch::new();
    let path = folder.write("users", file_with_each_fault());
    let run = check(&[path.to_str().unwrap()]);
    assert_eq!(run.status, 1);
    let expected: &[(&str, u64, &str)] = &[
        ("joined-lines", 1, ""),
        ("weak-hash", 4, "cheap"),
        ("weak-hash", 5, "apr1"),
        ("weak-hash", 6, "sha"),
        ("weak-hash", 7, "des"),
        ("weak-hash", 11, "few"),
        ("plain-text", 12, "plain"),
        ("no-hash", 13, "nothing"),
        ("no-hash", 14, "nocolon"),
        ("unknown-hash", 15, "unknown"),
        ("malformed-hash", 16, "cut"),
        ("malformed-hash", 17, "trailing"),
        ("malformed-hash", 18, "spare"),
        ("malformed-hash", 19, "longsalt"),
        ("malformed-hash", 20, "zeros"),
        ("digest-line", 21, "digest"),
        ("weak-hash", 22, "twice"),
        ("duplicate-user", 23, "twice"),
        ("blank-in-name", 24, "blank "),
        ("joined-lines", 25, "joined"),
        ("empty-name", 27, ""),
        ("line-too-long", 28, ""),
        ("plain-text", 28, "long"),
        ("weak-hash", 24, "blank "),
        ("weak-hash", 25, "joined"),
        ("weak-hash", 27, ""),
        ("weak-hash", 29, "after"),
    ];
    let mut expected: Vec<_> =
        expected.iter().map(|&(kind, line, name)| (kind.to_owned(), line, name.to_owned())).collect();
    let mut found = findings(&run);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn whom_the_check_calls_able_to_log_in_the_running_module_lets_in_and_nobody_else() {
    let folder = Scratch::new();
    let path = folder.write("users", file_with_each_fault());
    let run = check(&[path.to_str().unwrap()]);
    let found = findings(&run);
    let server = Httpd::start(&Setup {
        mpm: Mpm::usual(),
        load: Installation::get().load_core() + &Installation::get().load_ours(),
        ports: 1,
        configuration: &|site| {
            fs::create_dir(site.folder.join("htdocs")).unwrap();
            fs::write(site.folder.join("htdocs/page"), "in\n").unwrap();
            format!(
                "DocumentRoot {}/htdocs\n<Location />\nAuthType Basic\nAuthName x\nAuthUserFile {}\n\
                 Require valid-user\n</Location>\n",
                site.folder.display(),
                path.display()
            )
        },
    });
    for &(name, password) in USERS {
        // The check says nothing about a user without a line, and judges only the first line of `twice`, which has
        // another password.
        let says_no = found.iter().any(|(kind, _, user)| user == name && FATAL.contains(&kind.as_str()));
        let has_line = !["swallowed", "blank"].contains(&name);
        let password = if name == "twice" { "password" } else { password };
        let answer =
            ask(server.port(), &Request::get("/page").header("Host: localhost").basic(name, password)).unwrap();
        let expected = if has_line && !says_no { 200 } else { 401 };
        assert_eq!(answer.status, expected, "{name:?}");
    }
    let able = USERS.iter().filter(|(name, _)| !["swallowed", "blank"].contains(name)).count() + 1
        - found.iter().filter(|(kind, ..)| FATAL.contains(&kind.as_str())).count();
    assert_eq!(run.json["files"][0]["can_log_in"], able);
}

#[test]
fn groups_and_users_are_held_against_each_other() {
    let folder = Scratch::new();
    let users = folder.write("users", format!("alice:{SHA}\nbob:{SHA}\n"));
    let groups = folder.write("groups", "Search: alice zoe\nempty:\nsearch: alice\nnocolon\n");
    let (users, groups) = (users.to_str().unwrap(), groups.to_str().unwrap());
    let run = check(&[users, "--groups", groups, "--allow", "weak-hash"]);
    let found = findings(&run);
    let expected: &[(&str, u64, &str)] = &[
        ("no-group", 2, "bob"),
        ("unknown-member", 1, "zoe"),
        ("empty-group", 2, "empty"),
        ("no-colon", 4, "nocolon"),
        ("empty-group", 4, "nocolon"),
    ];
    let expected: Vec<_> =
        expected.iter().map(|&(kind, line, name)| (kind.to_owned(), line, name.to_owned())).collect();
    assert_eq!(found, expected);
    // Each alone has nothing to be compared with.
    let run = check(&["--groups", groups]);
    assert!(findings(&run).iter().all(|(kind, ..)| kind != "unknown-member"));
    assert_eq!(check(&[users, "--allow", "weak-hash"]).status, 0);
}

/// Lines that look right: the name in the file, the one a client sends, the finding, and whether the client is
/// admitted.
const LOOKS_RIGHT: &[(&str, &str, &str, bool)] = &[
    ("\u{feff}first:HASH", "first", "byte-order-mark", false),
    ("plain:HASH", "plain", "", true),
    ("nbsp\u{a0}:HASH", "nbsp", "invisible-in-name", false),
    ("zero\u{200b}width:HASH", "zerowidth", "invisible-in-name", false),
    ("tab\tbed:HASH", "tab bed", "invisible-in-name", false),
    ("in side:HASH", "in side", "", true),
    ("turned\u{202e}:HASH", "turned", "invisible-in-name", false),
    ("rene\u{301}:HASH", "ren\u{e9}", "name-encoding", false),
    ("zo\u{eb}:HASH", "zo\u{eb}", "", true),
    ("front: HASH", "front", "altered-hash", false),
    ("tabbed:\tHASH", "tabbed", "altered-hash", false),
    ("hard:\u{a0}HASH", "hard", "altered-hash", false),
    ("behind:HASH\u{a0}", "behind", "altered-hash", false),
    ("quoted:\"HASH\"", "quoted", "altered-hash", false),
    ("doubled:TWICE", "doubled", "altered-hash", false),
    ("escaped:ESCAPED", "escaped", "altered-hash", false),
    ("noted:HASH # a note", "noted", "altered-hash", false),
    ("equals=HASH", "equals", "no-hash", false),
    ("wide\u{ff1a}HASH", "wide", "no-hash", false),
    ("space HASH", "space", "no-hash", false),
    ("last:HASH ", "last", "", true),
];

/// Stock httpd's answers to this user, whose password is "secret".
fn stock_answers(users: &Path, groups: &Path, require: &str, names: &[&str]) -> Vec<u16> {
    let installation = Installation::get();
    let modules = ["auth_basic", "authn_file", "authz_user", "authz_groupfile"];
    let server = Httpd::start(&Setup {
        mpm: Mpm::usual(),
        load: installation.load_core() + &installation.load(&modules),
        ports: 1,
        configuration: &|site| {
            fs::create_dir(site.folder.join("htdocs")).unwrap();
            fs::write(site.folder.join("htdocs/page"), "in\n").unwrap();
            format!(
                "DocumentRoot {}/htdocs\n<Location />\nAuthType Basic\nAuthName x\nAuthUserFile {}\nAuthGroupFile {}\n\
                 Require {require}\n</Location>\n",
                site.folder.display(),
                users.display(),
                groups.display(),
            )
        },
    });
    let request = |name: &str| Request::get("/page").header("Host: localhost").basic(name, "secret");
    names.iter().map(|name| ask(server.port(), &request(name)).unwrap().status).collect()
}

#[test]
fn a_line_that_looks_right_and_is_not_is_found_and_stock_httpd_refuses_its_user() {
    let folder = Scratch::new();
    const APR1: &str = "$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071";
    let text: String = LOOKS_RIGHT.iter().map(|(line, ..)| format!("{line}\n")).collect();
    let text = text.replace("HASH", APR1).replace("TWICE", &APR1.replace('$', "$$"));
    let users = folder.write("users", text.replace("ESCAPED", &APR1.replace('$', "\\$")));
    let groups = folder.write("groups", "");

    let run = check(&[users.to_str().unwrap(), "--allow", "weak-hash"]);
    let found: Vec<_> = findings(&run).into_iter().map(|(kind, line, _)| (line, kind)).collect();
    let numbered = LOOKS_RIGHT.iter().zip(1..).filter(|((_, _, kind, _), _)| !kind.is_empty());
    let expected: Vec<_> = numbered.map(|((_, _, kind, _), line)| (line, (*kind).to_owned())).collect();
    assert_eq!(found, expected);

    let names: Vec<_> = LOOKS_RIGHT.iter().map(|(_, name, ..)| *name).collect();
    let expected: Vec<_> = LOOKS_RIGHT.iter().map(|&(.., gets_in)| if gets_in { 200 } else { 401 }).collect();
    assert_eq!(stock_answers(&users, &groups, "valid-user", &names), expected);
    // A client that knows the other accent is admitted.
    let able = LOOKS_RIGHT.iter().filter(|&&(_, _, kind, gets_in)| gets_in || kind == "name-encoding").count();
    assert_eq!(run.json["files"][0]["can_log_in"], able);
}

#[test]
fn a_group_file_that_looks_right_and_is_not_is_found_and_stock_httpd_refuses_its_members() {
    let folder = Scratch::new();
    let names = ["alice", "bob", "carol", "dave", "eve", "frank", "gina"];
    let users = folder.write("users", names.map(|name| format!("{name}:{SHA}\n")).concat());
    // One intended group on three lines; a list with commas; a note; one that swallows the next group.
    let text = "\u{feff}first: alice\nlist: bob \\\n  carol \\\n  dave\ncommas: eve, frank\nnoted: gina # and alice\n\
                open: bob \\\nhidden: carol\n";
    let groups = folder.write("groups", text);
    let run = check(&[users.to_str().unwrap(), "--groups", groups.to_str().unwrap(), "--allow", "weak-hash"]);
    let found = findings(&run);
    let expected: &[(&str, u64, &str)] = &[
        ("no-group", 5, "eve"),
        ("byte-order-mark", 1, "\\u{feff}first"),
        ("comma-in-member", 5, "eve,"),
        ("trailing-comment", 6, "#"),
        ("unknown-member", 6, "#"),
        ("unknown-member", 6, "and"),
        ("joined-lines", 7, "open"),
        ("unknown-member", 7, "hidden:"),
    ];
    let expected: Vec<_> =
        expected.iter().map(|&(kind, line, name)| (kind.to_owned(), line, name.to_owned())).collect();
    let mut sorted = found.clone();
    sorted[1..].sort_by_key(|(kind, line, _)| (*line, kind.clone()));
    assert_eq!(sorted, expected);

    let asked = |group: &str| stock_answers(&users, &groups, &format!("group {group}"), &names);
    assert_eq!(asked("first"), [401; 7]);
    assert_eq!(asked("list"), [401, 200, 200, 200, 401, 401, 401]);
    assert_eq!(asked("commas"), [401, 401, 401, 401, 401, 200, 401]);
    assert_eq!(asked("hidden"), [401; 7]);
}

#[test]
fn a_comment_may_end_in_a_backslash_where_another_follows() {
    let folder = Scratch::new();
    let users = folder.write("users", format!("# Users \\\n# of all kinds\nalice:{SHA}\n"));
    assert_eq!(findings(&check(&[users.to_str().unwrap(), "--allow", "weak-hash"])), []);
}

#[test]
fn a_file_in_utf_16_is_called_so_and_nothing_else_is_said_of_it() {
    let folder = Scratch::new();
    let text = format!("\u{feff}alice:{SHA}\r\nbob:{SHA}\r\n");
    let users = folder.write("users", text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    let run = check(&[users.to_str().unwrap()]);
    assert_eq!(findings(&run), [("wide-encoding".to_owned(), 1, String::new())]);
    assert_eq!(run.json["files"][0]["can_log_in"], 0);
    let message = run.json["files"][0]["findings"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("UTF-16"), "{message}");
    assert_eq!(stock_answers(&users, &folder.write("groups", ""), "valid-user", &["alice", "bob"]), [401, 401]);
}

#[test]
fn names_that_look_alike_are_found() {
    let folder = Scratch::new();
    let text = format!("alice:{SHA}\nalice\u{200b}:{SHA}\nren\u{e9}:{SHA}\nrene\u{301}:{SHA}\nbob :{SHA}\nbob:{SHA}\n");
    let users = folder.write("users", text);
    let groups = folder.write("groups", "g: Alice\n");
    let run = check(&[users.to_str().unwrap(), "--allow", "weak-hash"]);
    let alike: Vec<_> = findings(&run).into_iter().filter(|(kind, ..)| kind == "look-alike").collect();
    let expected = [(2, "alice\\u{200b}"), (4, "rene\u{301}"), (6, "bob")];
    assert_eq!(alike, expected.map(|(line, name)| ("look-alike".to_owned(), line, name.to_owned())));
    // The finding suggests the user that may be meant.
    let run = check(&[users.to_str().unwrap(), "--groups", groups.to_str().unwrap()]);
    let unknown = run.json["files"][1]["findings"][0]["message"].as_str().unwrap();
    assert!(unknown.ends_with("; did you mean alice?"), "{unknown}");
}

#[test]
fn a_byte_that_ends_no_line_or_ends_it_early_is_found() {
    let folder = Scratch::new();
    let users =
        folder.write("users", format!("alice:{SHA}\rbob:{SHA}\ncarol:{SHA}\0dave\neve:{SHA}\r\nren\u{e9}:{SHA}\n"));
    let run = check(&[users.to_str().unwrap(), "--allow", "weak-hash"]);
    let kinds: Vec<_> = findings(&run).into_iter().map(|(kind, line, _)| (line, kind)).collect();
    let expected = [(1, "lone-return"), (1, "altered-hash"), (2, "nul-byte")];
    assert_eq!(kinds, expected.map(|(line, kind)| (line, kind.to_owned())));
    let names = ["alice", "bob", "carol", "eve"];
    assert_eq!(stock_answers(&users, &folder.write("groups", ""), "valid-user", &names), [401, 401, 200, 200]);
    let users = folder.write("latin", [&b"ren\xe9:"[..], SHA.as_bytes(), b"\n"].concat());
    let run = check(&[users.to_str().unwrap(), "--allow", "weak-hash"]);
    assert_eq!(findings(&run), [("name-encoding".to_owned(), 1, "ren\\xe9".to_owned())]);
}

#[test]
fn a_file_of_the_other_kind_is_recognized() {
    let folder = Scratch::new();
    let users = folder.write("users", format!("alice:{SHA}\nbob:{SHA}\n"));
    let groups = folder.write("groups", "g: alice bob\nh: bob\n");
    let run = check(&[groups.to_str().unwrap(), "--groups", users.to_str().unwrap()]);
    assert_eq!(findings(&run).iter().filter(|(kind, ..)| kind == "wrong-kind").count(), 2);
}

#[test]
fn comments_that_keep_an_old_password_are_judged() {
    let (new, old) = (hash("$2y$10$abcdefghijklmnopqrstuu"), hash("$2y$10$bbcdefghijklmnopqrstuu"));
    let (folder, until) = (Scratch::new(), "until 2999-01-01T00:00:00Z");
    let text = format!(
        "alice:{new}\n#esauth-also {until} alice:{new}:{old}\n#esauth-also {until} alice:{new}:{old}\n\
         bob:{new}\n#esauth-also until 2001-01-01T00:00:00Z bob:{new}:{old}\n#esauth-also tomorrow bob:{new}:{old}\n\
         #esauth-also {until} bob:{old}:{new}\n#esauth-also {until} carol:{new}:{old}\n\
         dave:{new}\n#esauth-also {until} dave:{new}:plain\n"
    );
    let run = check(&[folder.write("users", text).to_str().unwrap()]);
    let found = findings(&run);
    let found: Vec<_> = found.iter().map(|(kind, line, name)| (kind.as_str(), *line, name.as_str())).collect();
    let expected = [
        ("unused-rotation", 3, "alice"),
        ("ended-rotation", 5, "bob"),
        ("malformed-rotation", 6, ""),
        ("unused-rotation", 7, "bob"),
        ("unused-rotation", 8, "carol"),
        ("malformed-rotation", 10, "dave"),
    ];
    assert_eq!(found, expected);
    let rotations = serde_json::json!([{ "name": "alice", "until": "2999-01-01T00:00:00Z" }]);
    assert_eq!(run.json["files"][0]["rotations"], rotations);
}

#[test]
fn hashes_are_counted_by_kind_and_measured() {
    let folder = Scratch::new();
    let text: String = (0..30).map(|n| format!("u{n}:{SHA}\n")).collect();
    let cheap = "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";
    // A hash that takes minutes is given up.
    let endless = cheap.replace("$04$", "$25$");
    let path = folder.write("users", format!("{text}a:{cheap}\nb:{cheap}\nc:{endless}\nd:word\n"));
    let began = Instant::now();
    let run = check(&[path.to_str().unwrap()]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let hashes = run.json["files"][0]["hashes"].as_array().unwrap();
    let seen: Vec<_> = hashes
        .iter()
        .map(|kind| (kind["scheme"].as_str().unwrap(), kind["cost"].as_str().unwrap(), kind["users"].as_u64().unwrap()))
        .collect();
    assert_eq!(seen, [("{SHA}", "", 30), ("bcrypt", "04", 2), ("bcrypt", "25", 1), ("plain text", "", 1)]);
    let milliseconds = |index: usize| hashes[index]["milliseconds"].as_f64();
    assert!(milliseconds(0).unwrap() > 0.0 && milliseconds(0) < milliseconds(1));
    assert!(milliseconds(2).is_none() && hashes[2]["more_than_milliseconds"].as_f64().unwrap() > 0.0);
    assert!(milliseconds(3).is_none());
}

#[test]
fn a_clean_file_gives_0_and_an_unreadable_one_2() {
    let folder = Scratch::new();
    let path = folder.write("users", format!("alice:{}\n", hash("$2y$10$abcdefghijklmnopqrstuu")));
    let run = esauth(&["check", path.to_str().unwrap()]);
    assert_eq!((run.status, run.output.contains("nothing found")), (0, true), "{}", run.output);
    let missing = folder.path().join("missing");
    for arguments in
        [&["check", missing.to_str().unwrap()][..], &["check", folder.path().to_str().unwrap()], &["check"]]
    {
        let run = esauth(arguments);
        assert_eq!((run.status, run.errors.is_empty()), (2, false), "{arguments:?}");
    }
}

#[test]
fn names_cannot_control_the_terminal_and_many_findings_are_cut_short() {
    let folder = Scratch::new();
    let text: String = (0..25).map(|n| format!("u{n}:{SHA}\n")).collect();
    let path = folder.write("users", format!("a\x1b[2J\u{202e}:plain\n{text}"));
    let run = esauth(&["check", path.to_str().unwrap()]);
    assert!(!run.output.contains(['\x1b', '\u{202e}']), "{}", run.output);
    assert!(run.output.contains("a\\u{1b}[2J\\u{202e} has a plain-text password"), "{}", run.output);
    assert_eq!(run.output.matches(": weak-hash:").count(), 10);
    assert!(run.output.contains("15 more of weak-hash"), "{}", run.output);
    let run = esauth(&["check", "--all", path.to_str().unwrap()]);
    assert_eq!(run.output.matches(": weak-hash:").count(), 25);
}

#[test]
fn all_of_a_million_lines_are_judged() {
    let folder = Scratch::new();
    let text: String = (0..1_000_000).map(|n| format!("user{n}:$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071\n")).collect();
    let path = folder.write("users", text);
    let run = esauth(&["check", path.to_str().unwrap()]);
    assert!(run.output.contains("1000000 users, 1000000 of whom can log in"), "{}", run.output);
    assert!(run.output.contains("1000000 findings"), "{}", run.output);
}
