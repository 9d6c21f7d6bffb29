//! `esauth`: makes and checks password files, checks group and roles files, a whole setup from the outside, and a running
//! server, whose lockouts it lists and ends.

mod arguments;
mod check;
mod control;
mod explain;
mod finding;
mod fleet_key;
mod passwd;
mod server;
mod status;
mod terminal;
mod text;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check(options) => check::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Lockouts(options) => control::lockouts(&options),
        Command::Unlock(options) => control::unlock(&options),
        Command::Forget(options) => control::forget(&options),
        Command::FleetKey(options) => fleet_key::run(&options),
        Command::Passwd(options) => passwd::run(&options),
        Command::Verify(options) => verify::run(&options),
        Command::Status(options) => status::run(&options),
    };
    match result {
        Ok(code) => code,
        Err(message) => {
            anstream::eprintln!("{}: {message}", terminal::bad("error"));
            ExitCode::from(2)
        }
    }
}
