//! A source misses no change, either of the file or of its path.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails while a test is set up fails the test")]

use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use esauth_engine::{LineRules, Passwords, Source};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// A password file two folders down, with room beside each of the three.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        for inner in ["outer/inner", "other/inner"] {
            fs::create_dir_all(folder.path(inner)).unwrap();
        }
        fs::write(folder.users(), "alice:before\n").unwrap();
        fs::write(folder.path("outer/inner/other"), "alice:after\n").unwrap();
        fs::write(folder.path("other/inner/users"), "alice:after\n").unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn users(&self) -> PathBuf {
        self.path("outer/inner/users")
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn exchange(&self, one: &str, other: &str) {
        renameat_with(CWD, self.path(one), CWD, self.path(other), RenameFlags::EXCHANGE).unwrap();
    }
}

fn source(path: &Path) -> Source<Passwords> {
    Source::new(&CString::new(path.as_os_str().as_bytes()).unwrap(), LineRules::Httpd24, Arc::default())
}

fn hash_of_alice(source: &Source<Passwords>) -> Option<String> {
    let file = source.current().snapshot.ok()?;
    file.stored_hash(b"alice").map(|hash| String::from_utf8_lossy(hash).into_owned())
}

/// A change and its name.
type Way = (&'static str, fn(&Folder));

/// Checks until the source has no more reason to read its file again.
fn settle(source: &Source<Passwords>) {
    source.current().snapshot.unwrap();
    thread::sleep(Duration::from_millis(40));
    let loads = source.loads();
    source.current().snapshot.unwrap();
    assert_eq!(source.loads(), loads, "the file has not changed");
}

#[test]
fn every_way_to_put_another_content_in_the_place_is_seen_by_the_next_look() {
    let ways: [Way; 10] = [
        ("rewritten in place", |folder| fs::write(folder.users(), "alice:after\n").unwrap()),
        ("rewritten by way of a hard link", |folder| {
            fs::hard_link(folder.users(), folder.path("link")).unwrap();
            fs::write(folder.path("link"), "alice:after\n").unwrap();
        }),
        ("another renamed over it", |folder| folder.rename("outer/inner/other", "outer/inner/users")),
        ("another renamed over it while a hard link keeps it", |folder| {
            fs::hard_link(folder.users(), folder.path("link")).unwrap();
            folder.rename("outer/inner/other", "outer/inner/users");
        }),
        ("another renamed over it while somebody has it open", |folder| {
            let open = File::open(folder.users()).unwrap();
            folder.rename("outer/inner/other", "outer/inner/users");
            std::mem::forget(open);
        }),
        ("exchanged", |folder| folder.exchange("outer/inner/other", "outer/inner/users")),
        ("its folder exchanged", |folder| folder.exchange("outer/inner", "other/inner")),
        ("the outer folder exchanged", |folder| folder.exchange("outer", "other")),
        ("the outer folder moved and another put there", |folder| {
            folder.rename("outer", "away");
            folder.rename("other", "outer");
        }),
        ("its folder replaced by a link to another", |folder| {
            folder.rename("outer/inner", "away");
            symlink(folder.path("other/inner"), folder.path("outer/inner")).unwrap();
        }),
    ];
    for (way, change) in ways {
        let folder = Folder::new();
        let source = source(&folder.users());
        assert_eq!(hash_of_alice(&source).as_deref(), Some("before"), "{way}");
        settle(&source);
        change(&folder);
        assert_eq!(hash_of_alice(&source).as_deref(), Some("after"), "{way}");
    }
}

#[test]
fn a_file_that_goes_is_missed_by_the_next_look() {
    let ways: [Way; 4] = [
        ("deleted", |folder| fs::remove_file(folder.users()).unwrap()),
        ("moved away", |folder| folder.rename("outer/inner/users", "users")),
        ("its folder moved away", |folder| folder.rename("outer/inner", "inner")),
        ("the outer folder moved away", |folder| folder.rename("outer", "away")),
    ];
    for (way, change) in ways {
        let folder = Folder::new();
        let source = source(&folder.users());
        settle(&source);
        change(&folder);
        assert_eq!(hash_of_alice(&source), None, "{way}");
    }
}

#[test]
fn changes_beside_the_file_cause_no_reload() {
    let folder = Folder::new();
    let source = source(&folder.users());
    settle(&source);
    let loads = source.loads();
    fs::write(folder.path("outer/inner/other"), "x").unwrap();
    File::open(folder.path("outer/inner")).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    assert_eq!(hash_of_alice(&source).as_deref(), Some("before"));
    assert_eq!(source.loads(), loads);
}

#[test]
fn behind_a_symbolic_link_changes_are_seen() {
    let folder = Folder::new();
    symlink("outer", folder.path("link")).unwrap();
    symlink("outer/inner/users", folder.path("users")).unwrap();
    for path in [folder.path("link/inner/users"), folder.path("users")] {
        let source = source(&path);
        thread::sleep(Duration::from_millis(50));
        for _ in 0..10 {
            assert_eq!(hash_of_alice(&source).as_deref(), Some("before"));
        }
        fs::write(folder.users(), "alice:after\n").unwrap();
        assert_eq!(hash_of_alice(&source).as_deref(), Some("after"));
        fs::write(folder.users(), "alice:before\n").unwrap();
    }
}

#[test]
fn no_access_after_a_change_is_answered_with_the_old_content() {
    let folder = Folder::new();
    fs::write(folder.users(), "alice:0\n").unwrap();
    let path = CString::new(folder.users().as_os_str().as_bytes()).unwrap();
    let watcher = Arc::default();
    // Two sources of one watcher: either may take the events that the other waits for.
    let sources: [Source<Passwords>; 2] =
        std::array::from_fn(|_| Source::new(&path, LineRules::Httpd24, Arc::clone(&watcher)));
    let (written, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for source in sources.iter().chain(&sources) {
            let (written, done) = (&written, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let least = written.load(Ordering::SeqCst);
                    let number: usize = hash_of_alice(source).unwrap().parse().unwrap();
                    assert!(number >= least, "{number} after {least} had been written");
                }
            });
        }
        for number in 1..120 {
            let text = format!("alice:{number}\n");
            if number % 3 == 0 {
                fs::write(folder.users(), text).unwrap();
            } else {
                fs::write(folder.path("outer/inner/other"), text).unwrap();
                folder.rename("outer/inner/other", "outer/inner/users");
            }
            written.store(number, Ordering::SeqCst);
            // Sometimes long enough for the snapshots to settle.
            thread::sleep(Duration::from_millis(if number % 4 == 0 { 1 } else { 30 }));
        }
        done.store(true, Ordering::Relaxed);
    });
}
