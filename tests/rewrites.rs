//! Files rewritten under load: every answer is that of the files before or after the change.
//!
//! A writer changes the password and the group file in all common ways, including the real `htpasswd`, while clients
//! that know the files' content send requests. The stock modules run the same script for comparison. `ESAUTH_REWRITES`
//! sets the number of changes of each kind.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use harness::client::{Connection, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;

/// Of "first", "second" and "right", as `htpasswd -s` stores them.
const FIRST: &str = "{SHA}4JlqN8E9RMOwYHSTnUP6N1m9MsE=";
const SECOND: &str = "{SHA}NS94KaI4SwAcwSsMJhPHVkVKH2o=";
const RIGHT: &str = "{SHA}0nofEXcSAJSXFLGvmfBIpBb11vQ=";

const CLIENTS: usize = 4;

/// The content of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct World {
    /// The password of `changed` is "second", not "first".
    second: bool,
    /// There is a user `guest`, whose password is "right".
    guest: bool,
    /// `member` is in the group `staff`.
    member: bool,
}

impl World {
    fn users(self) -> String {
        let changed = if self.second { SECOND } else { FIRST };
        let guest = if self.guest { format!("guest:{RIGHT}\n") } else { String::new() };
        format!("steady:{RIGHT}\nmember:{RIGHT}\nchanged:{changed}\n{guest}last:{RIGHT}\n")
    }

    fn groups(self) -> String {
        format!("others: steady\nstaff: last{}\nstaff: steady\n", if self.member { " member" } else { "" })
    }

    /// The right status for a question.
    fn answer(self, question: &Question) -> u16 {
        let granted = match (question.user, question.password) {
            ("steady" | "last", "right") => true,
            ("changed", "first") => !self.second,
            ("changed", "second") => self.second,
            ("guest", "right") => self.guest,
            ("member", "right") => self.member || !question.for_staff,
            _ => false,
        };
        if granted { 200 } else { 401 }
    }
}

#[derive(Clone, Copy, Debug)]
struct Question {
    user: &'static str,
    password: &'static str,
    for_staff: bool,
}

const QUESTIONS: [Question; 9] = [
    Question { user: "steady", password: "right", for_staff: false },
    Question { user: "changed", password: "first", for_staff: false },
    Question { user: "last", password: "right", for_staff: true },
    Question { user: "changed", password: "second", for_staff: false },
    Question { user: "member", password: "right", for_staff: true },
    Question { user: "guest", password: "right", for_staff: false },
    Question { user: "last", password: "right", for_staff: false },
    Question { user: "steady", password: "wrong", for_staff: false },
    Question { user: "member", password: "right", for_staff: false },
];

/// All states of the files so far. A change begins before the first byte is touched, and is done when the writer has
/// closed the file.
struct History {
    worlds: Mutex<Vec<World>>,
    done: AtomicUsize,
}

impl History {
    fn change(&self, to: World, write: impl FnOnce(World)) {
        let number = {
            let mut worlds = self.worlds.lock().unwrap();
            worlds.push(to);
            worlds.len() - 1
        };
        write(to);
        self.done.store(number, Ordering::SeqCst);
    }

    fn now(&self) -> World {
        *self.worlds.lock().unwrap().last().unwrap()
    }
}

#[derive(Default, Debug)]
struct Count {
    asked: usize,
    refused: usize,
    accepted: usize,
    examples: Vec<String>,
}

#[test]
fn no_answer_is_wrong_while_the_files_are_rewritten() {
    let changes = std::env::var("ESAUTH_REWRITES").map_or(60, |number| number.parse().unwrap());
    // One after the other: a program that is just starting briefly has all files of this process open, among them those
    // that the other writer has just closed.
    let ours = run(false, changes);
    let stock = run(true, changes);
    for (who, count) in [("ours", &ours), ("stock", &stock)] {
        println!(
            "{who}: {} requests during {changes} changes of each kind, {} users refused and {} accepted wrongly",
            count.asked, count.refused, count.accepted
        );
    }
    assert!(ours.asked > changes);
    assert_eq!((ours.refused, ours.accepted), (0, 0), "{:#?}", ours.examples);
}

fn run(stock: bool, changes: usize) -> Count {
    let server = start(stock);
    let first = World { second: false, guest: false, member: true };
    let history = History { worlds: Mutex::new(vec![first]), done: AtomicUsize::new(0) };
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn({
                    let (server, history, ends) = (&server, &history, &ends);
                    move || ask(server.port(), number, history, ends)
                })
            })
            .collect();
        write(server.folder(), &history, changes);
        ends.store(true, Ordering::Relaxed);
        let mut all = Count::default();
        for client in clients {
            let count = client.join().unwrap();
            all.asked += count.asked;
            all.refused += count.refused;
            all.accepted += count.accepted;
            all.examples.extend(count.examples);
        }
        all
    })
}

