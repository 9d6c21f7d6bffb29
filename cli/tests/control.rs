//! EsAuthControl: `esauth lockouts`, `unlock` and `forget` on a running httpd.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails while a test is set up fails the test"
)]

#[path = "../../tests/harness/mod.rs"]
mod harness;
mod program;

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::client::{Answer, Connection, Request};
use harness::httpd::{self, Httpd, Mpm, Setup, Site};
use harness::installation::{self, Installation};
use harness::redis::{Kind, Redis};
use harness::scratch::Scratch;
use program::{Run, esauth, run_copy};
use serde_json::json;

/// Of "secret".
const HASH: &str = "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));

fn configuration(site: &Site<'_>, global: &str) -> String {
    let folder = site.folder.display().to_string();
    fs::write(site.folder.join("users"), format!("alice:{HASH}\nbob:{HASH}\n")).unwrap();
    fs::write(site.folder.join("file.txt"), "file\n").unwrap();
    let level = if Installation::get().is_22() { "debug" } else { "notice rust_esauth:debug" };
    format!(
        "DocumentRoot {folder}\nLogLevel {level}\nMaxKeepAliveRequests 0\n{}\n<Location />\nAuthType Basic\n\
         AuthName realm\nAuthUserFile {folder}/users\nRequire valid-user\n</Location>\n",
        global.replace("FOLDER", &folder)
    )
}

fn start_with(mpm: Mpm, global: &str) -> Httpd {
    let load = Installation::get().load_core() + &Installation::get().load_ours();
    Httpd::start(&Setup { mpm, load, ports: 1, configuration: &|site| configuration(site, global) })
}

/// Three wrong passwords lock out.
fn start(mpm: Mpm) -> Httpd {
    start_with(mpm, "EsAuthMaxFailures 3/600\nEsAuthControl FOLDER/control.sock")
}

fn socket(server: &Httpd) -> PathBuf {
    server.folder().join("control.sock")
}

fn ask(server: &Httpd, from: IpAddr, user: &str, password: &str) -> u16 {
    let request = Request::get("/file.txt").header("Host: localhost").header("Connection: close").basic(user, password);
    Connection::open_from(from, server.port()).unwrap().ask(&request).unwrap().status
}

fn lock_out(server: &Httpd, from: IpAddr, user: &str) {
    let statuses = [1, 2, 3, 4].map(|number| ask(server, from, user, &format!("guess {number}")));
    assert_eq!(statuses, [401, 401, 401, 429], "{user} at {from}");
}

fn operate(server: &Httpd, arguments: &[&str]) -> Run {
    let socket = socket(server).display().to_string();
    esauth(&[arguments, &["--socket", &socket]].concat())
}

/// User and address of each lockout, sorted.
fn listed(server: &Httpd) -> Vec<(String, String)> {
    let run = operate(server, &["lockouts", "--json"]);
    assert_eq!(run.status, 0, "{}", run.errors);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
    let entries = run.json.as_array().unwrap();
    let mut listed: Vec<_> = entries.iter().map(|entry| (text(&entry["user"]), text(&entry["address"]))).collect();
    listed.sort();
    listed
}

