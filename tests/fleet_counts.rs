//! EsAuthMaxFailures and EsAuthLimit over several servers with EsAuthFleet: they count together, and by themselves at least.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use esauth_engine::verification::{Counted, MaxFailures, Peers as _, Question, Reply};
use esauth_fleet::{Address, Event, Fleet, Key, Lookup, Observer, Options};
use harness::client;
use harness::fleet::{
    CHANGED, Front, HASH, KEY, answering, connected, hashes, lookups, metric, request, status, unanswered, wait_until,
    watch,
};
use harness::httpd::{Httpd, Mpm};
use harness::installation::Installation;
use harness::memcheck;
use harness::redis::{Kind, Redis};
use harness::scratch::Scratch;

/// Beginning of a lockout's line.
const LOCKED_OUT: &str = "rust_esauth: locked out for ";

/// Of "secret".
const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

/// Runs a test again, with servers of its own, until all answers came in time; a few times at most.
fn until_in_time(test: impl Fn() -> bool) {
    if !(0..5).any(|_| test()) {
        Installation::get().skip_this_test("this machine is too busy: each time, an answer was late");
    }
}

/// Guesses until a server's last answer is a lockout; how often it was none. Where Redis answers late, guesses are counted all
/// the same.
fn denied_until_locked_out(server: &Httpd, user: &str) -> usize {
    let denied = (0..40).position(|number| match status(server, user, &format!("further guess {number}")) {
        429 => true,
        401 => false,
        other => panic!("{other}"),
    });
    denied.expect("it is locked out")
}

#[test]
fn guesses_on_three_servers_are_counted_as_on_one() {
    if memcheck::changes("answers come too late") {
        return;
    }
    for (kind, hash) in Kind::installed().into_iter().flat_map(|kind| [HASH, SHA].map(|hash| (kind, hash))) {
        let redis = Redis::start(kind);
        let url = redis.url();
        let global = Mpm::usual().room_for_200().to_owned() + "\nEsAuthMaxFailures 6/40";
        let front = Front { hash, global: &global, ..Front::of(&url) };
        let servers = [connected(front.start()), connected(front.start()), connected(front.start())];
        let allowed = || servers.iter().map(|server| lookups(server, "unknown") as usize).sum::<usize>();
        let hashed = || servers.iter().map(hashes).sum::<usize>();
        let before = (allowed(), hashed(), unanswered(&servers));
        let denied = AtomicUsize::new(0);
        thread::scope(|scope| {
            for number in 0..24 {
                let (server, denied) = (&servers[number % 3], &denied);
                scope.spawn(move || match status(server, "alice", &format!("guess {number}")) {
                    401 => denied.fetch_add(1, Ordering::Relaxed),
                    429 => 0,
                    other => panic!("{other}"),
                });
            }
        });
        let (allowed, hashed) = (allowed() - before.0, hashed() - before.1);
        // On a busy machine, some answers come late: then a server counts by itself. The metrics tell how often.
        let late = (unanswered(&servers) - before.2) as usize;
        let what = format!("{kind:?} {hash}: {allowed} allowed by Redis, {hashed} hashed, {late} late");
        assert!(allowed <= 6 && hashed <= allowed + late, "{what}");
        assert_eq!(hashed, denied.into_inner(), "{what}");
        // Not all that Redis has allowed are hashed if a server hears of the lockout before.
        assert!(late > 0 || allowed == 6 && hashed > 0, "{what}");
        for server in &servers {
            let further = denied_until_locked_out(server, "alice");
            assert!(late > 0 || further as u64 <= lookups(server, "late") + lookups(server, "skipped"), "{what}");
            assert_eq!(status(server, "alice", "secret"), 429, "not told from a guess");
            assert_eq!(status(server, "user1", "secret"), 200, "another user");
            let lines = server.lines_with(LOCKED_OUT);
            assert!(lines == 1 || lines > 1 && unanswered(&servers) > before.2, "each says so: {lines}");
            let answer = client::ask(server.port(), &request("alice", "secret")).unwrap();
            let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=40).contains(&seconds), "Retry-After: {seconds}");
        }
        servers[0].restart();
        wait_until("the lockout outlives the restart", || {
            denied_until_locked_out(&servers[0], "alice");
            lookups(&servers[0], "locked_out") > 0 || {
                servers[0].restart();
                false
            }
        });
    }
}

