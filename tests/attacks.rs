//! Attacks on each promise of the security notes, by clients that have read the documentation.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use harness::client::{Connection, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::memcheck::{self, patience};

/// Of "secret": bcrypt with cost 10, some 50 ms, with cost 12, some 200 ms, and with cost 4.
const SLOW: &str = "$2y$10$MxDzrYMjXP895CsJ4dbfhOPC4mZP28RIUGQDSW.4lHttNZA60lCoG";
const SLOWER: &str = "$2y$12$fasxgqtHdRRVEexKS1hmOeCQAT6sLoYphar8eaYq3dRO.ASxj2Cvq";
const FAST: &str = "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const THIRD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

/// A server whose users all have "secret", with an open page beside the protected one.
fn start(mpm: Mpm, hash: &str, further_lines: &str, global: &str) -> Httpd {
    let installation = Installation::get();
    let load = installation.load_core() + &installation.load_ours();
    let level = if installation.is_22() { "debug" } else { "notice rust_esauth:debug" };
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        let users: String = (0..20).map(|number| format!("user{number}:{hash}\n")).collect();
        fs::write(site.folder.join("users"), users + further_lines).unwrap();
        fs::create_dir(site.folder.join("guarded")).unwrap();
        for name in ["open.txt", "guarded/file.txt"] {
            fs::write(site.folder.join(name), "file\n").unwrap();
        }
        format!(
            "DocumentRoot {folder}\nLogLevel {level}\nMaxKeepAliveRequests 0\n{global}\n<Location /guarded>\n\
             AuthType Basic\nAuthName realm\nAuthUserFile {folder}/users\nRequire valid-user\n</Location>\n"
        )
    };
    Httpd::start(&Setup { mpm, load, ports: 1, configuration: &configuration })
}

/// Sixteen workers in one child.
fn few_workers(mpm: Mpm) -> &'static str {
    match mpm {
        Mpm::Prefork => "StartServers 16\nMaxSpareServers 16\nServerLimit 16\nMaxRequestWorkers 16",
        _ => "StartServers 1\nServerLimit 1\nThreadsPerChild 16\nMaxRequestWorkers 16\nMaxSpareThreads 16",
    }
}

fn login(user: &str, password: &str) -> Request {
    Request::get("/guarded/file.txt").header("Host: localhost").basic(user, password)
}

fn status_from(server: &Httpd, from: IpAddr, request: &Request) -> u16 {
    let request = request.clone().header("Connection: close");
    Connection::open_from(from, server.port()).unwrap().ask(&request).unwrap().status
}

fn status(server: &Httpd, user: &str, password: &str) -> u16 {
    status_from(server, HERE, &login(user, password))
}

/// Runs `body` while this many connections of each network send guesses, each a different one.
fn beside_guessers<T>(
    server: &Httpd,
    networks: &[IpAddr],
    connections: usize,
    user: &str,
    body: impl FnOnce() -> T,
) -> T {
    let (ended, guesses) = (&AtomicBool::new(false), &AtomicUsize::new(0));
    thread::scope(|scope| {
        for (&network, number) in networks.iter().flat_map(|network| (0..connections).map(move |n| (network, n))) {
            scope.spawn(move || {
                let mut connection = Connection::open_from(network, server.port()).ok();
                for attempt in 0.. {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let guess = login(user, &format!("guess {number} {attempt}"));
                    let answer = connection.as_mut().and_then(|connection| connection.ask(&guess).ok());
                    match answer.map(|answer| answer.status) {
                        Some(503) => sleep(Duration::from_millis(20)),
                        Some(_) => {
                            guesses.fetch_add(1, Ordering::Relaxed);
                        }
                        None => connection = Connection::open_from(network, server.port()).ok(),
                    }
                }
            });
        }
        let began = Instant::now();
        while guesses.load(Ordering::Relaxed) < 20 && began.elapsed() < Duration::from_secs(30) {
            sleep(Duration::from_millis(10));
        }
        let result = body();
        ended.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn a_denial_of_one_unknown_name_does_not_tell_another_from_a_user() {
    for further in ["", "broken:\nplain:secret\nother:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nshort:$2y$10$x\n"] {
        let server = start(Mpm::usual(), FAST, further, "");
        for number in 0..40 {
            let name = format!("nobody{number}");
            assert_eq!((status(&server, &name, "one password"), server.hashes(&name)), (401, 1), "{name}");
            assert_eq!((status(&server, &name, "one password"), server.hashes(&name)), (401, 1), "{name}");
        }
        // Also of users who have the same line.
        for name in ["user1", "user2", "user3"] {
            assert_eq!((status(&server, name, "one password"), server.hashes(name)), (401, 1), "{name}");
        }
    }
}

#[test]
fn two_networks_that_guess_on_many_connections_keep_no_third_one_out() {
    let server = start(Mpm::usual(), SLOW, "", Mpm::usual().room_for_200());
    let networks = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 8)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9))];
    let statuses = beside_guessers(&server, &networks, 130, "user0", || {
        [1, 2, 3, 4, 5, 6, 7, 8].map(|number| status_from(&server, THIRD, &login(&format!("user{number}"), "secret")))
    });
    assert_eq!(statuses, [200; 8]);
}