/// The process that serves the socket.
fn helper(server: &Httpd) -> Option<u32> {
    server.children().into_iter().find(|process| {
        fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.trim() == "esauth-control")
    })
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn lockouts_are_listed_and_ended_by_user_by_address_or_all() {
    for mpm in Mpm::available() {
        let server = start(mpm);
        assert_eq!(operate(&server, &["lockouts"]).output, "nobody is locked out\n", "{mpm:?}");
        let lock_out_all = || {
            for (from, user) in [(HERE, "alice"), (ELSEWHERE, "alice"), (HERE, "bob"), (ELSEWHERE, "no body")] {
                lock_out(&server, from, user);
            }
        };
        lock_out_all();
        let all = [("alice", "127.0.0.1"), ("alice", "127.0.0.9"), ("bob", "127.0.0.1"), ("no body", "127.0.0.9")];
        let all = all.map(|(user, address)| (user.to_owned(), address.to_owned()));
        assert_eq!(listed(&server), all);
        let run = operate(&server, &["lockouts"]);
        assert!(run.output.starts_with("4 lockouts\n") && run.output.contains("3 wrong passwords"), "{}", run.output);

        let run = operate(&server, &["unlock", "--user", "alice", "--address", "127.0.0.1"]);
        assert_eq!(
            (run.status, run.output.starts_with("ended 1 lockout;")),
            (0, true),
            "{} {}",
            run.output,
            run.errors
        );
        assert_eq!(listed(&server), all[1..]);
        assert_eq!(ask(&server, HERE, "alice", "secret"), 200, "{mpm:?}");
        assert_eq!(ask(&server, ELSEWHERE, "alice", "secret"), 429, "{mpm:?}");

        assert_eq!(operate(&server, &["unlock", "--address", "127.0.0.9"]).status, 0);
        assert_eq!((listed(&server), ask(&server, ELSEWHERE, "alice", "secret")), (vec![all[2].clone()], 200));
        assert_eq!(
            operate(&server, &["unlock", "--user", "nobody else"]).status,
            1,
            "nobody of that name is locked out"
        );
        assert_eq!(operate(&server, &["unlock", "--user", "bob"]).status, 0);
        assert_eq!((listed(&server), ask(&server, HERE, "bob", "secret")), (vec![], 200));

        operate(&server, &["unlock", "--all"]);
        server.graceful();
        sleep(Duration::from_millis(10));
        for user in ["carol", "dave"] {
            lock_out(&server, HERE, user);
        }
        let run = operate(&server, &["unlock", "--all"]);
        assert!(run.output.starts_with("ended 2 lockouts;"), "{}", run.output);
        assert_eq!(listed(&server), vec![]);
        let by = "esauth, run by user number ";
        assert_eq!(server.lines_with(by), 6, "what changes something is logged");
        assert_eq!(server.lines_with("ended 1 lockouts and cleared 0 counts of user alice at 127.0.0.1"), 1);
    }
}

#[test]
fn one_repeated_password_is_listed_as_such() {
    let server = start(Mpm::usual());
    assert_eq!([(); 4].map(|()| ask(&server, HERE, "alice", "old")), [401, 401, 401, 429]);
    let entry = operate(&server, &["lockouts", "--json"]).json[0].clone();
    let seconds = entry["seconds"].as_u64().unwrap();
    assert!((500..=600).contains(&seconds), "{entry}");
    let expected = json!({"user": "alice", "user_is_cut": false, "address": "127.0.0.1", "scope": "password",
        "seconds": seconds, "failures": 3});
    assert_eq!(entry, expected);
    assert_eq!(operate(&server, &["unlock", "--user", "alice"]).status, 0);
    assert_eq!(ask(&server, HERE, "alice", "old"), 401);
}

#[test]
fn forgotten_credentials_are_hashed_once_more_and_lockouts_stay() {
    for mpm in Mpm::available() {
        let server = start(mpm);
        lock_out(&server, ELSEWHERE, "bob");
        let mut connection = Connection::open(server.port()).unwrap();
        let request = Request::get("/file.txt").header("Host: localhost").basic("alice", "secret");
        let mut status = || connection.ask(&request).map(|answer: Answer| answer.status).unwrap();
        assert_eq!([status(), status(), ask(&server, HERE, "alice", "secret")], [200; 3]);
        assert_eq!(server.hashes("alice"), 1, "{mpm:?}");
        for hashes in 2..5 {
            let run = operate(&server, &["forget"]);
            assert_eq!(run.status, 0, "{}", run.errors);
            assert!(run.output.starts_with("forgot 1 right and "), "{}", run.output);
            assert_eq!([status(), status(), ask(&server, HERE, "alice", "secret")], [200; 3]);
            assert_eq!(server.hashes("alice"), hashes, "{mpm:?}");
        }
        assert_eq!(ask(&server, ELSEWHERE, "bob", "secret"), 429, "{mpm:?}");
    }
}