#[test]
fn a_right_password_on_one_server_forgives_on_all_and_a_changed_line_begins_anew() {
    if memcheck::changes("answers come too late") {
        return;
    }
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    until_in_time(|| {
        redis.ask(&["FLUSHALL"]);
        let front = Front { global: "EsAuthMaxFailures 3/600", ..Front::of(&url) };
        let servers = [connected(front.start()), connected(front.start()), connected(front.start())];
        let late = unanswered(&servers);
        assert_eq!([0, 1].map(|number| status(&servers[number], "alice", &format!("typo {number}"))), [401; 2]);
        assert_eq!(redis.counted(), 1);
        assert_eq!(status(&servers[2], "alice", "secret"), 200);
        wait_until("it is forgiven", || redis.counted() == 0);
        let more = [0, 1].map(|number| status(&servers[number], "alice", &format!("another {number}")));
        let known = status(&servers[1], "alice", "secret");
        wait_until("what is known to others forgives, too", || redis.counted() == 0);
        // The third failure of all, and then one after the lockout.
        let third = ["a", "b", "c", "d"].map(|guess| status(&servers[2], "alice", guess));
        let changed = connected(Front { hash: CHANGED, ..front }.start());
        let after = status(&changed, "alice", "changed");
        if unanswered(&servers) > late {
            return false;
        }
        assert_eq!((more, known, third), ([401; 2], 200, [401, 401, 401, 429]));
        assert_ne!(after, 429, "her line is another");
        true
    });
}

#[test]
fn a_lockout_reaches_a_server_that_remembers_the_password_as_wrong() {
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    until_in_time(|| {
        redis.ask(&["FLUSHALL"]);
        let front = Front { global: "EsAuthMaxFailures 4/600", ..Front::of(&url) };
        let servers = [connected(front.start()), connected(front.start())];
        let late = unanswered(&servers);
        let old = || status(&servers[0], "alice", "old");
        let first = old();
        let guesses = [1, 2, 3, 4].map(|number| status(&servers[1], "alice", &format!("guess {number}")));
        let refused = (0..10).position(|_| {
            sleep(Duration::from_millis(50));
            old() == 429
        });
        if unanswered(&servers) > late {
            return false;
        }
        assert_eq!((first, guesses), (401, [401, 401, 401, 429]));
        assert!(refused.is_some_and(|asked| asked <= 1), "{refused:?}");
        true
    });
}

#[test]
fn redis_learns_no_name_and_no_address_from_counts() {
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let global = "EsAuthMaxFailures 3/600";
    let server = connected(Front { global, section: "EsAuthLimit 100/60", ..Front::of(&url) }.start());
    let seen = watch(&redis, "", || {
        assert_eq!(status(&server, "alice", "geheim"), 401);
        assert_eq!(status(&server, "alice", "secret"), 200);
        sleep(Duration::from_millis(300));
    });
    let text = seen.join("\n");
    assert!(text.contains("esauth:v1:f:") && text.contains("esauth:v1:r:"), "{text}");
    for word in ["alice", "secret", "geheim", "\"127.0.0.1", HASH] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[test]
fn without_redis_each_server_allows_its_share_of_failures_and_requests() {
    for mpm in Mpm::available() {
        let mut redis = Redis::start(Kind::Redis);
        let url = redis.url();
        let global = "EsAuthMaxFailures 6/600\nEsAuthFleetServers 3";
        let server = Front { mpm, global, section: "EsAuthLimit 12/600", ..Front::of(&url) }.start();
        assert_eq!(status(&server, "user0", "secret"), 200);
        redis.kill();
        let guesses: Vec<u16> = (0..9).map(|number| status(&server, "alice", &format!("guess {number}"))).collect();
        assert_eq!(guesses.iter().filter(|&&status| status == 401).count(), 2, "{mpm:?} {guesses:?}");
        assert_eq!(server.lines_with(LOCKED_OUT), 1);
        // Every child notices that it has lost Redis with its first request.
        let passing = (0..40).filter(|_| status(&server, "user1", "secret") == 200).count();
        assert!((4..=12).contains(&passing), "{mpm:?} {passing}");
        redis.start_again();
        wait_until("counted together again", || {
            sleep(Duration::from_millis(100));
            status(&server, "alice", "secret") == 200
        });
    }
}

/// A way to lose Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Killed,
    Stopped,
    /// Each connection is refused, from the start.
    Refused,
}

