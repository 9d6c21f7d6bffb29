//! `esauth passwd` makes entries that htpasswd, stock httpd and the module verify, and never loses any.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails while a test is set up fails the test"
)]

#[path = "../../tests/harness/mod.rs"]
mod harness;
mod program;

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use harness::client::{Request, ask};
use harness::disk::SmallDisk;
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::{self, Installation, workspace};
use harness::scratch::Scratch;
use program::{Run, esauth};

const FIRST: &str = "a first passphrase";
const SECOND: &str = "a second passphrase";

/// A folder with a password file, and files with passwords.
struct Files {
    folder: Scratch,
    users: PathBuf,
}

impl Files {
    fn with(users: &str) -> Self {
        let folder = Scratch::new();
        let users = folder.write("users", users);
        Files { folder, users }
    }

    /// The arguments of a run for a user.
    fn arguments(&self, user: &str, more: &[&str]) -> Vec<String> {
        let words = [&["passwd", self.users.to_str().unwrap(), user], more].concat();
        words.into_iter().map(str::to_owned).collect()
    }

    fn run(&self, user: &str, more: &[&str]) -> Run {
        let arguments = self.arguments(user, more);
        esauth(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Gives a user a password, with a cheap hash.
    fn set(&self, user: &str, password: &str, more: &[&str]) -> Run {
        let file = self.folder.write("password of a user", password);
        self.run(user, &[&["--cost", "4", "--user-password", file.to_str().unwrap()], more].concat())
    }

    /// The same, and it has to work.
    fn must_set(&self, user: &str, password: &str, more: &[&str]) -> Run {
        let run = self.set(user, password, more);
        assert_eq!(run.status, 0, "{}", run.errors);
        run
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.users).unwrap()
    }

    /// Files other than the passwords.
    fn names(&self) -> BTreeSet<String> {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).filter(|name| !name.starts_with("password of")).collect()
    }
}

/// What `htpasswd -v` says.
fn verifies(users: &Path, user: &str, password: &str) -> bool {
    let mut command = Command::new(Installation::get().htpasswd());
    command.arg("-vb").arg(users).args([user, password]).stderr(Stdio::null());
    command.status().unwrap().success()
}

#[test]
fn an_entry_is_one_that_htpasswd_verifies() {
    let files = Files::with("# ours\nbob:x");
    let run = files.must_set("alice", FIRST, &[]);
    assert!(run.output.ends_with("users: added alice\n"), "{}", run.output);
    let run = files.run("réne w", &["--user-password", files.folder.write("p", "grüße an alle\r\n").to_str().unwrap()]);
    assert_eq!(run.status, 0, "{}", run.errors);
    assert!(verifies(&files.users, "alice", FIRST) && !verifies(&files.users, "alice", SECOND));
    assert!(verifies(&files.users, "réne w", "grüße an alle"));
    let text = files.text();
    assert!(text.starts_with("# ours\nbob:x\nalice:$2y$04$") && text.contains("\nréne w:$2y$10$"), "{text}");
    files.must_set("alice", SECOND, &[]);
    assert!(verifies(&files.users, "alice", SECOND) && !verifies(&files.users, "alice", FIRST));
    let run = files.run("alice", &["--delete"]);
    assert!(run.output.ends_with("users: deleted alice\n"), "{}", run.output);
    assert_eq!(files.text().lines().count(), 3);
    assert_eq!(files.run("alice", &["--delete"]).status, 2);
}

#[test]
fn entries_of_htpasswd_are_changed_and_deleted() {
    let files = Files::with("");
    let mut command = Command::new(Installation::get().htpasswd());
    command.arg("-bm").arg(&files.users).args(["alice", "secret"]).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
    files.must_set("alice", FIRST, &["--keep-old", "7d"]);
    assert!(verifies(&files.users, "alice", FIRST));
    // Which leaves the comment, without an effect.
    command = Command::new(Installation::get().htpasswd());
    command.arg("-bm").arg(&files.users).args(["alice", "secret"]).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
    let found = esauth(&["check", files.users.to_str().unwrap()]);
    assert!(found.output.contains("unused-rotation: alice has a line with another hash"), "{}", found.output);
    files.must_set("alice", SECOND, &[]);
    assert_eq!(files.text().lines().count(), 1);
}

