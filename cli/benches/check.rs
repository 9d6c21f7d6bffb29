//! What `esauth check` takes for a million lines: `cargo bench -p esauth_cli`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails while a benchmark is set up ends it")]

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const USERS: usize = 1_000_000;
const GROUPS: usize = 1000;
const RUNS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let salted = |number: usize| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bcrypt = write("bcrypt", users(|number| format!("$2y$10${:022x}{:031x}", salted(number), salted(number))));
    let apr1 = write("apr1", users(|number| format!("$apr1${:08x}${:022x}", salted(number) as u32, salted(number))));
    let groups = write("groups", groups());

    report("a million lines with bcrypt", &[&bcrypt]);
    report("a million lines with apr1, a finding each", &[&apr1]);
    report("the same, every finding as JSON", &[Path::new("--json"), &apr1]);
    report("bcrypt, and 1000 groups of 1000 users", &[&bcrypt, Path::new("--groups"), &groups]);
}

fn users(hash: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    (0..USERS).for_each(|number| writeln!(text, "user{number}:{}", hash(number)).unwrap());
    text
}

fn groups() -> String {
    let members = USERS / GROUPS;
    let group = |number: usize| {
        let users: Vec<String> = (0..members).map(|member| format!("user{}", number * members + member)).collect();
        format!("group{number}: {}\n", users.join(" "))
    };
    (0..GROUPS).map(group).collect()
}

fn report(name: &str, arguments: &[&Path]) {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| run(arguments)).collect();
    times.sort_unstable();
    println!("{name:48} {:>8.2?}", times[RUNS / 2]);
}

fn run(arguments: &[&Path]) -> Duration {
    let mut command = Command::new(env!("CARGO_BIN_EXE_esauth"));
    command.arg("check").args(arguments).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().expect("the program runs");
    let took = began.elapsed();
    // 0 without findings, 1 with some.
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    took
}
