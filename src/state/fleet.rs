//! This child's access to what the servers of a fleet share, and what is logged and counted of it.

use std::ffi::{CStr, OsStr};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use esauth_engine::verification::{Counters, Peers};
use esauth_fleet::{Address, Credentials, Event, Fleet, Key, Lookup, Observer, Options, Stopped};
use once_cell::race::OnceBox;
use zeroize::Zeroizing;

use crate::config::fleet::DEFAULT_SERVERS;
use crate::config::server::ServerConfig;
use crate::httpd::log::{Level, here, log_process};
use crate::httpd::module;
use crate::httpd::pool::Pool;
use crate::state::verdicts;

/// Set once, when a child starts.
static FLEET: OnceBox<Fleet> = OnceBox::new();

/// The other servers, if there is a fleet.
pub(crate) fn peers() -> Option<&'static dyn Peers> {
    FLEET.get().map(|fleet| fleet as &dyn Peers)
}

/// Reads the fleet's files with this child's rights. Connects to nothing before the first question.
pub(crate) fn start(child: Pool<'_>, config: &ServerConfig<'_>) {
    if config.fleet.addresses.is_empty() || config.settings.entries == 0 {
        return;
    }
    match options(config) {
        Ok(options) => {
            // Corrected since the last start.
            has_ended(STATE, State::Unusable as u64);
            if FLEET.set(Box::new(Fleet::new(options, Box::new(Notes)))).is_ok() {
                child.keep(StopAtEnd);
            }
        }
        Err(why) => {
            if swap(STATE, State::Unusable as u64) != State::Unusable as u64 {
                let after = b". This server shares nothing with the fleet until it is restarted gracefully";
                log_process(here!(), Level::Error, &[b"rust_esauth: ", why.as_bytes(), after]);
            }
        }
    }
}

/// Clears what the fleet has counted, for an operator; see [`esauth_fleet::forgive`]. `None`: there is no fleet.
pub(crate) fn forgive(
    config: &ServerConfig<'_>,
    user: Option<&[u8]>,
    client: Option<&str>,
) -> Option<Result<usize, String>> {
    if config.fleet.addresses.is_empty() || config.settings.entries == 0 || config.settings.max_failures.is_none() {
        return None;
    }
    Some(options(config).and_then(|options| esauth_fleet::forgive(&options, user, client)))
}

/// Closes the connection when the child ends.
struct StopAtEnd;

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        if FLEET.get().is_some_and(|fleet| fleet.stop() == Stopped::ThreadIsLeft) {
            // Its code must stay while the process ends.
            module::stay_loaded();
        }
    }
}

fn options(config: &ServerConfig<'_>) -> Result<Options, String> {
    let fleet = &config.fleet;
    let addresses = fleet.addresses.iter().filter_map(|text| Address::parse(text.to_str().ok()?).ok()).collect();
    let key_file = fleet.key_file.ok_or("EsAuthFleet needs EsAuthFleetKey")?;
    let content = secret("EsAuthFleetKey", key_file)?;
    let fault = |directive: &str, path: &CStr, what: &str| format!("{directive} {} {what}", path.to_string_lossy());
    let key = Key::parse(&content)
        .ok_or_else(|| fault("EsAuthFleetKey", key_file, "is not a key as 'esauth fleet-key' makes it"))?;
    let credentials = match fleet.credentials_file {
        None => None,
        Some(path) => {
            let content = secret("EsAuthFleetCredentials", path)?;
            let parsed = std::str::from_utf8(&content).ok().and_then(Credentials::parse);
            let what = "is not one line user:password or :password";
            Some(parsed.ok_or_else(|| fault("EsAuthFleetCredentials", path, what))?)
        }
    };
    let authorities = match fleet.authorities_file {
        None => None,
        Some(path) => Some(
            fs::read(as_path(path))
                .map_err(|error| fault("EsAuthFleetCA", path, &format!("cannot be read: {error}")))?,
        ),
    };
    let servers = fleet.servers.unwrap_or(DEFAULT_SERVERS);
    Ok(Options { addresses, key, credentials, authorities, ttl: config.settings.ttl, servers })
}

/// The content of a file that only this user and its group can read.
fn secret(directive: &str, path: &CStr) -> Result<Zeroizing<Vec<u8>>, String> {
    let fault = |what: &str| format!("{directive} {} {what}", path.to_string_lossy());
    let unreadable = |error: io::Error| fault(&format!("cannot be read: {error}"));
    let status = fs::metadata(as_path(path)).map_err(unreadable)?;
    if !status.is_file() {
        return Err(fault("is not a regular file"));
    }
    if status.permissions().mode() & 0o027 != 0 {
        return Err(fault("can be read by others, or written by its group: set its mode to 600 or 640"));
    }
    Ok(Zeroizing::new(fs::read(as_path(path)).map_err(unreadable)?))
}

