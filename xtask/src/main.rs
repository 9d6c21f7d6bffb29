//! Build helpers, run by `make`.

mod imports;
mod layers;
mod order;
mod pages;

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

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["layers"] => order::check(Path::new(".")),
        ["pages", folder] => pages::write(Path::new(folder)),
        _ => Err("usage: cargo run -p xtask -- layers | pages FOLDER".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