#[test]
fn whatever_the_loss_three_servers_allow_the_limits_together_and_nobody_waits() {
    // One child in each: what it has noticed, the server has.
    let one_child = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 16\nMaxRequestWorkers 16\n";
    if Mpm::usual() == Mpm::Prefork {
        return Installation::get().skip_this_test("a child of prefork has one thread");
    }
    let losses = [Loss::Killed, Loss::Stopped, Loss::Refused];
    for (kind, loss) in Kind::installed().into_iter().flat_map(|kind| losses.map(|loss| (kind, loss))) {
        let what = format!("{kind:?} {loss:?}");
        let mut redis = Redis::start(kind);
        let url = redis.url();
        let global = format!("{one_child}EsAuthMaxFailures 6/600\nEsAuthFleetServers 3");
        let front = Front { global: &global, section: "EsAuthLimit 12/600", ..Front::of(&url) };
        let start = || if loss == Loss::Refused { front.start() } else { connected(front.start()) };
        if loss == Loss::Refused {
            redis.kill();
        }
        let servers = [start(), start(), start()];
        match loss {
            Loss::Killed => redis.kill(),
            Loss::Stopped => redis.signal(libc::SIGSTOP),
            Loss::Refused => {}
        }
        for server in &servers {
            let mut number = 2;
            wait_until("the loss is noticed", || {
                assert_eq!(status(server, &format!("user{number}"), "secret"), 200, "{what}");
                number = if number < 19 { number + 1 } else { 2 };
                metric(server, "rust_esauth_fleet_reachable") == 0
            });
            let results =
                || ["skipped", "late", "known", "unknown", "locked_out"].map(|result| lookups(server, result));
            let (before, hashed, began) = (results(), hashes(server), Instant::now());
            let guesses = [1, 2, 3, 4, 5, 6].map(|number| status(server, "alice", &format!("guess {number}")));
            assert_eq!(guesses, [401, 401, 429, 429, 429, 429], "{what}");
            assert_eq!(status(server, "alice", "secret"), 429, "{what}: not told from a guess");
            let passing = [(); 16].map(|()| status(server, "user1", "secret"));
            assert!(passing[..4] == [200; 4] && passing[4..] == [429; 12], "{what}: {passing:?}");
            assert_eq!(status(server, "user0", "wrong"), 401, "{what}");
            // Of nine that are not remembered, five meet the share; and none of them waited.
            let after = results();
            assert_eq!(hashes(server) - hashed, 4, "{what}");
            assert_eq!((after[0] - before[0], &after[1..]), (9, &before[1..]), "{what}");
            assert!(began.elapsed() < Duration::from_secs(5), "{what}: {:?}", began.elapsed());
        }
        match loss {
            Loss::Killed | Loss::Refused => redis.start_again(),
            Loss::Stopped => redis.signal(libc::SIGCONT),
        }
        let further = servers.each_ref().map(|server| {
            wait_until("it is regained", || metric(server, "rust_esauth_fleet_reachable") == 1);
            denied_until_locked_out(server, "alice")
        });
        // The fleet's count begins anew; what a server has counted itself, it still knows. Under Valgrind, answers are too
        // late to be counted together.
        let together = further.iter().sum::<usize>() <= 6;
        assert!(
            further.iter().all(|&further| further <= 4) && (together || memcheck::is_wanted()),
            "{what}: {further:?}"
        );
    }
}

/// An enemy's server: does what Redis does as far as that is needed to be asked, and answers each call of a script with
/// these bytes.
fn enemy(answer: &'static [u8]) -> String {
    answering(move |stream| {
        let mut buffer = [0; 65_536];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
            let mut replies = Vec::new();
            for word in text.split("\r\n") {
                let reply: &[u8] = match word {
                    "GET" => b"$-1\r\n",
                    "SET" => b"+OK\r\n",
                    "DEL" => b":1\r\n",
                    "LOAD" => b"$40\r\n0000000000000000000000000000000000000000\r\n",
                    "EVALSHA" => answer,
                    _ => continue,
                };
                replies.extend_from_slice(reply);
            }
            if stream.write_all(&replies).is_err() {
                return;
            }
        }
    })
}

