//! Hostile or vanished clients: they kill no child, and leave no slot or ticket taken.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs;
use std::net::Ipv4Addr;
use std::thread::{self, sleep};
use std::time::Duration;

use harness::base64;
use harness::client::{self, Connection, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;

/// Of "secret": bcrypt with cost 10, so that a client can vanish before it is computed, and `htpasswd -s`.
const SLOW: &str = "$2y$10$MxDzrYMjXP895CsJ4dbfhOPC4mZP28RIUGQDSW.4lHttNZA60lCoG";
const QUICK: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

/// Maximum of simultaneous hashes: more than most test machines have processors.
const SLOTS: usize = 3;

fn start(mpm: Mpm, hash: &str) -> Httpd {
    let installation = Installation::get();
    let load = installation.load_core() + &installation.load_ours();
    let (level, format) = if installation.is_22() {
        ("debug", "")
    } else {
        ("notice rust_esauth:debug", "ErrorLogFormat \"%{u}t|%M\"\n")
    };
    let sizes = match mpm {
        Mpm::Prefork => "ServerLimit 100\nMaxRequestWorkers 100\nStartServers 70\nMaxSpareServers 90\n",
        Mpm::Event | Mpm::Worker => {
            "ServerLimit 4\nStartServers 3\nThreadLimit 50\nThreadsPerChild 50\nMaxRequestWorkers 200\nMaxSpareThreads 200\n"
        }
    };
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        fs::write(site.folder.join("users"), format!("alice:{hash}\n")).unwrap();
        fs::write(site.folder.join("file.txt"), "file\n").unwrap();
        format!(
            "DocumentRoot {folder}\nLogLevel {level}\n{format}{sizes}ListenBacklog 4096\nEsAuthHashSlots {SLOTS}\n\
             MaxKeepAliveRequests 0\n<Location />\nAuthType Basic\nAuthName realm\nAuthUserFile {folder}/users\n\
             Require valid-user\n</Location>\n",
        )
    };
    Httpd::start(&Setup { mpm, load, ports: 1, configuration: &configuration })
}

/// Serves as before, and no process has died.
fn assert_unharmed(server: &Httpd) {
    assert_eq!(status(server, "secret"), 200);
    let log = String::from_utf8_lossy(&server.error_log()).into_owned();
    for harm in ["exit signal", "panicked", "internal error", "double free", "corrupt"] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(harm)).take(5).collect();
        assert!(lines.is_empty(), "{lines:?}");
    }
}

fn guess(password: &str) -> Request {
    guess_as("alice", password)
}

fn guess_as(user: &str, password: &str) -> Request {
    Request::get("/file.txt").header("Host: localhost").basic(user, password)
}

fn status(server: &Httpd, password: &str) -> u16 {
    client::ask(server.port(), &guess(password)).unwrap().status
}

/// A number from the environment, or the usual one.
fn number_of(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |given| given.parse().unwrap())
}

/// xorshift: the same bytes in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    /// Any byte except the line end, which would end the header.
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).map(|byte| if byte == b'\n' { 0 } else { byte }).collect()
    }

    fn header(&mut self) -> Vec<u8> {
        const SCHEMES: &[&str] =
            &["Basic ", "basic\t", "BASIC   ", "Basic", "Bearer ", "Digest ", "", " \t Basic ", "\0Basic "];
        const NAMES: &[&str] = &["Authorization: ", "authorization:", "Authorization : ", "Proxy-Authorization: "];
        let length = [0, 1, 2, 3, 5, 16, 64, 300, 4000, 7000, 9000, 20_000][self.below(12)];
        let value = match self.below(5) {
            // No base64 at all; base64 of random bytes; the same, broken; the right one, cut off; a long user or
            // password.
            0 => self.bytes(length),
            1 => base64::encode(&self.bytes(length)).into_bytes(),
            2 => {
                let mut text = base64::encode(&self.bytes(length)).into_bytes();
                for _ in 0..1 + self.below(4) {
                    let (at, byte) = (self.below(text.len() + 1), self.bytes(1)[0]);
                    text.insert(at, byte);
                }
                text
            }
            3 => {
                let text = client::credentials("alice", "secret");
                text.as_bytes()[..self.below(text.len())].to_vec()
            }
            _ => {
                let at = self.below(length + 1);
                let mut credentials = vec![b'x'; length];
                credentials.insert(at, b':');
                base64::encode(&credentials).into_bytes()
            }
        };
        let (name, scheme) = (NAMES[self.below(NAMES.len())], SCHEMES[self.below(SCHEMES.len())]);
        [name.as_bytes(), scheme.as_bytes(), &value].concat()
    }
}

#[test]
fn header_bytes_of_every_kind_are_refused_and_harm_nothing() {
    let server = start(Mpm::usual(), QUICK);
    let mut random = Random(88_172_645_463_325_252);
    let mut seen = [0usize; 600];
    let mut connection = None;
    for number in 0..number_of("ESAUTH_HOSTILE", 2500) {
        let mut request = Request::get("/file.txt").header("Host: localhost");
        for _ in 0..1 + random.below(2) {
            request = request.header(random.header());
        }
        // Most on a persistent connection; if the server has closed it, the answer may be lost, and the request is
        // repeated.
        let mut open = connection.take().map_or_else(|| Connection::open(server.port()), Ok).unwrap();
        let answer = match open.ask(&request) {
            Ok(answer) => Ok(answer),
            Err(_) => client::ask(server.port(), &request),
        };
        // A header over every limit may meet a connection closed before it was read.
        let Ok(answer) = answer else { continue };
        seen[usize::from(answer.status)] += 1;
        assert!(
            [400, 401].contains(&answer.status),
            "request {number}: {}: {}",
            answer.status,
            request.bytes().escape_ascii()
        );
        if answer.header("connection") != Some("close") && answer.status == 401 {
            connection = Some(open);
        }
    }
    assert!(seen[400] > 100 && seen[401] > 500, "{} times 400, {} times 401", seen[400], seen[401]);
    assert_unharmed(&server);
}

