//! A source answers with the current content of its file, however it was changed, and says when it cannot.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails while a test is set up fails the test")]

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use esauth_engine::{FileEvent, LineRules, Passwords, ReadError, Source};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }
}

fn source(path: &Path) -> Source<Passwords> {
    Source::new(&CString::new(path.as_os_str().as_bytes()).unwrap(), LineRules::Httpd24, Arc::default())
}

fn hash_of(source: &Source<Passwords>, user: &str) -> Option<String> {
    let file = source.current().snapshot.expect("the file can be read");
    file.stored_hash(user.as_bytes()).map(|hash| String::from_utf8_lossy(hash).into_owned())
}

#[test]
fn a_rewrite_in_place_is_seen_by_the_next_look() {
    let folder = Folder::new();
    let source = source(&folder.write("users", "alice:one\n"));
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("one"));
    folder.write("users", "alice:two\nbob:new\n");
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("two"));
    assert_eq!(hash_of(&source, "bob").as_deref(), Some("new"));
}

#[test]
fn a_replacement_by_rename_is_seen_by_the_next_look() {
    let folder = Folder::new();
    let source = source(&folder.write("users", "alice:one\n"));
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("one"));
    fs::rename(folder.write("new", "alice:two\n"), folder.path("users")).unwrap();
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("two"));
}

#[test]
fn changes_of_the_same_size_within_one_clock_tick_are_all_seen() {
    let folder = Folder::new();
    let source = source(&folder.write("users", "alice:0000\n"));
    for number in 0..2000 {
        let hash = format!("{number:04}");
        folder.write("users", &format!("alice:{hash}\n"));
        assert_eq!(hash_of(&source, "alice"), Some(hash));
    }
}

#[test]
fn a_replacement_of_the_same_size_and_modification_time_is_seen() {
    let folder = Folder::new();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let users = folder.write("users", "alice:one\n");
    File::options().write(true).open(&users).unwrap().set_modified(long_ago).unwrap();
    let source = source(&users);
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("one"));
    let new = folder.write("new", "alice:two\n");
    File::options().write(true).open(&new).unwrap().set_modified(long_ago).unwrap();
    fs::rename(new, users).unwrap();
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("two"));
}

#[test]
fn a_switched_symbolic_link_to_a_folder_is_seen() {
    let folder = Folder::new();
    for (version, hash) in [("v1", "one"), ("v2", "two")] {
        fs::create_dir(folder.path(version)).unwrap();
        folder.write(&format!("{version}/users"), &format!("alice:{hash}\n"));
    }
    std::os::unix::fs::symlink("v1", folder.path("..data")).unwrap();
    let source = source(&folder.path("..data/users"));
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("one"));
    std::os::unix::fs::symlink("v2", folder.path("..tmp")).unwrap();
    fs::rename(folder.path("..tmp"), folder.path("..data")).unwrap();
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("two"));
}

#[test]
fn a_missing_file_fails_at_every_look_is_told_once_and_recovers() {
    const ENOENT: i32 = 2;
    let folder = Folder::new();
    let source = source(&folder.write("users", "alice:one\n"));
    assert_eq!(source.current().event, None);
    fs::remove_file(folder.path("users")).unwrap();
    for expected_event in [Some(FileEvent::Fails), None, None] {
        let reading = source.current();
        assert_eq!(reading.snapshot.err(), Some(ReadError::Os(ENOENT)));
        assert_eq!(reading.event, expected_event);
    }
    folder.write("users", "alice:two\n");
    let reading = source.current();
    assert_eq!(reading.event, Some(FileEvent::Recovered));
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("two"));
    assert_eq!(source.current().event, None);
}

#[test]
fn a_file_that_is_missing_for_a_blink_fails_no_look() {
    let folder = Folder::new();
    let (users, away) = (folder.write("users", "alice:one\n"), folder.path("away"));
    let source = source(&users);
    let (failed, longest) = thread::scope(|scope| {
        let editor = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            for _ in 0..20 {
                let began = Instant::now();
                fs::rename(&users, &away).unwrap();
                thread::sleep(Duration::from_millis(2));
                fs::rename(&away, &users).unwrap();
                longest = longest.max(began.elapsed());
                thread::sleep(Duration::from_millis(2));
            }
            longest
        });
        let mut failed = 0;
        while !editor.is_finished() {
            match source.current().snapshot {
                Ok(file) => assert_eq!(file.stored_hash(b"alice"), Some(&b"one"[..])),
                Err(_) => failed += 1,
            }
        }
        (failed, editor.join().unwrap())
    });
    // On a busy machine it may be missing for longer than a blink.
    assert!(
        failed == 0 || longest >= Duration::from_millis(20),
        "{failed} looks failed; missing for {longest:?} at most"
    );
}

