//! EsAuthFleet: several servers of httpd over one real server of Redis or Valkey. What one has verified the others know;
//! whatever happens to Redis, nobody is let in who should not be, and nobody waits for it.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use harness::fleet::{
    CHANGED, Front, HASH, KEY, OTHER_KEY, SLOW, USERS, answering, hashes, lookups, metric, status, users, wait_until,
    watch,
};
use harness::httpd::{self, Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::memcheck;
use harness::redis::{Kind, Redis};

/// The number of users whose right passwords a server lets in without a hash.
fn known_without_a_hash(server: &Httpd, users: &[String]) -> usize {
    let before = hashes(server);
    for user in users {
        assert_eq!(status(server, user, "secret"), 200);
    }
    users.len() - (hashes(server) - before)
}

/// Whether a server knows most of these users without a hash. On a busy machine an answer may come late, so it is
/// restarted, which makes it forget, and asked again.
fn knows(server: &Httpd, users: &[String]) -> bool {
    (0..5).any(|_| {
        known_without_a_hash(server, users) * 2 > users.len() || {
            server.restart();
            false
        }
    })
}

#[test]
fn what_one_server_has_verified_the_others_know_also_after_restarts() {
    if memcheck::changes("answers come too late") {
        return;
    }
    for (kind, mpm) in Kind::installed().into_iter().flat_map(|kind| Mpm::available().map_to(kind)) {
        let redis = Redis::start(kind);
        for url in [redis.url(), redis.socket()] {
            redis.ask(&["FLUSHALL"]);
            let front = Front { mpm, ..Front::of(&url) };
            let [first, second] = [front.start(), front.start()];
            let all = users(0..20);
            assert_eq!(known_without_a_hash(&first, &all), 0);
            wait_until("all are left with the fleet", || redis.entries().len() == 20);
            assert!(knows(&second, &all), "{mpm:?} {url}");
            assert!(lookups(&second, "known") >= 10);
            // A restart forgets what the server itself remembers.
            for server in [&first, &second] {
                server.restart();
                assert!(knows(server, &all), "{mpm:?} {url}: after a restart");
                let (before, entries) = (hashes(server), redis.entries().len());
                assert_eq!(status(server, "alice", "wrong"), 401);
                assert_eq!(status(server, "nobody", "secret"), 401);
                assert_eq!(hashes(server), before + 2, "wrong ones are hashed");
                sleep(Duration::from_millis(50));
                assert_eq!(redis.entries().len(), entries, "and nobody is told of them");
            }
        }
    }
}

trait MapTo {
    fn map_to(self, kind: Kind) -> Vec<(Kind, Mpm)>;
}

impl MapTo for Vec<Mpm> {
    fn map_to(self, kind: Kind) -> Vec<(Kind, Mpm)> {
        self.into_iter().map(|mpm| (kind, mpm)).collect()
    }
}

#[test]
fn a_storm_of_first_requests_over_three_servers_computes_a_hash_in_each_at_most() {
    if memcheck::changes("a hash takes longer than requests wait") {
        return;
    }
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let front = Front { hash: SLOW, global: Mpm::usual().room_for_200(), ..Front::of(&url) };
    let servers = [front.start(), front.start(), front.start()];
    let storm = || {
        thread::scope(|scope| {
            let servers = &servers;
            let clients: Vec<_> =
                (0..200).map(|number| scope.spawn(move || status(&servers[number % 3], "alice", "secret"))).collect();
            assert!(clients.into_iter().all(|client| client.join().unwrap() == 200));
        });
        servers.iter().map(hashes).collect::<Vec<_>>()
    };
    let first = storm();
    assert!(first.iter().all(|&hashes| hashes <= 1) && first.iter().sum::<usize>() >= 1, "{first:?}");
    wait_until("it is left with the fleet", || redis.entries().len() == 1);
    assert_eq!(storm(), first, "the second round computes none");
    servers[0].restart();
    servers[1].restart();
    let after = storm();
    // Where all the machine's processors are busy, an answer may be late.
    assert!(after.iter().sum::<usize>() <= first.iter().sum::<usize>() + 2, "{after:?}");
    assert_eq!(after[2], first[2]);
}

#[test]
fn an_entry_counts_for_the_same_line_key_and_time_only() {
    if memcheck::changes("answers come too late") {
        return;
    }
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let first = Front::of(&url).start();
    assert_eq!(status(&first, "alice", "secret"), 200);
    wait_until("it is left with the fleet", || redis.entries().len() == 1);
    let alice = ["alice".to_owned()];
    assert!(knows(&Front::of(&url).start(), &alice));
    let another = Front { key: OTHER_KEY, ..Front::of(&url) }.start();
    assert_eq!(known_without_a_hash(&another, &alice), 0, "another fleet's");
    let changed = Front { hash: CHANGED, ..Front::of(&url) }.start();
    assert_eq!(status(&changed, "alice", "secret"), 401, "the line has changed");
    redis.ask(&["FLUSHALL"]);
    let short = Front { global: "EsAuthCacheTTL 1", ..Front::of(&url) }.start();
    assert_eq!(status(&short, "alice", "secret"), 200);
    wait_until("it is left with the fleet", || redis.ask(&["INFO", "stats"]).contains("expired_keys:1"));
}

#[test]
fn no_forged_moved_or_outdated_entry_lets_anybody_in() {
    if memcheck::changes("answers come too late") {
        return;
    }
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let server = Front { global: "EsAuthCacheTTL 2", ..Front::of(&url) }.start();
    assert_eq!(status(&server, "alice", "secret"), 200);
    wait_until("it is left with the fleet", || redis.entries().len() == 1);
    let name = redis.entries().remove(0);
    // Somebody keeps it longer than it counts.
    redis.ask(&["PERSIST", &name]);
    sleep(Duration::from_millis(3100));
    let before = hashes(&server);
    assert_eq!(status(&server, "alice", "secret"), 200);
    assert_eq!(hashes(&server), before + 1, "its time is over");
    drop(server);
    redis.ask(&["FLUSHALL"]);
    let server = Front::of(&url).start();
    assert_eq!(status(&server, "alice", "secret"), 200);
    wait_until("it is left with the fleet", || redis.entries().len() == 1);
    // The name that a wrong password has: from a server's question, with a genuine value of another name.
    let asked = (0..20).find_map(|_| {
        let watched = watch(&redis, "", || assert_eq!(status(&server, "alice", "wrong"), 401));
        // On a busy machine, it may not be asked.
        server.restart();
        watched.iter().find_map(|line| line.split('"').find(|word| word.len() == 10 + 64).map(str::to_owned))
    });
    let asked = asked.expect("it is asked for");
    assert_ne!(asked, name);
    for command in [["COPY", &name, &asked, "REPLACE"], ["SET", &asked, "OK", "XX"], ["SET", &asked, "1", "XX"]] {
        redis.ask(&command);
        assert_eq!(redis.ask(&["EXISTS", &asked]), "1");
        wait_until("it is asked for in time", || {
            server.restart();
            assert_eq!(status(&server, "alice", "wrong"), 401, "{command:?}");
            lookups(&server, "forged") == 1
        });
    }
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
    for word in ["alice", "user1", "secret", "geheim", "127.0.0.9", HASH, "Ub9qVQIdR5j2PmraY4inw"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

/// A right password is let in, and a wrong one refused, although Redis is of no use.
fn serves_by_itself(server: &Httpd, number: usize, when: &str) {
    let user = format!("user{}", number % USERS);
    let wrong = format!("wrong {number}");
    let began = Instant::now();
    assert_eq!((status(server, &user, "secret"), status(server, &user, &wrong)), (200, 401), "{when}");
    assert!(began.elapsed() < memcheck::patience(Duration::from_secs(2)), "{when}: {:?}", began.elapsed());
}

const LOST: &str = " cannot be used (";
const REGAINED: &str = " can be used again";

#[test]
fn while_redis_is_killed_stopped_or_flushed_every_server_hashes_for_itself() {
    for mpm in Mpm::available() {
        let mut redis = Redis::start(Kind::Redis);
        let url = redis.url();
        let server = Front { mpm, ..Front::of(&url) }.start();
        serves_by_itself(&server, 0, "at first");
        let mut number = 1;
        // Several children notice, one says so.
        let lost = |times: usize| {
            wait_until("the loss is logged", || server.lines_with(LOST) >= times);
        };
        let mut serve = |when: &str| {
            for _ in 0..3 {
                serves_by_itself(&server, number, when);
                number += 1;
            }
        };
        redis.kill();
        serve("killed");
        lost(1);
        assert_eq!(metric(&server, "rust_esauth_fleet_reachable"), 0);
        redis.start_again();
        wait_until("it is noticed", || server.lines_with(REGAINED) >= 1);
        wait_until("it is shown", || metric(&server, "rust_esauth_fleet_reachable") == 1);
        serve("back");
        redis.signal(libc::SIGSTOP);
        serve("stopped");
        redis.signal(libc::SIGCONT);
        serve("continued");
        redis.ask(&["FLUSHALL"]);
        serve("flushed");
        let said = server.lines_with(LOST) + server.lines_with(REGAINED);
        assert!(said <= 12, "{mpm:?}: {said} lines");
    }
}

#[test]
fn a_full_read_only_or_closed_redis_is_reported_and_hurts_nobody() {
    // Full: no entry is taken, and none is thrown away.
    let redis = Redis::start_with(Kind::Redis, &["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let url = redis.url();
    let server = Front::of(&url).start();
    (0..3).for_each(|number| serves_by_itself(&server, number, "full"));
    wait_until("it is logged", || server.lines_with("rust_esauth: EsAuthFleet takes no entries (OOM ") == 1);
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    let mut number = 3;
    wait_until("an entry is taken", || {
        serves_by_itself(&server, number, "with room");
        number += 1;
        server.lines_with("rust_esauth: EsAuthFleet takes entries again") == 1
    });

    // A replica, which may know something, but takes nothing; the second address does.
    let replica = Redis::start(Kind::Redis);
    let primary = Redis::start(Kind::Redis);
    let (port, both) = (primary.port().to_string(), format!("{} {}", replica.url(), primary.url()));
    replica.ask(&["REPLICAOF", "127.0.0.1", &port]);
    let server = Front::of(&both).start();
    let mut number = 0;
    wait_until("the one that takes entries is found", || {
        serves_by_itself(&server, number, "read-only");
        number += 1;
        // It has known every user since a time when it told the replica: a restart makes it forget.
        if number % USERS == 0 {
            server.restart();
        }
        !primary.entries().is_empty()
    });

    // A password that is missing, wrong, or of a user without rights.
    let closed = Redis::start_with(Kind::Redis, &["--requirepass", "right"]);
    let url = closed.url();
    for (credentials, said) in [(None, "NOAUTH"), (Some(":wrong\n"), "WRONGPASS"), (Some("eve:right\n"), "WRONGPASS")] {
        let server = Front { credentials, ..Front::of(&url) }.start();
        (0..3).for_each(|number| serves_by_itself(&server, number, said));
        wait_until("it is logged", || server.lines_with(&format!("{LOST}it answers {said}")) == 1);
    }
}

/// Answers each thing that comes with these bytes.
fn saying(bytes: &'static [u8]) -> String {
    answering(move |stream| {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            if stream.write_all(bytes).is_err() {
                break;
            }
        }
    })
}

#[test]
fn no_answer_of_an_enemys_server_lets_anybody_in_or_holds_anybody_up() {
    let endless = || {
        answering(|stream| {
            let _ = stream.write_all(b"$500000000\r\n");
            while stream.write_all(&[b'x'; 65_536]).is_ok() {}
        })
    };
    let dripping = || {
        answering(|stream| {
            while stream.write_all(b"$").is_ok() {
                sleep(Duration::from_millis(2));
            }
        })
    };
    let servers: Vec<(&str, String)> = vec![
        ("yes", saying(b"+OK\r\n")),
        ("one", saying(b":1\r\n")),
        ("a bulk of yes", saying(b"$2\r\nOK\r\n")),
        ("forty bytes", saying(b"$40\r\n\xff\xff\xff\xff\xff\xff\xff\x7f00000000000000000000000000000000\r\n")),
        ("HTTP", saying(b"HTTP/1.1 200 OK\r\n\r\n")),
        ("arrays", saying(b"*1000000000\r\n")),
        ("nested", saying(&[b'*', b'1', b'\r', b'\n'].repeat(5000).leak()[..])),
        ("a map", saying(b"%9223372036854775807\r\n")),
        ("an attribute", saying(b"|-1\r\n")),
        ("errors", saying(b"-ERR \x1b[31m no\r\n")),
        ("nothing", answering(|stream| drop(stream.read(&mut [0; 4096])))),
        ("silence", answering(|_| sleep(Duration::from_secs(20)))),
        ("endless", endless()),
        ("dripping", dripping()),
    ];
    for (what, url) in servers {
        let server = Front::of(&url).start();
        for number in 0..6 {
            serves_by_itself(&server, number, what);
        }
        assert_eq!(hashes(&server), 12, "{what}: nothing is believed");
        let [child] = [server.children()[0]];
        let memory = harness::process::Size::settled(child).memory_kib;
        assert!(memcheck::is_wanted() || memory < 64 * 1024, "{what}: {memory} KiB");
    }
}

#[test]
fn a_child_has_one_connection_from_its_first_question_on_until_it_ends() {
    if memcheck::changes("a hash takes longer than requests wait") {
        return;
    }
    for mpm in Mpm::available() {
        let redis = Redis::start(Kind::Redis);
        let url = redis.url();
        // Without those of this test, which have sent at most this command.
        let is_a_childs = |line: &&str| !line.contains("cmd=client") && !line.contains("cmd=NULL");
        let clients = || redis.ask(&["CLIENT", "LIST"]).lines().filter(is_a_childs).count();
        let mut server = Front { mpm, ..Front::of(&url) }.start();
        sleep(Duration::from_millis(200));
        assert_eq!(clients(), 0, "{mpm:?}: none before the first question");
        let most = AtomicUsize::new(0);
        thread::scope(|scope| {
            for number in 0..32 {
                let (server, most) = (&server, &most);
                scope.spawn(move || {
                    assert_eq!(status(server, &format!("user{number}"), "secret"), 200);
                    most.fetch_max(clients(), Ordering::Relaxed);
                });
            }
        });
        let most = most.into_inner();
        assert!((1..=12).contains(&most), "{mpm:?}: {most} connections");
        server.graceful();
        wait_until("the old children's are closed", || clients() == 0);
        assert_eq!(status(&server, "alice", "secret"), 200);
        assert_eq!(server.stop().code(), Some(0));
        wait_until("all are closed", || clients() == 0);
    }
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
        fs::set_permissions(server.folder().join("key"), fs::Permissions::from_mode(mode)).unwrap();
        server.graceful();
        wait_until("it is logged", || server.lines_with(said) == 1);
        serves_by_itself(&server, 0, said);
        fs::write(server.folder().join("key"), KEY).unwrap();
        fs::set_permissions(server.folder().join("key"), fs::Permissions::from_mode(0o600)).unwrap();
        server.graceful();
        serves_by_itself(&server, 1, "corrected");
        // On a busy machine, Redis may be late; then the password of another user is left.
        let mut number = 2;
        wait_until("it is left with the fleet", || {
            sleep(Duration::from_millis(300));
            let is_left = !redis.entries().is_empty();
            if !is_left {
                serves_by_itself(&server, number, "corrected");
                number += 1;
            }
            is_left
        });
        redis.ask(&["FLUSHALL"]);
    }
}

#[test]
fn a_wrong_directive_is_refused() {
    let said = |lines: &str| {
        let load = Installation::get().load_ours();
        let configuration = |_: &Site<'_>| format!("{lines}\n");
        httpd::check(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration })
    };
    assert_eq!(said("EsAuthFleet redis://a rediss://b:7000/1 unix:/c\nEsAuthFleetKey key").0, Some(0));
    for (lines, fault) in [
        ("EsAuthFleet localhost", "EsAuthFleet: 'localhost' is not an address such as redis://host:6379/0"),
        ("EsAuthFleet http://localhost", "'http://localhost' is not an address"),
        ("EsAuthFleet redis://:sesame@localhost", "they belong in EsAuthFleetCredentials"),
    ] {
        let (status, text) = said(lines);
        assert!(status != Some(0) && text.contains(fault), "{text}");
        assert!(!text.contains("sesame"), "{text}");
    }
}
