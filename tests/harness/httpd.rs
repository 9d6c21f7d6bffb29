//! The server under test.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::installation::{self, Generation, Installation};
use super::memcheck;
use super::ports::free_ports;
use super::scratch::Scratch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mpm {
    Event,
    Worker,
    Prefork,
}

impl Mpm {
    pub(crate) const ALL: [Mpm; 3] = [Mpm::Event, Mpm::Worker, Mpm::Prefork];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mpm::Event => "event",
            Mpm::Worker => "worker",
            Mpm::Prefork => "prefork",
        }
    }

    /// Those that this httpd can run under.
    pub(crate) fn available() -> Vec<Mpm> {
        Installation::get().built_in_mpm.map_or(Mpm::ALL.into(), |only| vec![only])
    }

    /// The MPM for tests that do not depend on it.
    pub(crate) fn usual() -> Mpm {
        Mpm::available()[0]
    }

    /// True, with a message, if the test cannot run because httpd has another MPM built in.
    pub(crate) fn is_missing(self) -> bool {
        let missing = !Mpm::available().contains(&self);
        if missing {
            let why = format!("it has {} built in, and no {}", Mpm::usual().name(), self.name());
            Installation::get().skip_this_test(&why);
        }
        missing
    }

    fn load(self) -> String {
        let installation = Installation::get();
        match installation.built_in_mpm {
            Some(only) => {
                assert_eq!(self, only, "the only MPM of {}", installation.httpd.display());
                String::new()
            }
            None => installation.load(&[&format!("mpm_{}", self.name())]),
        }
    }

    /// Room for 200 requests at once.
    pub(crate) fn room_for_200(self) -> &'static str {
        match self {
            Mpm::Prefork => "ServerLimit 220\nMaxRequestWorkers 220\nStartServers 40\nMaxSpareServers 200\n",
            Mpm::Event | Mpm::Worker => {
                "ServerLimit 8\nStartServers 4\nThreadLimit 64\nThreadsPerChild 64\nMaxRequestWorkers 256\nMaxSpareThreads 256\n"
            }
        }
    }

    /// Few processes and threads, with room for the old ones that a graceful restart leaves behind for a while.
    fn sizes(self) -> &'static str {
        match self {
            Mpm::Prefork => {
                "StartServers 6\nMinSpareServers 4\nMaxSpareServers 12\nServerLimit 64\nMaxRequestWorkers 64\n"
            }
            Mpm::Event | Mpm::Worker => {
                "StartServers 2\nServerLimit 12\nThreadLimit 16\nThreadsPerChild 16\nMinSpareThreads 16\n\
                 MaxSpareThreads 64\nMaxRequestWorkers 192\n"
            }
        }
    }
}

/// Facts that a configuration may refer to.
pub(crate) struct Site<'a> {
    /// The server's own folder, which is its ServerRoot.
    pub(crate) folder: &'a Path,
    pub(crate) ports: &'a [u16],
}

/// A server to start.
pub(crate) struct Setup<'a> {
    pub(crate) mpm: Mpm,
    /// `LoadModule` lines, besides the MPM's.
    pub(crate) load: String,
    /// How many ports to listen on.
    pub(crate) ports: usize,
    /// The rest of the configuration.
    pub(crate) configuration: &'a dyn Fn(&Site<'_>) -> String,
}

impl Setup<'_> {
    /// Stock httpd need not be checked.
    fn is_for_memcheck(&self) -> bool {
        memcheck::is_wanted() && self.load.contains("rust_esauth_module")
    }

    /// The whole configuration file.
    fn write(&self, site: &Site<'_>) -> String {
        let folder = site.folder.display();
        let installation = Installation::get();
        let mut text = self.mpm.load() + &installation.load(&["log_config"]);
        // 2.2 has this in its MPMs, and names the files one by one.
        text.push_str(&match installation.generation {
            Generation::V24 => installation.load(&["unixd"]) + &format!("DefaultRuntimeDir {folder}\n"),
            Generation::V22 => format!("LockFile {folder}/accept.lock\n"),
        });
        text.push_str(&self.load);
        text.push_str(&format!(
            "ServerRoot {folder}\nPidFile {folder}/httpd.pid\nServerName localhost\n\
             ErrorLog {folder}/error.log\nLogLevel warn\nServerTokens Prod\n",
        ));
        if installation::is_root() {
            let (user, group) = installation::run_user();
            text.push_str(&format!("User {user}\nGroup {group}\n"));
        }
        text.push_str(self.mpm.sizes());
        for port in site.ports {
            text.push_str(&format!("Listen 127.0.0.1:{port}\n"));
        }
        text += &(self.configuration)(site);
        match installation.generation {
            Generation::V24 => text,
            Generation::V22 => text.replace("MaxRequestWorkers", "MaxClients"),
        }
    }
}

