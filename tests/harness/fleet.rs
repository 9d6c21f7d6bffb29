//! Servers of httpd that share something over Redis, and what is asked of them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::client::{self, Answer, Request};
use super::crypt;
use super::httpd::{Httpd, Mpm, Setup, Site};
use super::installation::{self, Installation};
use super::redis::Redis;

/// Users besides alice.
pub(crate) const USERS: usize = 60;

/// bcrypt with cost 4, of "secret", and of another password.
pub(crate) const HASH: &str = "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";
pub(crate) const CHANGED: &str = "$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG";
/// Of "secret", with cost 8.
pub(crate) const SLOW: &str = "$2y$08$R2HAp1PUOTCuUzLYW4habOJ4VIpbyA2UqW3bkHFRgg9UPcRcyaTh.";

pub(crate) const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
pub(crate) const OTHER_KEY: &str = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";

pub(crate) struct Front<'a> {
    pub(crate) mpm: Mpm,
    pub(crate) hash: &'a str,
    pub(crate) key: &'a str,
    /// `EsAuthFleet`'s addresses.
    pub(crate) fleet: &'a str,
    pub(crate) credentials: Option<&'a str>,
    /// Directives of the whole server.
    pub(crate) global: &'a str,
    /// Directives of the section.
    pub(crate) section: &'a str,
    /// The password file; `None`: one of its own.
    pub(crate) users: Option<&'a Path>,
}

impl<'a> Front<'a> {
    pub(crate) fn of(fleet: &'a str) -> Self {
        Front {
            mpm: Mpm::usual(),
            hash: HASH,
            key: KEY,
            fleet,
            credentials: None,
            global: "",
            section: "",
            users: None,
        }
    }

    pub(crate) fn start(&self) -> Httpd {
        let installation = Installation::get();
        let load = installation.load_core() + &installation.load_ours();
        let level = if installation.is_22() { "debug" } else { "notice rust_esauth:debug" };
        let open = if installation.is_22() { "Satisfy Any" } else { "Require all granted" };
        let configuration = |site: &Site<'_>| {
            let folder = site.folder.display();
            fs::write(site.folder.join("users"), format!("alice:{}\n{}", self.hash, users_with_hashes())).unwrap();
            fs::write(site.folder.join("file.txt"), "file\n").unwrap();
            secret(site, "key", self.key);
            let users = self.users.map_or_else(|| site.folder.join("users"), Path::to_owned);
            let credentials = self.credentials.map_or(String::new(), |line| {
                secret(site, "credentials", line);
                format!("EsAuthFleetCredentials {folder}/credentials\n")
            });
            format!(
                "DocumentRoot {folder}\nLogLevel {level}\nEsAuthFleet {}\nEsAuthFleetKey {folder}/key\n{credentials}{}\n\
                 <Location />\nAuthType Basic\nAuthName realm\nAuthUserFile {}\nRequire valid-user\n\
                 {}\n</Location>\n<Location /metrics>\nSetHandler rust-esauth-metrics\n{open}\n</Location>\n",
                self.fleet,
                self.global,
                users.display(),
                self.section
            )
        };
        Httpd::start(&Setup { mpm: self.mpm, load, ports: 1, configuration: &configuration })
    }
}

/// Users with hashes of their own, all of "secret": with the same hash they would be one to the cache.
pub(crate) fn users_with_hashes() -> &'static str {
    static LINES: OnceLock<String> = OnceLock::new();
    LINES.get_or_init(|| {
        let hash = |number: usize| crypt::hash(b"secret", &format!("$5$rounds=2000$salt{number}$")).unwrap();
        (0..USERS).map(|number| format!("user{number}:{}\n", hash(number))).collect()
    })
}

/// A file for the run user's eyes only.
pub(crate) fn secret(site: &Site<'_>, name: &str, content: &str) {
    let path = site.folder.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    installation::give_to_run_user(&path);
}

pub(crate) fn request(user: &str, password: &str) -> Request {
    Request::get("/file.txt").header("Host: localhost").basic(user, password)
}

pub(crate) fn status(server: &Httpd, user: &str, password: &str) -> u16 {
    client::ask(server.port(), &request(user, password)).unwrap().status
}

/// Hashes computed by a server for all users.
pub(crate) fn hashes(server: &Httpd) -> usize {
    server.lines_with("rust_esauth: computed a hash for user ")
}

pub(crate) fn metric(server: &Httpd, sample: &str) -> u64 {
    let request = Request::get("/metrics").header("Host: localhost");
    sample_in(&client::ask(server.port(), &request).unwrap(), sample)
}

/// The value of a sample on a page of metrics.
pub(crate) fn sample_in(page: &Answer, sample: &str) -> u64 {
    let page = String::from_utf8_lossy(&page.body);
    let found = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or_else(|| panic!("no {sample} in\n{page}"))
}

/// A server of a fleet, of whatever kind.
pub(crate) trait Member {
    /// The status of the answer to a login.
    fn status(&self, user: &str, password: &str) -> u16;
    fn metric(&self, sample: &str) -> u64;
}

impl Member for Httpd {
    fn status(&self, user: &str, password: &str) -> u16 {
        status(self, user, password)
    }

    fn metric(&self, sample: &str) -> u64 {
        metric(self, sample)
    }
}

/// Questions to Redis that ended so.
pub(crate) fn lookups(server: &impl Member, result: &str) -> u64 {
    server.metric(&format!("rust_esauth_fleet_lookups_total{{result=\"{result}\"}}"))
}

/// Questions to Redis without an answer in time: on a busy machine there are some, and then servers count by themselves.
pub(crate) fn unanswered(servers: &[impl Member]) -> u64 {
    servers.iter().map(|server| lookups(server, "late") + lookups(server, "skipped")).sum()
}

/// A server that its first questions have connected to Redis.
pub(crate) fn connected<M: Member>(server: M) -> M {
    let mut number = 20;
    wait_until("it is connected", || {
        assert_eq!(server.status(&format!("user{number}"), "secret"), 200);
        number = if number < 59 { number + 1 } else { 20 };
        lookups(&server, "known") + lookups(&server, "unknown") > 0
    });
    server
}

/// Entries are left behind without waiting.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(10));
    }
}

pub(crate) fn users(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("user{number}")).collect()
}

/// The commands that the server gets meanwhile. `login`: what it wants first, or nothing.
pub(crate) fn watch(redis: &Redis, login: &str, act: impl FnOnce()) -> Vec<String> {
    let mut monitor = TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port())).unwrap();
    monitor.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    monitor.write_all(format!("{login}MONITOR\r\n").as_bytes()).unwrap();
    sleep(Duration::from_millis(100));
    act();
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read) = monitor.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..read]);
        if read == 0 {
            break;
        }
    }
    String::from_utf8_lossy(&seen).lines().map(str::to_owned).collect()
}

/// Something that listens and answers everything in its own way.
pub(crate) fn answering(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer(&mut stream));
        }
    });
    url
}
