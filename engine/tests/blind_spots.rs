//! Changes that some ways of noticing changes miss: in a layer of an overlay, behind a mount that caches attributes,
//! written through a mapping, or replaced and rewritten before anybody looked.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails while a test is set up fails the test")]

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use esauth_engine::{LineRules, Passwords, Source, Watcher};

fn source(path: &Path) -> Source<Passwords> {
    Source::new(&CString::new(path.as_os_str().as_bytes()).unwrap(), LineRules::Httpd24, Arc::default())
}

fn hash_of(source: &Source<Passwords>, user: &str) -> Option<String> {
    let file = source.current().snapshot.ok()?;
    file.stored_hash(user.as_bytes()).map(|hash| String::from_utf8_lossy(hash).into_owned())
}

/// Checks twice: when the snapshot is new, and when it has settled.
fn settle(source: &Source<Passwords>) {
    source.current().snapshot.unwrap();
    thread::sleep(Duration::from_millis(50));
    source.current().snapshot.unwrap();
}

/// A mount at a folder, undone on drop.
struct Mounted(PathBuf);

impl Mounted {
    /// `None`, and a line that says so, if the machine does not allow it.
    fn by(program: &str, arguments: &[&str], at: &Path) -> Option<Mounted> {
        let output = Command::new(program).args(arguments).arg(at).output();
        let fails = match &output {
            Ok(output) if output.status.success() => return Some(Mounted(at.to_owned())),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let test = thread::current().name().unwrap_or("").to_owned();
        // Bypasses the harness's capture; scripts/test.sh counts these lines.
        let _ = writeln!(std::io::stderr(), "skipped test {test}: {program} fails: {}", fails.trim());
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

mod overlay {
    use super::*;

    /// An overlay in `m`, of the folders `l` and `u`, on a file system of its own: an overlay over an overlay is refused.
    fn with_overlay(test: impl FnOnce(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let Some(_ground) = Mounted::by("mount", &["-t", "tmpfs", "none"], folder.path()) else { return };
        for name in ["l", "u", "w", "m"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("l/users"), "alice:before\n").unwrap();
        let [lower, upper, work] = ["l", "u", "w"].map(|name| folder.path().join(name));
        let options = format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        let arguments = ["-t", "overlay", "overlay", "-o", &options];
        let Some(_overlay) = Mounted::by("mount", &arguments, &folder.path().join("m")) else { return };
        test(folder.path());
    }

    #[test]
    fn a_file_edited_in_the_lower_layer_is_seen_by_the_next_look() {
        with_overlay(|folder| {
            let source = source(&folder.join("m/users"));
            settle(&source);
            for hash in ["after", "again"] {
                fs::write(folder.join("l/users"), format!("alice:{hash}\n")).unwrap();
                assert_eq!(hash_of(&source, "alice").as_deref(), Some(hash));
            }
        });
    }

    #[test]
    fn a_file_edited_in_the_upper_layer_is_seen_by_the_next_look() {
        with_overlay(|folder| {
            // First through the mount, which copies the file into the upper layer, and is reported.
            fs::write(folder.join("m/users"), "alice:above\n").unwrap();
            let source = source(&folder.join("m/users"));
            for hash in ["above", "through"] {
                fs::write(folder.join("m/users"), format!("alice:{hash}\n")).unwrap();
                assert_eq!(hash_of(&source, "alice").as_deref(), Some(hash));
            }
            for hash in ["after", "again"] {
                fs::write(folder.join("u/users"), format!("alice:{hash}\n")).unwrap();
                assert_eq!(hash_of(&source, "alice").as_deref(), Some(hash));
            }
        });
    }
}

#[test]
fn behind_a_mount_that_caches_attributes_a_change_is_seen_by_the_next_look() {
    let folder = tempfile::tempdir().unwrap();
    let [behind, mount] = ["behind", "mount"].map(|name| folder.path().join(name));
    for folder in [&behind, &mount] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(behind.join("users"), "alice:before\n").unwrap();
    let options = "attr_timeout=60,entry_timeout=60";
    let Some(_mounted) = Mounted::by("bindfs", &["-o", options, behind.to_str().unwrap()], &mount) else { return };
    let source = source(&mount.join("users"));
    settle(&source);
    for hash in ["after", "again", "longer than before"] {
        fs::write(behind.join("users"), format!("alice:{hash}\n")).unwrap();
        assert_eq!(hash_of(&source, "alice").as_deref(), Some(hash));
    }
}

/// The bytes of a file mapped for writing, with the file closed.
struct Mapped {
    bytes: *mut u8,
    length: usize,
}

impl Mapped {
    fn new(path: &Path) -> Mapped {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let length = file.metadata().unwrap().len() as usize;
        let bytes = {
            use std::os::fd::AsRawFd;
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            // SAFETY: a new mapping, of a file that is open.
            unsafe { libc::mmap(ptr::null_mut(), length, rights, libc::MAP_SHARED, file.as_raw_fd(), 0) }
        };
        assert_ne!(bytes, libc::MAP_FAILED);
        Mapped { bytes: bytes.cast(), length }
    }

    fn write(&self, text: &str) {
        assert_eq!(text.len(), self.length);
        // SAFETY: within the mapping, which nothing else in this process uses.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), self.bytes, self.length) };
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: our own mapping, no longer used.
        unsafe { libc::munmap(self.bytes.cast(), self.length) };
    }
}

#[test]
fn writes_through_a_mapping_are_seen_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    fs::write(&users, "alice:0\n").unwrap();
    let source = source(&users);
    settle(&source);
    let mapped = Mapped::new(&users);
    // The first write to a page may set the file's times; later ones set nothing.
    for number in 1..=3 {
        settle(&source);
        mapped.write(&format!("alice:{number}\n"));
        let written = Instant::now();
        while hash_of(&source, "alice") != Some(number.to_string()) {
            assert!(written.elapsed() < Duration::from_millis(1500), "{number} is not seen");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

mod replaced_and_rewritten {
    use super::*;

    /// The time between the two steps: more than a tick of the file system's clock, and in which nobody looks.
    const BETWEEN: Duration = Duration::from_millis(25);

    fn append(path: &Path, text: &str) {
        File::options().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Another file replaces this one and is rewritten there, like `mv new users; htpasswd -b users bob x`.
    type Way = (&'static str, fn(&Path));
    const WAYS: [Way; 4] = [
        ("moved there and rewritten", |users| {
            fs::write(users.with_extension("new"), "alice:after\n").unwrap();
            fs::rename(users.with_extension("new"), users).unwrap();
            thread::sleep(BETWEEN);
            fs::write(users, "alice:after\nbob:after\n").unwrap();
        }),
        ("moved there and added to", |users| {
            fs::write(users.with_extension("new"), "alice:after\n").unwrap();
            fs::rename(users.with_extension("new"), users).unwrap();
            thread::sleep(BETWEEN);
            append(users, "bob:after\n");
        }),
        ("removed, made anew and rewritten", |users| {
            fs::remove_file(users).unwrap();
            fs::write(users, "alice:after\n").unwrap();
            thread::sleep(BETWEEN);
            fs::write(users, "alice:after\nbob:after\n").unwrap();
        }),
        ("removed, made anew and added to", |users| {
            fs::remove_file(users).unwrap();
            fs::write(users, "alice:after\n").unwrap();
            thread::sleep(BETWEEN);
            append(users, "bob:after\n");
        }),
    ];

    /// The longest wait of the next check: the quiet time required of unwatched files, and a slow machine.
    const WAIT: Duration = Duration::from_millis(200);

    fn changes_count_at_once(watcher: &Arc<Watcher>) {
        for (way, change) in WAYS {
            let folder = tempfile::tempdir().unwrap();
            let users = folder.path().join("users");
            fs::write(&users, "alice:before\n").unwrap();
            let path = CString::new(users.as_os_str().as_bytes()).unwrap();
            let source = Source::new(&path, LineRules::Httpd24, Arc::clone(watcher));
            settle(&source);
            change(&users);
            let asked = Instant::now();
            assert_eq!(hash_of(&source, "bob").as_deref(), Some("after"), "{way}");
            assert!(asked.elapsed() < WAIT, "{way}: took {:?}", asked.elapsed());
            assert_eq!(hash_of(&source, "alice").as_deref(), Some("after"), "{way}");
        }
    }

    #[test]
    fn counts_at_once() {
        changes_count_at_once(&Arc::default());
    }

    #[test]
    fn a_writer_that_began_before_the_first_check_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users");
        fs::write(&users, "alice:before\n").unwrap();
        let source = source(&users);
        settle(&source);
        fs::write(users.with_extension("new"), "alice:between\n").unwrap();
        fs::rename(users.with_extension("new"), &users).unwrap();
        let mut writer = File::create(&users).unwrap();
        writer.write_all(b"alice:after\n").unwrap();
        thread::sleep(Duration::from_millis(100));
        thread::scope(|scope| {
            let asked = scope.spawn(|| hash_of(&source, "bob"));
            thread::sleep(Duration::from_millis(200));
            writer.write_all(b"bob:after\n").unwrap();
            drop(writer);
            assert_eq!(asked.join().unwrap().as_deref(), Some("after"));
        });
    }

    /// In a process of its own: the limit applies to the whole process.
    #[test]
    fn counts_at_once_where_no_file_can_be_watched() {
        const ALONE: &str = "ESAUTH_TEST_WITHOUT_WATCHES";
        if std::env::var_os(ALONE).is_none() {
            let name = "replaced_and_rewritten::counts_at_once_where_no_file_can_be_watched";
            let mut alone = Command::new(std::env::current_exe().unwrap());
            let output = alone.args(["--exact", name, "--test-threads=1"]).env(ALONE, "1").output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            return;
        }
        refuse_watches();
        let watcher = Arc::default();
        changes_count_at_once(&watcher);
    }

    /// Makes `inotify_add_watch` fail in this thread.
    fn refuse_watches() {
        let load_number = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        let jump_if_equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        let give_back = libc::BPF_RET | libc::BPF_K;
        let refused = libc::SECCOMP_RET_ERRNO | libc::ENOSPC as u32;
        // SAFETY: these compute values, and touch no memory.
        let mut filter = unsafe {
            [
                libc::BPF_STMT(load_number as u16, 0),
                libc::BPF_JUMP(jump_if_equal as u16, libc::SYS_inotify_add_watch as u32, 0, 1),
                libc::BPF_STMT(give_back as u16, refused),
                libc::BPF_STMT(give_back as u16, libc::SECCOMP_RET_ALLOW),
            ]
        };
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: a program that outlives the call, which copies it.
        unsafe {
            assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
            assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
        }
    }
}
