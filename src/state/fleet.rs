//! This child's access to what the servers of a fleet share.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use esauth_engine::verification::Peers;
use esauth_fleet::{Address, DEFAULT_SERVERS, Fleet, Host, Level as Importance, Options, Settings};
use once_cell::race::OnceBox;

use crate::config::server::ServerConfig;
use crate::httpd::log::{Level, here, log_process};
use crate::httpd::pool::Pool;
use crate::state::verdicts;

/// Set once, when a child starts.
static FLEET: OnceBox<Fleet> = OnceBox::new();

/// What this module calls its directives.
pub(crate) const HOST: Host = Host {
    fleet: "EsAuthFleet",
    key: "EsAuthFleetKey",
    credentials: "EsAuthFleetCredentials",
    authorities: "EsAuthFleetCA",
    restarted: "restarted gracefully",
    log,
};

/// Lines go to the main server's log: they belong to no request.
fn log(level: Importance, text: &str) {
    let level = match level {
        Importance::Error => Level::Error,
        Importance::Warning => Level::Warning,
        Importance::Notice => Level::Notice,
    };
    log_process(here!(), level, &[b"rust_esauth: ", text.as_bytes()]);
}

/// The other servers, if there is a fleet.
pub(crate) fn peers() -> Option<&'static dyn Peers> {
    FLEET.get().map(|fleet| fleet as &dyn Peers)
}

/// Reads the fleet's files with this child's rights. Connects to nothing before the first question.
pub(crate) fn start(child: Pool<'_>, config: &ServerConfig<'_>) {
    let (Some(settings), Some(cache)) = (settings(config), verdicts::verifier()) else { return };
    if let Some(fleet) = Fleet::start(HOST, &settings, cache.counters()) {
        if FLEET.set(Box::new(fleet)).is_ok() {
            child.keep(StopAtEnd);
        }
    }
}

/// Clears what the fleet has counted, for an operator; see [`esauth_fleet::forgive`]. `None`: there is no fleet.
pub(crate) fn forgive(
    config: &ServerConfig<'_>,
    user: Option<&[u8]>,
    client: Option<&str>,
) -> Option<Result<usize, String>> {
    let settings = settings(config).filter(|_| config.settings.max_failures.is_some())?;
    Some(Options::read(&HOST, &settings).and_then(|options| esauth_fleet::forgive(&options, user, client)))
}

/// Closes the connection when the child ends.
struct StopAtEnd;

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        if let Some(fleet) = FLEET.get() {
            fleet.stop();
        }
    }
}

/// `None`: there is no fleet, or nothing to share.
fn settings<'c>(config: &ServerConfig<'c>) -> Option<Settings<'c>> {
    let fleet = &config.fleet;
    if fleet.addresses.is_empty() || config.settings.entries == 0 {
        return None;
    }
    Some(Settings {
        addresses: fleet.addresses.iter().filter_map(|text| Address::parse(text.to_str().ok()?).ok()).collect(),
        // Without one, the server does not start.
        key: as_path(fleet.key_file?),
        credentials: fleet.credentials_file.map(as_path),
        authorities: fleet.authorities_file.map(as_path),
        ttl: config.settings.ttl,
        servers: fleet.servers.unwrap_or(DEFAULT_SERVERS),
    })
}

fn as_path(path: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(path.to_bytes()))
}
