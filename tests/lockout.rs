//! EsAuthMaxFailures in a running server: which clients are locked out, after how many failures, and for how long.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Barrier;
use std::thread::{self, sleep};
use std::time::Duration;

use harness::client::{Answer, Connection, Request};
use harness::httpd::{self, Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::log;
use harness::memcheck;

/// Of "secret": bcrypt with cost 4, and `htpasswd -s`, which is judged differently.
const HASHES: [&str; 2] =
    ["$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="];
const BCRYPT: &str = HASHES[0];
const QUICK: &str = HASHES[1];

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));

/// Beginning of the lockout's line.
const LINE: &str = "rust_esauth: locked out for ";

struct Server<'a> {
    mpm: Mpm,
    hash: &'a str,
    /// Stock modules to load.
    load: &'a [&'a str],
    /// Directives of the whole server.
    global: &'a str,
    /// Directives of the section.
    section: &'a str,
    /// Whether every computed hash leaves a line.
    tells_hashes: bool,
}

impl<'a> Server<'a> {
    fn with(global: &'a str) -> Self {
        Server { mpm: Mpm::usual(), hash: BCRYPT, load: &[], global, section: "", tells_hashes: true }
    }

    fn start(&self) -> Httpd {
        let installation = Installation::get();
        let load = installation.load_core() + &installation.load(self.load) + &installation.load_ours();
        let level = match (self.tells_hashes, installation.is_22()) {
            (false, _) => "warn",
            (true, true) => "debug",
            (true, false) => "notice rust_esauth:debug",
        };
        let configuration = |site: &Site<'_>| {
            let folder = site.folder.display();
            let users = ["alice", "bob"].map(|user| format!("{user}:{}\n", self.hash)).concat();
            fs::write(site.folder.join("users"), users).unwrap();
            // The other hash of the same password.
            let other = HASHES.into_iter().find(|hash| *hash != self.hash).unwrap();
            fs::write(site.folder.join("others"), format!("alice:{other}\n")).unwrap();
            fs::write(site.folder.join("file.txt"), "file\n").unwrap();
            let section = |place: &str, file: &str| {
                format!(
                    "<Location {place}>\nAuthType Basic\nAuthName realm\nAuthUserFile {folder}/{file}\n\
                     Require valid-user\n{}\n</Location>\n",
                    self.section
                )
            };
            let sections = section("/", "users") + &section("/others/", "others");
            format!("DocumentRoot {folder}\nLogLevel {level}\nMaxKeepAliveRequests 0\n{}\n{sections}", self.global)
        };
        Httpd::start(&Setup { mpm: self.mpm, load, ports: 1, configuration: &configuration })
    }
}

fn request(user: &str, password: &str) -> Request {
    Request::get("/file.txt").header("Host: localhost").basic(user, password)
}

fn ask_from(server: &Httpd, from: IpAddr, request: &Request) -> Answer {
    Connection::open_from(from, server.port()).unwrap().ask(&request.clone().header("Connection: close")).unwrap()
}

fn ask(server: &Httpd, user: &str, password: &str) -> Answer {
    ask_from(server, HERE, &request(user, password))
}

fn status(server: &Httpd, user: &str, password: &str) -> u16 {
    ask(server, user, password).status
}

/// The statuses of this many different guesses.
fn guess(server: &Httpd, user: &str, count: usize) -> Vec<u16> {
    (0..count).map(|number| status(server, user, &format!("guess {number}"))).collect()
}

