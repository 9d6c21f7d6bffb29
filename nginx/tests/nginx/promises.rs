//! What the module promises beyond auth_basic, on a real nginx.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::harness::client::{Answer, Connection, Request, ask};
use crate::harness::memcheck;
use crate::harness::memory::occurrences;
use crate::harness::process::Size;
use crate::server::{FAST, Nginx, SLOW, Setup, check, number_from, signal, slow, slower};

const SITE: &str = "server { listen PORT0; root FOLDER/html;
    location / { esauth x; esauth_user_file users; }
    location /open/ { alias FOLDER/html/; }
    location /admins/ { alias FOLDER/html/; esauth x; esauth_user_file users; esauth_group_file groups;
                        esauth_require group admins \"night watch\"; }
    location /some/ { alias FOLDER/html/; esauth x; esauth_user_file users; esauth_group_file groups;
                      esauth_require user bob dora; esauth_require group admins;
                      location /some/any/ { alias FOLDER/html/; esauth_require valid-user; } }
    location /no-groups/ { alias FOLDER/html/; esauth x; esauth_user_file users; esauth_group_file missing;
                           esauth_require group admins; }
    location /no-file/ { alias FOLDER/html/; esauth x; }
    location /no-group-file/ { alias FOLDER/html/; esauth x; esauth_user_file users; esauth_require group admins; } }";

fn start(workers: usize, directives: &str, users: &str) -> Nginx {
    let groups = "admins: alice\nnight watch: carol\n";
    let files = [("html/page", "page"), ("users", users), ("groups", groups)];
    Nginx::start(&Setup { ports: 1, workers, http: &format!("{directives}\n{SITE}"), files: &files })
}

fn fast() -> String {
    ["alice", "bob", "carol", "dora"].map(|user| format!("{user}:{FAST}\n")).concat()
}

fn request(target: &str, user: &str, password: &str) -> Request {
    Request::get(target).header("Host: localhost").basic(user, password)
}

fn get(server: &Nginx, target: &str, user: &str, password: &str) -> Answer {
    ask(server.port(), &request(target, user, password)).expect("nginx answers")
}

fn status(server: &Nginx, target: &str, user: &str, password: &str) -> u16 {
    get(server, target, user, password).status
}

#[test]
fn each_credential_is_hashed_once_for_all_workers() {
    let server = start(3, "", &fast());
    for _ in 0..20 {
        assert_eq!(status(&server, "/page", "alice", "secret"), 200);
        assert_eq!(status(&server, "/page", "alice", "wrong"), 401);
    }
    assert_eq!(server.hashes("alice"), 2);
}

#[test]
fn no_worker_holds_a_password_after_its_request() {
    const PASSWORD: &str = "Xq7-correct-horse-battery-staple-9Z";
    // Of that password, cost 4.
    const BCRYPT: &str = "$2y$04$AbVNd.h.6CFXwbO6Oq.T6.mve/GWLrEqUb.3GBjhFzBWABeQTLduy";
    const SHA: &str = "{SHA}IfEpgA7lY+JzS/jFbXf4tNzzQIQ=";
    let users = format!("bcrypt:{BCRYPT}\nsha:{SHA}\nother:{FAST}\n");
    // The log's format has $remote_user, for which nginx decodes the credentials once more.
    let site = SITE.replace("PORT0;", "PORT0; access_log FOLDER/access.log;");
    let files = [("html/page", "page"), ("users", &users), ("groups", "")];
    let server = Nginx::start(&Setup { ports: 1, workers: 2, http: &site, files: &files });
    for user in ["bcrypt", "sha"] {
        for _ in 0..8 {
            assert_eq!(status(&server, "/page", user, PASSWORD), 200, "{user}");
            assert_eq!(status(&server, "/page", user, &format!("!{PASSWORD}")), 401, "{user}");
        }
    }
    for user in ["other", "nobody"] {
        assert_eq!(status(&server, "/page", user, PASSWORD), 401, "{user}");
    }
    assert!(fs::read_to_string(server.path("access.log")).unwrap().contains(" - sha ["));
    for worker in server.workers() {
        let found = occurrences(worker, PASSWORD.as_bytes());
        assert!(found.is_empty(), "worker {worker}: {found:?}");
    }
}