#[test]
fn a_password_of_more_than_72_bytes_is_cut_off_and_that_is_said() {
    let files = Files::with("");
    let long = "long ".repeat(20);
    let run = files.must_set("alice", &long, &[]);
    assert!(run.errors.contains("of the password's 100 bytes, bcrypt uses the first 72"), "{}", run.errors);
    assert!(files.must_set("bob", &long[..72], &[]).errors.is_empty());
}

#[test]
fn a_password_comes_from_the_standard_input() {
    let files = Files::with("");
    let arguments = files.arguments("alice", &["--user-password", "-"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_esauth"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{FIRST}\nanother line").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(verifies(&files.users, "alice", FIRST));
}

/// A run at a terminal, at which a person types the password whenever asked.
fn at_terminal(typed: &str, arguments: &[String]) -> (bool, String) {
    let mut command = Command::new("python3");
    command.arg(workspace().join("scripts/at_terminal.py")).arg(typed).arg(env!("CARGO_BIN_EXE_esauth"));
    let output = command.args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_password_is_typed_twice_and_not_shown() {
    let files = Files::with("");
    let (is_done, shown) = at_terminal(FIRST, &files.arguments("alice", &[]));
    assert!(is_done && !shown.contains(FIRST), "{shown}");
    assert!(
        shown.contains("New password of alice: ") && shown.contains("The same password of alice again: "),
        "{shown}"
    );
    assert!(verifies(&files.users, "alice", FIRST));
    // A bad one is refused before it is typed again.
    let (is_done, shown) = at_terminal("password1", &files.arguments("alice", &[]));
    assert!(!is_done && shown.contains("guessers try first") && !shown.contains("again"), "{shown}");
    // What cannot be done is said before anything is typed.
    let (is_done, shown) = at_terminal(FIRST, &files.arguments("bob", &["--keep-old", "1h"]));
    assert!(!is_done && shown.contains("has no user bob") && !shown.contains("password of"), "{shown}");
}

#[test]
fn without_a_terminal_or_a_file_nothing_is_changed() {
    let files = Files::with("bob:x\n");
    let run = files.run("alice", &[]);
    assert_eq!((run.status, files.text().as_str()), (2, "bob:x\n"));
    assert!(run.errors.contains("no terminal"), "{}", run.errors);
}

#[test]
fn common_passwords_and_the_users_name_are_refused() {
    let files = Files::with("bob:x\n");
    for password in ["", "password", "Summer2026!", "alice", "Alice1"] {
        let run = files.set("alice", password, &[]);
        assert_eq!((run.status, files.text().as_str()), (2, "bob:x\n"), "{password}");
    }
}

#[test]
fn a_missing_file_is_created_only_if_that_is_wanted() {
    let files = Files::with("");
    fs::remove_file(&files.users).unwrap();
    let run = files.set("alice", FIRST, &[]);
    assert!(run.status == 2 && run.errors.contains("--create"), "{}", run.errors);
    assert!(!files.users.exists());
    assert_eq!(files.set("alice", "password", &["--create"]).status, 2);
    assert!(!files.users.exists());
    let run = files.must_set("alice", FIRST, &["--create"]);
    assert!(run.errors.contains("chgrp www-data"), "{}", run.errors);
    assert_eq!(fs::metadata(&files.users).unwrap().mode() & 0o7777, 0o640);
    // Unlike htpasswd's, it empties nothing.
    files.must_set("bob", FIRST, &["--create"]);
    assert_eq!(files.text().lines().count(), 2);
    assert!(files.run("bob", &["--delete", "--create"]).status == 2, "they exclude each other");
}

#[test]
fn owner_group_mode_and_attributes_stay() {
    let files = Files::with("bob:x\n");
    fs::set_permissions(&files.users, Permissions::from_mode(0o604)).unwrap();
    let attribute = |file: &File| {
        let mut value = [0; 16];
        rustix::fs::fgetxattr(file, c"user.test", &mut value).map(|length| value[..length].to_vec())
    };
    let old = File::open(&files.users).unwrap();
    let has_attributes = rustix::fs::fsetxattr(&old, c"user.test", b"kept", rustix::fs::XattrFlags::empty()).is_ok();
    let mut owner = (fs::metadata(&files.users).unwrap().uid(), fs::metadata(&files.users).unwrap().gid());
    if installation::is_root() {
        owner = installation::user_ids(&installation::run_user().0);
        chown(&files.users, Some(owner.0), Some(owner.1)).unwrap();
    }
    files.must_set("alice", FIRST, &[]);
    let (new, now) = (File::open(&files.users).unwrap(), fs::metadata(&files.users).unwrap());
    assert_eq!((now.mode() & 0o7777, now.uid(), now.gid()), (0o604, owner.0, owner.1));
    assert_ne!(now.ino(), old.metadata().unwrap().ino(), "it is another file");
    if has_attributes {
        assert_eq!(attribute(&new), Ok(b"kept".to_vec()));
    }
    assert_eq!(files.names(), BTreeSet::from(["users".to_owned()]));
}

#[test]
fn a_symbolic_link_stays_one() {
    let mut files = Files::with("bob:x\n");
    let (real, other) = (files.users.clone(), Scratch::new());
    files.users = other.path().join("link");
    symlink(&real, &files.users).unwrap();
    files.must_set("alice", FIRST, &[]);
    assert!(files.users.is_symlink() && !real.is_symlink());
    assert!(verifies(&real, "alice", FIRST));
    fs::remove_file(&real).unwrap();
    let run = files.set("alice", FIRST, &["--create"]);
    assert!(run.status == 2 && run.errors.contains("symbolic link"), "{}", run.errors);
}

#[test]
fn files_of_other_kinds_are_refused_and_stay() {
    let wide: Vec<u8> = "alice:x\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (text, expected) in [
        (&wide[..], "users:1: the file is in UTF-16"),
        (b"a:b\nc:\0\n", "users:2: has a NUL byte"),
        (b"Listen 80\n", "users:1: has no colon"),
        (b"admins: alice bob\n", "users:1: has a blank behind the colon"),
    ] {
        let files = Files::with("");
        fs::write(&files.users, text).unwrap();
        let run = files.set("alice", FIRST, &[]);
        assert!(run.status == 2 && run.errors.contains(expected), "{}", run.errors);
        assert_eq!(fs::read(&files.users).unwrap(), text);
    }
    let files = Files::with("");
    fs::hard_link(&files.users, files.folder.path().join("other")).unwrap();
    assert!(files.set("alice", FIRST, &[]).errors.contains("hard links"));
    fs::remove_file(&files.users).unwrap();
    fs::create_dir(&files.users).unwrap();
    assert!(files.set("alice", FIRST, &[]).errors.contains("not a regular file"));
}

#[test]
fn names_and_numbers_out_of_bounds_are_refused() {
    let files = Files::with("bob:x\n");
    let long = "a".repeat(256);
    for user in ["", "a:b", "a\nb", "#a", long.as_str()] {
        assert_eq!(files.set(user, FIRST, &[]).status, 2, "{user:?}");
    }
    for more in
        [["--cost", "3"], ["--cost", "18"], ["--keep-old", "0d"], ["--keep-old", "7"], ["--keep-old", "99999999999w"]]
    {
        assert_eq!(files.run("bob", &more).status, 2, "{more:?}");
    }
    assert_eq!(files.text(), "bob:x\n");
}

#[test]
fn twenty_runs_at_once_lose_nothing() {
    let files = Files::with("# kept\n");
    // Half of them create the file, or find it created.
    fs::remove_file(&files.users).unwrap();
    let password = files.folder.write("password of all", FIRST);
    let start = |number: usize| {
        let more = ["--cost", "4", "--create", "--user-password", password.to_str().unwrap()];
        let arguments = files.arguments(&format!("user{number}"), &more);
        let mut command = Command::new(env!("CARGO_BIN_EXE_esauth"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..20).map(start).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = files.text();
    let users: BTreeSet<_> = text.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!((users.len(), text.lines().count()), (20, 20), "{text}");
    assert_eq!(files.names(), BTreeSet::from(["users".to_owned()]));
}

#[test]
fn a_killed_run_leaves_the_old_file_or_the_new_one() {
    let others: String =
        (0..60_000).map(|number| format!("user{number}:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")).collect();
    let files = Files::with(&others);
    let password = files.folder.write("password of alice", FIRST);
    let arguments = files.arguments("alice", &["--cost", "4", "--user-password", password.to_str().unwrap()]);
    let (mut killed, mut drafts) = (0, 0);
    for round in 0..60 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_esauth"));
        let mut child =
            command.args(&arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // In one round out of two, as soon as there is a new file beside the old one; else at any time.
        for time in 0.. {
            let is_time = if round % 2 == 0 { files.names().len() > 1 } else { time == round };
            if is_time || child.try_wait().unwrap().is_some() {
                break;
            }
            sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        drafts += usize::from(files.names().len() > 1);
        let text = files.text();
        let (start, end) = text.split_at(others.len());
        assert!(start == others, "round {round}");
        assert!(end.is_empty() || end.starts_with("alice:$2y$04$") && end.len() == 67, "round {round}: {end}");
    }
    assert!(killed > 0 && drafts > 0, "{killed} runs were killed, {drafts} of them while writing");
    // The next run cleans up.
    files.must_set("alice", SECOND, &[]);
    assert_eq!(files.names(), BTreeSet::from(["users".to_owned()]));
    assert!(verifies(&files.users, "alice", SECOND));
}

#[test]
fn a_full_disk_changes_nothing() {
    let files = Files::with("");
    let disk_folder = files.folder.path().join("disk");
    fs::create_dir(&disk_folder).unwrap();
    let Some(disk) = SmallDisk::mount(&disk_folder) else {
        Installation::get()
            .skip_this_test("a small file system can only be mounted by root, outside of most containers");
        return;
    };
    let text = format!("bob:x\n# {}\n", "x".repeat(40_000));
    let users = disk_folder.join("users");
    fs::write(&users, &text).unwrap();
    let password = files.folder.write("password of alice", FIRST);
    let run = |file: &Path, more: &[&str]| {
        let words = ["passwd", file.to_str().unwrap(), "alice", "--user-password", password.to_str().unwrap()];
        esauth(&[&words[..], more].concat())
    };
    let found = run(&users, &[]);
    assert!(found.status == 2 && found.errors.contains("No space left"), "{}", found.errors);
    assert_eq!(fs::read_to_string(&users).unwrap(), text);
    let mut filler = File::create(disk_folder.join("filler")).unwrap();
    while filler.write_all(&[b'x'; 512]).is_ok() {}
    let found = run(&disk_folder.join("new"), &["--create"]);
    assert!(found.status == 2 && found.errors.contains("No space left"), "{}", found.errors);
    let names: BTreeSet<_> = fs::read_dir(&disk_folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, BTreeSet::from(["filler".into(), "users".into()]));
    drop((filler, disk));
}

fn start(stock: bool, users: &Path) -> Httpd {
    let installation = Installation::get();
    let mine = if stock { installation.load(&["auth_basic", "authn_file"]) } else { installation.load_ours() };
    let load = installation.load_core() + &mine;
    let configuration = |site: &Site<'_>| {
        fs::write(site.folder.join("file.txt"), "file\n").unwrap();
        format!(
            "DocumentRoot {}\n<Location />\nAuthType Basic\nAuthName realm\nAuthUserFile {}\nRequire valid-user\n\
             </Location>\n",
            site.folder.display(),
            users.display()
        )
    };
    Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration })
}

/// Statuses of alice's first and second password.
fn statuses(server: &Httpd) -> [u16; 2] {
    [FIRST, SECOND].map(|password| {
        let request = Request::get("/file.txt").header("Host: localhost").basic("alice", password);
        ask(server.port(), &request).unwrap().status
    })
}

#[test]
fn both_servers_take_each_change_at_the_next_request_and_only_the_module_an_old_password() {
    let files = Files::with("# none\n");
    fs::set_permissions(&files.users, Permissions::from_mode(0o644)).unwrap();
    let (ours, stock) = (start(false, &files.users), start(true, &files.users));
    let both = || (statuses(&ours), statuses(&stock));
    assert_eq!(both(), ([401, 401], [401, 401]));
    files.must_set("alice", FIRST, &[]);
    assert_eq!(both(), ([200, 401], [200, 401]));
    let run = files.must_set("alice", SECOND, &["--keep-old", "12h"]);
    assert!(run.output.contains("; the old password of alice is valid, too, until 20"), "{}", run.output);
    assert_eq!(both(), ([200, 200], [401, 200]));
    let found = esauth(&["check", "--allow", "weak-hash", files.users.to_str().unwrap()]);
    assert!(found.status == 0 && found.output.contains("alice has two passwords until 20"), "{}", found.output);
    assert_eq!(files.run("alice", &["--drop-old"]).status, 0);
    assert_eq!(both(), ([401, 200], [401, 200]));
    files.must_set("alice", FIRST, &["--keep-old", "12h"]);
    assert_eq!(both(), ([200, 200], [200, 401]));
    assert_eq!(files.run("alice", &["--delete"]).status, 0);
    assert_eq!(both(), ([401, 401], [401, 401]));
    assert_eq!(files.text(), "# none\n");
}
