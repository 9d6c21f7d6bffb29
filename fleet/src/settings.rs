//! Reading what a host's directives name.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::address::{Address, Credentials};
use crate::key::Key;
use crate::report::Host;
use crate::shared::Options;

/// Servers of a fleet that does not say how many it has, and the most that it may say.
pub const DEFAULT_SERVERS: u32 = 2;
/// As above.
pub const MOST_SERVERS: usize = 10_000;

/// The values of a host's directives.
pub struct Settings<'s> {
    /// The servers' addresses, each tried in turn.
    pub addresses: Vec<Address>,
    /// The file of the key.
    pub key: &'s Path,
    /// The file of the name and password that the servers ask for, if they do.
    pub credentials: Option<&'s Path>,
    /// The file of the certificates (PEM) to trust for TLS; `None`: the system's.
    pub authorities: Option<&'s Path>,
    /// Seconds for which an entry counts.
    pub ttl: u64,
    /// Number of servers, this one included.
    pub servers: u32,
}

impl Options {
    /// Reads the files, or says in a line for the host's log why they are of no use.
    pub fn read(host: &Host, settings: &Settings<'_>) -> Result<Options, String> {
        let key = Key::parse(&secret(host.key, settings.key)?)
            .ok_or_else(|| fault(host.key, settings.key, "is not a key as 'esauth fleet-key' makes it"))?;
        let credentials = settings.credentials.map(|path| {
            let content = secret(host.credentials, path)?;
            let parsed = std::str::from_utf8(&content).ok().and_then(Credentials::parse);
            parsed.ok_or_else(|| fault(host.credentials, path, "is not one line user:password or :password"))
        });
        let authorities = settings
            .authorities
            .map(|path| fs::read(path).map_err(|error| fault(host.authorities, path, &unreadable(&error))));
        Ok(Options {
            addresses: settings.addresses.clone(),
            key,
            credentials: credentials.transpose()?,
            authorities: authorities.transpose()?,
            ttl: settings.ttl,
            servers: settings.servers,
        })
    }
}

/// The content of a file that only this user and its group can read.
fn secret(directive: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let unreadable = |error: io::Error| fault(directive, path, &unreadable(&error));
    let status = fs::metadata(path).map_err(unreadable)?;
    if !status.is_file() {
        return Err(fault(directive, path, "is not a regular file"));
    }
    if status.permissions().mode() & 0o027 != 0 {
        let advice = "can be read by others, or written by its group: set its mode to 600 or 640";
        return Err(fault(directive, path, advice));
    }
    Ok(Zeroizing::new(fs::read(path).map_err(unreadable)?))
}

fn fault(directive: &str, path: &Path, what: &str) -> String {
    format!("{directive} {} {what}", path.display())
}

fn unreadable(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}