#[test]
fn it_outlives_restarts_and_the_death_of_any_process() {
    for mpm in Mpm::available() {
        let server = start(mpm);
        lock_out(&server, HERE, "alice");
        let before = helper(&server).unwrap();
        server.graceful();
        wait_until("the process is replaced", || helper(&server).is_some_and(|process| process != before));
        assert_eq!(listed(&server).len(), 1, "{mpm:?}: a graceful restart keeps lockouts");

        server.restart();
        assert_eq!(listed(&server), vec![], "{mpm:?}: any other restart begins anew, in other memory");
        lock_out(&server, HERE, "bob");
        assert_eq!(listed(&server).len(), 1, "{mpm:?}");

        // One that ends at once is not started again.
        sleep(Duration::from_millis(1100));
        // Also kills the process of the socket.
        server.kill_children();
        wait_until("the process is started again", || helper(&server).is_some());
        assert_eq!(listed(&server).len(), 1, "{mpm:?}");
        assert_eq!(server.lines_with("rust_esauth: the process esauth-control ended, and is started again"), 1);
        assert_eq!(operate(&server, &["unlock", "--all"]).status, 0);
        wait_until("children serve again", || helper(&server).is_some() && server.children().len() > 1);
        assert_eq!(ask(&server, HERE, "bob", "secret"), 200, "{mpm:?}");
    }
}

#[test]
fn socket_and_process_end_with_the_server() {
    let mut server = start(Mpm::usual());
    let process = helper(&server).unwrap();
    assert!(socket(&server).exists());
    server.stop();
    assert!(!socket(&server).exists());
    wait_until("the process has ended", || !PathBuf::from(format!("/proc/{process}")).exists());
    let run = operate(&server, &["lockouts"]);
    assert_eq!((run.status, run.errors.contains("EsAuthControl On")), (2, true), "{}", run.errors);

    // A killed parent cannot end it; the kernel does.
    let server = start(Mpm::usual());
    let process = helper(&server).unwrap();
    assert!(Command::new("kill").args(["-KILL", &server.parent().to_string()]).status().unwrap().success());
    wait_until("the process has ended", || !PathBuf::from(format!("/proc/{process}")).exists());
    let run = operate(&server, &["lockouts"]);
    assert_eq!((run.status, run.errors.contains("the server does not run")), (2, true), "{}", run.errors);
}

#[test]
fn by_default_there_is_neither_a_socket_nor_a_process() {
    for global in ["EsAuthMaxFailures 3/600", "EsAuthControl On\nEsAuthControl Off"] {
        let server = start_with(Mpm::usual(), global);
        assert_eq!(helper(&server), None);
        assert!(!server.folder().join("rust_esauth.sock").exists());
    }
}

#[test]
fn on_is_a_socket_in_the_runtime_dir() {
    if Installation::get().is_22() {
        return Installation::get().skip_this_test("it has no DefaultRuntimeDir, and its folder is not the test's own");
    }
    let server = start_with(Mpm::usual(), "EsAuthMaxFailures 3/600\nEsAuthControl On");
    let path = server.folder().join("rust_esauth.sock");
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    assert_eq!(esauth(&["lockouts", "--socket", path.to_str().unwrap()]).status, 0);
}