#[test]
fn after_so_many_failures_the_pair_of_user_and_address_is_answered_with_429_and_nothing_is_hashed() {
    for (mpm, hash) in Mpm::available().into_iter().flat_map(|mpm| HASHES.map(|hash| (mpm, hash))) {
        let server = Server { mpm, hash, ..Server::with("EsAuthMaxFailures 3/40") }.start();
        // The answer does not reveal which users exist.
        for user in ["alice", "nobody"] {
            assert_eq!(guess(&server, user, 5), [401, 401, 401, 429, 429], "{mpm:?} {hash} {user}");
            assert_eq!(status(&server, user, "secret"), 429, "not told from a guess");
            assert_eq!(server.hashes(user), 3, "{mpm:?} {hash} {user}");
        }
        let refused = ask(&server, "alice", "secret");
        let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((20..=40).contains(&seconds), "Retry-After: {seconds}");
        assert_eq!(refused.header("www-authenticate"), None);
        assert!(String::from_utf8_lossy(&refused.body).contains("429 Too Many Requests"));

        assert_eq!((status(&server, "bob", "wrong"), status(&server, "bob", "secret")), (401, 200), "another user");
        assert_eq!(ask_from(&server, ELSEWHERE, &request("alice", "secret")).status, 200, "another address");
        let elsewhere = Request { target: "/others/".to_owned(), ..request("alice", "secret") };
        assert_eq!(ask_from(&server, HERE, &elsewhere).status, 404, "a user of the same name in another file");

        let line = format!("{LINE}40 seconds, answered with 429: user ");
        assert_eq!(server.lines_with(LINE), 2, "one for each lockout");
        for user in ["alice", "nobody"] {
            assert_eq!(server.lines_with(&format!("{line}{user} at 127.0.0.1, ")), 1);
        }
        // The lines that fail2ban and others count.
        assert_eq!(server.lines_with(log::mark("AH01617").unwrap()), 3 + 1);

        server.graceful();
        assert_eq!(status(&server, "alice", "secret"), 429, "{mpm:?}: a graceful restart forgets nothing");
        server.restart();
        assert_eq!(status(&server, "alice", "secret"), 200, "{mpm:?}: any other restart forgets everything");
    }
}

#[test]
fn by_default_nobody_is_locked_out() {
    for global in ["", "EsAuthMaxFailures 3\nEsAuthMaxFailures Off"] {
        let server = Server::with(global).start();
        assert_eq!(guess(&server, "alice", 20), [401; 20]);
    }
}

#[test]
fn a_lockout_ends_after_its_time() {
    for hash in HASHES {
        let server = Server { hash, ..Server::with("EsAuthMaxFailures 2/2") }.start();
        for round in 1..=2 {
            assert_eq!(guess(&server, "alice", 3), [401, 401, 429], "round {round}");
            let seconds: u64 = ask(&server, "alice", "secret").header("retry-after").unwrap().parse().unwrap();
            assert!((1..=2).contains(&seconds));
            sleep(Duration::from_secs(seconds));
            assert_eq!(server.lines_with(LINE), round);
        }
        assert_eq!(status(&server, "alice", "secret"), 200);
    }
}

#[test]
fn a_grant_from_the_same_address_passes_meanwhile() {
    for (mpm, hash) in Mpm::available().into_iter().flat_map(|mpm| HASHES.map(|hash| (mpm, hash))) {
        let server = Server { mpm, hash, ..Server::with("EsAuthMaxFailures 2/40") }.start();
        assert_eq!(status(&server, "alice", "secret"), 200);
        assert_eq!(guess(&server, "alice", 3), [401, 401, 429]);
        for _ in 0..5 {
            assert_eq!((status(&server, "alice", "secret"), status(&server, "alice", "Secret")), (200, 429));
        }
        assert_eq!(server.hashes("alice"), 3);
        // Otherwise a guesser could test passwords against other clients' logins.
        let guess = |n| ask_from(&server, ELSEWHERE, &request("alice", &format!("from elsewhere {n}"))).status;
        assert_eq!([guess(1), guess(2)], [401, 401]);
        assert_eq!(ask_from(&server, ELSEWHERE, &request("alice", "secret")).status, 429);
    }
}

#[test]
fn a_right_password_clears_the_count() {
    for (hash, size) in HASHES.iter().flat_map(|hash| [(hash, ""), (hash, "\nEsAuthCacheSize 0\n")]) {
        let global = format!("EsAuthMaxFailures 3/40{size}");
        let server = Server { hash, ..Server::with(&global) }.start();
        assert_eq!(guess(&server, "alice", 2), [401, 401]);
        assert_eq!(status(&server, "alice", "secret"), 200);
        assert_eq!(guess(&server, "alice", 2), [401, 401], "as many as before");
    }
}

