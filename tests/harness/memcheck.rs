//! The server under Valgrind's memcheck: misused or lost memory fails the test.
//!
//! Applies to every server with the module under test if `ESAUTH_MEMCHECK` is set (`make sanitize`), and always to
//! those that `tests/memory.rs` starts for it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::installation::{Installation, workspace};

/// Beginning of the names of the logs; each process writes one into its server's folder.
const LOG: &str = "memcheck.";

/// Upper bound of the slowdown.
const SLOWER: u32 = 20;

/// Errors of the servers themselves or the C library, each with its reason.
const SUPPRESSIONS: &str = "tests/harness/memcheck.supp";

pub(crate) fn is_wanted() -> bool {
    std::env::var_os("ESAUTH_MEMCHECK").is_some_and(|given| !given.is_empty())
}

/// How long to wait for something that usually takes less than `usual`.
pub(crate) fn patience(usual: Duration) -> Duration {
    if is_wanted() { usual * SLOWER } else { usual }
}

/// True, with a message, if the test cannot run without Valgrind.
pub(crate) fn is_missing() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let runs = || Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok();
    let missing = !*FOUND.get_or_init(runs);
    if missing {
        Installation::get().skip_this_test("valgrind is not installed");
    }
    missing
}

/// True, with a message, if all servers run under Valgrind, which changes what the test checks, for the given reason.
pub(crate) fn changes(what: &str) -> bool {
    if is_wanted() {
        Installation::get().skip_this_test(&format!("under Valgrind {what}"));
    }
    is_wanted()
}

/// Valgrind in front of `program`, with its logs in `folder`.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("valgrind");
    // httpd leaves allocated memory behind when a process ends.
    command.args(["--quiet", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
    // The library is unloaded and loaded again at every restart.
    command.args(["--keep-debuginfo=yes", "--num-callers=30"]);
    command.args(["--vgdb=no", "--fair-sched=try"]);
    command.arg(format!("--suppressions={}", workspace().join(SUPPRESSIONS).display()));
    command.arg(format!("--log-file={}/{LOG}%p", folder.display()));
    command.arg(program);
    command
}

/// Panics with the findings in the processes of the server in `folder`. Call it when they have ended.
pub(crate) fn assert_no_findings(folder: &Path) {
    let findings = findings(folder);
    if findings.is_empty() {
        return;
    }
    let findings = format!("Valgrind on the server in {}:\n{findings}", folder.display());
    if thread::panicking() {
        eprintln!("{findings}");
    } else {
        panic!("{findings}");
    }
}

/// With `--quiet`, all output is errors.
fn findings(folder: &Path) -> String {
    let mut findings = String::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with(LOG) {
            let log = fs::read(entry.path()).unwrap();
            let _ = write!(findings, "{}", String::from_utf8_lossy(&log));
        }
    }
    findings
}