#[test]
fn until_a_slow_writer_closes_the_file_its_old_content_is_the_answer() {
    let folder = Folder::new();
    let users = folder.write("users", "alice:0\nbob:0\n");
    let source = source(&users);
    assert_eq!(hash_of(&source, "bob").as_deref(), Some("0"));
    let (closed, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let before = closed.load(Ordering::SeqCst);
                    let bob: usize = hash_of(&source, "bob").expect("bob is in it all the time").parse().unwrap();
                    let after = closed.load(Ordering::SeqCst);
                    assert!((before..=after + 1).contains(&bob), "{bob}, while {before} to {after} had been closed");
                }
            });
        }
        for number in 1..=4 {
            let mut file = File::create(&users).unwrap();
            thread::sleep(Duration::from_millis(100));
            writeln!(file, "alice:{number}").unwrap();
            thread::sleep(Duration::from_millis(100));
            writeln!(file, "bob:{number}").unwrap();
            thread::sleep(Duration::from_millis(50));
            drop(file);
            closed.store(number, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(20));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(hash_of(&source, "bob").as_deref(), Some("4"));
}

#[test]
fn a_writer_that_does_not_close_the_file_is_not_waited_for_forever() {
    let folder = Folder::new();
    let users = folder.write("users", "alice:one\n");
    let source = source(&users);
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("one"));
    let mut file = File::create(&users).unwrap();
    file.write_all(b"alice:two\n").unwrap();
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("one"));
    thread::sleep(Duration::from_millis(2100));
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("two"));
    file.write_all(b"bob:two\n").unwrap();
    assert_eq!(hash_of(&source, "bob").as_deref(), Some("two"));
}

#[test]
fn a_file_that_grows_all_the_time_is_read_all_the_same() {
    let folder = Folder::new();
    let users = folder.write("users", "alice:one\n");
    let source = source(&users);
    let done = AtomicBool::new(false);
    let looks = thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = File::options().append(true).open(&users).unwrap();
            while !done.load(Ordering::Relaxed) {
                file.write_all(b"other:x\n").unwrap();
                // Otherwise the file grows to gigabytes, and reading it dominates.
                thread::sleep(Duration::from_micros(20));
            }
        });
        let (began, mut looks) = (Instant::now(), Vec::new());
        while began.elapsed() < Duration::from_secs(3) {
            let asked = Instant::now();
            looks.push((hash_of(&source, "alice"), asked.elapsed()));
        }
        // Assert only after the writer has stopped, which it would not if this panicked.
        done.store(true, Ordering::Relaxed);
        looks
    });
    for (hash, took) in looks {
        assert_eq!(hash.as_deref(), Some("one"));
        assert!(took < Duration::from_secs(4), "a look took {took:?}");
    }
    assert_eq!(hash_of(&source, "other").as_deref(), Some("x"));
}

#[test]
fn a_file_that_is_one_long_line_or_all_nul_is_read() {
    const LARGE: u64 = 64 * 1024 * 1024;
    let folder = Folder::new();
    let users = folder.write("users", "");
    File::options().write(true).open(&users).unwrap().set_len(LARGE).unwrap();
    assert_eq!(hash_of(&source(&users), "alice"), None);
    let long = folder.write("long", &format!("alice:{}:\nbob:two\n", "x".repeat(LARGE as usize)));
    let source = source(&long);
    assert_eq!(source.current().event, Some(FileEvent::LongLine(1)));
    assert_eq!(hash_of(&source, "alice").map(|hash| hash.len() as u64), Some(LARGE));
    assert_eq!(hash_of(&source, "bob").as_deref(), Some("two"));
}

#[test]
fn a_file_of_4_gib_is_refused() {
    let folder = Folder::new();
    let users = folder.write("users", "alice:one\n");
    File::options().write(true).open(&users).unwrap().set_len(4 << 30).unwrap();
    assert_eq!(source(&users).current().snapshot.err(), Some(ReadError::TooLarge));
}

#[test]
fn an_emptied_file_names_nobody() {
    let folder = Folder::new();
    let users = folder.write("users", "alice:one\n");
    let source = source(&users);
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("one"));
    folder.write("users", "");
    assert_eq!(hash_of(&source, "alice"), None);
}

