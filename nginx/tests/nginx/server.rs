//! A real nginx for each test, with the module under test, in its own folder, on free ports. The tests of `esauth` use it, too.

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::installation::user_ids;
use crate::harness::memcheck::{self, patience};
use crate::harness::ports::free_ports;
use crate::harness::process::children;
use crate::harness::scratch::Scratch;

/// Of "secret", cost 4.
pub(crate) const FAST: &str = "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu";
/// Of "secret", cost 10: some 50 ms.
pub(crate) const SLOW: &str = "$2y$10$MxDzrYMjXP895CsJ4dbfhOPC4mZP28RIUGQDSW.4lHttNZA60lCoG";
/// Of "secret", cost 12: some 200 ms.
const SLOWER: &str = "$2y$12$xW9LJ8ZUt0FINzI4p2jJmuLn7ejFGrTnvTd4BbU27uTj6Pb/Kes42";

/// The slow ones. Under Valgrind, which makes a hash some twenty times as slow, the next faster ones: no request may wait longer.
pub(crate) fn slow() -> &'static str {
    if memcheck::is_wanted() { FAST } else { SLOW }
}

pub(crate) fn slower() -> &'static str {
    if memcheck::is_wanted() { SLOW } else { SLOWER }
}

pub(crate) struct Setup<'s> {
    /// Number of ports: `PORT0`, `PORT1` and so on in the configuration.
    pub(crate) ports: usize,
    pub(crate) workers: usize,
    /// Directives in `http`. `FOLDER` is the folder of the server.
    pub(crate) http: &'s str,
    /// Files in the folder. Those in `secret/` are for the workers' eyes only.
    pub(crate) files: &'s [(&'s str, &'s str)],
}

pub(crate) struct Nginx {
    process: Child,
    ports: Vec<u16>,
    workers: usize,
    folder: Scratch,
}

impl Nginx {
    pub(crate) fn start(setup: &Setup<'_>) -> Nginx {
        for _ in 0..4 {
            match Nginx::try_start(setup) {
                Err(said) if said.contains("Address already in use") => {}
                started => return started.unwrap_or_else(|said| panic!("nginx does not start:\n{said}")),
            }
        }
        Nginx::try_start(setup).unwrap_or_else(|said| panic!("nginx does not start:\n{said}"))
    }

    fn try_start(setup: &Setup<'_>) -> Result<Nginx, String> {
        let (folder, ports) = (Scratch::new(), free_ports(setup.ports));
        let configuration = write(setup, &folder, &ports);
        let process = spawn(&configuration, &folder);
        let mut server = Nginx { process, ports, workers: setup.workers, folder };
        server.await_start().map(|()| server)
    }

