//! esauth_fleet: several servers of nginx over one real server of Redis or Valkey, and one of httpd. What one has verified the
//! others know; whatever happens to Redis, nobody is let in who should not be, and nobody waits for it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::harness::client::{Request, ask};
use crate::harness::fleet as httpd;
use crate::harness::fleet::{
    HASH, KEY, Member, OTHER_KEY, USERS, answering, lookups, sample_in, users, users_with_hashes, wait_until, watch,
};
use crate::harness::installation::workspace;
use crate::harness::memcheck::{self, patience};
use crate::harness::redis::{Kind, Redis};
use crate::server::{Nginx, Setup, check, give_to_workers, skip};

/// A server of the fleet.
#[derive(Clone, Copy)]
pub(crate) struct Front<'a> {
    pub(crate) key: &'a str,
    /// `esauth_fleet`'s addresses.
    pub(crate) fleet: &'a str,
    pub(crate) credentials: Option<&'a str>,
    pub(crate) workers: usize,
    /// The directive for the password file; empty: the location has its own.
    pub(crate) users: &'a str,
    /// Further directives in `http`.
    pub(crate) http: &'a str,
    /// Further directives in the location.
    pub(crate) location: &'a str,
}

impl<'a> Front<'a> {
    pub(crate) fn of(fleet: &'a str) -> Front<'a> {
        Front {
            key: KEY,
            fleet,
            credentials: None,
            workers: 2,
            users: "esauth_user_file users;",
            http: "",
            location: "",
        }
    }

    pub(crate) fn start(&self) -> Nginx {
        let Front { key, fleet, credentials, workers, users, http, location } = *self;
        let lines = format!("alice:{HASH}\n{}", users_with_hashes());
        let wants = credentials.map_or("", |_| "esauth_fleet_credentials secret/credentials;");
        let http = format!(
            "esauth_fleet {fleet}; esauth_fleet_key secret/key; {wants} {http}
             server {{ listen PORT0; root FOLDER/html;
                 location / {{ esauth x; {users} {location} }}
                 location /metrics {{ esauth_metrics; }}
                 location /open/ {{ alias FOLDER/html/; }} }}"
        );
        let files = [("html/page", "page"), ("users", &lines), ("secret/key", key)];
        let files = [&files[..], &[("secret/credentials", credentials.unwrap_or(""))]].concat();
        Nginx::start(&Setup { ports: 1, workers, http: &http, files: &files })
    }
}

pub(crate) fn request(target: &str, user: &str, password: &str) -> Request {
    Request::get(target).header("Host: localhost").basic(user, password)
}

pub(crate) fn status(server: &Nginx, user: &str, password: &str) -> u16 {
    ask(server.port(), &request("/page", user, password)).expect("nginx answers").status
}

/// Hashes computed by a server for all users, since its log began.
pub(crate) fn hashes(server: &Nginx) -> usize {
    server.lines_with("esauth: computed a hash for user ")
}

pub(crate) fn metric(server: &Nginx, sample: &str) -> u64 {
    sample_in(&ask(server.port(), &Request::get("/metrics").header("Host: localhost")).unwrap(), sample)
}

impl Member for Nginx {
    fn status(&self, user: &str, password: &str) -> u16 {
        status(self, user, password)
    }