#[test]
fn more_guessers_than_workers_stop_neither_open_pages_nor_known_clients() {
    for mpm in Mpm::available() {
        let server = start(mpm, SLOW, "", few_workers(mpm));
        assert_eq!(status_from(&server, THIRD, &login("user1", "secret")), 200);
        let open = Request::get("/open.txt").header("Host: localhost");
        let networks = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 8))];
        let answered = beside_guessers(&server, &networks, if mpm == Mpm::Prefork { 12 } else { 40 }, "user0", || {
            let began = Instant::now();
            for _ in 0..20 {
                assert_eq!(status_from(&server, THIRD, &open), 200);
                assert_eq!(status_from(&server, THIRD, &login("user1", "secret")), 200);
            }
            began.elapsed()
        });
        // Not a measurement: in one queue with the guesses it takes minutes.
        assert!(answered < patience(Duration::from_secs(20)), "{mpm:?}: {answered:?}");
    }
}

#[test]
fn a_guesser_beside_many_others_gets_each_whole_refusal_late_on_a_connection_that_ends() {
    let mpm = Mpm::usual();
    if mpm == Mpm::Prefork || Installation::get().is_22() {
        return;
    }
    // Slow enough that many wait at every moment, although each guesser pauses for two seconds. Under Valgrind, cost 10 is.
    let hash = if memcheck::is_wanted() { SLOW } else { SLOWER };
    let server = start(mpm, hash, "", few_workers(mpm));
    let network = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 8));
    let refusals = beside_guessers(&server, &[network], 40, "user0", || {
        let began = Instant::now();
        let mut refusals = Vec::new();
        while began.elapsed() < Duration::from_secs(4) {
            let guess = login("user0", &format!("another {}", refusals.len()));
            refusals
                .push(Connection::open_from(network, server.port()).and_then(|mut connection| connection.ask(&guess)));
        }
        refusals
    });
    for refusal in &refusals {
        let answer = refusal.as_ref().unwrap();
        assert!([401, 503].contains(&answer.status), "{answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
        assert!(answer.body.ends_with(b"</body></html>\n"), "{answer:?}");
    }
    // Without the delay there are hundreds; there may be fewer, for lack of a worker.
    assert!((1..=3).contains(&refusals.len()), "{} in 4 seconds", refusals.len());
}

#[test]
fn in_a_lockout_a_flood_of_guesses_cannot_tell_the_right_one_and_a_program_at_work_goes_on() {
    let ttl = patience(Duration::from_secs(2)).as_secs();
    let server = start(Mpm::usual(), FAST, "", &format!("EsAuthMaxFailures 3/600\nEsAuthCacheTTL {ttl}"));
    let mut kept = Connection::open_from(HERE, server.port()).unwrap();
    let right = login("user1", "secret");
    assert_eq!(kept.ask(&right).unwrap().status, 200);
    let guesses = [1, 2, 3, 4].map(|number| status(&server, "user1", &format!("guess {number}")));
    assert_eq!(guesses, [401, 401, 401, 429]);
    // Longer than its grant would last unused, while another client keeps guessing ten times a second.
    for number in 0..50 {
        sleep(Duration::from_millis(100));
        assert_eq!(status(&server, "user1", &format!("slow guess {number}")), 429);
        if number % 3 == 0 {
            assert_eq!(status(&server, "user1", "secret"), 200, "over a new connection, {number}");
            assert_eq!(kept.ask(&right).unwrap().status, 200, "over the kept one, {number}");
        }
    }
    // The right one among as many as fit into a second or more.
    let (began, mut told) = (Instant::now(), 0);
    for _ in 0..600 {
        told += u64::from(status(&server, "user1", "secret") == 200);
        assert_eq!(kept.ask(&right).unwrap().status, 200, "a logged-in client goes on");
    }
    let most = 50 * (began.elapsed().as_secs() + 2);
    assert!(told <= most, "{told} of 600 were told, in {:?}", began.elapsed());
}

#[test]
fn refusals_of_a_lockout_hold_no_worker() {
    let mpm = Mpm::usual();
    // Elsewhere, a connection that is kept alive holds its worker, and there are fewer of these than guessers.
    let keep_alive = if matches!(mpm, Mpm::Event) { "" } else { "KeepAlive Off\n" };
    let server = start(mpm, FAST, "", &format!("EsAuthMaxFailures 3/600\n{keep_alive}{}", few_workers(mpm)));
    let open = Request::get("/open.txt").header("Host: localhost");
    let networks = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 8))];
    let answered = beside_guessers(&server, &networks, 40, "user0", || {
        let began = Instant::now();
        (0..200).for_each(|_| assert_eq!(status_from(&server, THIRD, &open), 200));
        began.elapsed()
    });
    // Not a measurement: if refusals slept in workers, it would take minutes.
    assert!(answered < patience(Duration::from_secs(20)), "{answered:?}");
}