#[test]
fn a_storm_with_one_credential_computes_one_hash() {
    let server = start(3, "", &format!("alice:{}\n", slow()));
    let statuses: Vec<u16> = thread::scope(|scope| {
        let clients: Vec<_> = (0..200).map(|_| scope.spawn(|| status(&server, "/page", "alice", "secret"))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 200]);
    assert_eq!(server.hashes("alice"), 1);
}

#[test]
fn after_a_reload_nothing_is_hashed_again_unless_the_size_of_the_memory_has_changed() {
    let server = start(2, "esauth_cache_size 100;", &fast());
    assert_eq!(status(&server, "/page", "alice", "secret"), 200);
    for _ in 0..3 {
        server.reload();
        assert_eq!(status(&server, "/page", "alice", "secret"), 200);
    }
    assert_eq!(server.hashes("alice"), 1);
    let configuration = fs::read_to_string(server.path("nginx.conf")).unwrap();
    fs::write(server.path("nginx.conf"), configuration.replace("_size 100", "_size 10000")).unwrap();
    server.reload();
    assert_eq!(status(&server, "/page", "alice", "secret"), 200);
    assert_eq!(server.hashes("alice"), 2);
}

#[test]
fn without_a_memory_every_request_is_hashed() {
    let server = start(1, "esauth_cache_size 0;", &fast());
    for _ in 0..3 {
        assert_eq!(status(&server, "/page", "alice", "secret"), 200);
    }
    assert_eq!(server.hashes("alice"), 3);
}

/// With one worker, hashes in the event loop would be answered first.
#[test]
fn a_request_that_needs_no_hash_is_answered_before_hashes_that_were_asked_for_earlier() {
    let server = start(1, "", &format!("alice:{}\nbob:{FAST}\n", slower()));
    assert_eq!(status(&server, "/page", "bob", "secret"), 200);
    let mut guesses: Vec<_> = (0..4).map(|_| Connection::open(server.port()).unwrap()).collect();
    for (number, guess) in guesses.iter_mut().enumerate() {
        guess.send(&request("/page", "alice", &format!("guess {number}")).bytes()).unwrap();
    }
    while server.lines_with("esauth: computed a hash for user \"alice\"") == 0 {
        // Until the first has been answered, and on: three or more of these while the last is computed.
        assert_eq!(status(&server, "/page", "bob", "secret"), 200);
        assert_eq!(status(&server, "/open/page", "", ""), 200);
    }
    assert!(server.hashes("alice") < 4, "all guesses were answered first");
    for mut guess in guesses {
        assert_eq!(guess.read().unwrap().status, 401);
    }
}

#[test]
fn a_client_that_goes_away_frees_its_place() {
    let server = start(1, "esauth_hash_slots 1;", &format!("alice:{}\nbob:{}\n", slower(), slow()));
    let mut guesses: Vec<_> = (0..20).map(|_| Connection::open(server.port()).unwrap()).collect();
    for (number, guess) in guesses.iter_mut().enumerate() {
        guess.send(&request("/page", "alice", &format!("guess {number}")).bytes()).unwrap();
    }
    // The first is being hashed, others have waited.
    sleep(Duration::from_millis(100));
    drop(guesses);
    assert_eq!(status(&server, "/page", "bob", "secret"), 200);
    assert_eq!(status(&server, "/page", "alice", "wrong"), 401);
    // Of those that went away, no hash was told to anybody; of the others, these.
    assert_eq!((server.hashes("bob"), server.hashes("alice")), (1, 1));
}

#[test]
fn an_edit_counts_at_the_next_request_and_no_user_is_refused_while_the_file_is_rewritten() {
    let server = start(2, "", &fast());
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let witness = scope.spawn(|| {
            let mut answers = 0;
            while !ends.load(Ordering::Relaxed) {
                assert_eq!(status(&server, "/page", "bob", "secret"), 200);
                answers += 1;
            }
            answers
        });
        for number in 0..number_from("ESAUTH_REWRITES", 40) {
            let is_there = number % 2 == 0;
            let line = if is_there { format!("eve:{FAST}\n") } else { String::new() };
            let content = fast() + &line;
            if number % 4 < 2 {
                fs::write(server.path("users"), content).unwrap();
            } else {
                fs::write(server.path("new"), content).unwrap();
                fs::rename(server.path("new"), server.path("users")).unwrap();
            }
            assert_eq!(status(&server, "/page", "eve", "secret"), if is_there { 200 } else { 401 }, "{number}");
        }
        ends.store(true, Ordering::Relaxed);
        assert!(witness.join().unwrap() > 0);
    });
}

