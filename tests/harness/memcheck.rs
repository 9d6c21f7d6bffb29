//! The server under Valgrind's memcheck: memory that is used wrongly, or lost, fails the test.
//!
//! Every server with the module under test is run so where `ESAUTH_MEMCHECK` is set (`make sanitize`), and always those
//! of `tests/memory.rs` that are started for it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::installation::Installation;

/// Beginning of the names of the logs, of which each process writes one into its server's folder.
const LOG: &str = "memcheck.";

/// How much slower everything gets, at most.
const SLOWER: u32 = 20;

/// What is httpd's own or the C library's, each with its reason.
const SUPPRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/harness/memcheck.supp");

pub(crate) fn is_wanted() -> bool {
    std::env::var_os("ESAUTH_MEMCHECK").is_some_and(|given| !given.is_empty())
}

/// How long to wait for what usually takes less than `usual`.
pub(crate) fn patience(usual: Duration) -> Duration {
    if is_wanted() { usual * SLOWER } else { usual }
}

/// Says so where the test cannot be done for want of Valgrind.
pub(crate) fn is_missing() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let runs = || Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok();
    let missing = !*FOUND.get_or_init(runs);
    if missing {
        Installation::get().skip_this_test("valgrind is not installed");
    }
    missing
}

/// Says so where the test looks at what Valgrind changes, for the reason given, and all servers run under it.
pub(crate) fn changes(what: &str) -> bool {
    if is_wanted() {
        Installation::get().skip_this_test(&format!("under Valgrind {what}"));
    }
    is_wanted()
}

/// Valgrind in front of `program`, with its logs in `folder`.
pub(crate) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("valgrind");
    // Memory that is merely still there when a process ends is httpd's way of ending.
    command.args(["--quiet", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
    // The library is unloaded and loaded again at every restart.
    command.args(["--keep-debuginfo=yes", "--num-callers=30"]);
    command.args(["--vgdb=no", "--fair-sched=try"]);
    command.arg(format!("--suppressions={SUPPRESSIONS}"));
    command.arg(format!("--log-file={}/{LOG}%p", folder.display()));
    command.arg(program);
    command
}

/// Panics with what the processes of the server in `folder` have been found to do. To be called when they have ended.
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

/// With `--quiet`, whatever is written is an error.
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
