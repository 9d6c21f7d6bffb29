//! esauth_max_failures over several servers with esauth_fleet: they count together, and by themselves at least.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use crate::fleet::{Front, hashes, is_too_slow, request, status};
use crate::harness::client::ask;
use crate::harness::fleet::{connected, unanswered, wait_until};
use crate::harness::redis::{Kind, Redis};
use crate::server::skip;

/// Beginning of a lockout's line.
const LOCKED_OUT: &str = "esauth: locked out for ";

/// Runs a test again, with servers of its own, until all answers came in time; a few times at most.
pub(crate) fn until_in_time(test: impl Fn() -> bool) {
    if !(0..5).any(|_| test()) {
        skip("this machine is too busy: each time, an answer was late");
    }
}

#[test]
fn guesses_on_two_servers_are_counted_as_on_one() {
    if is_too_slow() {
        return;
    }
    for kind in Kind::installed() {
        let redis = Redis::start(kind);
        let url = redis.url();
        until_in_time(|| {
            redis.ask(&["FLUSHALL"]);
            // A worker asks for the first time when its first guess comes.
            let front = Front { workers: 1, http: "esauth_max_failures 6 40s;", ..Front::of(&url) };
            let servers = [connected(front.start()), connected(front.start())];
            let (before, late_before): (usize, _) = (servers.iter().map(hashes).sum(), unanswered(&servers));
            let denied = AtomicUsize::new(0);
            thread::scope(|scope| {
                for number in 0..24 {
                    let (server, denied) = (&servers[number % 2], &denied);
                    scope.spawn(move || match status(server, "alice", &format!("guess {number}")) {
                        401 => denied.fetch_add(1, Ordering::Relaxed),
                        429 => 0,
                        other => panic!("{other}"),
                    });
                }
            });
            let late = (unanswered(&servers) - late_before) as usize;
            let hashed = servers.iter().map(hashes).sum::<usize>() - before;
            assert!(hashed <= 6 + late, "{kind:?}: {hashed} hashes, {late} late");
            if late > 0 {
                return false;
            }
            // Fewer if a server hears of the lockout before it hashes what Redis has allowed: that is refused, too.
            assert_eq!(hashed, denied.into_inner(), "{kind:?}");
            assert!((1..=6).contains(&hashed), "{kind:?}: {hashed} hashes");
            for server in &servers {
                assert_eq!(status(server, "alice", "secret"), 429, "not told from a guess");
                assert_eq!(status(server, "user1", "secret"), 200, "another user");
                // Once more if Redis is late now: then it begins a lockout by its own count.
                let lines = server.lines_with(LOCKED_OUT);
                assert!(lines == 1 || lines > 1 && unanswered(&servers) > late_before, "each says so: {lines}");
                let answer = ask(server.port(), &request("/page", "alice", "secret")).unwrap();
                let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=40).contains(&seconds), "Retry-After: {seconds}");
            }
            true
        });
    }
}

#[test]
fn a_lockout_survives_a_restart_and_a_right_password_on_one_server_forgives_on_all() {
    if is_too_slow() {
        return;
    }
    let redis = Redis::start(Kind::Redis);
    let url = redis.url();
    until_in_time(|| {
        redis.ask(&["FLUSHALL"]);
        let front = Front { http: "esauth_max_failures 3 10m;", workers: 1, ..Front::of(&url) };
        let mut servers = [connected(front.start()), connected(front.start())];
        let late = unanswered(&servers);
        assert_eq!([0, 1].map(|number| status(&servers[number], "alice", &format!("typo {number}"))), [401; 2]);
        assert_eq!(redis.counted(), 1);
        assert_eq!(status(&servers[1], "alice", "secret"), 200);
        wait_until("it is forgiven", || redis.counted() == 0);
        let more = [0, 1].map(|number| status(&servers[number], "alice", &format!("another {number}")));
        let last = ["a", "b", "c"].map(|guess| status(&servers[0], "user1", guess));
        let refused = status(&servers[1], "user1", "secret");
        if unanswered(&servers) > late {
            return false;
        }
        assert_eq!((more, last, refused), ([401; 2], [401; 3], 429));
        servers[1].restart();
        let after = status(&servers[1], "user1", "secret");
        if unanswered(&servers[1..]) > 0 {
            return false;
        }
        assert_eq!(after, 429, "locked out after a restart");
        true
    });
}

#[test]
fn without_redis_each_server_allows_its_share_of_failures() {
    let mut redis = Redis::start(Kind::Redis);
    let url = redis.url();
    let http = "esauth_max_failures 6 10m; esauth_fleet_servers 3;";
    let server = Front { http, ..Front::of(&url) }.start();
    assert_eq!(status(&server, "user0", "secret"), 200);
    redis.kill();
    let guesses: Vec<u16> = (0..9).map(|number| status(&server, "alice", &format!("guess {number}"))).collect();
    assert_eq!(guesses.iter().filter(|&&status| status == 401).count(), 2, "{guesses:?}");
    assert_eq!(server.lines_with(LOCKED_OUT), 1);
    redis.start_again();
    wait_until("counted together again", || {
        sleep(Duration::from_millis(100));
        status(&server, "alice", "secret") == 200
    });
}