    fn metric(&self, sample: &str) -> u64 {
        metric(self, sample)
    }
}

/// True, with a message, under Valgrind, where most answers of Redis are late.
pub(crate) fn is_too_slow() -> bool {
    if memcheck::is_wanted() {
        skip("under Valgrind, answers come too late");
    }
    memcheck::is_wanted()
}

/// The number of users whose right passwords a server lets in without a hash.
fn known_without_a_hash(server: &Nginx, users: &[String]) -> usize {
    let before = hashes(server);
    for user in users {
        assert_eq!(status(server, user, "secret"), 200);
    }
    users.len() - (hashes(server) - before)
}

/// Whether a server knows most of these users without a hash. On a busy machine an answer may come late, so it is
/// restarted, which makes it forget, and asked again.
fn knows(server: &mut Nginx, users: &[String]) -> bool {
    (0..5).any(|_| {
        known_without_a_hash(server, users) * 2 > users.len() || {
            server.restart();
            false
        }
    })
}

#[test]
fn what_one_nginx_has_verified_the_others_know_also_after_a_restart() {
    if is_too_slow() {
        return;
    }
    for kind in Kind::installed() {
        let redis = Redis::start(kind);
        for url in [redis.url(), redis.socket()] {
            redis.ask(&["FLUSHALL"]);
            let (first, mut second) = (Front::of(&url).start(), Front::of(&url).start());
            let all = users(0..20);
            assert_eq!(known_without_a_hash(&first, &all), 0);
            wait_until("all are left with the fleet", || redis.entries().len() == 20);
            assert!(knows(&mut second, &all), "{kind:?} {url}");
            assert!(lookups(&second, "known") >= 10);
            second.restart();
            assert!(knows(&mut second, &all), "{kind:?} {url}: after a restart");
            let (before, entries) = (hashes(&second), redis.entries().len());
            assert_eq!([status(&second, "alice", "wrong"), status(&second, "nobody", "secret")], [401, 401]);
            assert_eq!(hashes(&second), before + 2, "wrong ones are hashed");
            sleep(Duration::from_millis(50));
            assert_eq!(redis.entries().len(), entries, "and nobody is told of them");
        }
    }
}

#[test]
fn an_nginx_and_an_httpd_know_each_others_verdicts() {
    let module = workspace().join("target/release/librust_esauth.so");
    if std::env::var_os("ESAUTH_MODULE").is_none() && !module.exists() {
        return skip("the module for httpd is not built: make");
    }
    if is_too_slow() {
        return;
    }
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let (mut nginx, httpd) = (Front::of(&url).start(), httpd::Front::of(&url).start());
    assert_eq!(known_without_a_hash(&nginx, &users(0..20)), 0);
    wait_until("all are left with the fleet", || redis.entries().len() == 20);
    users(0..30).iter().for_each(|user| assert_eq!(httpd::status(&httpd, user, "secret"), 200));
    assert!(httpd::hashes(&httpd) < 20, "httpd hashes 10 and, on a busy machine, a few");
    assert!(httpd::lookups(&httpd, "known") > 10);
    wait_until("the others are left, too", || redis.entries().len() == 30);
    assert!(knows(&mut nginx, &users(20..30)));
}

#[test]
fn an_entry_counts_for_the_same_key_only_and_another_fleets_server_goes_on_alone() {
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let first = Front::of(&url).start();
    assert_eq!(status(&first, "alice", "secret"), 200);
    wait_until("it is left with the fleet", || redis.entries().len() == 1);
    let another = Front { key: OTHER_KEY, ..Front::of(&url) }.start();
    assert_eq!(known_without_a_hash(&another, &["alice".to_owned()]), 0);
    assert_eq!(status(&another, "alice", "wrong"), 401);
}

#[test]
fn redis_sees_no_name_no_address_and_no_password() {
    let redis = Redis::start_with(Kind::Redis, &["--requirepass", "open sesame"]);
    let url = redis.url();
    let server = Front { credentials: Some(":open sesame\n"), ..Front::of(&url) }.start();
    let seen = watch(&redis, "AUTH \"open sesame\"\r\n", || {
        assert_eq!(status(&server, "alice", "secret"), 200);
        assert_eq!(status(&server, "user1", "geheim"), 401);
        sleep(Duration::from_millis(200));
    });
    let text = seen.join("\n");
    assert!(text.contains("esauth:v1:") && text.to_ascii_lowercase().contains("\"set\""), "{text}");
    for word in ["alice", "user1", "secret", "geheim", HASH, "Ub9qVQIdR5j2PmraY4inw"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

/// A right password is let in, and a wrong one refused, although Redis is of no use.
fn serves_by_itself(server: &Nginx, number: usize, when: &str) {
    let user = format!("user{}", number % USERS);
    let began = Instant::now();
    let statuses = (status(server, &user, "secret"), status(server, &user, &format!("wrong {number}")));
    assert_eq!(statuses, (200, 401), "{when}");
    assert!(began.elapsed() < patience(Duration::from_secs(5)), "{when}: {:?}", began.elapsed());
}

const LOST: &str = "esauth: esauth_fleet redis://";
const REGAINED: &str = "esauth: esauth_fleet can be used again";

#[test]
fn while_redis_is_killed_stopped_or_flushed_every_server_hashes_for_itself_and_says_so_once() {
    let mut redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let server = Front::of(&url).start();
    serves_by_itself(&server, 0, "at first");
    let mut number = 1;
    let mut serve = |when: &str| {
        for _ in 0..6 {
            serves_by_itself(&server, number, when);
            number += 1;
        }
    };
    redis.kill();
    serve("killed");
    wait_until("the loss is logged", || server.lines_with(LOST) == 1);
    assert_eq!(server.lines_with("[warn]"), 1, "of both workers, one says so");
    assert_eq!(metric(&server, "rust_esauth_fleet_reachable"), 0);
    redis.start_again();
    wait_until("it is noticed", || server.lines_with(REGAINED) == 1);
    wait_until("it is shown", || metric(&server, "rust_esauth_fleet_reachable") == 1);
    serve("back");
    redis.signal(libc::SIGSTOP);
    let late = lookups(&server, "late");
    serve("stopped");
    // The first of each worker; nobody else waits.
    assert!(lookups(&server, "late") <= late + 4);
    redis.signal(libc::SIGCONT);
    serve("continued");
    redis.ask(&["FLUSHALL"]);
    serve("flushed");
    let said = server.lines_with(LOST) + server.lines_with(REGAINED);
    assert!(said <= 8, "{said} lines");
}

/// Answers each thing that comes with these bytes.
fn saying(bytes: &'static [u8]) -> String {
    answering(move |stream| {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) && stream.write_all(bytes).is_ok() {}
    })
}

#[test]
fn no_answer_of_an_enemys_server_lets_anybody_in_or_holds_anybody_up() {
    let forty: &[u8] = b"$40\r\n\xff\xff\xff\xff\xff\xff\xff\x7f00000000000000000000000000000000\r\n";
    for (what, url) in [
        ("yes", saying(b"+OK\r\n")),
        ("a bulk of yes", saying(b"$2\r\nOK\r\n")),
        ("forty bytes", saying(forty)),
        ("HTTP", saying(b"HTTP/1.1 200 OK\r\n\r\n")),
        ("silence", answering(|_| sleep(Duration::from_secs(20)))),
        ("nobody", "redis://127.0.0.1:1".to_owned()),
    ] {
        let server = Front::of(&url).start();
        for number in 0..6 {
            serves_by_itself(&server, number, what);
        }
        assert_eq!(hashes(&server), 12, "{what}: nothing is believed");
        wait_until("it is logged", || server.lines_with(LOST) == 1);
    }
}

/// Connections of the servers under test.
fn connections(redis: &Redis) -> usize {
    redis.ask(&["CLIENT", "LIST"]).lines().filter(|line| !line.contains("cmd=client")).count()
}

#[test]
fn a_worker_has_one_connection_from_its_first_question_on_until_it_ends_and_a_reload_leaves_none() {
    if is_too_slow() {
        return;
    }
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let mut server = Front { workers: 3, ..Front::of(&url) }.start();
    sleep(Duration::from_millis(200));
    assert_eq!(connections(&redis), 0, "none before the first question");
    let storm = |server: &Nginx, from: usize| {
        thread::scope(|scope| {
            for number in from..from + 20 {
                scope.spawn(move || assert_eq!(status(server, &format!("user{number}"), "secret"), 200));
            }
        });
    };
    storm(&server, 0);
    assert!((1..=3).contains(&connections(&redis)), "{} connections", connections(&redis));
    for number in 1..3 {
        server.reload();
        wait_until("the old workers' are closed", || connections(&redis) == 0);
        storm(&server, number * 20);
        assert!((1..=3).contains(&connections(&redis)), "{} connections", connections(&redis));
        assert!(redis.entries().len() > number * 20, "after a reload, the fleet is told as before");
    }
    server.end();
    wait_until("all are closed", || connections(&redis) == 0);
    assert_eq!(server.lines_with("exited on signal"), 0);
}

#[test]
fn remembered_credentials_ask_nobody() {
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let server = Front::of(&url).start();
    assert_eq!(status(&server, "alice", "secret"), 200);
    wait_until("it is left with the fleet", || redis.entries().len() == 1);
    let seen = watch(&redis, "", || {
        for _ in 0..50 {
            assert_eq!(status(&server, "alice", "secret"), 200);
        }
    });
    assert!(!seen.iter().any(|line| line.contains("esauth:")), "{seen:?}");
}

#[test]
fn a_key_that_others_can_read_or_that_is_none_is_refused_and_the_server_goes_on_alone() {
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    for (key, mode, said) in [
        (KEY, 0o644, "key can be read by others, or written by its group: set its mode to 600 or 640"),
        ("0011\n", 0o600, "key is not a key as 'esauth fleet-key' makes it"),
    ] {
        let server = Front { key, ..Front::of(&url) }.start();
        let path = server.path("secret/key");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        server.reload();
        let line = format!("{said}. This server shares nothing with the fleet until it is reloaded");
        wait_until("it is logged", || server.lines_with(&line) == 1);
        assert_eq!(server.lines_with("esauth: esauth_fleet_key "), 1, "of both workers, one says so");
        assert_eq!(metric(&server, "rust_esauth_fleet_reachable"), 0);
        redis.ask(&["FLUSHALL"]);
        serves_by_itself(&server, 0, said);
        sleep(Duration::from_millis(50));
        assert!(redis.entries().is_empty());
        fs::write(&path, KEY).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        give_to_workers(&path);
        server.reload();
        serves_by_itself(&server, 1, "corrected");
        wait_until("it is left with the fleet", || !redis.entries().is_empty());
        assert_eq!(metric(&server, "rust_esauth_fleet_reachable"), 1);
    }
}

#[test]
fn a_wrong_directive_is_refused() {
    let says = |http: &str| {
        let http = format!("{http} server {{ listen PORT0; }}");
        check(&Setup { ports: 1, workers: 1, http: &http, files: &[] })
    };
    let (accepted, said) = says("esauth_fleet redis://a rediss://b:7000/1 unix:/c; esauth_fleet_key key;");
    assert!(accepted, "{said}");
    for (http, fault) in [
        ("esauth_fleet localhost;", "invalid value \"localhost\", expected an address such as redis://host:6379/0"),
        ("esauth_fleet redis://:sesame@localhost;", "which belong in \"esauth_fleet_credentials\""),
        ("esauth_fleet redis://a;", "\"esauth_fleet\" needs \"esauth_fleet_key\""),
        ("esauth_fleet redis://a; esauth_fleet redis://b;", "\"esauth_fleet\" directive is duplicate"),
        ("esauth_fleet_servers 0;", "invalid value \"0\", expected a number from 1 to 10000"),
        ("server { esauth_fleet_key a; }", "\"esauth_fleet_key\" directive is not allowed here"),
    ] {
        let (accepted, said) = says(http);
        assert!(!accepted && said.contains(fault), "{http}: {said}");
        assert!(!said.contains("sesame"), "{said}");
    }
}