#[test]
fn a_folder_that_goes_and_returns_is_followed() {
    let folder = Folder::new();
    fs::create_dir(folder.path("d")).unwrap();
    let source = source(&folder.write("d/users", "alice:one\n"));
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("one"));
    fs::rename(folder.path("d"), folder.path("gone")).unwrap();
    assert!(source.current().snapshot.is_err());
    fs::create_dir(folder.path("d")).unwrap();
    folder.write("d/users", "alice:two\n");
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("two"));
    fs::remove_dir_all(folder.path("d")).unwrap();
    fs::rename(folder.path("gone"), folder.path("d")).unwrap();
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("one"));
}

#[test]
fn sources_of_the_same_file_are_both_told_of_its_changes() {
    let folder = Folder::new();
    let users = folder.write("users", "alice:one\n");
    fs::hard_link(&users, folder.path("link")).unwrap();
    let watcher = Arc::default();
    let [first, second] = [&users, &folder.path("link")].map(|path| {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        Source::<Passwords>::new(&path, LineRules::Httpd24, Arc::clone(&watcher))
    });
    for hash in ["one", "two", "six"] {
        folder.write("users", &format!("alice:{hash}\n"));
        assert_eq!(hash_of(&first, "alice").as_deref(), Some(hash));
        assert_eq!(hash_of(&second, "alice").as_deref(), Some(hash));
    }
}

#[test]
fn a_failing_preload_is_left_to_the_first_look_to_report() {
    let folder = Folder::new();
    let source = source(&folder.path("users"));
    source.preload();
    assert_eq!(source.current().event, Some(FileEvent::Fails));
}

#[test]
fn an_irregular_file_is_refused_without_waiting_for_it() {
    let folder = Folder::new();
    let fifo = folder.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [folder.0.path(), &fifo, Path::new("/dev/zero")] {
        assert_eq!(source(path).current().snapshot.err(), Some(ReadError::NotRegular), "{}", path.display());
    }
}

#[test]
fn dev_null_is_an_empty_file() {
    assert_eq!(hash_of(&source(Path::new("/dev/null")), "alice"), None);
}

#[test]
fn a_line_that_stock_httpd_cannot_read_is_told_once_for_each_content() {
    let folder = Folder::new();
    let long = format!("alice:{}\n", "x".repeat(9000));
    let source = source(&folder.write("users", &format!("# first\n{long}")));
    assert_eq!(source.current().event, Some(FileEvent::LongLine(2)));
    for _ in 0..10 {
        assert_eq!(source.current().event, None);
    }
    folder.write("users", &long);
    assert_eq!(source.current().event, Some(FileEvent::LongLine(1)));
}

#[test]
fn threads_that_look_while_the_file_is_replaced_see_one_content_or_the_other() {
    let folder = Folder::new();
    let source = source(&folder.write("users", "alice:0\nbob:0\n"));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let file = source.current().snapshot.expect("renaming leaves no moment without a file");
                    let [alice, bob] = [&b"alice"[..], b"bob"].map(|user| file.stored_hash(user).map(<[u8]>::to_vec));
                    assert_eq!(alice, bob);
                    let number = String::from_utf8(alice.unwrap()).unwrap().parse().unwrap();
                    assert!(number >= last, "content went back from {last} to {number}");
                    last = number;
                }
            });
        }
        for number in 1..100 {
            fs::rename(folder.write("new", &format!("alice:{number}\nbob:{number}\n")), folder.path("users")).unwrap();
            assert_eq!(hash_of(&source, "bob"), Some(number.to_string()));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_glance_shows_what_is_unchanged_and_leaves_every_change_to_a_look() {
    let folder = Folder::new();
    let path = folder.write("users", "alice:one\n");
    thread::sleep(Duration::from_millis(50));
    let source = source(&path);
    let glance = || source.glance().map(|file| file.stored_hash(b"alice").map(<[u8]>::to_vec));
    assert_eq!(glance(), None, "it was not read yet");
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("one"));
    assert_eq!(glance(), Some(Some(b"one".to_vec())));
    folder.write("users", "alice:two\n");
    assert_eq!(glance(), None);
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("two"));
    // After a second, the content has to be compared, which means reading it.
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(glance(), None);
    assert_eq!(hash_of(&source, "alice").as_deref(), Some("two"));
    assert_eq!(glance(), Some(Some(b"two".to_vec())));
    fs::remove_file(&path).unwrap();
    assert_eq!(glance(), None);
}