#[test]
fn without_a_cache_a_lockout_refuses_the_right_password_too() {
    for hash in HASHES {
        let server = Server { hash, ..Server::with("EsAuthMaxFailures 3/2\nEsAuthCacheSize 0") }.start();
        assert_eq!((status(&server, "alice", "secret"), status(&server, "alice", "secret")), (200, 200));
        assert_eq!(guess(&server, "alice", 4), [401, 401, 401, 429]);
        assert_eq!(status(&server, "alice", "secret"), 429);
        assert_eq!(server.hashes("alice"), 5);
        sleep(Duration::from_secs(2));
        assert_eq!(status(&server, "alice", "secret"), 200);
    }
}

/// A program with the old password does not lock out its neighbour.
#[test]
fn one_wrong_password_again_and_again_is_locked_out_alone() {
    for (hash, size) in HASHES.iter().flat_map(|hash| [(hash, ""), (hash, "\nEsAuthCacheSize 0\n")]) {
        let global = format!("EsAuthMaxFailures 3/40{size}");
        let server = Server { hash, ..Server::with(&global) }.start();
        let statuses = [(); 5].map(|()| status(&server, "alice", "old"));
        assert_eq!(statuses, [401, 401, 401, 429, 429]);
        assert_eq!(
            server.lines_with(&format!("{LINE}40 seconds, answered with 429: a wrong password of user alice")),
            1
        );
        assert_eq!((status(&server, "alice", "other"), status(&server, "alice", "secret")), (401, 200));
    }
}

#[test]
fn guesses_that_come_at_once_are_hashed_no_more_often_than_the_limit() {
    for (mpm, hash) in Mpm::available().into_iter().flat_map(|mpm| HASHES.map(|hash| (mpm, hash))) {
        let server = Server { mpm, hash, ..Server::with("EsAuthMaxFailures 5/40\nEsAuthHashSlots 4") }.start();
        let start = Barrier::new(40);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let (server, start) = (&server, &start);
            let guess = move |number| {
                start.wait();
                status(server, "alice", &format!("at once {number}"))
            };
            let guesses: Vec<_> = (0..40).map(|number| scope.spawn(move || guess(number))).collect();
            guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
        });
        let count = |wanted| statuses.iter().filter(|&&status| status == wanted).count();
        assert_eq!((count(401), count(429)), (5, 35), "{mpm:?} {hash}: {statuses:?}");
        assert_eq!((server.hashes("alice"), server.lines_with(LINE)), (5, 1), "{mpm:?} {hash}");
    }
}

#[test]
fn beside_the_stock_modules_it_is_the_same_and_as_a_provider_of_theirs_500() {
    let load = &["auth_basic", "authn_file"];
    let server = Server { load, ..Server::with("EsAuthMaxFailures 2/40") }.start();
    assert_eq!(guess(&server, "alice", 3), [401, 401, 429]);

    // That leaves the answer to mod_auth_basic, whose interface for providers knows only errors.
    let section = "AuthBasicAuthoritative Off";
    let server = Server { load, section, ..Server::with("EsAuthMaxFailures 2/40") }.start();
    assert_eq!(guess(&server, "alice", 3), [401, 401, 500]);
    assert_eq!((server.hashes("alice"), server.lines_with(LINE)), (2, 1));
    assert_eq!(server.lines_with(&format!("{LINE}40 seconds, answered with 500: user alice")), 1);
}