#[test]
fn the_process_has_the_rights_of_the_children_and_none_of_their_sockets() {
    let server = start(Mpm::usual());
    // One that answers has its rights.
    assert_eq!(listed(&server).len(), 0);
    let process = helper(&server).unwrap();
    let child = server.children().into_iter().find(|&child| child != process).unwrap();
    let holds = |process: u32, inode: &str| {
        let held = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
        held.filter_map(|entry| fs::read_link(entry.path()).ok())
            .any(|target| target.as_os_str() == &format!("socket:[{inode}]")[..])
    };
    // The socket of EsAuthControl is none of the children's: they let go of it once they have their rights.
    let unix = fs::read_to_string("/proc/net/unix").unwrap();
    let control =
        unix.lines().find(|line| line.contains("/control.sock.") && line.contains(&server.parent().to_string()));
    let control = control.unwrap().split_whitespace().nth(6).unwrap().to_owned();
    wait_until("the child lets go of the socket", || !holds(child, &control));
    assert!(holds(process, &control));
    // And the other way round.
    let port = format!(":{:04X} ", server.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let listening = table.lines().find(|line| line.contains(&port) && line.contains(" 0A ")).unwrap();
    let inode = listening.split_whitespace().nth(9).unwrap();
    assert_eq!((holds(child, inode), holds(process, inode)), (true, false));

    let read = |process: u32| fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = |process: u32, name: &str| read(process).lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    for name in ["Uid:", "Gid:", "CapEff:"] {
        assert_eq!(line(process, name), line(child, name));
    }
}

/// The right to unlock is the right to guess on, and a CGI program runs as the children's user.
#[test]
fn only_root_and_the_user_that_starts_httpd_may_use_it() {
    if !installation::is_root() {
        return Installation::get().skip_this_test("only root can become another user");
    }
    let server = start(Mpm::usual());
    lock_out(&server, HERE, "alice");
    let found = fs::symlink_metadata(socket(&server)).unwrap();
    assert_eq!((found.mode() & 0o777, found.uid()), (0o600, 0));
    let program = server.folder().join("esauth");
    fs::copy(env!("CARGO_BIN_EXE_esauth"), &program).unwrap();
    let (user, group) = installation::user_ids(&installation::run_user().0);
    let unlock_as_run_user = || {
        let mut command = Command::new(&program);
        command.args(["unlock", "--all", "--socket"]).arg(socket(&server)).uid(user).gid(group);
        let output = run_copy(&mut command);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, said) = unlock_as_run_user();
    assert_eq!((status, said.contains("Only root")), (Some(2), true), "{said}");
    // The server asks the kernel who it is, too.
    fs::set_permissions(socket(&server), fs::Permissions::from_mode(0o666)).unwrap();
    let (status, said) = unlock_as_run_user();
    assert_eq!(status, Some(2), "{said}");
    assert_eq!((listed(&server).len(), ask(&server, HERE, "alice", "secret")), (1, 429));
}

#[test]
fn what_is_no_command_changes_nothing_and_holds_nobody_up() {
    let server = start(Mpm::usual());
    lock_out(&server, HERE, "alice");
    let say = |text: &[u8]| {
        let mut socket = UnixStream::connect(socket(&server)).unwrap();
        // The server may have seen enough.
        let _ = socket.write_all(text).and_then(|()| socket.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    for text in
        [&b""[..], b"unlock\0", b"unlock", b"end\0", b"unlock\0everybody\0end\0", &[b'x'; 100_000], &[0; 100_000]]
    {
        let answer = say(text);
        assert!(answer.is_empty() || answer.starts_with("refused\0"), "{answer}");
    }
    // Clients that connect and leave, or say nothing for a while.
    for _ in 0..50 {
        drop(UnixStream::connect(socket(&server)).unwrap());
    }
    let silent = UnixStream::connect(socket(&server)).unwrap();
    assert_eq!(listed(&server).len(), 1);
    drop(silent);
    assert!(helper(&server).is_some());
}

#[test]
fn without_lockouts_it_says_so() {
    let server = start_with(Mpm::usual(), "EsAuthControl FOLDER/control.sock");
    for arguments in [&["lockouts"][..], &["unlock", "--all"]] {
        let run = operate(&server, arguments);
        assert_eq!((run.status, run.errors.contains("EsAuthMaxFailures is off")), (2, true), "{}", run.errors);
    }
    assert_eq!(operate(&server, &["forget"]).status, 0);
}

#[test]
fn a_socket_that_cannot_be_made_is_logged_and_the_server_starts() {
    for (name, reason) in [
        ("file.txt", "there is something else of that name"),
        ("missing/control.sock", "No such file"),
        (&format!("{}.sock", "x".repeat(100)), "path must be shorter"),
    ] {
        let server = start_with(Mpm::usual(), &format!("EsAuthControl FOLDER/{name}"));
        assert_eq!(ask(&server, HERE, "alice", "secret"), 200);
        let log = String::from_utf8_lossy(&server.error_log()).into_owned();
        let line =
            log.lines().find(|line| line.contains("rust_esauth: EsAuthControl: cannot make the socket")).unwrap();
        assert!(line.contains(reason), "{line}");
        assert_eq!(fs::read_to_string(server.folder().join("file.txt")).unwrap(), "file\n");
        assert_eq!(helper(&server), None);
    }
}

#[test]
fn a_wrong_value_is_refused_with_what_is_allowed() {
    let load = Installation::get().load_core() + &Installation::get().load_ours();
    let says = |global: &str| {
        let setup = Setup {
            mpm: Mpm::usual(),
            load: load.clone(),
            ports: 0,
            configuration: &|site| configuration(site, global),
        };
        httpd::check(&setup)
    };
    for (directive, allowed) in [
        ("EsAuthControl Onn", "EsAuthControl: 'Onn' is neither On nor Off nor a path with a slash in it"),
        ("EsAuthExempt 192.0.2.0/33", "EsAuthExempt: '192.0.2.0/33' is neither an address nor one with"),
        ("EsAuthExempt example.org", "EsAuthExempt: 'example.org' is neither an address nor one with"),
    ] {
        let (status, said) = says(directive);
        assert!(status != Some(0) && said.contains(allowed), "{said}");
    }
    assert_eq!(says("EsAuthControl Off\nEsAuthExempt ::1 192.0.2.0/24\nEsAuthExempt 2001:db8::/32").0, Some(0));
}

#[test]
fn a_lockout_that_a_fleet_shares_ends_there_too() {
    let redis = Redis::start(Kind::Redis);
    let (key, socket) = ("00112233445566778899aabbccddeeff".repeat(2), "EsAuthControl FOLDER/control.sock");
    let folder = Scratch::new();
    let key_file = folder.write("key", key);
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    installation::give_to_run_user(&key_file);
    let (url, key_file) = (redis.url(), key_file.display());
    let fleet = format!("EsAuthMaxFailures 3/600\n{socket}\nEsAuthFleet {url}\nEsAuthFleetKey {key_file}");
    let server = start_with(Mpm::usual(), &fleet);
    for (user, arguments, left) in [
        ("alice", &["unlock", "--user", "alice", "--address", "127.0.0.9"][..], 1),
        ("alice", &["unlock", "--user", "bob"], 1),
        ("alice", &["unlock", "--user", "alice"], 0),
        ("bob", &["unlock", "--address", "127.0.0.1"], 0),
        ("bob", &["unlock", "--all"], 0),
    ] {
        redis.ask(&["FLUSHALL"]);
        // The first question may take too long, because it connects.
        ask(&server, ELSEWHERE, "nobody", "wrong");
        operate(&server, &["unlock", "--all"]);
        for number in 1..=5 {
            ask(&server, HERE, user, &format!("guess {number}"));
        }
        assert_eq!(ask(&server, HERE, user, "secret"), 429);
        let deadline = Instant::now() + Duration::from_secs(10);
        while redis.counted() != 1 {
            assert!(Instant::now() < deadline, "it is counted");
            sleep(Duration::from_millis(10));
        }
        operate(&server, arguments);
        assert_eq!(redis.counted(), left, "{arguments:?}");
        assert_eq!(ask(&server, HERE, user, "secret"), if left == 0 { 200 } else { 429 }, "{arguments:?}");
        operate(&server, &["unlock", "--all"]);
        operate(&server, &["forget"]);
    }
    drop(redis);
    let run = operate(&server, &["unlock", "--all"]);
    assert!(run.status != 0 && run.errors.contains("not at EsAuthFleet ("), "{} {}", run.status, run.errors);
}
