//! The verified cache in a running server: how many hashes it computes, what it forgets and when, and what it survives.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use harness::client::{self, Answer, Request};
use harness::httpd::{self, Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::memcheck;

/// Of "secret", bcrypt with cost 10: slow enough that requests meet while it is computed.
const SECRET: &str = "$2y$10$MxDzrYMjXP895CsJ4dbfhOPC4mZP28RIUGQDSW.4lHttNZA60lCoG";
/// Of "other", bcrypt with cost 8.
const OTHER: &str = "$2y$08$3CqjybpMgh6DIpNVsR01F.S7rKJ8GIFmVVJz8kzKeApRH59Gbmio.";

struct Server<'a> {
    mpm: Mpm,
    stock: &'a [&'a str],
    /// Directives of the section.
    section: &'static str,
    /// Directives of the whole server.
    global: String,
}

impl Server<'_> {
    fn alone(mpm: Mpm) -> Self {
        Server { mpm, stock: &[], section: "", global: String::new() }
    }

    fn global(mut self, lines: &str) -> Self {
        self.global += lines;
        self
    }

    fn start(&self) -> Httpd {
        let installation = Installation::get();
        let load = installation.load_core() + &installation.load(self.stock) + &installation.load_ours();
        // 2.2 has one log level for all modules.
        let level = if installation.is_22() { "debug" } else { "notice rust_esauth:debug" };
        let configuration = |site: &Site<'_>| {
            let folder = site.folder.display();
            fs::write(site.folder.join("users"), format!("alice:{SECRET}\nbob:{OTHER}\n")).unwrap();
            fs::write(site.folder.join("file.txt"), "file\n").unwrap();
            format!(
                "DocumentRoot {folder}\nLogLevel {level}\n{}\n<Location />\nAuthType Basic\n\
                 AuthName realm\nAuthUserFile {folder}/users\nRequire valid-user\n{}\n</Location>\n",
                self.global, self.section
            )
        };
        Httpd::start(&Setup { mpm: self.mpm, load, ports: 1, configuration: &configuration })
    }
}

fn ask(server: &Httpd, user: &str, password: &str) -> Answer {
    let request = Request::get("/file.txt").header("Host: localhost").header("Connection: close").basic(user, password);
    client::ask(server.port(), &request).unwrap()
}

fn status(server: &Httpd, user: &str, password: &str) -> u16 {
    ask(server, user, password).status
}

fn hashes(server: &Httpd, user: &str) -> usize {
    server.hashes(user)
}

mod counted {
    use super::*;

    #[test]
    fn a_storm_of_200_first_requests_computes_one_hash_under_event() {
        storm(Mpm::Event);
    }

    #[test]
    fn a_storm_of_200_first_requests_computes_one_hash_under_worker() {
        storm(Mpm::Worker);
    }

    #[test]
    fn a_storm_of_200_first_requests_computes_one_hash_under_prefork() {
        if memcheck::changes("a hash takes longer than requests wait") {
            return;
        }
        storm(Mpm::Prefork);
    }

    fn storm(mpm: Mpm) {
        if mpm.is_missing() {
            return;
        }
        let server = Server::alone(mpm).global(mpm.room_for_200()).start();
        let start = Barrier::new(200);
        thread::scope(|scope| {
            for _ in 0..200 {
                scope.spawn(|| {
                    start.wait();
                    assert_eq!(status(&server, "alice", "secret"), 200);
                });
            }
        });
        assert_eq!(hashes(&server, "alice"), 1);
        assert_eq!((status(&server, "alice", "wrong"), status(&server, "alice", "wrong")), (401, 401));
        assert_eq!(hashes(&server, "alice"), 2, "a wrong password is remembered too");

        server.graceful();
        assert_eq!(status(&server, "alice", "secret"), 200);
        assert_eq!(hashes(&server, "alice"), 2, "a graceful restart forgets nothing");

        server.restart();
        assert_eq!((status(&server, "alice", "secret"), status(&server, "alice", "secret")), (200, 200));
        assert_eq!(hashes(&server, "alice"), 3, "any other restart forgets everything");
    }

