//! Memory: no misuse found by Valgrind, and no growth with the number of requests.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use harness::client::{self, Connection, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::process::{self, Size};
use harness::{crypt, digest, memcheck};

/// `secret`, hashed by `htpasswd -B -C 4`, `-s` and `-m`.
const BCRYPT: &str = "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";
const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const APR1: &str = "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/";
/// `alice:realm:secret`, hashed by htdigest.
const REALM: &str = "e16233c09b685e3dd5e17671513db3df";

/// One user for each way to verify a password.
fn users() -> String {
    let by_crypt = ["$6$", "$y$"].map(|prefix| {
        let setting = crypt::setting(prefix, 0).expect("the C library knows the method");
        crypt::hash(b"secret", &setting).expect("the C library computes the hash")
    });
    let [sha512, yescrypt] = by_crypt;
    format!("alice:{BCRYPT}\nbob:{SHA}\ncarol:{APR1}\ndave:{sha512}\nerin:{yescrypt}\n")
}

/// All ways through the module: its own hook, the provider of mod_auth_basic, that of mod_auth_digest.
fn configuration(site: &Site<'_>) -> String {
    let folder = site.folder.display();
    fs::write(site.folder.join("users"), users()).unwrap();
    fs::write(site.folder.join("digests"), format!("alice:realm:{REALM}\n")).unwrap();
    fs::write(site.folder.join("groups"), "staff: alice bob carol\n").unwrap();
    for section in ["users", "groups", "basic", "digest"] {
        fs::create_dir_all(site.folder.join("htdocs").join(section)).unwrap();
        fs::write(site.folder.join("htdocs").join(section).join("file.txt"), "file\n").unwrap();
    }
    // AuthName twice: 2.2's mod_auth_digest inherits nothing, and crashes without it.
    format!(
        "DocumentRoot {folder}/htdocs\nMaxKeepAliveRequests 0\n\
         <Location />\nAuthType Basic\nAuthName realm\nAuthBasicProvider file\nAuthUserFile {folder}/users\n\
         AuthGroupFile {folder}/groups\n</Location>\n\
         <Location /users/>\nRequire valid-user\n</Location>\n\
         <Location /groups/>\nRequire group staff\n</Location>\n\
         <Location /basic/>\nAuthBasicAuthoritative Off\nRequire valid-user\n</Location>\n\
         <Location /digest/>\nAuthType Digest\nAuthName realm\nAuthDigestProvider file\nAuthUserFile {folder}/digests\n\
         Require valid-user\n</Location>\n"
    )
}

fn start(sizes: &str, start: fn(&Setup<'_>) -> Httpd) -> Httpd {
    let installation = Installation::get();
    let load =
        installation.load_core() + &installation.load(&["auth_basic", "auth_digest"]) + &installation.load_ours();
    let configuration = |site: &Site<'_>| configuration(site) + sizes;
    start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration })
}

fn get(section: &str) -> Request {
    Request::get(&format!("/{section}/file.txt")).header("Host: localhost")
}

mod used_rightly {
    use super::*;

    /// `make sanitize` does this with every server of every test.
    #[test]
    fn valgrind_finds_no_error_and_no_leak_in_a_server_that_is_asked_everything() {
        if memcheck::is_missing() {
            return;
        }
        // If Valgrind found anything, the test fails when the server ends.
        let mut server = start("StartServers 1\n", Httpd::start_under_memcheck);
        ask_everything(&server);
        change_files(&server);
        server.graceful();
        ask_everything(&server);
        server.restart();
        ask_everything(&server);
        assert!(server.stop().success());
    }

    fn ask_everything(server: &Httpd) {
        let mut connection = Connection::open(server.port()).unwrap();
        let mut ask = |request: Request| connection.ask(&request).unwrap();
        let mut status = |request: Request| ask(request).status;
        for user in ["alice", "bob", "carol", "dave", "erin"] {
            // The second time from memory.
            for _ in 0..2 {
                assert_eq!(status(get("users").basic(user, "secret")), 200, "{user}");
                assert_eq!(status(get("users").basic(user, "wrong")), 401, "{user}");
            }
            let member = ["alice", "bob", "carol"].contains(&user);
            assert_eq!(status(get("groups").basic(user, "secret")), if member { 200 } else { 401 }, "{user}");
            assert_eq!(status(get("basic").basic(user, "secret")), 200, "{user}");
            assert_eq!(status(get("basic").basic(user, "wrong")), 401, "{user}");
        }
        assert_eq!(status(get("users").basic("mallory", "secret")), 401);
        assert_eq!(status(get("users").basic("", "")), 401);
        assert_eq!(status(get("users").basic("x".repeat(3000), "y".repeat(2000))), 401);
        assert_eq!(status(get("users")), 401);
        for header in ["Basic", "Basic !", "Bearer x", "Digest username=\"alice\""] {
            assert_eq!(status(get("users").header(format!("Authorization: {header}"))), 401, "{header}");
        }
        for (user, password, expected) in [("alice", "secret", 200), ("alice", "wrong", 401), ("mallory", "x", 401)] {
            let challenge = ask(get("digest"));
            let challenge = challenge.header("www-authenticate").unwrap();
            let header = digest::authorization(&get("digest"), challenge, user, password).expect("a challenge");
            assert_eq!(ask(get("digest").header(header)).status, expected, "{user}");
        }
    }