fn as_path(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

/// What the host's numbers of the counters stand for, from here on.
const LOOKUPS: usize = 16;
const TOLD: usize = LOOKUPS + LOOKUP_RESULTS.len();
const NOT_TOLD: usize = TOLD + 1;
const STATE: usize = TOLD + 2;
const FULL: usize = TOLD + 3;
const COUNTED: usize = TOLD + 4;
const NOT_COUNTED: usize = TOLD + 5;

/// How questions to the fleet end, with their labels in the metrics.
pub(crate) const LOOKUP_RESULTS: [(Lookup, &str); 6] = [
    (Lookup::Known, "known"),
    (Lookup::Unknown, "unknown"),
    (Lookup::Forged, "forged"),
    (Lookup::Late, "late"),
    (Lookup::Skipped, "skipped"),
    (Lookup::LockedOut, "locked_out"),
];

/// What the children of the server last met.
#[derive(Clone, Copy)]
#[repr(u8)]
enum State {
    Fine,
    Lost,
    /// A file has a fault.
    Unusable,
}

/// The number of questions that ended so.
pub(crate) fn lookups(counters: &Counters, result: Lookup) -> u64 {
    counters.of_host(LOOKUPS + result as usize)
}

/// The number of verdicts that were left with the fleet, or were not.
pub(crate) fn told(counters: &Counters, was_left: bool) -> u64 {
    counters.of_host(if was_left { TOLD } else { NOT_TOLD })
}

/// The number of failures, and of reports about a user's requests, that were counted with the fleet, or were not.
pub(crate) fn counted(counters: &Counters, was_counted: bool) -> u64 {
    counters.of_host(if was_counted { COUNTED } else { NOT_COUNTED })
}

/// False while the fleet cannot be reached, by what a child last met.
pub(crate) fn is_reachable(counters: &Counters) -> bool {
    counters.of_host(STATE) == State::Fine as u64
}

fn counters() -> Option<&'static Counters> {
    verdicts::verifier().map(|cache| cache.counters())
}

/// Sets a number of the whole server, so that of all children one logs a change.
fn swap(place: usize, value: u64) -> u64 {
    counters().map_or(value, |counters| counters.swap_of_host(place, value))
}

/// Whether a fault that the whole server knows of is over, for the first that asks.
fn has_ended(place: usize, fault: u64) -> bool {
    counters().is_some_and(|counters| counters.of_host(place) == fault) && swap(place, 0) == fault
}

fn note_reached() {
    if has_ended(STATE, State::Lost as u64) {
        log_process(here!(), Level::Notice, &[b"rust_esauth: EsAuthFleet can be used again"]);
    }
}

fn note_taken(is_taken: bool) {
    if is_taken && has_ended(FULL, 1) {
        log_process(here!(), Level::Notice, &[b"rust_esauth: EsAuthFleet takes entries again"]);
    }
}

/// Notes of what happens. Lines go to the main server's log: they belong to no request.
struct Notes;

impl Observer for Notes {
    fn looked_up(&self, result: Lookup) {
        if let Some(counters) = counters() {
            counters.count_of_host(LOOKUPS + result as usize);
        }
        // Also where the child that met a loss has ended.
        if matches!(result, Lookup::Known | Lookup::Unknown | Lookup::Forged | Lookup::LockedOut) {
            note_reached();
        }
    }

    fn told(&self, was_left: bool) {
        if let Some(counters) = counters() {
            counters.count_of_host(if was_left { TOLD } else { NOT_TOLD });
        }
        note_taken(was_left);
    }

    fn counted(&self, was_counted: bool) {
        if let Some(counters) = counters() {
            counters.count_of_host(if was_counted { COUNTED } else { NOT_COUNTED });
        }
        note_taken(was_counted);
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Lost(address, why) => {
                if swap(STATE, State::Lost as u64) != State::Lost as u64 {
                    let after = b"); until it can, this server hashes every credential itself and allows its share of the limits";
                    let (address, why) = (address.as_bytes(), why.as_bytes());
                    let text: [&[u8]; 5] = [b"rust_esauth: EsAuthFleet ", address, b" cannot be used (", why, after];
                    log_process(here!(), Level::Warning, &text);
                }
            }
            Event::Reached => note_reached(),
            Event::Full(why) => {
                if swap(FULL, 1) != 1 {
                    let after = b"); until it does, the other servers hash what this one has verified, and each allows its share of the limits";
                    let text: [&[u8]; 3] = [b"rust_esauth: EsAuthFleet takes no entries (", why.as_bytes(), after];
                    log_process(here!(), Level::Warning, &text);
                }
            }
        }
    }
}