/// Requests share looks at the file. One that begins after the edit is not among them.
#[test]
fn an_edit_counts_for_the_next_request_of_a_busy_connection() {
    let server = start(1, "keepalive_requests 1000000;", &fast());
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let others: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = Connection::open(server.port()).unwrap();
                    while !ends.load(Ordering::Relaxed) {
                        assert_eq!(connection.ask(&request("/page", "bob", "secret")).unwrap().status, 200);
                    }
                })
            })
            .collect();
        let mut connection = Connection::open(server.port()).unwrap();
        for number in 0..number_from("ESAUTH_REWRITES", 100) {
            let is_there = number % 2 == 0;
            let line = if is_there { format!("eve:{FAST}\n") } else { String::new() };
            fs::write(server.path("new"), fast() + &line).unwrap();
            if number % 4 < 2 {
                fs::rename(server.path("new"), server.path("users")).unwrap();
            } else {
                fs::copy(server.path("new"), server.path("users")).unwrap();
            }
            let expected = if is_there { 200 } else { 401 };
            for _ in 0..3 {
                let answer = connection.ask(&request("/page", "eve", "secret")).unwrap();
                assert_eq!(answer.status, expected, "{number}");
            }
        }
        ends.store(true, Ordering::Relaxed);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

/// As Kubernetes replaces a secret: the files stay as they are, and a link leads to another folder.
#[test]
fn a_folder_that_is_replaced_counts_for_the_next_request() {
    let server = start(1, "keepalive_requests 1000000;", "");
    let users = [fast(), fast() + "eve:" + FAST + "\n"];
    for (folder, users) in ["without", "with"].iter().zip(&users) {
        fs::create_dir(server.path(folder)).unwrap();
        fs::write(server.path(folder).join("users"), users).unwrap();
    }
    fs::remove_file(server.path("users")).unwrap();
    symlink("data/users", server.path("users")).unwrap();
    symlink("without", server.path("data")).unwrap();
    let mut connection = Connection::open(server.port()).unwrap();
    let mut ask = |user| connection.ask(&request("/page", user, "secret")).unwrap().status;
    for number in 0..number_from("ESAUTH_REWRITES", 100) {
        let (folder, expected) = if number % 2 == 0 { ("with", 200) } else { ("without", 401) };
        symlink(folder, server.path("new")).unwrap();
        fs::rename(server.path("new"), server.path("data")).unwrap();
        assert_eq!(ask("eve"), expected, "{number}");
        // Remembered by then, and found unchanged in the same tick of the clock.
        assert_eq!([ask("bob"), ask("bob"), ask("bob")], [200; 3]);
    }
}

#[test]
fn groups_and_users_are_required() {
    let server = start(2, "", &fast());
    let statuses = |target: &str| ["alice", "bob", "carol", "dora"].map(|user| status(&server, target, user, "secret"));
    assert_eq!(statuses("/admins/page"), [200, 401, 200, 401]);
    assert_eq!(statuses("/some/page"), [200, 200, 401, 200]);
    assert_eq!(statuses("/some/any/page"), [200, 200, 200, 200]);
    assert_eq!(status(&server, "/admins/page", "alice", "wrong"), 401);
    let refused = get(&server, "/admins/page", "bob", "secret");
    assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"x\""));
    assert!(server.lines_with("user \"bob\" is not among those that esauth_require names, client: ") > 0);
    fs::write(server.path("groups"), "admins: bob\n").unwrap();
    assert_eq!(statuses("/admins/page"), [401, 200, 401, 401]);
}

