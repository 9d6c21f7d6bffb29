//! The httpd that the tests run against: that of `$APXS` (else `apxs`, `apxs2`).

use std::ffi::{CStr, CString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::httpd::Mpm;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    V22,
    V24,
}

pub(crate) struct Installation {
    /// The server's program.
    pub(crate) httpd: PathBuf,
    /// Such as `2.4.62`.
    version: String,
    pub(crate) generation: Generation,
    /// The MPM built into the program, if any.
    pub(crate) built_in_mpm: Option<Mpm>,
    modules: PathBuf,
    programs: Vec<PathBuf>,
    compiled_in: Vec<String>,
}

impl Installation {
    pub(crate) fn get() -> &'static Installation {
        static INSTALLATION: OnceLock<Installation> = OnceLock::new();
        INSTALLATION.get_or_init(Installation::find)
    }

    fn find() -> Installation {
        let apxs = apxs();
        let folder = |name| PathBuf::from(query(&apxs, name));
        let (sbin, bin) = (folder("SBINDIR"), folder("BINDIR"));
        let httpd = sbin.join(query(&apxs, "progname"));
        let says = |flag: &str| {
            let output = Command::new(&httpd).arg(flag).output();
            let output = output.unwrap_or_else(|error| panic!("cannot run {}: {error}", httpd.display()));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let version =
            says("-v").split_once("Apache/").and_then(|(_, rest)| Some(rest.split_whitespace().next()?.to_owned()));
        let version = version.unwrap_or_else(|| panic!("{} -v tells no version", httpd.display()));
        let generation = match &version {
            version if version.starts_with("2.2.") => Generation::V22,
            version if version.starts_with("2.4.") => Generation::V24,
            version => panic!("{} is httpd {version}; the tests know 2.2 and 2.4", httpd.display()),
        };
        let compiled_in: Vec<String> = says("-l")
            .lines()
            .filter_map(|line| line.trim().strip_suffix(".c").map(|name| name.trim_start_matches("mod_").to_owned()))
            .collect();
        let built_in_mpm = Mpm::ALL.into_iter().find(|mpm| compiled_in.iter().any(|name| name == mpm.name()));
        let (modules, programs) = (folder("LIBEXECDIR"), vec![bin, sbin]);
        Installation { httpd, version, generation, built_in_mpm, modules, programs, compiled_in }
    }

    pub(crate) fn is_22(&self) -> bool {
        self.generation == Generation::V22
    }

    /// Reports, bypassing the test harness's capture, the cases of a test that are skipped on this httpd, and why.
    pub(crate) fn skip(&self, cases: &str, why: &str) {
        let _ = writeln!(std::io::stderr(), "skipped on httpd {}: {cases}: {why}", self.version);
    }

    /// The same for the whole calling test. scripts/test.sh counts these lines.
    pub(crate) fn skip_this_test(&self, why: &str) {
        // The harness names a test's thread after the test.
        let test = std::thread::current().name().unwrap_or("").to_owned();
        let _ = writeln!(std::io::stderr(), "skipped test on httpd {}: {test}: {why}", self.version);
    }

    /// A line of counts to show even if the test passes.
    pub(crate) fn say(&self, counts: &str) {
        let _ = writeln!(std::io::stderr(), "httpd {}: {counts}", self.version);
    }

    /// `LoadModule` lines for those of `modules` (named without `mod_`) that are not built in.
    pub(crate) fn load(&self, modules: &[&str]) -> String {
        modules.iter().filter(|name| !self.compiled_in.iter().any(|there| there == *name)).fold(
            String::new(),
            |lines, name| {
                let path = self.modules.join(format!("mod_{name}.so"));
                assert!(path.exists(), "this httpd has no mod_{name} ({}), which the tests need", path.display());
                lines + &format!("LoadModule {name}_module {}\n", path.display())
            },
        )
    }

    /// `LoadModule` lines for everything a protected section needs besides the modules that this one replaces.
    pub(crate) fn load_core(&self) -> String {
        self.load(match self.generation {
            Generation::V24 => &["authn_core", "authz_core", "authz_user"],
            Generation::V22 => &["authz_user"],
        })
    }

    /// `LoadModule` for the module under test.
    pub(crate) fn load_ours(&self) -> String {
        format!("LoadModule rust_esauth_module {}\n", module_under_test().display())
    }

    /// True where `load` would find it.
    pub(crate) fn has(&self, module: &str) -> bool {
        self.compiled_in.iter().any(|there| there == module) || self.modules.join(format!("mod_{module}.so")).exists()
    }

    /// One of httpd's support programs, such as `htdbm`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let mut places = self.programs.iter().map(|folder| folder.join(name));
        places.find(|path| path.exists()).unwrap_or_else(|| PathBuf::from(name))
    }

    /// An `htpasswd` that knows all hashes: 2.2's knows neither bcrypt nor the C library's.
    pub(crate) fn htpasswd(&self) -> PathBuf {
        if self.is_22() { PathBuf::from("htpasswd") } else { self.program("htpasswd") }
    }
}

