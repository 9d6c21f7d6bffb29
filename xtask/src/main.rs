//! Build helpers, run by `make`.

mod contents;
mod crates;
mod imports;
mod layers;
mod manual;
mod notices;
mod order;
mod pages;
mod trim;

// Shared with `esauth`, for its completions and manual pages; only clap reads them here.
#[allow(dead_code)]
#[path = "../../cli/src/arguments.rs"]
mod arguments;
#[allow(dead_code)]
#[path = "../../cli/src/finding.rs"]
mod finding;

use std::env;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str =
    "usage: cargo run -p xtask -- layers | notices [--check] | pages FOLDER | contents FOLDER | trim FOLDER";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["layers"] => order::check(Path::new(".")),
        ["pages", folder] => pages::write(Path::new(folder)),
        ["contents", folder] => contents::write(Path::new(folder)),
        ["trim", folder] => trim::run(Path::new(folder)),
        ["notices"] => notices::run(false),
        ["notices", "--check"] => notices::run(true),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
