//! Passwords, from anywhere except the command line, which every user of a machine can read.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A user and password.
pub(crate) struct Credentials {
    pub(crate) name: String,
    pub(crate) password: Zeroizing<String>,
}

impl Credentials {
    /// Those of the user `name`, if given. The password is the first line of `file`, else the variable's content, else
    /// typed.
    pub(crate) fn of(name: Option<&str>, file: Option<&Path>, variable: &str) -> Result<Option<Self>, String> {
        let Some(name) = name else { return Ok(None) };
        Ok(Some(Credentials { name: name.to_owned(), password: password(name, file, variable)? }))
    }

    /// The value of the header Authorization.
    pub(crate) fn header(&self) -> Zeroizing<String> {
        let plain = Zeroizing::new(format!("{}:{}", self.name, self.password.as_str()));
        let encoded = Zeroizing::new(STANDARD.encode(plain.as_bytes()));
        Zeroizing::new(format!("Basic {}", encoded.as_str()))
    }
}

/// The new password of the user `name`: the first line of `file` (of the standard input for `-`), else typed twice.
/// `judge` says what speaks against the password before it is typed again.
pub(crate) fn new_password(
    name: &str,
    file: Option<&Path>,
    judge: impl Fn(&str) -> Result<(), String>,
) -> Result<Zeroizing<String>, String> {
    if let Some(path) = file {
        let line = if path == Path::new("-") { first_line_of(std::io::stdin()) } else { first_line(path) };
        let password = line.map_err(|error| format!("{}: {error}", path.display()))?;
        return judge(&password).map(|()| password);
    }
    if !std::io::stdin().is_terminal() {
        return Err(format!("no terminal to ask for the password of {name}: pass a file with it (--user-password)"));
    }
    let ask = |prompt: String| {
        let typed = rpassword::prompt_password(prompt).map(Zeroizing::new);
        typed.map_err(|error| format!("cannot ask for the password of {name}: {error}"))
    };
    let password = ask(format!("New password of {name}: "))?;
    judge(&password)?;
    if ask(format!("The same password of {name} again: "))? != password {
        return Err("these were two different passwords".to_owned());
    }
    Ok(password)
}

/// A longer line is not a password.
const LONGEST: u64 = 64 * 1024;

fn password(name: &str, file: Option<&Path>, variable: &str) -> Result<Zeroizing<String>, String> {
    if let Some(path) = file {
        return first_line(path).map_err(|error| format!("{}: {error}", path.display()));
    }
    if let Ok(password) = std::env::var(variable) {
        return Ok(Zeroizing::new(password));
    }
    if !std::io::stdin().is_terminal() {
        return Err(format!("no terminal to ask for the password of {name}: pass a file with it, or set {variable}"));
    }
    let typed = rpassword::prompt_password(format!("Password of {name}: "));
    typed.map(Zeroizing::new).map_err(|error| format!("cannot ask for the password of {name}: {error}"))
}

fn first_line(path: &Path) -> std::io::Result<Zeroizing<String>> {
    first_line_of(File::open(path)?)
}

fn first_line_of(text: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::with_capacity(512));
    BufReader::new(text.take(LONGEST)).read_line(&mut line)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}