fn apxs() -> PathBuf {
    if let Some(given) = std::env::var_os("APXS").filter(|given| !given.is_empty()) {
        return given.into();
    }
    let runs = |name: &&str| Command::new(name).args(["-q", "SBINDIR"]).output().is_ok();
    let found = ["apxs", "apxs2"].into_iter().find(runs);
    found.expect("no apxs on the PATH: install apache2-dev (Debian) or httpd-devel (Fedora), or set APXS").into()
}

fn query(apxs: &Path, name: &str) -> String {
    let output = Command::new(apxs).args(["-q", name]).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {}: {error}", apxs.display()));
    assert!(output.status.success(), "{} -q {name}: {}", apxs.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// apxs's answer to `-q`.
pub(crate) fn apxs_says(name: &str) -> String {
    query(&apxs(), name)
}

/// The project's root folder. A test of another package than the module's runs in a subfolder.
pub(crate) fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_workspace = |folder: &&Path| folder.join("Cargo.lock").exists();
    package.ancestors().find(is_workspace).unwrap_or_else(|| panic!("no Cargo.lock above {}", package.display()))
}

/// `$ESAUTH_MODULE`, else the product of `cargo build --release`.
pub(crate) fn module_under_test() -> PathBuf {
    let given = |name| std::env::var_os(name).filter(|given| !given.is_empty()).map(PathBuf::from);
    let path = given("ESAUTH_MODULE").unwrap_or_else(|| {
        let target = given("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        workspace().join(target).join("release/librust_esauth.so")
    });
    path.canonicalize().unwrap_or_else(|error| {
        panic!("the module under test, {}: {error}; run `cargo build --release` or set ESAUTH_MODULE", path.display())
    })
}

pub(crate) fn is_root() -> bool {
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The user and group of the children of a server started as root.
pub(crate) fn run_user() -> (String, String) {
    let candidates = ["www-data", "apache", "httpd", "daemon", "nobody"];
    let found = candidates.into_iter().find_map(|name| {
        let wanted = CString::new(name).unwrap();
        let _held = PASSWD.lock().unwrap();
        // SAFETY: a C string; the entry is in a buffer that is ours until the lock is let go.
        let entry = unsafe { libc::getpwnam(wanted.as_ptr()).as_ref() }?;
        Some((name.to_owned(), group_name(entry.pw_gid)?))
    });
    found.unwrap_or_else(|| panic!("none of the users {candidates:?} exists to run httpd as"))
}

/// Makes the user of the children the owner of a file, if they run as another user than this test.
pub(crate) fn give_to_run_user(path: &Path) {
    if is_root() {
        let (user, group) = user_ids(&run_user().0);
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

/// The numbers of a user and of the user's group.
pub(crate) fn user_ids(name: &str) -> (u32, u32) {
    let wanted = CString::new(name).unwrap();
    let _held = PASSWD.lock().unwrap();
    // SAFETY: a C string; the entry is in a buffer that is ours until the lock is let go.
    let entry = unsafe { libc::getpwnam(wanted.as_ptr()).as_ref() };
    entry.map(|entry| (entry.pw_uid, entry.pw_gid)).unwrap_or_else(|| panic!("no user {name}"))
}

/// The user database's functions share one buffer, and the group database's another.
static PASSWD: std::sync::Mutex<()> = std::sync::Mutex::new(());
static GROUP: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// The name of the group `id`, where it has one.
pub(crate) fn group_name(id: u32) -> Option<String> {
    let _held = GROUP.lock().unwrap();
    // SAFETY: null or an entry whose name is a C string, in a buffer that is ours until the lock is let go.
    unsafe { libc::getgrgid(id).as_ref().map(|entry| CStr::from_ptr(entry.gr_name).to_string_lossy().into_owned()) }
}
