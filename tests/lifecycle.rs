//! Events in a server's life: restarts under load, changed files, the start-up line.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "lifecycle/changes.rs"]
mod changes;
mod harness;
#[path = "lifecycle/load.rs"]
mod load;
#[path = "lifecycle/realm_hashes.rs"]
mod realm_hashes;
#[path = "lifecycle/restarts.rs"]
mod restarts;
#[path = "lifecycle/start_up.rs"]
mod start_up;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::client::{self, Request};
use harness::digest;
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::log;
use harness::memcheck;
use harness::process::Size;
use load::{Load, Losses};

/// `secret` and `other`, as `htpasswd -s` stores them.
const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const OTHER: &str = "{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=";

/// For the usual MPM, so that each process's lines can be counted.
fn one_child() -> &'static str {
    match Mpm::usual() {
        Mpm::Event | Mpm::Worker => {
            "LogLevel notice\nServerLimit 1\nStartServers 1\nMaxRequestWorkers 16\nMaxSpareThreads 32"
        }
        Mpm::Prefork => "LogLevel notice\nServerLimit 1\nStartServers 1\nMaxRequestWorkers 1\nMaxSpareServers 1",
    }
}

const STOCK: &[&str] = &["auth_basic", "authn_file", "authz_groupfile"];

/// A server that protects everything with the files `users` and `groups` in its folder.
fn start(mpm: Mpm, stock: &[&str], ours: bool, more: &str) -> Httpd {
    let installation = Installation::get();
    let mut load = installation.load_core() + &installation.load(stock);
    if ours {
        load += &installation.load_ours();
    }
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        write(site.folder, "users", &format!("alice:{SECRET}\nbob:{SECRET}\n"));
        write(site.folder, "groups", "staff: alice\n");
        write(site.folder, "file.txt", "file\n");
        format!(
            "DocumentRoot {folder}\n{}MaxKeepAliveRequests 0\n<Location />\nAuthType Basic\n\
             AuthName realm\nAuthUserFile {folder}/users\nAuthGroupFile {folder}/groups\nRequire group staff\n\
             </Location>\n{more}\n",
            log::format()
        )
    };
    Httpd::start(&Setup { mpm, load, ports: 1, configuration: &configuration })
}

fn write(folder: &Path, name: &str, content: &str) {
    fs::write(folder.join(name), content).unwrap();
}

/// Replaces a file in one step, as most tools do.
fn replace(folder: &Path, name: &str, content: &str) {
    write(folder, "new", content);
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

fn status(server: &Httpd, user: &str, password: &str) -> u16 {
    let request = Request::get("/file.txt").header("Host: localhost").basic(user, password);
    client::ask(server.port(), &request).unwrap().status
}

/// The error log's lines of the stock modules with this number.
fn stock_lines(server: &Httpd, number: &'static str) -> Vec<log::Line> {
    log::mark(number).map_or(Vec::new(), |mark| logged(server, mark))
}

/// The error log's lines whose text contains `part`.
fn logged(server: &Httpd, part: &str) -> Vec<log::Line> {
    log::parse(&server.error_log()).into_iter().filter(|line| line.text.contains(part)).collect()
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + memcheck::patience(Duration::from_secs(20));
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        sleep(Duration::from_millis(5));
    }
}