    #[test]
    fn an_unknown_user_costs_a_hash_as_a_wrong_password_does() {
        let server = Server::alone(Mpm::usual()).start();
        for _ in 0..3 {
            assert_eq!(status(&server, "nobody", "secret"), 401);
        }
        assert_eq!(hashes(&server, "nobody"), 1);
    }

    #[test]
    fn as_a_provider_of_mod_auth_basic_it_computes_one_hash_too() {
        let server = Server {
            stock: &["auth_basic", "authn_file"],
            section: "AuthBasicAuthoritative Off",
            ..Server::alone(Mpm::usual())
        }
        .start();
        for _ in 0..5 {
            assert_eq!((status(&server, "alice", "secret"), status(&server, "alice", "wrong")), (200, 401));
        }
        assert_eq!(hashes(&server, "alice"), 2);
    }

    #[test]
    fn behind_mod_authn_socache_it_computes_one_hash_too() {
        if Installation::get().is_22() {
            return Installation::get().skip_this_test("it has no mod_authn_socache");
        }
        let server = Server {
            stock: &["auth_basic", "authn_file", "socache_shmcb", "authn_socache"],
            section: "AuthBasicProvider socache file\nAuthnCacheProvideFor file",
            ..Server::alone(Mpm::usual())
        }
        .start();
        for _ in 0..5 {
            assert_eq!((status(&server, "alice", "secret"), status(&server, "alice", "wrong")), (200, 401));
        }
        assert_eq!(hashes(&server, "alice"), 2);
    }