    /// In place, by another file, to no file, and back.
    fn change_files(server: &Httpd) {
        let folder = server.folder();
        let status = |request: &Request| client::ask(server.port(), request).unwrap().status;
        let (alice, member) = (get("users").basic("alice", "secret"), get("groups").basic("alice", "secret"));
        fs::write(folder.join("users"), format!("bob:{SHA}\n")).unwrap();
        assert_eq!(status(&alice), 401);
        replace(folder, "users", &users());
        assert_eq!(status(&alice), 200);
        fs::remove_file(folder.join("users")).unwrap();
        assert_eq!([status(&alice), status(&alice)], [500, 500]);
        replace(folder, "users", &users());
        assert_eq!(status(&alice), 200);
        fs::write(folder.join("groups"), format!("staff: bob\n{}\n", "x".repeat(9000))).unwrap();
        assert_eq!(status(&member), 401);
        replace(folder, "groups", "staff: alice bob carol\n");
        assert_eq!(status(&member), 200);
    }

    fn replace(folder: &Path, name: &str, content: &str) {
        fs::write(folder.join("new"), content).unwrap();
        fs::rename(folder.join("new"), folder.join(name)).unwrap();
    }
}

mod flat {
    use super::*;

    /// After this many requests every thread has served some.
    const WARM_UP: usize = 20_000;
    const CONNECTIONS: usize = 8;
    /// Batches sent on one connection before it is replaced.
    const BATCHES: usize = 100;
    /// For all of a server's children: a thread allocates its memory when first busy, which may be late.
    const SLACK_KIB: u64 = 512;

    /// `make soak` asks ten million times.
    #[test]
    fn many_requests_take_no_more_memory_than_few() {
        if memcheck::changes("memory is not given back at once") {
            return;
        }
        let requests = std::env::var("ESAUTH_REQUESTS").map_or(50_000, |given| given.parse().unwrap());
        // A child with threads, or several without. The log would fill the disk.
        let mut server = start(
            match Mpm::usual() {
                Mpm::Event | Mpm::Worker => {
                    "LogLevel emerg\nStartServers 1\nServerLimit 1\nMaxRequestWorkers 16\nMaxSpareThreads 32\n"
                }
                Mpm::Prefork => {
                    "LogLevel emerg\nStartServers 8\nMinSpareServers 1\nMaxSpareServers 8\nMaxRequestWorkers 8\n"
                }
            },
            Httpd::start,
        );
        ask_many(server.port(), WARM_UP);
        let before = process::children(server.parent());
        let size_before = Size::of_all(&before);
        let closed = ask_many(server.port(), requests);
        let after = process::children(server.parent());
        let size_after = Size::of_all(&after);
        assert!(server.stop().success());
        let said = format!("{size_before:?} -> {size_after:?}, {closed} connections closed by the server");
        Installation::get().say(&format!("{requests} requests: {said}"));
        assert_eq!(after, before, "no child has died");
        assert!(size_after.memory_kib <= size_before.memory_kib + SLACK_KIB, "{said}");
        // The server may be about to close the last connections.
        assert!(size_after.descriptors <= size_before.descriptors + CONNECTIONS, "{said}");
    }

    /// Sends at least this many requests of every kind, over persistent connections. Returns how many of these the
    /// server has closed, as it may: event closes all idle ones when its threads are busy.
    fn ask_many(port: u16, requests: usize) -> usize {
        let kinds = kinds();
        let batch: Vec<u8> = kinds.iter().flat_map(|(request, _)| request.bytes()).collect();
        let batches = requests.div_ceil(kinds.len() * CONNECTIONS);
        let closed = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let mut connection = Connection::open(port).unwrap();
                    for number in 1..=batches {
                        while ask_batch(&mut connection, &batch, &kinds).is_err() {
                            closed.fetch_add(1, Ordering::Relaxed);
                            connection = Connection::open(port).unwrap();
                        }
                        if number % BATCHES == 0 {
                            connection = Connection::open(port).unwrap();
                        }
                    }
                });
            }
        });
        closed.into_inner()
    }

    /// All at once, so that the time goes to the server rather than to the network.
    fn ask_batch(connection: &mut Connection, batch: &[u8], kinds: &[(Request, u16)]) -> io::Result<()> {
        connection.send(batch)?;
        for (request, expected) in kinds {
            let status = connection.read()?.status;
            assert_eq!(status, *expected, "{}", String::from_utf8_lossy(&request.bytes()));
        }
        Ok(())
    }

    fn kinds() -> Vec<(Request, u16)> {
        let mut kinds = vec![(get("users"), 401), (get("users").header("Authorization: Bearer x"), 401)];
        for (user, member) in [("alice", true), ("bob", true), ("carol", true), ("dave", false)] {
            kinds.push((get("users").basic(user, "secret"), 200));
            kinds.push((get("users").basic(user, "wrong"), 401));
            kinds.push((get("groups").basic(user, "secret"), if member { 200 } else { 401 }));
            kinds.push((get("basic").basic(user, "secret"), 200));
        }
        kinds.push((get("users").basic("mallory", "secret"), 401));
        kinds.push((get("groups").basic("mallory", "secret"), 401));
        kinds
    }
}