/// A running server, with the folder that it was started from.
pub(crate) struct Httpd {
    process: Child,
    ended: Option<ExitStatus>,
    ports: Vec<u16>,
    folder: Scratch,
    /// Valgrind's findings are still to be read.
    under_memcheck: bool,
}

impl Httpd {
    /// Starts a server and waits until it accepts connections. Panics with httpd's output if it does not.
    pub(crate) fn start(setup: &Setup<'_>) -> Self {
        Httpd::start_as(setup, setup.is_for_memcheck())
    }

    /// The same under Valgrind, even if other tests run without.
    pub(crate) fn start_under_memcheck(setup: &Setup<'_>) -> Self {
        Httpd::start_as(setup, true)
    }

    fn start_as(setup: &Setup<'_>, under_memcheck: bool) -> Self {
        const ATTEMPTS: u32 = 5;
        for _ in 1..ATTEMPTS {
            match Httpd::try_start(setup, under_memcheck) {
                Ok(server) => return server,
                // Another process was faster to take one of the ports.
                Err(said) if said.contains("Address already in use") => {}
                Err(said) => panic!("httpd does not start:\n{said}"),
            }
        }
        Httpd::try_start(setup, under_memcheck).unwrap_or_else(|said| panic!("httpd does not start:\n{said}"))
    }

    fn try_start(setup: &Setup<'_>, under_memcheck: bool) -> Result<Self, String> {
        let folder = Scratch::new();
        let ports = free_ports(setup.ports);
        let site = Site { folder: folder.path(), ports: &ports };
        let configuration = folder.write("httpd.conf", setup.write(&site));
        let said = folder.path().join("said.log");
        let mut command = command(&configuration, under_memcheck);
        command.arg("-DFOREGROUND").stdin(Stdio::null());
        command.stdout(File::create(&said).unwrap()).stderr(File::options().append(true).open(&said).unwrap());
        let process = command.spawn().unwrap_or_else(|error| panic!("cannot run httpd: {error}"));
        let mut server = Httpd { process, ended: None, ports, folder, under_memcheck };
        let deadline = Instant::now() + memcheck::patience(Duration::from_secs(30));
        while !server.is_ready() {
            let ended = server.has_ended();
            if ended.is_some() || Instant::now() > deadline {
                let log = String::from_utf8_lossy(&server.error_log()).into_owned();
                return Err(format!("{ended:?}\n{}{log}", fs::read_to_string(&said).unwrap_or_default()));
            }
            sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// It listens before it handles signals, and a signal in between would end it.
    fn is_ready(&self) -> bool {
        let accepts = |&port: &u16| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        String::from_utf8_lossy(&self.error_log()).contains("resuming normal operations")
            && self.ports.iter().all(accepts)
    }

    /// The first of its ports.
    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The parent process.
    pub(crate) fn parent(&self) -> u32 {
        self.process.id()
    }

    /// The children, which serve requests.
    pub(crate) fn children(&self) -> Vec<u32> {
        let parent = self.parent();
        // Fails where the parent has just ended.
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        children.split_whitespace().map(|number| number.parse().unwrap()).collect()
    }

    /// Kills all children, whatever they are doing, and waits until they are gone. The parent starts others.
    pub(crate) fn kill_children(&self) {
        let victims = self.children();
        assert!(!victims.is_empty());
        for &child in &victims {
            signal(child as i32, libc::SIGKILL);
        }
        while self.children().iter().any(|child| victims.contains(child)) {
            sleep(Duration::from_millis(5));
        }
    }

    fn process_id(&self) -> i32 {
        self.process.id().try_into().unwrap()
    }

    pub(crate) fn error_log(&self) -> Vec<u8> {
        fs::read(self.folder().join("error.log")).unwrap_or_default()
    }

    /// Number of hashes computed for `user` by all children. Needs the module's level debug.
    pub(crate) fn hashes(&self, user: &str) -> usize {
        self.lines_with(&format!("rust_esauth: computed a hash for user {user},"))
    }

    /// Number of lines in the error log that contain `text`.
    pub(crate) fn lines_with(&self, text: &str) -> usize {
        String::from_utf8_lossy(&self.error_log()).lines().filter(|line| line.contains(text)).count()
    }

    /// Asks for a graceful restart, and returns at once.
    pub(crate) fn begin_graceful_restart(&self) {
        signal(self.process_id(), libc::SIGUSR1);
    }

    /// Restarts gracefully and waits until the new children serve.
    pub(crate) fn graceful(&self) {
        self.signal_and_wait(libc::SIGUSR1);
    }

    /// Restarts, not gracefully, and waits.
    pub(crate) fn restart(&self) {
        self.signal_and_wait(libc::SIGHUP);
    }

    fn signal_and_wait(&self, number: libc::c_int) {
        let starts = || String::from_utf8_lossy(&self.error_log()).matches("resuming normal operations").count();
        let before = starts();
        signal(self.process_id(), number);
        let deadline = Instant::now() + memcheck::patience(Duration::from_secs(30));
        while starts() == before {
            assert!(Instant::now() < deadline, "httpd does not restart");
            sleep(Duration::from_millis(10));
        }
    }

    /// Ends the server, so that its logs are complete.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        if let Some(status) = self.has_ended() {
            return status;
        }
        let parent = self.process_id();
        signal(parent, libc::SIGTERM);
        // A child of 2.2's worker takes up to 7 s to end with a current C library, with the stock modules too.
        let deadline = Instant::now() + memcheck::patience(Duration::from_secs(30));
        loop {
            if let Some(status) = self.has_ended() {
                return status;
            }
            if Instant::now() > deadline {
                signal(-parent, libc::SIGKILL);
                let status = self.process.wait().unwrap();
                self.ended = Some(status);
                return status;
            }
            sleep(Duration::from_millis(5));
        }
    }

