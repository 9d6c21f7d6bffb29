//! `esauth passwd`: makes, changes and deletes users of a password file, and keeps an old password valid for a while.

mod edit;
mod rewrite;
mod strength;

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use esauth_engine::hash::make;
use zeroize::Zeroizing;

use self::edit::{Change, Edit, edit};
use self::rewrite::{look, rewrite};
use crate::arguments::PasswdOptions;
use crate::server::secrets::new_password;
use crate::terminal;
use crate::text::printable;

/// bcrypt uses this many bytes of a password.
const LONGEST: usize = 72;

pub(crate) fn run(options: &PasswdOptions) -> Result<ExitCode, String> {
    let PasswdOptions { file, user, create, .. } = options;
    let edited = if options.delete {
        rewrite(file, false, |text| edited(file, text, user, &Change::Delete))?
    } else if options.drop_old {
        rewrite(file, false, |text| edited(file, text, user, &Change::DropOld))?
    } else {
        edit::check_name(user)?;
        // Nobody should type a password that cannot be written.
        let text = look(file, *create)?;
        edited(file, &text, user, &Change::Check { keeps_old: options.keep_old.is_some() })?;
        let (password, hash) = password_and_hash(options)?;
        let until = options.keep_old.map(|time| unix_time().saturating_add(time.as_secs()));
        let change = Change::Set { hash: &hash, password: password.as_bytes(), until };
        rewrite(file, *create, |text| edited(file, text, user, &change))?
    };
    for note in &edited.notes {
        anstream::eprintln!("{}: {note}", terminal::strong("note"));
    }
    terminal::print(&format!("{}: {}\n", terminal::strong(file.display()), edited.done))?;
    Ok(ExitCode::SUCCESS)
}

/// The new password, and its hash.
fn password_and_hash(options: &PasswdOptions) -> Result<(Zeroizing<String>, String), String> {
    let name = printable(options.user.as_bytes());
    let password =
        new_password(&name, options.user_password.as_deref(), |password| strength::judge(password, &options.user))?;
    if password.len() > LONGEST {
        let length = password.len();
        let note = terminal::strong("note");
        anstream::eprintln!(
            "{note}: of the password's {length} bytes, bcrypt uses the first {LONGEST} and ignores the others"
        );
    }
    let hash = make(password.as_bytes(), options.cost).map_err(|error| format!("no random numbers: {error}"))?;
    Ok((password, hash))
}

/// The edit, with the file's name in front of a fault.
fn edited(path: &Path, text: &[u8], user: &str, change: &Change<'_>) -> Result<Edit, String> {
    edit(text, user, change).map_err(|fault| match fault.line {
        Some(line) => format!("{}:{line}: {}", path.display(), fault.why),
        None => format!("{}: {}", path.display(), fault.why),
    })
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