    fn await_start(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + patience(Duration::from_secs(30));
        while !self.is_ready(self.workers) {
            let ended = self.process.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(self.path("said")).unwrap_or_default();
                return Err(format!("{ended:?}\n{said}{}", self.log()));
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Ends it, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.end();
        self.process = spawn(&self.path("nginx.conf"), &self.folder);
        self.await_start().unwrap_or_else(|said| panic!("nginx does not start again:\n{said}"));
    }

    /// Ends it.
    pub(crate) fn end(&mut self) {
        signal(self.process.id(), libc::SIGTERM);
        let deadline = Instant::now() + patience(Duration::from_secs(10));
        while self.process.try_wait().is_ok_and(|status| status.is_none()) {
            if Instant::now() > deadline {
                let _ = self.process.kill();
            }
            sleep(Duration::from_millis(5));
        }
    }

    fn is_ready(&self, workers: usize) -> bool {
        self.ports.iter().all(|&port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
            && self.workers().len() >= workers
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn master(&self) -> u32 {
        self.process.id()
    }

    /// The worker processes.
    pub(crate) fn workers(&self) -> Vec<u32> {
        children(self.process.id())
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("error.log")).unwrap_or_default()).into_owned()
    }

    /// Number of lines of the error log that contain `text`.
    pub(crate) fn lines_with(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Number of hashes computed for a user.
    pub(crate) fn hashes(&self, user: &str) -> usize {
        self.lines_with(&format!("esauth: computed a hash for user \"{user}\","))
    }

    /// Whether `nginx -t` accepts its configuration while it runs.
    #[allow(dead_code, reason = "for the tests of esauth")]
    pub(crate) fn accepts_its_configuration(&self) -> bool {
        command(&self.path("nginx.conf"), &self.folder).arg("-t").stderr(Stdio::null()).status().unwrap().success()
    }

    /// Reloads the configuration, and waits until the workers before are gone.
    pub(crate) fn reload(&self) {
        let before = self.workers();
        signal(self.process.id(), libc::SIGHUP);
        let deadline = Instant::now() + patience(Duration::from_secs(30));
        while self.workers().is_empty() || self.workers().iter().any(|worker| before.contains(worker)) {
            assert!(Instant::now() < deadline, "nginx does not reload:\n{}", self.log());
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
        if memcheck::is_wanted() {
            memcheck::assert_no_findings(self.folder.path());
        }
    }
}

fn spawn(configuration: &Path, folder: &Scratch) -> Child {
    let mut command = command(configuration, folder);
    let said = File::create(folder.path().join("said")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    command.spawn().unwrap_or_else(|error| panic!("cannot run nginx: {error}"))
}

/// What `nginx -t` says of a configuration, and whether it accepts it.
pub(crate) fn check(setup: &Setup<'_>) -> (bool, String) {
    let folder = Scratch::new();
    let output = command(&write(setup, &folder, &free_ports(setup.ports)), &folder).arg("-t").output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn write(setup: &Setup<'_>, folder: &Scratch, ports: &[u16]) -> PathBuf {
    for (name, content) in setup.files {
        let path = folder.write(name, content);
        if name.starts_with("secret/") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            give_to_workers(&path);
        }
    }
    let mut http = setup.http.replace("FOLDER", &folder.path().display().to_string());
    for (number, port) in ports.iter().enumerate() {
        http = http.replace(&format!("PORT{number}"), &format!("127.0.0.1:{port}"));
    }
    let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {}/{name};\n", folder.path().display()))
        .concat();
    let user = if is_root() { "user nobody nogroup;\n" } else { "" };
    folder.write(
        "nginx.conf",
        format!(
            "{user}load_module {};\nworker_processes {};\ndaemon off;\npid pid;\nerror_log error.log info;\n\
             worker_shutdown_timeout 60s;\nevents {{ worker_connections 4096; }}\nhttp {{\n    access_log off;\n{folders}{http}\n}}\n",
            module().display(),
            setup.workers,
        ),
    )
}

/// Makes the workers' user the owner of a file, if they run as another user than this test.
pub(crate) fn give_to_workers(path: &Path) {
    if is_root() {
        let (user, group) = user_ids("nobody");
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

fn command(configuration: &Path, folder: &Scratch) -> Command {
    let mut command = match memcheck::is_wanted() {
        true => memcheck::command(&program(), folder.path()),
        false => Command::new(program()),
    };
    command.arg("-p").arg(folder.path()).arg("-c").arg(configuration).args(["-e", "error.log"]);
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

/// That of `$NGINX_SOURCE`, for which the module is built then. nginx is not on the PATH of unprivileged users.
fn program() -> PathBuf {
    let own = std::env::var_os("NGINX_SOURCE").map(|source| Path::new(&source).join("objs/nginx"));
    let programs = [own.unwrap_or_default(), "/usr/sbin/nginx".into()];
    programs.into_iter().find(|program| program.is_file()).unwrap_or_else(|| "nginx".into())
}

/// The module, built beside the tests.
fn module() -> PathBuf {
    module_file().expect("libngx_http_esauth_module.so beside the tests: cargo build -p esauth_nginx")
}

/// `None` if it is not built.
pub(crate) fn module_file() -> Option<PathBuf> {
    let tests = std::env::current_exe().unwrap();
    let module = tests.parent().and_then(Path::parent).unwrap().join("libngx_http_esauth_module.so");
    module.exists().then_some(module)
}

/// Whether there is a module to test: without nginx's headers, its file is empty.
#[allow(dead_code, reason = "for the tests of esauth")]
pub(crate) fn has_module() -> bool {
    const NAME: &[u8] = b"ngx_http_esauth_module\0";
    module_file().is_some_and(|file| fs::read(file).unwrap().windows(NAME.len()).any(|text| text == NAME))
}

/// Reports that this test does nothing on this machine.
pub(crate) fn skip(reason: &str) {
    // Past the harness, which shows nothing of tests that pass, and names a test's thread after the test.
    let _ = writeln!(std::io::stderr(), "skipped test {}: {reason}", std::thread::current().name().unwrap_or(""));
}

/// A number from the environment: how much to do.
pub(crate) fn number_from(variable: &str, usually: u64) -> u64 {
    let given = std::env::var(variable).ok().filter(|given| !given.is_empty());
    given.map_or(usually, |given| given.parse().unwrap_or_else(|_| panic!("{variable}={given} is not a number")))
}

pub(crate) fn is_root() -> bool {
    // SAFETY: a system call without arguments.
    unsafe { libc::geteuid() == 0 }
}

pub(crate) fn signal(process: u32, signal: i32) {
    // SAFETY: a system call on a process that this test started.
    unsafe { libc::kill(process as i32, signal) };
}