#[test]
fn the_failures_of_exempt_addresses_are_not_counted() {
    for hash in HASHES {
        let server = Server { hash, ..Server::with("EsAuthMaxFailures 2/40\nEsAuthExempt ::1 127.0.0.8/31") }.start();
        let elsewhere = |password: &str| ask_from(&server, ELSEWHERE, &request("alice", password)).status;
        assert_eq!([1, 2, 3, 4, 5].map(|number| elsewhere(&format!("guess {number}"))), [401; 5]);
        assert_eq!([(); 5].map(|()| elsewhere("the same")), [401; 5]);
        assert_eq!(elsewhere("secret"), 200);
        assert_eq!(guess(&server, "alice", 3), [401, 401, 429]);
        assert_eq!(elsewhere("secret"), 200);
    }
}

/// Other modules judge their passwords.
#[test]
fn users_whom_others_may_know_are_not_counted() {
    let section = "AuthBasicAuthoritative Off";
    let server = Server { section, ..Server::with("EsAuthMaxFailures 2/40") }.start();
    assert_eq!(guess(&server, "nobody", 5), [500; 5]);
    assert_eq!([(); 5].map(|()| status(&server, "nobody", "the same")), [500; 5]);
    assert_eq!(guess(&server, "alice", 3), [401, 401, 429]);
}

#[test]
fn names_that_change_with_each_guess_lock_out_nobody_else() {
    let server = Server { hash: QUICK, ..Server::with("EsAuthMaxFailures 2/40") }.start();
    for number in 0..300 {
        assert_eq!(status(&server, &format!("user{number}"), "secret"), 401);
    }
    assert_eq!((server.lines_with(LINE), status(&server, "alice", "secret")), (0, 200));
}

mod behind_a_proxy {
    use super::*;

    /// Clients are distinguished by a header, as with mod_remoteip.
    fn start(server: Server<'_>) -> Option<Httpd> {
        if !Installation::get().has("remoteip") {
            Installation::get().skip_this_test("it has no mod_remoteip");
            return None;
        }
        let global = format!("{}\nRemoteIPHeader X-Client\nRemoteIPInternalProxy 127.0.0.1\n", server.global);
        Some(Server { load: &["remoteip"], global: &global, ..server }.start())
    }

    fn status(server: &Httpd, client: &str, password: &str) -> u16 {
        ask_from(server, HERE, &request("alice", password).header(format!("X-Client: {client}"))).status
    }

    fn lock_out(server: &Httpd, client: &str) {
        let statuses = [1, 2, 3].map(|number| status(server, client, &format!("guess {number}")));
        assert_eq!(statuses, [401, 401, 429], "{client}");
    }

    #[test]
    fn the_address_is_the_one_that_mod_remoteip_tells() {
        let Some(server) = start(Server::with("EsAuthMaxFailures 2/40")) else { return };
        lock_out(&server, "192.0.2.1");
        assert_eq!(server.lines_with("user alice at 192.0.2.1, "), 1);
        assert_eq!(status(&server, "192.0.2.2", "secret"), 200);
        assert_eq!(ask(&server, "alice", "secret").status, 200, "the proxy itself");
        assert_eq!(status(&server, "192.0.2.1", "secret"), 429);
        assert_eq!(status(&server, "::ffff:192.0.2.1", "secret"), 429, "the same address, written as IPv6");
    }

    #[test]
    fn addresses_of_ipv6_are_locked_out_by_network() {
        let Some(server) = start(Server::with("EsAuthMaxFailures 2/40")) else { return };
        lock_out(&server, "2001:db8:1:2::3");
        assert_eq!(status(&server, "2001:db8:1:2:ffff::4", "secret"), 429);
        assert_eq!(status(&server, "2001:db8:1:3::3", "secret"), 200);
        for (number, status_of) in [401, 401, 429].into_iter().enumerate() {
            // Another address of the network for each.
            let client = format!("2001:db8:5:6::{number}");
            assert_eq!(status(&server, &client, &format!("guess {number}")), status_of);
        }
    }