#[test]
fn what_is_not_set_or_cannot_be_read_lets_nobody_in() {
    let server = start(1, "", &fast());
    for target in ["/no-groups/page", "/no-file/page", "/no-group-file/page"] {
        assert_eq!(status(&server, target, "alice", "secret"), 500, "{target}");
        assert_eq!(ask(server.port(), &Request::get(target).header("Host: x")).unwrap().status, 401);
    }
    assert_eq!(server.lines_with("esauth: esauth_user_file is not set here, so every request is refused"), 1);
    assert_eq!(server.lines_with("esauth: esauth_group_file is not set here, so every request is refused"), 1);
    fs::remove_file(server.path("users")).unwrap();
    for _ in 0..3 {
        assert_eq!(status(&server, "/page", "alice", "secret"), 403);
    }
    fs::write(server.path("users"), fast()).unwrap();
    assert_eq!(status(&server, "/page", "alice", "secret"), 200);
    assert_eq!(server.lines_with("esauth: esauth_user_file "), 3);
    assert_eq!(server.lines_with(" cannot be read: No such file or directory"), 1 + 1);
    assert_eq!(server.lines_with("users can be read again"), 1);
}

#[test]
fn a_client_that_fails_too_often_is_locked_out_and_what_is_logged_in_goes_on() {
    let server = start(2, "esauth_max_failures 3 1m;", &fast());
    assert_eq!(status(&server, "/page", "alice", "secret"), 200);
    for number in 0..3 {
        assert_eq!(status(&server, "/page", "alice", &format!("guess {number}")), 401);
    }
    let refused = get(&server, "/page", "alice", "guess");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert_eq!((refused.status, (1..=60).contains(&seconds)), (429, true));
    assert_eq!(status(&server, "/page", "alice", "secret"), 200);
    assert_eq!(status(&server, "/page", "bob", "secret"), 200);
    let line = "esauth: locked out for 60 seconds, answered with 429: user \"alice\", after too many wrong passwords";
    assert_eq!(server.lines_with(line), 1);
}

#[test]
fn a_killed_worker_leaves_verdicts_and_places() {
    let server = start(2, "esauth_hash_slots 1;", &format!("alice:{SLOW}\nbob:{SLOW}\n"));
    assert_eq!(status(&server, "/page", "alice", "secret"), 200);
    for number in 0..number_from("ESAUTH_KILLS", 5) {
        let mut guesses: Vec<_> = (0..4).map(|_| Connection::open(server.port()).unwrap()).collect();
        for (guess, connection) in guesses.iter_mut().enumerate() {
            connection.send(&request("/page", "bob", &format!("guess {number} {guess}")).bytes()).unwrap();
        }
        sleep(Duration::from_millis(20));
        server.workers().into_iter().for_each(|worker| signal(worker, libc::SIGKILL));
        let deadline = Instant::now() + Duration::from_secs(20);
        // The first requests may still go to a worker that is gone.
        while !ask(server.port(), &request("/page", "alice", "secret")).is_ok_and(|answer| answer.status == 200) {
            assert!(Instant::now() < deadline);
            sleep(Duration::from_millis(20));
        }
        assert_eq!(status(&server, "/page", "bob", "secret"), 200);
    }
    assert_eq!(server.hashes("alice"), 1);
}

/// The settings that a reload changes come from the file, so nothing is kept of the workers before.
#[test]
fn reloads_under_load_lose_no_request_compute_no_hash_again_and_take_no_memory() {
    let server = start(2, "", &fast());
    assert_eq!(status(&server, "/page", "alice", "secret"), 200);
    let reloads = number_from("ESAUTH_RELOADS", 5);
    // nginx itself settles in the first ones.
    let mut settled = None;
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (server, ends) = (&server, &ends);
                scope.spawn(move || {
                    for number in 0.. {
                        if ends.load(Ordering::Relaxed) {
                            return number;
                        }
                        assert_eq!(status(server, "/page", "alice", "secret"), 200);
                        if number % 8 > 0 {
                            continue;
                        }
                        let guessed = status(server, "/page", "bob", &format!("guess {client} {number}"));
                        // Guessers go last; on a busy machine, they may wait for longer than is allowed.
                        assert!([401, 503].contains(&guessed), "{guessed}");
                    }
                    0
                })
            })
            .collect();
        for number in 0..reloads {
            server.reload();
            if number == 2 {
                settled = Some(Size::settled(server.master()));
            }
        }
        ends.store(true, Ordering::Relaxed);
        assert!(clients.into_iter().all(|client| client.join().unwrap() > 0));
    });
    assert_eq!(server.hashes("alice"), 1);
    let (before, after) = (settled.expect("three reloads"), Size::settled(server.master()));
    // Under Valgrind, memory is Valgrind's.
    assert!(memcheck::is_wanted() || after.memory_kib < before.memory_kib + 512, "{before:?} {after:?}");
    assert!(after.descriptors <= before.descriptors && after.mappings < before.mappings + 8, "{before:?} {after:?}");
}

