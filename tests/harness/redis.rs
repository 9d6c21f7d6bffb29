//! A server of Redis or Valkey, started by the test.

use std::env;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::ports::free_port;
use super::scratch::Scratch;

/// The servers that the fleet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis,
    Valkey,
}

impl Kind {
    /// Those that are installed; the others are reported as skipped.
    pub(crate) fn installed() -> Vec<Kind> {
        let kinds: Vec<Kind> = [Kind::Redis, Kind::Valkey].into_iter().filter(|kind| kind.is_installed()).collect();
        assert!(kinds.contains(&Kind::Redis), "{} is not installed; run make deps", Kind::Redis.program());
        if !kinds.contains(&Kind::Valkey) {
            let test = std::thread::current().name().unwrap_or("").to_owned();
            let _ =
                writeln!(std::io::stderr(), "skipped with Valkey: {test}: {} is not installed", Kind::Valkey.program());
        }
        kinds
    }

    /// Its program: ESAUTH_REDIS or ESAUTH_VALKEY names another one, such as the other kind's, which then meets every test.
    fn program(self) -> String {
        let (variable, usual) = match self {
            Kind::Redis => ("ESAUTH_REDIS", "redis-server"),
            Kind::Valkey => ("ESAUTH_VALKEY", "valkey-server"),
        };
        env::var(variable).unwrap_or_else(|_| usual.to_owned())
    }

    fn is_installed(self) -> bool {
        Command::new(self.program()).arg("--version").stdout(Stdio::null()).status().is_ok()
    }
}

/// A running server without persistence.
pub(crate) struct Redis {
    kind: Kind,
    process: Child,
    port: u16,
    folder: Scratch,
    arguments: Vec<String>,
}

impl Redis {
    pub(crate) fn start(kind: Kind) -> Redis {
        Redis::start_with(kind, &[])
    }

    /// With further settings, such as `--maxmemory`, `1mb`.
    pub(crate) fn start_with(kind: Kind, arguments: &[&str]) -> Redis {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        for _ in 0..5 {
            let folder = Scratch::new();
            let port = free_port();
            let mut process = spawn(kind, port, &folder, &arguments);
            if is_ready(&mut process, port) {
                return Redis { kind, process, port, folder, arguments };
            }
        }
        panic!("{} does not start", kind.program());
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its socket, which everybody may use.
    pub(crate) fn socket(&self) -> String {
        format!("unix:{}/redis.sock", self.folder.path().display())
    }

    /// Sends a command by redis-cli's language, and returns what it answers.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The entries' names.
    pub(crate) fn entries(&self) -> Vec<String> {
        self.ask(&["KEYS", "*"]).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Pairs of a user and a network whose failures the fleet counts.
    pub(crate) fn counted(&self) -> usize {
        self.entries().iter().filter(|entry| entry.starts_with("esauth:v1:f:")).count()
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        // SAFETY: a system call on a process that this test started.
        unsafe { libc::kill(self.process.id() as i32, signal) };
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again at the same address, empty.
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(self.kind, self.port, &self.folder, &self.arguments);
        assert!(is_ready(&mut self.process, self.port));
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // A stopped one as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(kind: Kind, port: u16, folder: &Scratch, arguments: &[String]) -> Child {
    let log = fs::File::create(folder.path().join("redis.log")).unwrap();
    let mut command = Command::new(kind.program());
    let port = port.to_string();
    command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
    command
        .arg(folder.path())
        .arg("--unixsocket")
        .arg(folder.path().join("redis.sock"))
        .args(["--unixsocketperm", "777"]);
    command.args(arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    // SAFETY: prctl is a system call, which may be made between fork and exec.
    unsafe {
        command.pre_exec(|| {
            // A killed test runs no destructors.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    command.spawn().unwrap()
}

fn is_ready(process: &mut Child, port: u16) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline && process.try_wait().unwrap().is_none() {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return true;
        }
        sleep(Duration::from_millis(10));
    }
    false
}
