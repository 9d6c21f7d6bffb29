//! A server in trouble: out of descriptors, memory, disk space or watches. Each time it gives the documented answer and
//! recovers by itself.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use harness::client::{self, Connection, Request};
use harness::disk::SmallDisk;
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::{self, Installation};

/// `secret`, as `htpasswd -s` stores it.
const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

/// The requested file does not exist, which takes neither a descriptor nor memory to find out.
const GRANTED: u16 = 404;

/// A server with one child, whose password file is `folder/users`.
fn start(folder: Option<&Path>, stock: bool) -> Httpd {
    let installation = Installation::get();
    let load = installation.load_core()
        + &if stock { installation.load(&["auth_basic", "authn_file"]) } else { installation.load_ours() };
    let configuration = |site: &Site<'_>| {
        let users = folder.unwrap_or(site.folder);
        fs::write(users.join("users"), format!("alice:{SECRET}\n")).unwrap();
        format!(
            "LogLevel info\nDocumentRoot {}\n<Directory />\nAllowOverride None\n</Directory>\nStartServers 1\nServerLimit 1\nMaxRequestWorkers 16\nMaxSpareThreads 32\n<Location />\n\
             AuthType Basic\nAuthName realm\nAuthUserFile {}/users\nRequire valid-user\n</Location>\n",
            site.folder.display(),
            users.display()
        )
    };
    Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration })
}

/// False, with a message, if the server's only MPM has a process for each connection.
fn has_threads() -> bool {
    let has = Mpm::usual() != Mpm::Prefork;
    if !has {
        Installation::get().skip_this_test("it has prefork built in, and one child is needed that serves all requests");
    }
    has
}

/// The server's only child.
fn child(server: &Httpd) -> i32 {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.parent())).unwrap();
    children.split_whitespace().next().expect("a child").parse().unwrap()
}

fn alice() -> Request {
    Request::get("/missing").header("Host: localhost").basic("alice", "secret")
}

fn status(server: &Httpd) -> u16 {
    client::ask(server.port(), &alice()).unwrap().status
}

fn times_logged(server: &Httpd, part: &str) -> usize {
    String::from_utf8_lossy(&server.error_log()).matches(part).count()
}

/// A child's limit, lowered until this value is dropped.
struct Lowered {
    child: i32,
    option: &'static str,
    before: String,
}

impl Lowered {
    /// `option` is an option of prlimit(1), and `name` the limit's name in /proc.
    fn to(soft: u64, child: i32, option: &'static str, name: &str) -> Self {
        let limits = fs::read_to_string(format!("/proc/{child}/limits")).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("the limit's line");
        let lowered = Lowered { child, option, before: line.split_whitespace().next().unwrap().to_owned() };
        lowered.set(&soft.to_string());
        lowered
    }

    fn set(&self, soft: &str) {
        let Lowered { child, option, .. } = self;
        let mut command = Command::new("prlimit");
        command.args(["--pid", &child.to_string(), &format!("--{option}={soft}:")]);
        let status = as_run_user(&mut command).status().unwrap();
        assert!(status.success(), "prlimit: {status}");
    }
}

impl Drop for Lowered {
    fn drop(&mut self) {
        self.set(&self.before);
    }
}

/// Runs a command as the user of the server's children, who may change their limits.
fn as_run_user(command: &mut Command) -> &mut Command {
    if installation::is_root() {
        let user = installation::run_user().0;
        let id = |flag: &str| {
            let output = Command::new("id").args([flag, user.as_str()]).output().unwrap();
            String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
        };
        command.uid(id("-u")).gid(id("-g"));
    }
    command
}

#[test]
fn without_descriptors_files_in_memory_answer_and_a_changed_file_is_an_error_until_there_are_some() {
    if !has_threads() {
        return;
    }
    let server = start(None, false);
    let users = server.folder().join("users");
    // Accepted while descriptors were available; one for each error, after which httpd closes the connection.
    let mut connections = [(); 3].map(|()| Connection::open(server.port()).unwrap());
    let mut status = |number: usize| connections[number].ask(&alice()).unwrap().status;
    assert_eq!([status(0), status(1), status(2)], [GRANTED; 3]);
    // Not 0: with a lower limit than the descriptors it waits for, poll(2) fails.
    let lowered = Lowered::to(2, child(&server), "nofile", "Max open files");
    assert_eq!(status(0), GRANTED);
    fs::write(&users, format!("bob:{SECRET}\nalice:{SECRET}\n")).unwrap();
    assert_eq!([status(0), status(1)], [500, 500]);
    drop(lowered);
    assert_eq!(status(2), GRANTED);
    assert_eq!(times_logged(&server, "cannot be read: Too many open files"), 1);
    assert_eq!(times_logged(&server, "can be read again"), 1);
}

#[test]
fn without_memory_for_a_file_requests_that_need_it_are_refused_until_there_is_some() {
    if !has_threads() {
        return;
    }
    const ROOM: u64 = 24 * 1024 * 1024;
    let server = start(None, false);
    assert_eq!(status(&server), GRANTED);
    let status_of = fs::read_to_string(format!("/proc/{}/status", child(&server))).unwrap();
    let size = status_of.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let size: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
    let lowered = Lowered::to(size * 1024 + ROOM, child(&server), "as", "Max address space");
    assert_eq!(status(&server), GRANTED);
    let large = format!("alice:{SECRET}\n{}", format!("other:{SECRET}\n").repeat(2_000_000));
    fs::write(server.folder().join("users"), large).unwrap();
    assert_eq!([status(&server), status(&server)], [500, 500]);
    drop(lowered);
    assert_eq!(status(&server), GRANTED);
    assert_eq!(times_logged(&server, "cannot be read: Cannot allocate memory"), 1);
    assert_eq!(times_logged(&server, "exit signal"), 0);
}

