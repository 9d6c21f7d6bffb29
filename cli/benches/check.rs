//! Time of `esauth check` for a million lines: `cargo bench -p esauth_cli`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails while a benchmark is set up ends it"
)]

// Like the tests, this uses only a part of it.
#[allow(dead_code)]
#[path = "../../tests/harness/scratch.rs"]
mod scratch;

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use scratch::Scratch;

const USERS: usize = 1_000_000;
const GROUPS: usize = 1000;
const RUNS: usize = 5;

fn main() {
    let folder = Scratch::new();
    // No two hashes are alike, and all have the required zeros in their last characters.
    let salted = |number: usize| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bcrypt = |number| format!("$2y$10${:021x}e{:030x}e", salted(number), salted(number));
    let apr1 = |number| format!("$apr1${:08x}${:021x}0", salted(number) as u32, salted(number));
    let (bcrypt, apr1) = (folder.write("bcrypt", users(bcrypt)), folder.write("apr1", users(apr1)));
    let groups = folder.write("groups", groups());

    report("a million lines with bcrypt", 0, &[&bcrypt]);
    report("a million lines with apr1, a finding each", 1, &[&apr1]);
    report("the same, every finding as JSON", 1, &[Path::new("--json"), &apr1]);
    report("bcrypt, and 1000 groups of 1000 users", 0, &[&bcrypt, Path::new("--groups"), &groups]);
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

/// Prints the median of several runs, all of which end with `status`.
fn report(name: &str, status: i32, arguments: &[&Path]) {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| run(status, arguments)).collect();
    times.sort_unstable();
    println!("{name:48} {:>8.2?}", times[RUNS / 2]);
}

fn run(expected: i32, arguments: &[&Path]) -> Duration {
    let mut command = Command::new(env!("CARGO_BIN_EXE_esauth"));
    command.arg("check").args(arguments).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status().expect("the program runs");
    let took = began.elapsed();
    assert_eq!(status.code(), Some(expected));
    took
}