fn start(stock: bool) -> Httpd {
    let installation = Installation::get();
    let load = installation.load_core()
        + &if stock {
            installation.load(&["auth_basic", "authn_file", "authz_groupfile"])
        } else {
            installation.load_ours()
        };
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        let world = World { second: false, guest: false, member: true };
        fs::write(site.folder.join("users"), world.users()).unwrap();
        fs::write(site.folder.join("groups"), world.groups()).unwrap();
        for name in ["all", "staff"] {
            fs::create_dir(site.folder.join(name)).unwrap();
            fs::write(site.folder.join(name).join("file.txt"), "file\n").unwrap();
        }
        format!(
            "DocumentRoot {folder}\nLogLevel crit\nMaxKeepAliveRequests 0\n<Location />\nAuthType Basic\nAuthName realm\n\
             AuthUserFile {folder}/users\nAuthGroupFile {folder}/groups\n</Location>\n\
             <Location /all/>\nRequire valid-user\n</Location>\n<Location /staff/>\nRequire group staff\n</Location>\n"
        )
    };
    Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration })
}

/// Makes all changes in sequence.
fn write(folder: &Path, history: &History, changes: usize) {
    let (users, groups) = (folder.join("users"), folder.join("groups"));
    for number in 0..changes {
        let now = history.now();
        // In place, like htpasswd.
        history.change(World { second: !now.second, ..now }, |to| {
            htpasswd(&["-bs", path(&users), "changed", if to.second { "second" } else { "first" }]);
        });
        let now = history.now();
        history.change(World { guest: !now.guest, ..now }, |to| match to.guest {
            true => htpasswd(&["-bs", path(&users), "guest", "right"]),
            false => htpasswd(&["-D", path(&users), "guest"]),
        });
        // By renaming.
        let now = history.now();
        history.change(World { second: !now.second, guest: !now.guest, ..now }, |to| {
            replace(&users, &to.users());
        });
        let now = history.now();
        history.change(World { member: !now.member, ..now }, |to| replace(&groups, &to.groups()));
        // In place, in one go; several within a tick of the clock.
        for _ in 0..3 {
            let now = history.now();
            history.change(World { member: !now.member, ..now }, |to| fs::write(&groups, to.groups()).unwrap());
        }
        // In place, slowly.
        if number % 50 == 25 {
            let now = history.now();
            history.change(World { second: !now.second, ..now }, |to| write_slowly(&users, &to.users()));
            history.change(World { member: !now.member, ..now }, |to| write_slowly(&groups, &to.groups()));
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn htpasswd(arguments: &[&str]) {
    let output = Command::new(Installation::get().htpasswd()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn replace(file: &Path, content: &str) {
    let new: PathBuf = file.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, file).unwrap();
}

/// Takes 0.9 s between emptying the file and closing it.
fn write_slowly(file: &Path, content: &str) {
    let mut file = File::create(file).unwrap();
    sleep(Duration::from_millis(300));
    let (first, second) = content.split_at(content.len() / 2);
    file.write_all(first.as_bytes()).unwrap();
    sleep(Duration::from_millis(300));
    file.write_all(second.as_bytes()).unwrap();
    sleep(Duration::from_millis(300));
}

/// Sends requests until the end, and judges every answer by the files from before the request until after its answer.
fn ask(port: u16, client: usize, history: &History, ends: &AtomicBool) -> Count {
    let mut count = Count::default();
    let mut connection = Connection::open(port).unwrap();
    for turn in client.. {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        let question = &QUESTIONS[turn % QUESTIONS.len()];
        let target = if question.for_staff { "/staff/file.txt" } else { "/all/file.txt" };
        let request = Request::get(target).header("Host: localhost").basic(question.user, question.password);
        let before = history.done.load(Ordering::SeqCst);
        // 2.2 sometimes closes connections.
        let answer = connection.ask(&request).or_else(|_| {
            connection = Connection::open(port)?;
            connection.ask(&request)
        });
        let status = answer.unwrap().status;
        let possible = history.worlds.lock().unwrap()[before..].to_vec();
        count.asked += 1;
        if !possible.iter().any(|world| world.answer(question) == status) {
            if status == 200 {
                count.accepted += 1;
            } else {
                count.refused += 1;
            }
            if count.examples.len() < 5 {
                count.examples.push(format!("{status} for {question:?} while {possible:?}"));
            }
        }
    }
    count
}
