//! esauth_control: `esauth lockouts`, `unlock` and `forget` on a running nginx.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails while a test is set up fails the test"
)]
#![allow(dead_code, reason = "shared with other tests")]

#[path = "../../tests/harness/mod.rs"]
mod harness;
mod program;
#[path = "../../nginx/tests/nginx/server.rs"]
mod server;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::client::{Answer, Connection, Request};
use harness::installation::{is_root, user_ids};
use harness::memcheck::patience;
use harness::redis::{Kind, Redis};
use program::{Run, esauth, run_copy};
use server::{FAST, Nginx, Setup, check, has_module, signal, skip};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));

/// Skips the calling test where there is no nginx to test with.
macro_rules! need_nginx {
    () => {
        if !has_module() {
            return skip("without nginx's headers, the nginx module is not built");
        }
    };
}

/// Two workers and the processes of a cache; three wrong passwords lock out.
const USUAL: &str = "esauth_max_failures 3 10m; esauth_control FOLDER/control.sock;";

fn start(directives: &str) -> Nginx {
    start_with(directives, &[])
}

fn start_with(directives: &str, files: &[(&str, &str)]) -> Nginx {
    let users = format!("alice:{FAST}\nbob:{FAST}\n");
    let files = [&[("users", &users[..]), ("page", "page\n")], files].concat();
    Nginx::start(&Setup { ports: 1, workers: 2, http: &http(directives), files: &files })
}

fn http(directives: &str) -> String {
    format!(
        "{directives}\nproxy_cache_path cache keys_zone=pages:1m;\nserver {{ listen PORT0; root FOLDER; keepalive_requests 1000;\n\
         esauth realm; esauth_user_file FOLDER/users; }}"
    )
}

fn ask(server: &Nginx, from: IpAddr, user: &str, password: &str) -> u16 {
    let request = Request::get("/page").header("Host: localhost").header("Connection: close").basic(user, password);
    Connection::open_from(from, server.port()).unwrap().ask(&request).unwrap().status
}

fn lock_out(server: &Nginx, from: IpAddr, user: &str) {
    let statuses = [1, 2, 3, 4].map(|number| ask(server, from, user, &format!("guess {number}")));
    assert_eq!(statuses, [401, 401, 401, 429], "{user} at {from}");
}

fn operate(server: &Nginx, arguments: &[&str]) -> Run {
    let socket = server.path("control.sock").display().to_string();
    esauth(&[arguments, &["--socket", &socket]].concat())
}

/// User and address of each lockout, sorted.
fn listed(server: &Nginx) -> Vec<(String, String)> {
    let run = operate(server, &["lockouts", "--json"]);
    assert_eq!(run.status, 0, "{}", run.errors);
    let text = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let entries = run.json.as_array().unwrap().iter();
    let mut entries: Vec<_> = entries.map(|entry| (text(entry, "user"), text(entry, "address"))).collect();
    entries.sort();
    entries
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + patience(Duration::from_secs(10));
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn lockouts_are_listed_and_ended_by_user_by_address_or_all() {
    need_nginx!();
    let server = start(USUAL);
    assert_eq!(operate(&server, &["lockouts"]).output, "nobody is locked out\n");
    for (user, from) in [("alice", HERE), ("alice", ELSEWHERE), ("bob", HERE)] {
        lock_out(&server, from, user);
    }
    let all = [("alice", "127.0.0.1"), ("alice", "127.0.0.9"), ("bob", "127.0.0.1")];
    assert_eq!(listed(&server), all.map(|(user, address)| (user.to_owned(), address.to_owned())));

    assert_eq!(operate(&server, &["unlock", "--user", "alice", "--address", "127.0.0.9"]).status, 0);
    assert_eq!([ask(&server, ELSEWHERE, "alice", "secret"), ask(&server, HERE, "alice", "secret")], [200, 429]);
    assert_eq!(operate(&server, &["unlock", "--user", "alice"]).status, 0);
    assert_eq!([ask(&server, HERE, "alice", "secret"), ask(&server, HERE, "bob", "secret")], [200, 429]);
    assert_eq!(operate(&server, &["unlock", "--all"]).status, 0);
    assert_eq!((ask(&server, HERE, "bob", "secret"), listed(&server).len()), (200, 0));
    assert_eq!(operate(&server, &["unlock", "--user", "nobody"]).status, 1);
    // What was done, and by whom, is in the log soon.
    let line = "ended 1 lockouts and cleared 0 counts of user alice at 127.0.0.9";
    wait_until("it is logged", || {
        server.lines_with(&format!("esauth: esauth, run by user number {}, {line}", user_number())) == 1
    });
}

fn user_number() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

#[test]
fn what_is_forgotten_is_hashed_again_also_on_an_open_connection() {
    need_nginx!();
    let server = start(USUAL);
    lock_out(&server, ELSEWHERE, "bob");
    let mut connection = Connection::open(server.port()).unwrap();
    let request = Request::get("/page").header("Host: localhost").basic("alice", "secret");
    let mut status = || connection.ask(&request).map(|answer: Answer| answer.status).unwrap();
    assert_eq!([status(), status(), ask(&server, HERE, "alice", "secret")], [200; 3]);
    assert_eq!(server.hashes("alice"), 1);
    for hashes in 2..5 {
        let run = operate(&server, &["forget"]);
        assert!(run.output.starts_with("forgot 1 right and "), "{}{}", run.output, run.errors);
        assert_eq!([status(), status(), ask(&server, HERE, "alice", "secret")], [200; 3]);
        assert_eq!(server.hashes("alice"), hashes);
    }
    assert_eq!(ask(&server, ELSEWHERE, "bob", "secret"), 429);
}

#[test]
fn it_outlives_reloads_and_the_death_of_any_worker_and_ends_with_the_server() {
    need_nginx!();
    let mut server = start(USUAL);
    lock_out(&server, HERE, "alice");
    for _ in 0..3 {
        server.reload();
        assert_eq!(listed(&server).len(), 1);
    }
    let before = server.workers();
    before.iter().for_each(|&worker| signal(worker, libc::SIGKILL));
    wait_until("there are other workers", || {
        let workers = server.workers();
        workers.len() >= 2 && !workers.iter().any(|worker| before.contains(worker))
    });
    assert_eq!(listed(&server).len(), 1);
    // A test of the configuration leaves the socket of the running server alone.
    let inode = || fs::metadata(server.path("control.sock")).unwrap().ino();
    let opened = inode();
    assert!(server.accepts_its_configuration());
    assert_eq!((inode(), operate(&server, &["unlock", "--all"]).status), (opened, 0));
    assert_eq!(ask(&server, HERE, "alice", "secret"), 200);

    server.end();
    assert!(!server.path("control.sock").exists());
    let run = operate(&server, &["lockouts"]);
    assert_eq!((run.status, run.errors.contains("esauth_control PATH;")), (2, true), "{}", run.errors);
}

/// One worker has it, with the rights of all.
#[test]
fn no_other_process_holds_the_socket_but_the_master() {
    need_nginx!();
    let server = start(USUAL);
    assert_eq!(listed(&server).len(), 0);
    let unix = fs::read_to_string("/proc/net/unix").unwrap();
    let path = server.path("control.sock").display().to_string();
    let control = unix.lines().find(|line| line.contains(&format!("{path}."))).unwrap();
    let socket = format!("socket:[{}]", control.split_whitespace().nth(6).unwrap());
    let holds = |process: &u32| {
        let held = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
        held.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target.as_os_str() == &socket[..])
    };
    assert!(holds(&server.master()));
    // Two workers, and those of the cache; the first has just answered.
    assert!(server.workers().len() > 2);
    wait_until("the others let go of it", || server.workers().iter().filter(|worker| holds(worker)).count() == 1);
}

