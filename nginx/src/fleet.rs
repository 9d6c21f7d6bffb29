//! This worker's access to what the servers of a fleet share.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use esauth_engine::verification::Peers;
use esauth_fleet::{DEFAULT_SERVERS, Fleet, Host, Level as Importance, Options, Settings, Stopped};

use crate::config::server::MainConfig;
use crate::nginx::lines;
use crate::nginx::log::Level;

/// What this module calls its directives.
pub(crate) const HOST: Host = Host {
    fleet: "esauth_fleet",
    key: "esauth_fleet_key",
    credentials: "esauth_fleet_credentials",
    authorities: "esauth_fleet_ca",
    restarted: "reloaded",
    log: keep,
};

/// Null: there is no fleet. Set when the worker starts, and null again when it ends.
static FLEET: AtomicPtr<Fleet> = AtomicPtr::new(null_mut());

/// The other servers, if there is a fleet.
pub(crate) fn peers() -> Option<&'static dyn Peers> {
    // SAFETY: null, or a box that lives until `end`, after which nobody asks for it.
    unsafe { FLEET.load(Ordering::Acquire).as_ref() }.map(|fleet| fleet as &dyn Peers)
}

/// Reads the fleet's files with this worker's rights. Connects to nothing before the first question.
pub(crate) fn start(main: &MainConfig) {
    let (Some(settings), Some(verifier)) = (settings(main), main.verifier) else { return };
    if let Some(fleet) = Fleet::start(HOST, &settings, verifier.counters()) {
        FLEET.store(Box::into_raw(Box::new(fleet)), Ordering::Release);
        lines::start();
    }
    lines::write();
}

/// What ends lockouts at the fleet. `None`: it counts none.
pub(crate) fn options(main: &MainConfig) -> Option<Options> {
    let settings = settings(main).filter(|_| main.limits_failures())?;
    // If its files are of no use, `start` has said so, and this server counts alone.
    Options::read(&HOST, &settings).ok()
}

/// Closes the connection, at the end of the process. nginx has ended its thread pool.
pub(crate) fn end() {
    // SAFETY: as in `peers`.
    let stopped = unsafe { FLEET.load(Ordering::Acquire).as_ref() }.map(Fleet::stop);
    lines::write();
    if stopped == Some(Stopped::Entirely) {
        // SAFETY: made by `start`. No thread uses it any more: nginx has ended its own, and it has ended itself.
        drop(unsafe { Box::from_raw(FLEET.swap(null_mut(), Ordering::AcqRel)) });
    }
}

/// `None`: there is no fleet, or nothing to share.
fn settings(main: &MainConfig) -> Option<Settings<'static>> {
    let (fleet, addresses) = (&main.fleet, main.fleet.addresses());
    if addresses.is_empty() || main.entries() == 0 {
        return None;
    }
    Some(Settings {
        addresses,
        // Without one, nginx does not start.
        key: as_path(fleet.key?),
        credentials: fleet.credentials.map(as_path),
        authorities: fleet.authorities.map(as_path),
        ttl: main.ttl(),
        servers: fleet.servers.unwrap_or(DEFAULT_SERVERS),
    })
}

fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

/// Takes a line of any thread.
fn keep(level: Importance, text: &str) {
    let level = match level {
        Importance::Error => Level::Error,
        Importance::Warning => Level::Warning,
        Importance::Notice => Level::Notice,
    };
    lines::keep(level, text.as_bytes());
}