    #[test]
    fn ten_thousand_addresses_that_guess_at_once_are_locked_out_in_bounded_memory() {
        if memcheck::changes("memory grows otherwise") {
            return;
        }
        const ADDRESSES: usize = 10_000;
        const CONNECTIONS: usize = 8;
        let quiet = Server { hash: QUICK, tells_hashes: false, ..Server::with("EsAuthMaxFailures 3/600") };
        let Some(server) = start(quiet) else { return };
        let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(server.port()).unwrap()).collect();
        // One guess from every address, or from one in this many.
        let mut round = |password: &str, one_in: usize| -> Vec<u16> {
            thread::scope(|scope| {
                let guess = |(first, connection): (usize, &mut Connection)| {
                    let clients = (first..ADDRESSES).step_by(CONNECTIONS * one_in);
                    let ask = |number: usize| {
                        let client = format!("X-Client: 10.0.{}.{}", number / 256, number % 256);
                        connection.ask(&request("alice", password).header(client)).unwrap().status
                    };
                    clients.map(ask).collect::<Vec<_>>()
                };
                let threads: Vec<_> =
                    connections.iter_mut().enumerate().map(|own| scope.spawn(move || guess(own))).collect();
                threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
            })
        };
        assert!(round("guess 1", 1).iter().all(|&status| status == 401));
        let before = memory(&server);
        assert!(["guess 2", "guess 3"].iter().all(|guess| round(guess, 1).iter().all(|&status| status == 401)));
        let grown = memory(&server).saturating_sub(before);
        assert_eq!(server.lines_with(LINE), ADDRESSES);
        // Refusals alternate.
        assert!(round("guess 4", 25).iter().all(|&status| status == 429));
        assert!(grown < 16 * 1024, "the children have grown by {grown} KiB");
        assert_eq!(status(&server, "192.0.2.1", "secret"), 200);
    }

    /// Memory of all processes of the server in KiB; shared memory is divided among them.
    fn memory(server: &Httpd) -> usize {
        let children = format!("/proc/{0}/task/{0}/children", server.parent());
        let children = fs::read_to_string(children).unwrap();
        let of = |process: &str| {
            let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
            line.trim_end_matches("kB").trim().parse::<usize>().unwrap()
        };
        children.split_whitespace().map(of).sum::<usize>() + of(&server.parent().to_string())
    }
}

#[test]
fn a_wrong_value_is_refused_with_the_allowed_ones() {
    let load = Installation::get().load_core() + &Installation::get().load_ours();
    let check = |lines: &str| {
        let configuration = |_: &Site<'_>| lines.to_owned() + "\n";
        httpd::check(&Setup { mpm: Mpm::usual(), load: load.clone(), ports: 0, configuration: &configuration })
    };
    for right in ["Off", "off", "1", "100000", "10/300", "1/1", "100000/86400"] {
        assert_eq!(check(&format!("EsAuthMaxFailures {right}")).0, Some(0), "{right}");
    }
    for wrong in ["0", "-1", "+5", "On", "ten", "100001", "5/", "/5", "5/0", "5/86401", "5/60/60", "5/60s", "\"5 /60\""]
    {
        let (status, said) = check(&format!("EsAuthMaxFailures {wrong}"));
        let expected = format!(
            "EsAuthMaxFailures: '{}' is neither Off nor a whole number of failures from 1 to 100000, which a slash and a \
             whole number of seconds from 1 to 86400 may follow, such as 10/300",
            wrong.trim_matches('"')
        );
        assert!(status != Some(0) && said.contains(&expected), "{wrong}: {status:?} {said}");
    }
    for (lines, expected) in [
        ("EsAuthMaxFailures", "EsAuthMaxFailures takes one argument"),
        ("EsAuthMaxFailures 5 60", "EsAuthMaxFailures takes one argument"),
        (
            "<VirtualHost *:1>\nEsAuthMaxFailures 5\n</VirtualHost>",
            "EsAuthMaxFailures cannot occur within <VirtualHost>",
        ),
        ("<Location />\nEsAuthMaxFailures 5\n</Location>", "EsAuthMaxFailures not allowed"),
    ] {
        let (status, said) = check(lines);
        assert!(status != Some(0) && said.contains(expected), "{lines}: {status:?} {said}");
    }
}
