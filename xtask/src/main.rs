//! Helpers of the build, for `make` to run.

mod floors;
mod imports;
mod layers;

use std::env;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let task = env::args().nth(1);
    let result = match task.as_deref() {
        Some("layers") => layers::check(Path::new(".")),
        _ => Err("usage: cargo run -p xtask -- layers".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
