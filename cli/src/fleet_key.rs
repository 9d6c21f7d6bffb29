//! `esauth fleet-key`: makes the key that the servers of a fleet have in common.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;

use esauth_fleet::Key;

use crate::arguments::FleetKeyOptions;
use crate::terminal;

pub(crate) fn run(options: &FleetKeyOptions) -> Result<ExitCode, String> {
    let path = options.file.display();
    let fault = |what: &str, error: std::io::Error| format!("{path}: {what}: {error}");
    let content = Key::make().map_err(|error| fault("no random numbers", error))?;
    // A key in use is not overwritten by mistake.
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&options.file)
        .map_err(|error| fault("cannot be created", error))?;
    file.write_all(content.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| fault("cannot be written", error))?;
    let done =
        "a new key. Copy it to every server, give it to the user httpd runs as (chown), and name it in EsAuthFleetKey";
    terminal::print(&format!("{}: {done}\n", terminal::strong(path)))?;
    Ok(ExitCode::SUCCESS)
}
