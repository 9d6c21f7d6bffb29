//! Shell completions and manual pages, from the definition of the arguments.

use std::path::Path;
use std::{fs, io};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::outcome::Outcome;

/// Writes all of them into `folder`: `esauth.bash`, `_esauth` (zsh), `esauth.fish`, `esauth.1` and a page for each command.
pub(crate) fn run(folder: &Path) -> Result<Outcome, String> {
    write_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(Outcome::Good)
}

fn write_all(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = Arguments::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "esauth", folder)?;
    }
    clap_mangen::generate_to(command, folder)
}