#[test]
fn connections_that_stop_half_way_leave_nothing_behind() {
    let total = number_of("ESAUTH_HALF_OPEN", 600);
    let at_once = raise_the_limit_of_descriptors().saturating_sub(200).min(2000);
    assert!(at_once >= 100, "room for only {at_once} connections");
    for mpm in Mpm::available() {
        let server = start(mpm, SLOW);
        let bytes = guess("secret").bytes();
        let mut random = Random(2_463_534_242);
        let mut left = total;
        while left > 0 {
            let connections: Vec<Connection> = (0..at_once.min(left))
                .map(|_| {
                    let mut connection = Connection::open(server.port()).unwrap();
                    let until = random.below(bytes.len());
                    connection.send(&bytes[..until]).unwrap();
                    connection
                })
                .collect();
            left -= connections.len();
            sleep(Duration::from_millis(100));
        }
        assert_slots_are_free(&server, &format!("after half {mpm:?}"));
        assert_unharmed(&server);
    }
}

#[test]
fn requests_cancelled_during_their_hash_leave_no_slot_taken() {
    for mpm in Mpm::available() {
        let server = start(mpm, SLOW);
        for round in 0..2 {
            // Half of them need the same hash, computed once for all.
            let connections: Vec<Connection> = (0..40)
                .map(|number| {
                    let password =
                        if number % 2 == 0 { "the same".to_owned() } else { format!("gone {round} {number}") };
                    let mut connection = Connection::open(server.port()).unwrap();
                    connection.send(&guess(&password).bytes()).unwrap();
                    connection
                })
                .collect();
            sleep(Duration::from_millis(30));
            drop(connections);
        }
        assert_slots_are_free(&server, &format!("after cancelled {mpm:?}"));
        assert_eq!(status(&server, "the same"), 401);
        assert_unharmed(&server);
    }
}

#[test]
fn clients_that_send_slowly_are_served_while_hashes_are_computed() {
    let server = start(Mpm::usual(), SLOW);
    assert_eq!(status(&server, "secret"), 200);
    thread::scope(|scope| {
        let guesses =
            scope.spawn(|| (0..12).map(|number| status(&server, &format!("guess {number}"))).collect::<Vec<_>>());
        let slow: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::open(server.port()).unwrap();
                    for piece in guess("secret").bytes().chunks(7) {
                        connection.send(piece).unwrap();
                        sleep(Duration::from_millis(10));
                    }
                    connection.read().unwrap().status
                })
            })
            .collect();
        assert!(slow.into_iter().all(|client| client.join().unwrap() == 200));
        assert!(guesses.join().unwrap().iter().all(|&status| status == 401));
    });
    assert_unharmed(&server);
}

/// New credentials are all judged, as many at once as there are slots. Cancelled hashes may still be running, so there
/// are several attempts; a leaked slot would be missing in each.
fn assert_slots_are_free(server: &Httpd, name: &str) {
    const NEW: usize = 12;
    let mut seen = Vec::new();
    for attempt in 0..10u8 {
        let user = |number| format!("new-{attempt}-{number}");
        // From addresses that have not failed yet: only these may use all slots.
        let ask = &|number: usize| {
            let address = Ipv4Addr::new(127, 0, 1 + attempt, 1 + number as u8);
            let mut connection = Connection::open_from(address.into(), server.port()).unwrap();
            connection.ask(&guess_as(&user(number), &user(number))).unwrap().status
        };
        let statuses: Vec<u16> = thread::scope(|scope| {
            let asked: Vec<_> = (0..NEW).map(|number| scope.spawn(move || ask(number))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        assert!(statuses.iter().all(|status| [401, 503].contains(status)), "{name}: {statuses:?}");
        let hashes = computed(server, &format!("new-{attempt}-"));
        let at_once = hashes.iter().map(|one| hashes.iter().filter(|it| it.0 <= one.0 && one.0 < it.1).count()).max();
        // 2.2 logs whole seconds, which are too coarse.
        let enough = Installation::get().is_22() || at_once >= Some(SLOTS);
        if enough && hashes.len() == NEW && statuses.iter().all(|&status| status == 401) {
            return;
        }
        seen.push(format!("{} hashes, {at_once:?} at once, {statuses:?}", hashes.len()));
        sleep(Duration::from_millis(500));
    }
    panic!("{name}: with {SLOTS} slots: {seen:#?}");
}

/// When each hash for users of this name began and ended, in microseconds of the day; in 2.2 only their number.
fn computed(server: &Httpd, users: &str) -> Vec<(u64, u64)> {
    let log = String::from_utf8_lossy(&server.error_log()).into_owned();
    let what = format!("rust_esauth: computed a hash for user {users}");
    let lines = log.lines().filter_map(|line| line.split_once(&what));
    lines
        .map(|(before, after)| {
            if Installation::get().is_22() {
                return (0, 0);
            }
            let microseconds = after.split_once("microseconds: ").unwrap().1;
            let clock = before.split(' ').find(|word| word.contains(':')).unwrap();
            let (seconds, fraction) = clock.split_once('.').unwrap();
            let seconds = seconds.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().unwrap());
            let ended = seconds * 1_000_000 + fraction.parse::<u64>().unwrap();
            (ended.saturating_sub(microseconds.trim().parse().unwrap()), ended)
        })
        .collect()
}

/// As far as this process may; returns the new limit.
fn raise_the_limit_of_descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: system calls with a structure that outlives them.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}