#[test]
fn a_request_that_waits_survives_a_reload_and_a_graceful_stop() {
    let server = start(1, "", &format!("alice:{}\n", slower()));
    let mut waiting = Connection::open(server.port()).unwrap();
    waiting.send(&request("/page", "alice", "secret").bytes()).unwrap();
    sleep(Duration::from_millis(50));
    server.reload();
    assert_eq!(waiting.read().unwrap().status, 200);
    let mut waiting = Connection::open(server.port()).unwrap();
    waiting.send(&request("/page", "alice", "wrong").bytes()).unwrap();
    sleep(Duration::from_millis(50));
    server.workers().into_iter().for_each(|worker| signal(worker, libc::SIGQUIT));
    assert_eq!(waiting.read().unwrap().status, 401);
}

#[test]
fn a_wrong_directive_is_refused_with_its_value() {
    let says = |directives: &str| {
        let http = format!("server {{ listen PORT0; {directives} }}");
        check(&Setup { ports: 1, workers: 1, http: &http, files: &[] })
    };
    for (directive, expected) in [
        ("esauth a; esauth b;", "\"esauth\" directive is duplicate"),
        ("esauth_user_file a; esauth_user_file b;", "\"esauth_user_file\" directive is duplicate"),
        ("esauth;", "invalid number of arguments in \"esauth\" directive"),
        ("esauth_require all;", "invalid requirement \"all\", expected \"valid-user\", \"user NAME ...\" or"),
        ("esauth_require user;", "invalid requirement \"user\""),
        ("esauth_require valid-user x;", "invalid requirement \"valid-user\""),
        ("esauth_cache_size 1;", "\"esauth_cache_size\" directive is not allowed here"),
        ("} esauth_cache_size x; server {", "invalid value \"x\", expected a number from 0 to 10000000"),
        ("} esauth_cache_ttl 31d; server {", "invalid value \"31d\", expected a time from 1s to 30d"),
        ("} esauth_hash_slots 0; server {", "invalid value \"0\", expected a number from 1 to 512"),
        (
            "} esauth_exempt 192.0.2.0/33; server {",
            "invalid value \"192.0.2.0/33\", expected an address such as 192.0.2.1",
        ),
        ("} esauth_max_failures off 1m; server {", "invalid value \"off\", expected a number from 1 to 1000000"),
    ] {
        let (accepted, said) = says(directive);
        assert!(!accepted && said.contains(expected), "{directive}: {said}");
    }
    let (accepted, said) = says("esauth a; esauth_user_file b; } esauth_max_failures off; server {");
    assert!(accepted, "{said}");
}

#[test]
fn half_a_request_or_a_closed_connection_hurts_nobody() {
    let server = start(1, "", &format!("alice:{SLOW}\n"));
    for number in 0..number_from("ESAUTH_NGINX_HOSTILE", 50) {
        let mut connection = Connection::open(server.port()).unwrap();
        let bytes = request("/page", "alice", &format!("guess {}", number / 10)).bytes();
        let end = if number % 2 == 0 { bytes.len() } else { bytes.len() / 2 };
        connection.send(&bytes[..end]).unwrap();
    }
    assert_eq!(status(&server, "/page", "alice", "secret"), 200);
    assert_eq!(server.lines_with("worker process"), server.lines_with("start worker process"));
}