#[test]
fn only_root_and_the_user_that_starts_nginx_may_use_it() {
    need_nginx!();
    if !is_root() {
        return skip("only root can become another user");
    }
    let server = start(USUAL);
    lock_out(&server, HERE, "alice");
    let found = fs::symlink_metadata(server.path("control.sock")).unwrap();
    assert_eq!((found.mode() & 0o777, found.uid()), (0o600, 0));
    let program = server.path("esauth");
    fs::copy(env!("CARGO_BIN_EXE_esauth"), &program).unwrap();
    let (user, group) = user_ids("nobody");
    let unlock_as_worker = || {
        let mut command = Command::new(&program);
        command.args(["unlock", "--all", "--socket"]).arg(server.path("control.sock")).uid(user).gid(group);
        run_copy(&mut command).status.code()
    };
    assert_eq!(unlock_as_worker(), Some(2));
    // The kernel says who it is, too.
    fs::set_permissions(server.path("control.sock"), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(unlock_as_worker(), Some(2));
    assert_eq!((listed(&server).len(), ask(&server, HERE, "alice", "secret")), (1, 429));
}

#[test]
fn without_the_directive_or_lockouts_or_a_place_for_the_socket_the_server_runs_all_the_same() {
    need_nginx!();
    for directives in ["", "esauth_control off;"] {
        let server = start(directives);
        assert_eq!((ask(&server, HERE, "alice", "secret"), server.path("control.sock").exists()), (200, false));
    }
    let server = start("esauth_control FOLDER/control.sock;");
    let run = operate(&server, &["unlock", "--all"]);
    assert_eq!((run.status, run.errors.contains("esauth_max_failures is off")), (2, true), "{}", run.errors);
    for (name, reason) in [("page", "there is something else of that name"), ("missing/control.sock", "No such file")] {
        let server = start(&format!("esauth_control FOLDER/{name};"));
        assert_eq!(ask(&server, HERE, "alice", "secret"), 200);
        let log = server.log();
        let line = log.lines().find(|line| line.contains("esauth_control: cannot make the socket")).unwrap();
        assert!(line.contains(reason), "{line}");
        assert_eq!(fs::read_to_string(server.path("page")).unwrap(), "page\n");
    }
    let twice = http("esauth_control /a; esauth_control /b;");
    let (accepted, said) = check(&Setup { ports: 1, workers: 1, http: &twice, files: &[] });
    assert!(!accepted && said.contains("\"esauth_control\" directive is duplicate"), "{said}");
}

#[test]
fn a_lockout_that_a_fleet_shares_ends_there_too() {
    need_nginx!();
    let mut redis = Redis::start(Kind::Redis);
    let key = "00112233445566778899aabbccddeeff".repeat(2);
    let fleet =
        format!("{USUAL}\nesauth_fleet {};\nesauth_fleet_key FOLDER/secret/key; esauth_fleet_servers 1;", redis.url());
    let server = start_with(&fleet, &[("secret/key", &key)]);
    lock_out(&server, HERE, "alice");
    wait_until("the fleet has counted", || redis.counted() == 1);
    assert_eq!(operate(&server, &["unlock", "--user", "alice"]).status, 0);
    assert_eq!((redis.counted(), ask(&server, HERE, "alice", "secret")), (0, 200));
    lock_out(&server, HERE, "bob");
    redis.kill();
    let run = operate(&server, &["unlock", "--user", "bob"]);
    assert_eq!((run.status, run.errors.contains("but not at esauth_fleet")), (2, true), "{}", run.errors);
    assert_eq!(listed(&server).len(), 0);
}
