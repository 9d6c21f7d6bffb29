//! A clock that is set forward and back by a day while the server runs: changes of files count at once, and the cache
//! keeps its verdicts. And minutes that pass at once: unused files are freed.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use harness::client::{self, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::memcheck;
use harness::process::{self, Size};
use harness::scratch::Scratch;

/// `secret`, as `htpasswd -s` stores it.
const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
/// Of "secret", bcrypt with cost 4.
const REMEMBERED: &str = "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";

const DAY: i64 = 24 * 3600;

/// One test at a time: they set the environment of the servers they start.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `start` with a server whose `clock` ($ESAUTH_CLOCK, $ESAUTH_ELAPSED) is ahead by the number in the file.
fn with_clock(folder: &Scratch, clock: &str, file: &Path, start: impl FnOnce() -> Httpd) -> Httpd {
    let shim = build_shim(folder.path());
    let _alone = ALONE.lock().unwrap();
    // SAFETY: only these tests read or set the environment, which all do here, one after the other.
    unsafe {
        std::env::set_var("LD_PRELOAD", &shim);
        std::env::set_var(clock, file);
    }
    let server = start();
    // SAFETY: as above.
    unsafe {
        std::env::remove_var("LD_PRELOAD");
        std::env::remove_var(clock);
    }
    server
}

#[test]
fn a_file_of_a_htaccess_is_given_back_when_it_has_not_been_used_for_minutes() {
    if memcheck::changes("freed memory is kept") {
        return;
    }
    const MIB: u64 = 1024 * 1024;
    let folder = Scratch::new();
    let elapsed = folder.write("elapsed", "0");
    let server = with_clock(&folder, "ESAUTH_ELAPSED", &elapsed, start);
    let [htdocs, users] = ["htdocs", "large"].map(|name| server.folder().join(name));
    fs::create_dir(&htdocs).unwrap();
    let guard = format!("AuthUserFile {}\nRequire valid-user\n", users.display());
    fs::write(htdocs.join(".htaccess"), format!("AuthType Basic\nAuthName realm\n{guard}")).unwrap();
    fs::write(&users, format!("alice:{SECRET}\n")).unwrap();
    fs::File::options().write(true).open(&users).unwrap().set_len(12 * MIB).unwrap();
    let memory_kib = || Size::of_all(&process::children(server.parent())).memory_kib;
    let ask = |target: &str| {
        client::ask(server.port(), &Request::get(target).header("Host: localhost").basic("alice", "secret")).unwrap()
    };
    let before = memory_kib();
    assert_eq!(ask("/htdocs/missing").status, 404);
    let in_use = memory_kib();
    assert!(in_use > before + 10 * 1024, "{before} -> {in_use} KiB");
    fs::write(&elapsed, "600").unwrap();
    // For any next request, of every child.
    for _ in 0..50 {
        assert_eq!(ask("/open/missing").status, 404);
    }
    let after = memory_kib();
    assert!(after < before + 4 * 1024, "{before} -> {in_use} -> {after} KiB");
}

#[test]
fn a_clock_that_is_set_by_a_day_changes_no_answer() {
    let folder = Scratch::new();
    let clock = folder.write("clock", "0");
    let server = with_clock(&folder, "ESAUTH_CLOCK", &clock, start);
    let write = |users: &str| fs::write(server.folder().join("users"), users).unwrap();
    let with = |user: &str| format!("{user}:{SECRET}\nkept:{REMEMBERED}\n");
    assert_eq!(status(&server, "kept"), 200);
    let now = date(&server);
    let mut computed = Vec::new();
    for offset in [0, DAY, -DAY, 0] {
        fs::write(&clock, offset.to_string()).unwrap();
        let elapsed = date(&server) - now;
        assert!((offset..offset + 60).contains(&elapsed), "the clock was not set: {elapsed} s instead of {offset} s");
        // Of the same length, several within one tick of the file system's clock.
        for user in ["alice", "carol", "alice", "carol"] {
            write(&with(user));
            let other = if user == "alice" { "carol" } else { "alice" };
            assert_eq!([status(&server, user), status(&server, other)], [200, 401], "{user} at {offset} s");
        }
        fs::write(server.folder().join("new"), with("david")).unwrap();
        fs::rename(server.folder().join("new"), server.folder().join("users")).unwrap();
        assert_eq!([status(&server, "david"), status(&server, "carol")], [200, 401], "at {offset} s");
        assert_eq!(status(&server, "kept"), 200);
        let log = String::from_utf8_lossy(&server.error_log()).into_owned();
        computed.push(log.matches("computed a hash for user kept").count());
    }
    assert_eq!(computed, [1, 1, 1, 1], "what the cache remembers does not depend on the time of day");
}

fn build_shim(folder: &Path) -> std::path::PathBuf {
    let shim = folder.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clock/shim.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(source).arg("-ldl").status();
    assert!(built.expect("a C compiler, which the module needs as well").success());
    shim
}

fn start() -> Httpd {
    let installation = Installation::get();
    let load = installation.load_core() + &installation.load_ours();
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        fs::write(site.folder.join("users"), format!("kept:{REMEMBERED}\n")).unwrap();
        fs::write(site.folder.join("file.txt"), "file\n").unwrap();
        let level = if installation.is_22() { "debug" } else { "notice rust_esauth:debug" };
        format!(
            "DocumentRoot {folder}\nLogLevel {level}\n<Directory {folder}/htdocs>\nAllowOverride AuthConfig\n</Directory>\n\
             <Location /file.txt>\nAuthType Basic\nAuthName realm\nAuthUserFile {folder}/users\nRequire valid-user\n\
             </Location>\n"
        )
    };
    Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration })
}

fn ask(server: &Httpd, user: &str) -> client::Answer {
    let request = Request::get("/file.txt").header("Host: localhost").basic(user, "secret");
    client::ask(server.port(), &request).unwrap()
}

fn status(server: &Httpd, user: &str) -> u16 {
    ask(server, user).status
}

/// The server's time in seconds.
fn date(server: &Httpd) -> i64 {
    let answer = ask(server, "kept");
    let output = Command::new("date").args(["-d", answer.header("date").unwrap(), "+%s"]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("seconds")
}
