//! The program under test.

// Every test crate compiles this file and uses a part of it.
#![allow(dead_code)]

use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

/// The result of a run.
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
    /// The output, if it is JSON.
    pub(crate) json: Value,
}

pub(crate) fn esauth(arguments: &[&str]) -> Run {
    esauth_with(arguments, &[])
}

/// Runs it without a terminal, with these variables.
pub(crate) fn esauth_with(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_esauth"));
    command.args(arguments).stdin(Stdio::null()).env_remove("ESAUTH_PASSWORD").env_remove("ESAUTH_OUTSIDER_PASSWORD");
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Run {
        status: output.status.code().unwrap_or(-1),
        json: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        output: text(&output.stdout),
        errors: text(&output.stderr),
    }
}

/// Runs a program that has just been copied. While another test starts a process, that one may hold the file open for writing.
pub(crate) fn run_copy(command: &mut Command) -> Output {
    loop {
        match command.output() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => sleep(Duration::from_millis(5)),
            output => return output.unwrap(),
        }
    }
}
