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
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(tempfile::tempdir().unwrap());
        for folder in ["outer/inner", "other/inner"] {
            fs::create_dir_all(place.path(folder)).unwrap();
        }
        fs::write(place.users(), "alice:before\n").unwrap();
        fs::write(place.path("outer/inner/other"), "alice:after\n").unwrap();
        fs::write(place.path("other/inner/users"), "alice:after\n").unwrap();
        place
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
type Way = (&'static str, fn(&Place));

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
        ("rewritten in place", |place| fs::write(place.users(), "alice:after\n").unwrap()),
        ("rewritten by way of a hard link", |place| {
            fs::hard_link(place.users(), place.path("link")).unwrap();
            fs::write(place.path("link"), "alice:after\n").unwrap();
        }),
        ("another renamed over it", |place| place.rename("outer/inner/other", "outer/inner/users")),
        ("another renamed over it while a hard link keeps it", |place| {
            fs::hard_link(place.users(), place.path("link")).unwrap();
            place.rename("outer/inner/other", "outer/inner/users");
        }),
        ("another renamed over it while somebody has it open", |place| {
            let open = File::open(place.users()).unwrap();
            place.rename("outer/inner/other", "outer/inner/users");
            std::mem::forget(open);
        }),
        ("exchanged", |place| place.exchange("outer/inner/other", "outer/inner/users")),
        ("its folder exchanged", |place| place.exchange("outer/inner", "other/inner")),
        ("the outer folder exchanged", |place| place.exchange("outer", "other")),
        ("the outer folder moved and another put there", |place| {
            place.rename("outer", "away");
            place.rename("other", "outer");
        }),
        ("its folder replaced by a link to another", |place| {
            place.rename("outer/inner", "away");
            symlink(place.path("other/inner"), place.path("outer/inner")).unwrap();
        }),
    ];
    for (way, change) in ways {
        let place = Place::new();
        let source = source(&place.users());
        assert_eq!(hash_of_alice(&source).as_deref(), Some("before"), "{way}");
        settle(&source);
        change(&place);
        assert_eq!(hash_of_alice(&source).as_deref(), Some("after"), "{way}");
    }
}

#[test]
fn a_file_that_goes_is_missed_by_the_next_look() {
    let ways: [Way; 4] = [
        ("deleted", |place| fs::remove_file(place.users()).unwrap()),
        ("moved away", |place| place.rename("outer/inner/users", "users")),
        ("its folder moved away", |place| place.rename("outer/inner", "inner")),
        ("the outer folder moved away", |place| place.rename("outer", "away")),
    ];
    for (way, change) in ways {
        let place = Place::new();
        let source = source(&place.users());
        settle(&source);
        change(&place);
        assert_eq!(hash_of_alice(&source), None, "{way}");
    }
}

#[test]
fn changes_beside_the_file_cause_no_reload() {
    let place = Place::new();
    let source = source(&place.users());
    settle(&source);
    let loads = source.loads();
    fs::write(place.path("outer/inner/other"), "x").unwrap();
    File::open(place.path("outer/inner")).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    assert_eq!(hash_of_alice(&source).as_deref(), Some("before"));
    assert_eq!(source.loads(), loads);
}

#[test]
fn behind_a_symbolic_link_changes_are_seen() {
    let place = Place::new();
    symlink("outer", place.path("link")).unwrap();
    symlink("outer/inner/users", place.path("users")).unwrap();
    for path in [place.path("link/inner/users"), place.path("users")] {
        let source = source(&path);
        thread::sleep(Duration::from_millis(50));
        for _ in 0..10 {
            assert_eq!(hash_of_alice(&source).as_deref(), Some("before"));
        }
        fs::write(place.users(), "alice:after\n").unwrap();
        assert_eq!(hash_of_alice(&source).as_deref(), Some("after"));
        fs::write(place.users(), "alice:before\n").unwrap();
    }
}

#[test]
fn no_access_after_a_change_is_answered_with_the_old_content() {
    let place = Place::new();
    fs::write(place.users(), "alice:0\n").unwrap();
    let path = CString::new(place.users().as_os_str().as_bytes()).unwrap();
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
                fs::write(place.users(), text).unwrap();
            } else {
                fs::write(place.path("outer/inner/other"), text).unwrap();
                place.rename("outer/inner/other", "outer/inner/users");
            }
            written.store(number, Ordering::SeqCst);
            // Sometimes long enough for the snapshots to settle.
            thread::sleep(Duration::from_millis(if number % 4 == 0 { 1 } else { 30 }));
        }
        done.store(true, Ordering::Relaxed);
    });
}
