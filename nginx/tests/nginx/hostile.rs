//! Clients that guess: they learn no names, shut nobody out, and are told nothing during a lockout. The engine's own tests have the
//! policy; these show that it holds through nginx.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::client::{Connection, Request, ask};
use crate::harness::crypt;
use crate::harness::installation::{is_root, user_ids};
use crate::harness::memcheck;
use crate::server::{FAST, Nginx, SLOW, Setup, skip};

fn start(directives: &str, users: &str) -> Nginx {
    let http = format!(
        "{directives} server {{ listen PORT0; root FOLDER/html;
         location / {{ esauth x; esauth_user_file users; }}
         location /open/ {{ alias FOLDER/html/; }} }}"
    );
    Nginx::start(&Setup { ports: 1, workers: 1, http: &http, files: &[("html/page", "page"), ("users", users)] })
}

fn request(user: &str, password: &str) -> Request {
    Request::get("/page").header("Host: localhost").basic(user, password)
}

fn status(server: &Nginx, user: &str, password: &str) -> u16 {
    ask(server.port(), &request(user, password)).expect("nginx answers").status
}

#[test]
fn an_unknown_name_costs_a_hash_like_a_known_one_whatever_was_asked_before() {
    let server = start("", &format!("alice:{FAST}\n"));
    let names: Vec<_> = (0..30).map(|number| format!("unknown{number}")).collect();
    for name in names.iter().map(String::as_str).chain(["alice"]) {
        assert_eq!(status(&server, name, "one and the same"), 401);
        assert_eq!(server.hashes(name), 1, "{name}");
        // Both refusals are remembered.
        assert_eq!(status(&server, name, "one and the same"), 401);
        assert_eq!(server.hashes(name), 1, "{name}");
    }
}

#[test]
fn a_newcomer_finds_a_place_beside_two_networks_that_fill_the_queue() {
    let server = start("esauth_hash_slots 1;", &format!("alice:{SLOW}\nbob:{FAST}\n"));
    let address = |number: u8| IpAddr::from(Ipv4Addr::new(127, number, 0, 1));
    let mut guesses = Vec::new();
    for number in 0..260_u16 {
        let mut guess = Connection::open_from(address(if number % 2 == 0 { 1 } else { 2 }), server.port()).unwrap();
        guess.send(&request("alice", &format!("guess {number}")).bytes()).unwrap();
        guesses.push(guess);
    }
    let mut newcomer = Connection::open_from(address(3), server.port()).unwrap();
    assert_eq!(newcomer.ask(&request("bob", "secret")).unwrap().status, 200);
    let open = Request::get("/open/page").header("Host: localhost");
    assert_eq!(ask(server.port(), &open).unwrap().status, 200);
    assert!(server.hashes("alice") < 200, "the newcomer had to wait for everybody");
}

#[test]
fn during_a_lockout_the_right_password_looks_like_any_guess() {
    let server = start("esauth_max_failures 3 1m;", &format!("alice:{FAST}\n"));
    for number in 0..3 {
        assert_eq!(status(&server, "alice", &format!("guess {number}")), 401);
    }
    assert_eq!([status(&server, "alice", "guess"), status(&server, "alice", "secret")], [429, 429]);
    assert_eq!(server.hashes("alice"), 3);
}

#[test]
fn an_exempt_client_is_never_locked_out_and_all_others_are() {
    let directives = "esauth_max_failures 3 1m; esauth_exempt 192.0.2.1 2001:db8::/32; esauth_exempt 127.7.0.0/16;";
    let server = start(directives, &format!("alice:{FAST}\n"));
    let statuses = |from: [u8; 4]| {
        [1, 2, 3, 4, 5, 6].map(|number| {
            let mut connection = Connection::open_from(IpAddr::from(from), server.port()).unwrap();
            connection.ask(&request("alice", &format!("guess {number}"))).unwrap().status
        })
    };
    assert_eq!(statuses([127, 7, 0, 9]), [401; 6]);
    assert_eq!(statuses([127, 0, 0, 9]), [401, 401, 401, 429, 429, 429]);
}

/// Its grant is renewed while it is in use, whatever else comes from its address.
#[test]
fn a_program_at_work_goes_on_beside_guesses_from_its_address_for_longer_than_verdicts_last() {
    let server = start("esauth_cache_ttl 2s; esauth_max_failures 5 1m;", &format!("alice:{FAST}\n"));
    let mut kept = Connection::open(server.port()).unwrap();
    let mut at_work = || (kept.ask(&request("alice", "secret")).unwrap().status, status(&server, "alice", "secret"));
    assert_eq!(at_work(), (200, 200));
    let (began, mut guesses, mut locked_out) = (Instant::now(), 0, 0);
    while began.elapsed() < Duration::from_secs(6) {
        guesses += 1;
        locked_out += usize::from(status(&server, "alice", &format!("guess {guesses}")) == 429);
        assert_eq!(at_work(), (200, 200), "after {guesses} guesses");
        sleep(Duration::from_millis(50));
    }
    assert!(locked_out > 0 && server.hashes("alice") < guesses, "{locked_out} of {guesses}");
}

/// Sets a worker's limit on its memory, as its own user.
fn limit_memory(worker: u32, to: &str) {
    let mut command = Command::new("prlimit");
    if is_root() {
        let (user, group) = user_ids("nobody");
        command.uid(user).gid(group);
    }
    assert!(command.args(["--pid", &worker.to_string(), &format!("--as={to}:")]).status().unwrap().success());
}

/// Bytes of a worker's address space, once it has started all of its threads.
fn address_space(worker: u32) -> u64 {
    let pages = || {
        let pages = fs::read_to_string(format!("/proc/{worker}/statm")).unwrap();
        pages.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let (mut last, mut same) = (pages(), 0);
    while same < 20 {
        sleep(Duration::from_millis(20));
        let now = pages();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last << 12
}

#[test]
fn a_hash_that_memory_is_lacking_for_is_neither_remembered_nor_counted() {
    if memcheck::changes("a process has other memory") {
        return;
    }
    let Some(yescrypt) = crypt::hash(b"secret", "$y$jCT$saltsaltsalt$") else {
        return skip("the C library has no yescrypt");
    };
    let server = start("esauth_max_failures 2 1m;", &format!("alice:{yescrypt}\n"));
    let worker = server.workers()[0];
    // The hash takes 128 MiB.
    limit_memory(worker, &(address_space(worker) + (64 << 20)).to_string());
    let statuses: Vec<_> = (0..4).map(|_| status(&server, "alice", "secret")).collect();
    limit_memory(worker, "unlimited");
    assert_eq!(statuses, [503; 4]);
    assert_eq!(server.lines_with("esauth: cannot compute the password hash of user \"alice\""), 4);
    assert_eq!(status(&server, "alice", "secret"), 200);
}