#[test]
fn a_file_that_a_full_disk_left_short_counts_as_it_is_as_with_stock_httpd() {
    if !has_threads() {
        return;
    }
    let folder = harness::scratch::Scratch::new();
    let Some(disk) = SmallDisk::mount(folder.path()) else {
        Installation::get()
            .skip_this_test("a small file system can only be mounted by root, outside of most containers");
        return;
    };
    let (ours, stock) = (start(Some(folder.path()), false), start(Some(folder.path()), true));
    let both = || [status(&ours), status(&stock)];
    assert_eq!(both(), [GRANTED, GRANTED]);
    let filler = folder.path().join("filler");
    // To the last byte.
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[b'x'; 512]).is_ok() {}
    drop(file);
    let longer = format!("# {}\nalice:{SECRET}\n", "x".repeat(4096));
    let error = fs::write(folder.path().join("users"), &longer).expect_err("the disk is full");
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    assert_eq!(both(), [401, 401], "nothing is left of the line");
    fs::remove_file(&filler).unwrap();
    fs::write(folder.path().join("users"), &longer).unwrap();
    assert_eq!(both(), [GRANTED, GRANTED]);
    drop((ours, stock, disk));
}

#[test]
fn an_error_log_on_a_full_disk_changes_no_answer() {
    if !has_threads() {
        return;
    }
    let installation = Installation::get();
    let load = installation.load_core() + &installation.load_ours();
    let configuration = |site: &Site<'_>| {
        let folder = site.folder.display();
        fs::write(site.folder.join("users"), format!("alice:{SECRET}\n")).unwrap();
        // Of the virtual host only: the server's own log shows when it has started.
        format!(
            "<VirtualHost *>\nErrorLog /dev/full\nDocumentRoot {folder}\n<Location />\nAuthType Basic\nAuthName realm\n\
             AuthUserFile {folder}/users\nRequire valid-user\n</Location>\n</VirtualHost>\n"
        )
    };
    let server = Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration });
    let wrong = Request::get("/missing").header("Host: localhost").basic("alice", "wrong");
    for _ in 0..3 {
        assert_eq!(client::ask(server.port(), &wrong).unwrap().status, 401);
        assert_eq!(status(&server), GRANTED);
    }
}

#[test]
fn without_watches_changes_still_count_at_once_and_the_operator_is_told() {
    if !has_threads() {
        return;
    }
    let holder = WatchHolder::start();
    let server = start(None, false);
    let users = server.folder().join("users");
    assert_eq!([status(&server), status(&server)], [GRANTED, GRANTED]);
    for _ in 0..3 {
        fs::write(&users, format!("bob:{SECRET}\n")).unwrap();
        assert_eq!(status(&server), 401);
        fs::write(&users, format!("alice:{SECRET}\n")).unwrap();
        assert_eq!(status(&server), GRANTED);
    }
    assert_eq!(times_logged(&server, "cannot be watched: Too many open files"), 1);
    assert_eq!(times_logged(&server, "raise fs.inotify.max_user_instances, or the limit on open files"), 1);

    drop(holder);
    fs::write(&users, format!("alice:{SECRET}\nbob:{SECRET}\n")).unwrap();
    assert_eq!(status(&server), GRANTED);
    // It is watched now: a writer is noticed.
    let mut file = File::create(&users).unwrap();
    sleep(Duration::from_millis(200));
    assert_eq!(status(&server), GRANTED);
    file.write_all(b"bob:x\n").unwrap();
    drop(file);
    assert_eq!(status(&server), 401);
}

/// Like a container's or a service's seccomp filter.
#[test]
fn where_the_system_refuses_to_leave_the_cache_out_of_core_dumps_httpd_starts_and_says_so() {
    // Applies to this thread and its children.
    refuse_madvise();
    let server = start(None, false);
    assert_eq!([status(&server), status(&server)], [GRANTED, GRANTED]);
    assert_eq!(times_logged(&server, "rust_esauth: core dumps may contain the shared cache"), 1);
}

/// Makes madvise(2) with MADV_DONTDUMP fail with EPERM for this thread and its children.
fn refuse_madvise() {
    let statement = |code: u32, value: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k: value };
    let unless_equal = |value: u32, skip: u8| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: skip,
        k: value,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    // The offsets of `nr` and of the lower half of `args[2]` in `seccomp_data`, on a little-endian machine.
    let (number, advice) = (0, 32);
    let mut filter = [
        statement(load, number),
        unless_equal(libc::SYS_madvise as u32, 3),
        statement(load, advice),
        unless_equal(libc::MADV_DONTDUMP as u32, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: system calls; the program lives during the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

/// A process that holds all inotify instances of the run user.
struct WatchHolder(Child);

impl WatchHolder {
    fn start() -> Self {
        let mut command = Command::new("sleep");
        command.arg("60");
        as_run_user(&mut command);
        // SAFETY: system calls, which may be made between fork and exec. Their descriptors stay open in `sleep`.
        unsafe {
            command.pre_exec(|| {
                while libc::inotify_init1(0) >= 0 {}
                Ok(())
            });
        }
        WatchHolder(command.spawn().unwrap())
    }
}

impl Drop for WatchHolder {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
