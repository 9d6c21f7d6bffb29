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
    let mut line = Zeroizing::new(String::with_capacity(512));
    BufReader::new(File::open(path)?.take(LONGEST)).read_line(&mut line)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}