#[test]
fn an_enemys_server_can_lock_out_but_neither_let_in_nor_lift_what_a_server_counts_itself() {
    let answers: [(&str, &'static [u8]); 11] = [
        ("allowed", b"*2\r\n:0\r\n:0\r\n"),
        ("a state that there is not", b"*2\r\n:9\r\n:0\r\n"),
        ("too few", b"*1\r\n:0\r\n"),
        ("too many", b"*3\r\n:0\r\n:0\r\n:0\r\n"),
        ("text", b"*2\r\n$1\r\n0\r\n$1\r\n0\r\n"),
        ("one", b":1\r\n"),
        ("nothing", b"$-1\r\n"),
        ("an entry", b"$2\r\nOK\r\n"),
        ("a forged entry", b"$40\r\n\xff\xff\xff\xff\xff\xff\xff\x7f00000000000000000000000000000000\r\n"),
        ("full", b"-OOM command not allowed\r\n"),
        ("an error", b"-ERR no\r\n"),
    ];
    for (what, answer) in answers {
        let url = enemy(answer);
        let front = Front { global: "EsAuthMaxFailures 4/600", section: "EsAuthLimit 8/600", ..Front::of(&url) };
        let server = front.start();
        let began = Instant::now();
        let guesses: Vec<u16> = (0..8).map(|number| status(&server, "alice", &format!("guess {number}"))).collect();
        let denied = guesses.iter().filter(|&&status| status == 401).count();
        assert!((2..=4).contains(&denied), "{what}: {guesses:?}");
        assert_eq!(hashes(&server), denied, "{what}");
        let passing = (0..16).filter(|_| status(&server, "user1", "secret") == 200).count();
        assert!((4..=8).contains(&passing), "{what}: {passing}");
        assert!(began.elapsed() < memcheck::patience(Duration::from_secs(5)), "{what}: {:?}", began.elapsed());
    }
    for (what, answer) in [
        ("the last one", &b"*2\r\n:1\r\n:9223372036854775807\r\n"[..]),
        ("locked out", b"*2\r\n:2\r\n:9223372036854775807\r\n"),
        ("the past", b"*2\r\n:2\r\n:-1\r\n"),
        ("the password locked out", b"*2\r\n:3\r\n:9223372036854775807\r\n"),
    ] {
        let url = enemy(answer);
        let server = Front { global: "EsAuthMaxFailures 4/600", ..Front::of(&url) }.start();
        let refused = (0..4).map(|number| request("alice", &format!("guess {number}")));
        for answer in refused.map(|request| client::ask(server.port(), &request).unwrap()) {
            let seconds = answer.header("retry-after").map_or(0, |seconds| seconds.parse::<u64>().unwrap());
            assert!(matches!(answer.status, 401 | 429) && seconds <= 600, "{what}: {} {seconds}", answer.status);
        }
    }
}

#[test]
fn what_is_flushed_away_is_still_counted_by_each_server() {
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let server = connected(Front { global: "EsAuthMaxFailures 4/600", ..Front::of(&url) }.start());
    let before = hashes(&server);
    for number in 0..12 {
        let guess = status(&server, "alice", &format!("guess {number}"));
        assert!(matches!(guess, 401 | 429));
        redis.ask(&["FLUSHALL"]);
    }
    // If an answer was late, the share.
    assert!((2..=4).contains(&(hashes(&server) - before)));
}

#[test]
fn a_users_requests_are_limited_over_all_servers() {
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let folder = Scratch::new();
    let users = folder.write("users", format!("alice:{SHA}\nbob:{SHA}\n"));
    let front = Front { section: "EsAuthLimit 30/600", users: Some(&users), ..Front::of(&url) };
    let servers = [front.start(), front.start(), front.start()];
    // Reported within a tenth of a second, and in less if nothing was reported before.
    let pause = || sleep(Duration::from_millis(250));
    assert_eq!(status(&servers[0], "alice", "secret"), 200);
    wait_until("it is counted", || redis.entries().len() == 1);
    let passing = |server: &Httpd, user: &str| {
        let statuses = (0..40).map(|number| {
            if number < 3 {
                pause();
            }
            status(server, user, "secret")
        });
        statuses.filter(|&status| status == 200).count()
    };
    assert_eq!(passing(&servers[0], "alice"), 29);
    pause();
    for server in &servers[1..] {
        let passing = passing(server, "alice");
        assert!(passing <= 2, "{passing}: what was spent elsewhere is learned with the first request");
    }
    servers[0].restart();
    assert!(passing(&servers[0], "alice") <= 2, "a restart forgets nothing");
    assert_eq!(passing(&servers[1], "bob"), 30, "another user");
    assert!(metric(&servers[1], "rust_esauth_fleet_counts_total{result=\"taken\"}") > 0);
}

#[test]
fn a_remembered_client_neither_waits_for_redis_nor_asks_it_and_renews_its_entry() {
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let server = connected(Front { global: "EsAuthMaxFailures 4/600\nEsAuthCacheTTL 3", ..Front::of(&url) }.start());
    assert_eq!(status(&server, "alice", "secret"), 200);
    let began = Instant::now();
    let seen = watch(&redis, "", || {
        while began.elapsed() < Duration::from_secs(5) {
            assert_eq!(status(&server, "alice", "secret"), 200);
            sleep(Duration::from_millis(50));
        }
    });
    let with = |command: &str| seen.iter().filter(|line| line.contains(&format!("\"{command}\" \"esauth:v1:"))).count();
    let asked = seen.iter().any(|line| line.contains("\"EVALSHA\""));
    // Renewed in its second half: of three seconds, when one has passed.
    assert!((1..=6).contains(&with("SET")) && !asked, "{seen:?}");
    let restarted = Front { global: "EsAuthCacheTTL 3", ..Front::of(&url) }.start();
    assert_eq!(status(&restarted, "alice", "secret"), 200);
    assert!(hashes(&restarted) == 0 || lookups(&restarted, "late") > 0, "known although its first time is over");
}

/// Notes nothing.
struct Nobody;

impl Observer for Nobody {
    fn looked_up(&self, _: Lookup) {}
    fn told(&self, _: bool) {}
    fn counted(&self, _: bool) {}
    fn event(&self, _: &Event) {}
}

#[test]
fn of_attempts_at_once_in_many_processes_no_more_are_allowed_than_the_limit() {
    let redis = Redis::start(Kind::Redis);
    let fleet = || {
        let options = Options {
            addresses: vec![Address::parse(&redis.url()).unwrap()],
            key: Key::parse(KEY.as_bytes()).unwrap(),
            credentials: None,
            authorities: None,
            ttl: 60,
            servers: 4,
        };
        Fleet::new(options, Box::new(Nobody))
    };
    let fleets = [fleet(), fleet(), fleet(), fleet()];
    let limit = MaxFailures { failures: 20, seconds: 600 };
    for round in 0..5 {
        let allowed = AtomicUsize::new(0);
        thread::scope(|scope| {
            for number in 0..32 {
                let (fleet, allowed) = (&fleets[number % 4], &allowed);
                scope.spawn(move || {
                    for guess in 0..10 {
                        let credential = (number * 100 + guess + 1) as u64;
                        let counted = Counted { pair: [round; 32], credential, limit };
                        let question = Question { name: None, counted: Some(&counted) };
                        match fleet.ask(&question) {
                            Reply::Unknown | Reply::Last(_) => allowed.fetch_add(1, Ordering::Relaxed),
                            _ => 0,
                        };
                    }
                });
            }
        });
        let allowed = allowed.into_inner();
        assert!(allowed <= 20, "{allowed}");
        // On a busy machine, some were not asked.
        let mut credential = 100_000;
        wait_until("it is locked out", || {
            credential += 1;
            let counted = Counted { pair: [round; 32], credential, limit };
            matches!(fleets[0].ask(&Question { name: None, counted: Some(&counted) }), Reply::LockedOut(_))
        });
    }
}