    /// Includes, the index of a folder, error documents: each may authenticate again, none computes a second hash.
    #[test]
    fn requests_within_requests_compute_one_hash() {
        const PAGES: &str = "DirectoryIndex nothing.html page.shtml\nErrorDocument 404 /page.shtml\nErrorDocument 401 /open/why.txt\n\
            TypesConfig /dev/null\nAddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\n\
            <Location /open/>\nSatisfy Any\nAllow from all\n</Location>\n";
        let access = if Installation::get().is_22() { "authz_host" } else { "access_compat" };
        let stock = &["filter", "include", "mime", "dir", access];
        for mpm in Mpm::available() {
            let server = Server { stock, section: "Options +Includes", ..Server::alone(mpm) }.global(PAGES).start();
            let page: String = (0..6).map(|n| format!("<!--#include virtual=\"/part{n}/\" -->|")).collect();
            for n in 0..6 {
                let part = server.folder().join(format!("part{n}"));
                fs::create_dir(&part).unwrap();
                fs::write(part.join("page.shtml"), format!("part {n} <!--#include virtual=\"/file.txt\" -->")).unwrap();
            }
            fs::create_dir(server.folder().join("open")).unwrap();
            fs::write(server.folder().join("open/why.txt"), "why").unwrap();
            fs::write(server.folder().join("page.shtml"), page).unwrap();
            let ask = |target: &str, password: &str| {
                let request = Request::get(target).header("Host: localhost").basic("alice", password);
                let answer = client::ask(server.port(), &request).unwrap();
                (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
            };
            for (target, status) in [("/", 200), ("/page.shtml", 200), ("/nowhere", 404)] {
                let (answered, body) = ask(target, "secret");
                assert_eq!(answered, status, "{mpm:?}: {target}");
                let parts = (0..6).filter(|n| body.contains(&format!("part {n} file"))).count();
                assert_eq!(parts, 6, "{mpm:?}: {target}: {body}");
            }
            assert_eq!(hashes(&server, "alice"), 1, "{mpm:?}");
            for _ in 0..3 {
                assert_eq!(ask("/", "wrong"), (401, "why".to_owned()), "{mpm:?}");
            }
            assert_eq!(hashes(&server, "alice"), 2, "{mpm:?}: and one for a password that is wrong");
        }
    }

    #[test]
    fn without_a_cache_every_request_computes_its_hash() {
        let server = Server::alone(Mpm::usual()).global("EsAuthCacheSize 0\n").start();
        for _ in 0..3 {
            assert_eq!((status(&server, "bob", "other"), status(&server, "bob", "wrong")), (200, 401));
        }
        assert_eq!(hashes(&server, "bob"), 6);
    }

    #[test]
    fn a_verdict_is_forgotten_after_its_time() {
        let server = Server::alone(Mpm::usual()).global("EsAuthCacheTTL 1\n").start();
        assert_eq!(status(&server, "bob", "other"), 200);
        sleep(Duration::from_millis(2100));
        assert_eq!(status(&server, "bob", "other"), 200);
        assert_eq!(hashes(&server, "bob"), 2);
    }
}

#[test]
fn a_changed_or_removed_user_counts_at_the_next_request_although_remembered() {
    let server = Server::alone(Mpm::usual()).start();
    let users = server.folder().join("users");
    assert_eq!((status(&server, "bob", "other"), status(&server, "alice", "secret")), (200, 200));
    fs::write(&users, format!("alice:{OTHER}\n")).unwrap();
    assert_eq!((status(&server, "bob", "other"), status(&server, "alice", "secret")), (401, 401));
    assert_eq!(status(&server, "alice", "other"), 200);
    fs::write(&users, format!("alice:{SECRET}\nbob:{OTHER}\n")).unwrap();
    assert_eq!((status(&server, "bob", "other"), status(&server, "alice", "secret")), (200, 200));
}

#[test]
fn a_full_queue_is_answered_with_503_and_when_to_come_back() {
    let mpm = Mpm::usual();
    // Prefork starts further children one by one, and never as many as would wait.
    let started = if mpm == Mpm::Prefork { "StartServers 200\n" } else { "" };
    let server = Server::alone(mpm).global("EsAuthHashSlots 1\n").global(mpm.room_for_200()).global(started).start();
    let answers: Vec<Answer> = thread::scope(|scope| {
        let guess = |n| {
            scope.spawn({
                let server = &server;
                move || ask(server, "bob", &format!("guess {n}"))
            })
        };
        let guesses: Vec<_> = (0..180).map(guess).collect();
        guesses.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!refused.is_empty() && refused.len() < answers.len(), "{} of {} refused", refused.len(), answers.len());
    assert!(refused.iter().all(|answer| answer.header("retry-after").is_some()));
    assert!(answers.iter().all(|answer| [401, 503].contains(&answer.status)));
    assert_eq!(status(&server, "alice", "secret"), 200);
}

mod survives {
    use super::*;

    /// `ESAUTH_KILLS` sets another number.
    const KILLS: usize = 150;

    #[test]
    fn children_killed_at_random_under_event() {
        children_killed_at_random(Mpm::Event);
    }

    #[test]
    fn children_killed_at_random_under_worker() {
        children_killed_at_random(Mpm::Worker);
    }

    #[test]
    fn children_killed_at_random_under_prefork() {
        children_killed_at_random(Mpm::Prefork);
    }

    /// Clients that know the right answers, while children are killed: a connection may break, but no answer may be
    /// wrong.
    fn children_killed_at_random(mpm: Mpm) {
        if mpm.is_missing() || memcheck::changes("a child takes longer to start than it is let live") {
            return;
        }
        let server = Server::alone(mpm).global("LogLevel crit\n").start();
        let (ends, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let wrong: Vec<String> = thread::scope(|scope| {
            let clients: Vec<_> = (0..6)
                .map(|n| {
                    scope.spawn({
                        let (server, ends, answered) = (&server, &ends, &answered);
                        move || client_that_knows(server, n, ends, answered)
                    })
                })
                .collect();
            let mut random = 88_172_645_463_325_252_u64;
            // 2.2 replaces dead children once a second.
            let (kills, pause) = if Installation::get().is_22() { (KILLS / 5, 500) } else { (KILLS, 40) };
            let kills = std::env::var("ESAUTH_KILLS").map_or(kills, |given| given.parse().unwrap());
            for _ in 0..kills {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let children = server.children();
                if !children.is_empty() {
                    kill(children[random as usize % children.len()]);
                }
                sleep(Duration::from_millis(pause));
                // On a busy machine a child would be killed before it could answer.
                let (before, began) = (answered.load(Ordering::Relaxed), Instant::now());
                while answered.load(Ordering::Relaxed) == before && began.elapsed() < Duration::from_millis(200) {
                    sleep(Duration::from_millis(1));
                }
            }
            ends.store(true, Ordering::Relaxed);
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        assert!(wrong.is_empty(), "{wrong:?}");
        let answered = answered.into_inner();
        assert!(answered > 10, "only {answered} answers");
        // Then it serves as before, also credentials not seen yet.
        let began = Instant::now();
        for n in 0..20 {
            assert_eq!(status(&server, "bob", &format!("afterwards {n}")), 401);
            assert_eq!(status(&server, "bob", "other"), 200);
        }
        // Not a measurement: a stuck request waits for half a minute.
        assert!(began.elapsed() < Duration::from_secs(20), "{:?} for 20 hashes", began.elapsed());
    }

    /// The wrong answers. All are counted.
    fn client_that_knows(server: &Httpd, number: usize, ends: &AtomicBool, answered: &AtomicUsize) -> Vec<String> {
        let mut wrong = Vec::new();
        for turn in 0.. {
            if ends.load(Ordering::Relaxed) {
                break;
            }
            let (user, password, truth) = match turn % 5 {
                0 => ("bob", format!("guess {number} {turn}"), 401),
                1 => ("alice", "secret".to_owned(), 200),
                2 => ("alice", "wrong".to_owned(), 401),
                3 => ("nobody", "secret".to_owned(), 401),
                _ => ("bob", "other".to_owned(), 200),
            };
            let request = Request::get("/file.txt").header("Host: localhost").basic(user, &password);
            // No answer: the child that had the request was killed.
            let Ok(answer) = client::ask(server.port(), &request) else { continue };
            answered.fetch_add(1, Ordering::Relaxed);
            if answer.status != truth {
                wrong.push(format!("{user} {password}: {}", answer.status));
            }
        }
        wrong
    }

    fn kill(process: u32) {
        // SAFETY: a system call.
        unsafe { libc::kill(process as i32, libc::SIGKILL) };
    }
}

mod memory {
    use super::*;
    use crate::harness::memory::{occurrences, size_of_mapping};

    #[test]
    fn no_child_holds_a_password_after_its_request() {
        for mpm in Mpm::available() {
            no_child_holds_a_password(mpm);
        }
    }

    fn no_child_holds_a_password(mpm: Mpm) {
        const PASSWORD: &str = "Xq7-correct-horse-battery-staple-9Z";
        let server = Server::alone(mpm).start();
        let hashed = Installation::get().htpasswd();
        let users = server.folder().join("users");
        for (user, kind) in [("bcrypt", "-B"), ("apr1", "-m"), ("sha1", "-s"), ("crypt", "-5"), ("des", "-d")] {
            let made =
                std::process::Command::new(&hashed).args(["-b", kind]).arg(&users).args([user, PASSWORD]).output();
            assert!(made.unwrap().status.success());
            for _ in 0..8 {
                assert_eq!(status(&server, user, PASSWORD), 200, "{user}");
                assert_eq!(status(&server, user, &format!("!{PASSWORD}")), 401, "{user}");
            }
        }
        assert_eq!(status(&server, "nobody", PASSWORD), 401);
        let children = server.children();
        assert!(!children.is_empty());
        for child in children {
            let found = occurrences(child, PASSWORD.as_bytes());
            assert!(found.is_empty(), "{mpm:?}, process {child}: {found:?}");
        }
    }

    #[test]
    fn the_shared_memory_stays_out_of_core_dumps() {
        let server = Server::alone(Mpm::usual()).start();
        let text = fs::read_to_string(format!("/proc/{}/smaps", server.parent())).unwrap();
        let mut large_shared = 0;
        let mut within = false;
        for line in text.lines() {
            if line.contains("/dev/zero (deleted)") {
                within = size_of_mapping(line) > 2_000_000;
                large_shared += usize::from(within);
            } else if let Some(flags) = line.strip_prefix("VmFlags:") {
                assert!(!within || flags.split_whitespace().any(|flag| flag == "dd"), "{flags}");
                within = false;
            }
        }
        assert_eq!(large_shared, 1, "the cache's memory");
    }

    /// Other processes forked by the parent, such as mod_cgid's daemon, inherit the memory as the parent has it.
    #[test]
    fn the_shared_memory_is_closed_to_the_parent_and_its_keys_are_locked_against_swapping() {
        for mpm in Mpm::available() {
            let server = Server::alone(mpm).start();
            assert_eq!(status(&server, "alice", "secret"), 200);
            let rights = |process: u32| -> Vec<String> {
                let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
                let large = maps.lines().filter(|line| line.contains("/dev/zero") && size_of_mapping(line) > 2_000_000);
                large.map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
            };
            for _ in 0..2 {
                assert_eq!(rights(server.parent()), ["---s"], "{mpm:?}");
                // Some have just been forked, or are ending.
                let began = Instant::now();
                while server.children().into_iter().any(|child| rights(child).iter().any(|rights| rights != "rw-s")) {
                    assert!(began.elapsed() < Duration::from_secs(10), "{mpm:?}");
                    sleep(Duration::from_millis(20));
                }
                assert!(server.children().into_iter().any(|child| rights(child) == ["rw-s"]), "{mpm:?}");
                let status = fs::read_to_string(format!("/proc/{}/status", server.parent())).unwrap();
                let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap().trim();
                assert!(!locked.starts_with("0 "), "{mpm:?}: {locked}");
                server.graceful();
                assert_eq!(self::status(&server, "alice", "secret"), 200, "{mpm:?}");
            }
        }
    }
}

#[test]
fn a_wrong_value_of_a_directive_is_refused_with_the_allowed_ones() {
    let cases = [
        ("EsAuthCacheSize -1", "EsAuthCacheSize: '-1' is not a whole number of entries from 0 to 16777216"),
        ("EsAuthCacheSize many", "EsAuthCacheSize: 'many' is not a whole number of entries from 0 to 16777216"),
        ("EsAuthCacheSize +5", "EsAuthCacheSize: '+5' is not a whole number of entries from 0 to 16777216"),
        ("EsAuthCacheTTL 0", "EsAuthCacheTTL: '0' is not a whole number of seconds from 1 to 31536000"),
        ("EsAuthHashSlots 0", "EsAuthHashSlots: '0' is not a whole number of hashes from 1 to 4096"),
        ("EsAuthHashSlots 99999999999999999999", "EsAuthHashSlots: '99999999999999999999' is not a whole number"),
        (
            "<VirtualHost *:1>\nEsAuthCacheTTL 5\n</VirtualHost>",
            "EsAuthCacheTTL cannot occur within <VirtualHost> section",
        ),
        ("<Location />\nEsAuthHashSlots 5\n</Location>", "EsAuthHashSlots not allowed"),
    ];
    let load = Installation::get().load_core() + &Installation::get().load_ours();
    let check = |lines: &str| {
        let configuration = |_: &Site<'_>| lines.to_owned() + "\n";
        httpd::check(&Setup { mpm: Mpm::usual(), load: load.clone(), ports: 0, configuration: &configuration })
    };
    assert_eq!(check("EsAuthCacheSize 0\nEsAuthCacheTTL 1\nEsAuthHashSlots 1").0, Some(0));
    for (lines, expected) in cases {
        let (status, said) = check(lines);
        assert!(status != Some(0) && said.contains(expected), "{lines}: {status:?} {said}");
    }
}
