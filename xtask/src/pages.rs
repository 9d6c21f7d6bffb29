//! `pages`: completions and manual pages of `esauth`, from the definition of its arguments, and those of the module and its files,
//! from the documentation.

use std::path::Path;
use std::{fs, io};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::manual::PAGES;

/// Writes all of them into `folder`: `esauth.bash`, `_esauth` (zsh), `esauth.fish`, `esauth.1` and a page for each command,
/// `mod_rust_esauth.8` and `esauth-files.5`.
pub(crate) fn write(folder: &Path) -> Result<(), String> {
    write_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn write_all(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = Arguments::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "esauth", folder)?;
    }
    clap_mangen::generate_to(command, folder)?;
    PAGES.iter().try_for_each(|page| fs::write(folder.join(format!("{}.{}", page.name, page.section)), page.roff()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_and_manual_pages_are_written() {
        let folder = std::env::temp_dir().join(format!("esauth-pages-{}", std::process::id()));
        let written = write(&folder);
        let read = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let found = [
            ("esauth.bash", "--auth-user-file"),
            ("_esauth", "--auth-user-file"),
            ("esauth.fish", "auth-user-file"),
            ("esauth-verify.1", "auth\\-user\\-file"),
            ("esauth-check.1", "min\\-bcrypt\\-cost"),
            ("esauth-passwd.1", "keep\\-old"),
            ("esauth-unlock.1", "socket"),
            ("esauth-lockouts.1", "json"),
            ("esauth-forget.1", "socket"),
            ("esauth.1", "verify"),
            ("esauth.1", "passwd"),
        ]
        .map(|(name, text)| (name, read(name).contains(text)));
        let _ = fs::remove_dir_all(&folder);
        assert_eq!(written, Ok(()));
        assert_eq!(found.map(|(_, is_found)| is_found), [true; 11], "{found:?}");
    }
}
