//! `esauth status` shows the counters of a running httpd with the module.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails while a test is set up fails the test"
)]

#[path = "../../tests/harness/mod.rs"]
mod harness;
mod program;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::FromRawFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::client::{Request, ask};
use harness::httpd::{Httpd, Mpm, Setup};
use harness::installation::Installation;
use program::esauth;

fn start() -> Httpd {
    let installation = Installation::get();
    Httpd::start(&Setup {
        mpm: Mpm::usual(),
        load: installation.load_core() + &installation.load(&["authz_host"]) + &installation.load_ours(),
        ports: 1,
        configuration: &|site| {
            fs::create_dir(site.folder.join("htdocs")).unwrap();
            fs::write(site.folder.join("htdocs/page"), "in\n").unwrap();
            fs::write(site.folder.join("users"), "alice:$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071\n").unwrap();
            let folder = site.folder.display();
            let guarded = format!("AuthType Basic\nAuthName x\nAuthUserFile {folder}/users\nRequire valid-user\n");
            format!(
                "DocumentRoot {folder}/htdocs\n<Location /page>\n{guarded}</Location>\n\
                 <Location /metrics>\nSetHandler rust-esauth-metrics\n</Location>\n\
                 <Location /guarded-metrics>\nSetHandler rust-esauth-metrics\n{guarded}</Location>\n"
            )
        },
    })
}

fn get(server: &Httpd, password: &str) -> u16 {
    let request = Request::get("/page").header("Host: localhost").basic("alice", password);
    ask(server.port(), &request).unwrap().status
}

#[test]
fn the_counts_are_shown_once_as_a_table_or_as_json() {
    let server = start();
    for password in ["secret", "secret", "wrong"] {
        get(&server, password);
    }
    let url = format!("http://127.0.0.1:{}/metrics", server.port());
    let run = esauth(&["status", &url]);
    assert_eq!(run.status, 0, "{}", run.errors);
    let row = |name: &str| {
        let line = run.output.lines().find(|line| line.trim_start().starts_with(name));
        line.unwrap_or_else(|| panic!("no {name} in {}", run.output)).split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!((row("granted"), row("wrong password"), row("misses")), ("2".into(), "1".into(), "2".into()));
    assert!(run.output.contains("apr1") && run.output.contains("/users: 1 users"), "{}", run.output);
    assert!(!run.output.contains('\x1b'), "{}", run.output);
    let run = esauth(&["status", "--json", &url]);
    let granted = run.json.as_array().unwrap().iter().find(|sample| sample["labels"]["reason"] == "granted");
    assert_eq!(granted.unwrap()["value"], 2.0, "{}", run.output);
}

#[test]
fn a_page_that_asks_for_a_user_is_shown_to_one() {
    let server = start();
    let url = format!("http://127.0.0.1:{}/guarded-metrics", server.port());
    let run = esauth(&["status", &url]);
    assert_eq!((run.status, run.errors.contains("--user")), (2, true), "{}", run.errors);
    let run = program::esauth_with(&["status", "--user", "alice", &url], &[("ESAUTH_PASSWORD", "secret")]);
    assert_eq!((run.status, run.output.contains("granted")), (0, true), "{}", run.errors);
}

#[test]
fn another_page_is_an_error() {
    let server = start();
    let at = |place: &str| esauth(&["status", &format!("http://127.0.0.1:{}{place}", server.port())]);
    assert!(at("/missing").errors.contains("rust-esauth-metrics"), "{}", at("/missing").errors);
    assert_eq!(at("/missing").status, 2);
    assert_eq!(esauth(&["status", "http://127.0.0.1:1/", "--timeout", "2"]).status, 2);
}

#[test]
fn on_a_terminal_it_is_shown_each_second_anew_with_rates() {
    let server = start();
    let (mut terminal, slave) = open_terminal();
    let mut command = Command::new(env!("CARGO_BIN_EXE_esauth"));
    command.args(["status", &format!("http://127.0.0.1:{}/metrics", server.port())]);
    command.stdin(Stdio::null()).stdout(Stdio::from(slave)).env("TERM", "xterm").env_remove("NO_COLOR");
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut shown = String::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    // Requests continue until their rate is shown.
    let rate_is_shown = |shown: &str| {
        let mut rows = shown.lines().filter(|line| line.trim_start().starts_with("granted"));
        rows.any(|line| line.split_whitespace().nth(1).is_some_and(|rate| rate.contains('.') && rate != "0.0"))
    };
    while !rate_is_shown(&shown) && Instant::now() < deadline {
        assert_eq!(get(&server, "secret"), 200);
        let mut piece = [0; 4096];
        let length = terminal.read(&mut piece).unwrap_or(0);
        shown += &String::from_utf8_lossy(&piece[..length]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(rate_is_shown(&shown), "{shown}");
    assert!(shown.matches("\x1b[H").count() >= 2, "{shown}");
}

/// Both ends of a terminal.
fn open_terminal() -> (File, File) {
    let (mut master, mut slave) = (0, 0);
    let nothing = std::ptr::null_mut();
    // SAFETY: valid memory for the two descriptors; all other arguments may be null.
    let result = unsafe { libc::openpty(&raw mut master, &raw mut slave, nothing, nothing.cast(), nothing.cast()) };
    assert_eq!(result, 0);
    // SAFETY: two descriptors that nobody else owns.
    unsafe { (File::from_raw_fd(master), File::from_raw_fd(slave)) }
}