    fn has_ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().unwrap();
            if self.ended.is_some_and(|status| status.signal().is_some()) {
                // A parent that was killed leaves its children behind.
                signal(-self.process_id(), libc::SIGKILL);
            }
        }
        self.ended
    }
}

impl Drop for Httpd {
    fn drop(&mut self) {
        self.stop();
        if self.under_memcheck {
            memcheck::assert_no_findings(self.folder());
        }
    }
}

/// The result of `httpd -t` on a configuration: exit status and output, without the warnings of our start-up checks,
/// which the stock modules lack.
pub(crate) fn check(setup: &Setup<'_>) -> (Option<i32>, String) {
    let (status, said) = run(setup, &["-t"], None);
    (status, said.lines().filter(|line| !line.contains("] rust_esauth: ")).map(|line| line.to_owned() + "\n").collect())
}

/// The result of httpd with arguments that make it exit by itself: exit status and all output. `user`, which needs
/// root, is the numeric user and group to run it as.
pub(crate) fn run(setup: &Setup<'_>, arguments: &[&str], user: Option<(u32, u32)>) -> (Option<i32>, String) {
    let folder = Scratch::new();
    let site = Site { folder: folder.path(), ports: &[] };
    let configuration = folder.write("httpd.conf", setup.write(&site));
    let mut command = command(&configuration, setup.is_for_memcheck() && user.is_none());
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    let output = command.args(arguments).output().unwrap();
    memcheck::assert_no_findings(folder.path());
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).replace(&folder.path().display().to_string(), "FOLDER");
    (output.status.code(), said)
}

fn command(configuration: &Path, under_memcheck: bool) -> Command {
    let httpd = &Installation::get().httpd;
    let mut command = match configuration.parent() {
        Some(folder) if under_memcheck => memcheck::command(httpd, folder),
        _ => Command::new(httpd),
    };
    command.arg("-f").arg(configuration);
    // A group of its own, so that none of its processes can stay behind.
    command.process_group(0);
    // SAFETY: prctl is a system call, which may be made between fork and exec.
    unsafe {
        command.pre_exec(|| {
            // A killed test runs no destructors, so the kernel is asked to end the server with it.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
    command
}

fn signal(process: i32, signal: i32) {
    // SAFETY: a system call on a process, or group of processes, that this test started.
    unsafe { libc::kill(process, signal) };
}
