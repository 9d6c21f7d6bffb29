//! `esauth lockouts`, `esauth unlock`, `esauth forget`: what operators ask of a running server, on its socket
//! (`EsAuthControl`, `esauth_control`).

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use esauth_engine::control::{Command, Reply};
use esauth_engine::verification::{Locked, LockedOut, Scope};
use serde::Serialize;

use crate::arguments::{ControlSocket, ForgetOptions, LockoutsOptions, UnlockOptions};
use crate::terminal::{self, count, faint, strong};
use crate::text::printable;

/// `EsAuthControl On` on Debian, on Red Hat's family, and of httpd built from its sources; and what docs/nginx.md proposes.
const USUAL: [&str; 4] = [
    "/run/apache2/rust_esauth.sock",
    "/run/httpd/rust_esauth.sock",
    "/usr/local/apache2/logs/rust_esauth.sock",
    "/run/nginx-esauth.sock",
];

/// A reload replaces the socket.
const RELOAD: Duration = Duration::from_secs(2);

/// Longest wait for an answer, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn lockouts(options: &LockoutsOptions) -> Result<ExitCode, String> {
    let Reply::Lockouts(lockouts) = ask(&options.server, &Command::Lockouts)? else { return Err(unexpected()) };
    if options.json {
        terminal::print_json(&lockouts.iter().map(Entry::of).collect::<Vec<_>>())?;
    } else {
        terminal::print(&list(&lockouts))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn unlock(options: &UnlockOptions) -> Result<ExitCode, String> {
    let user = options.user.as_ref().map(|name| name.as_bytes().to_vec());
    let client = options.address.map(|address| address.to_string());
    let Reply::Unlocked(done) = ask(&options.server, &Command::Unlock { user, client })? else {
        return Err(unexpected());
    };
    let (ended, cleared) = (count(done.lockouts, "lockout"), count(done.counts, "count"));
    terminal::print(&format!("ended {ended}; cleared {cleared} of wrong passwords that had not led to one\n"))?;
    Ok(if done.lockouts + done.counts > 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

pub(crate) fn forget(options: &ForgetOptions) -> Result<ExitCode, String> {
    let Reply::Forgotten(done) = ask(&options.server, &Command::Forget)? else { return Err(unexpected()) };
    terminal::print(&format!("forgot {} right and {} wrong credentials\n", done.grants, done.denials))?;
    Ok(ExitCode::SUCCESS)
}

fn unexpected() -> String {
    "the server has given another answer: esauth and the module are of different versions".to_owned()
}

/// Sends a command. A refusal is an error.
fn ask(server: &ControlSocket, command: &Command) -> Result<Reply, String> {
    let (mut socket, path) = connect(server)?;
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    socket.write_all(&command.encode()).and_then(|()| socket.shutdown(Shutdown::Write)).map_err(failed)?;
    let mut text = Vec::new();
    socket.read_to_end(&mut text).map_err(failed)?;
    match Reply::parse(&text) {
        Ok(Reply::Refused(why)) => Err(format!("{}: {why}", path.display())),
        Ok(reply) => Ok(reply),
        Err(why) => Err(format!("{}: {why}", path.display())),
    }
}

/// The connection and the socket's path. Waits a moment for a server that is being reloaded.
fn connect(server: &ControlSocket) -> Result<(UnixStream, PathBuf), String> {
    let deadline = Instant::now() + RELOAD;
    loop {
        let usual = || USUAL.map(Path::new).into_iter().find(|path| path.exists());
        let path = server.socket.as_deref().or_else(usual);
        let error = match path.map(|path| (path, UnixStream::connect(path))) {
            Some((path, Ok(socket))) => return Ok((socket, path.to_owned())),
            Some((_, Err(error))) => Some(error),
            None => None,
        };
        let may_be_reloading = error
            .as_ref()
            .is_none_or(|error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused));
        if !may_be_reloading || Instant::now() > deadline {
            return Err(advice(path, error.as_ref()));
        }
        sleep(Duration::from_millis(50));
    }
}

fn advice(path: Option<&Path>, error: Option<&io::Error>) -> String {
    let path = path.map_or_else(|| USUAL.join(", "), |path| path.display().to_string());
    match error.map(io::Error::kind) {
        Some(io::ErrorKind::PermissionDenied) => {
            format!("{path}: permission denied. Only root and the user that starts the server may use it")
        }
        Some(io::ErrorKind::ConnectionRefused) => {
            format!("{path}: the server does not run, or no longer with this socket")
        }
        Some(io::ErrorKind::NotFound) | None => format!(
            "{path}: no such socket. Add \"EsAuthControl On\" to httpd's configuration, or \"esauth_control PATH;\" to nginx's, and \
             reload it (lockouts stay); or name the socket with --socket"
        ),
        Some(_) => format!("{path}: {}", error.map(ToString::to_string).unwrap_or_default()),
    }
}

/// A lockout in JSON.
#[derive(Serialize)]
struct Entry {
    user: Option<String>,
    user_is_cut: bool,
    address: Option<String>,
    scope: &'static str,
    seconds: u64,
    failures: u64,
}

impl Entry {
    fn of(lockout: &LockedOut) -> Entry {
        let name = lockout.name.as_ref();
        Entry {
            user: name.map(|name| printable(&name.user)),
            user_is_cut: name.is_some_and(|name| name.is_cut),
            address: name.map(|name| name.network.clone()),
            scope: match lockout.lockout.scope {
                Scope::User => "user",
                Scope::Password => "password",
            },
            seconds: lockout.lockout.seconds,
            failures: lockout.failures,
        }
    }
}

fn list(lockouts: &[LockedOut]) -> String {
    let mut text = match lockouts.len() {
        0 => return "nobody is locked out\n".to_owned(),
        number => format!("{}\n", strong(count(number, "lockout"))),
    };
    let user = |name: &Locked| printable(&name.user) + if name.is_cut { "…" } else { "" };
    let named: Vec<_> = lockouts
        .iter()
        .filter_map(|lockout| lockout.name.as_ref().map(|name| (user(name), &name.network, lockout)))
        .collect();
    let width = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0).min(40);
    let users = width(&mut named.iter().map(|(user, ..)| user.chars().count()));
    let addresses = width(&mut named.iter().map(|(_, address, _)| address.len()));
    for (user, address, lockout) in &named {
        let left = format!("{} left", time(lockout.lockout.seconds));
        let why = match lockout.lockout.scope {
            Scope::User => format!("{} wrong passwords", lockout.failures),
            Scope::Password => format!("one wrong password {} times; others may log in", lockout.failures),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {user:users$}  {address:addresses$}  {left:>14}  {}", faint(why));
    }
    if named.len() < lockouts.len() {
        let _ = writeln!(text, "  and {} older ones, whose names are no longer kept", lockouts.len() - named.len());
    }
    text
}

/// `58 s`, `4 min 12 s`, `2 h 5 min`.
fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use esauth_engine::verification::Lockout;

    fn lockout(scope: Scope, seconds: u64, name: Option<(&[u8], bool)>) -> LockedOut {
        let name = name.map(|(user, is_cut)| Locked { network: "192.0.2.1".to_owned(), user: user.to_vec(), is_cut });
        LockedOut { lockout: Lockout { scope, seconds }, failures: 10, name }
    }

    #[test]
    fn a_list_is_aligned_and_safe_for_a_terminal() {
        let lockouts = [
            lockout(Scope::User, 252, Some((b"al\x1b[2Jice\xff", false))),
            lockout(Scope::Password, 58, Some((b"bob", true))),
            lockout(Scope::User, 7500, None),
        ];
        let plain = anstream::adapter::strip_str(&list(&lockouts)).to_string();
        assert_eq!(
            plain,
            "3 lockouts\n\
             \x20 al\\u{1b}[2Jice\\xff  192.0.2.1  4 min 12 s left  10 wrong passwords\n\
             \x20 bob…                192.0.2.1       58 s left  one wrong password 10 times; others may log in\n\
             \x20 and 1 older ones, whose names are no longer kept\n"
        );
        assert_eq!(list(&[]), "nobody is locked out\n");
        assert_eq!([time(59), time(60), time(7500)], ["59 s", "1 min 0 s", "2 h 5 min"]);
    }
}
