//! The directives of the whole server.

use std::collections::HashSet;
use std::ffi::CStr;
use std::thread;

use esauth_engine::verification::{AddressRange, FileKind, MaxFailures, Settings};
use esauth_fleet::MOST_SERVERS;

use crate::config::fleet::{Fleet, absolute};
use crate::httpd::bindings::{command_rec, server_rec};
use crate::httpd::command::{self, Answer, Command, Refusal};
use crate::httpd::configuration::{self, Configuration, Owner};
use crate::httpd::pool::Pool;
use crate::httpd::server::servers;

/// Maximum values of the directives: a table of 640 MiB, a year, more than any machine has processors.
const MOST_ENTRIES: usize = 16 * 1024 * 1024;
const LONGEST_TTL: usize = 365 * 24 * 3600;
const MOST_SLOTS: usize = 4096;
/// Longer lockouts than a day are a firewall's job.
const MOST_FAILURES: usize = 100_000;
const LONGEST_LOCKOUT: usize = 24 * 3600;

const DEFAULT_ENTRIES: usize = 65536;
const DEFAULT_TTL: u64 = 1200;
const DEFAULT_LOCKOUT: usize = 60;

/// 16 MiB by default; the maximum is the largest file there can be.
const DEFAULT_FILE_LIMIT: u64 = 16 * 1024 * 1024;
const LARGEST_FILE_LIMIT: usize = u32::MAX as usize;

/// The values of a server's directives. Those for the whole server are in the main server's, not in a virtual host's.
#[derive(Clone, Copy)]
pub(crate) struct ServerConfig<'p> {
    /// Settings of the verifier.
    pub(crate) settings: Settings,
    /// Size limit in bytes for a file named only by a `.htaccess`.
    pub(crate) htaccess_file_limit: u64,
    /// `EsAuthControl`: the socket for operators.
    pub(crate) control: Option<Place<'p>>,
    /// `EsAuthExempt`: clients whose failures are not counted.
    pub(crate) exempt: &'p [AddressRange],
    pub(crate) fleet: Fleet<'p>,
    /// The files named by sections of this server, last one first.
    named: Option<&'p NamedFile<'p>>,
}

/// The place of a socket.
#[derive(Clone, Copy)]
pub(crate) enum Place<'p> {
    /// In httpd's folder for files of a running server.
    Usual,
    /// An absolute path.
    At(&'p CStr),
}

impl<'p> Place<'p> {
    /// The socket's path. For the time when the configuration is complete.
    pub(crate) fn path(self, configuration: Pool<'p>) -> Option<&'p CStr> {
        match self {
            Place::Usual => configuration.in_runtime_dir(c"rust_esauth.sock"),
            Place::At(path) => Some(path),
        }
    }
}

/// A file named in the configuration.
#[derive(Clone, Copy)]
pub(crate) struct NamedFile<'p> {
    pub(crate) kind: FileKind,
    pub(crate) path: &'p CStr,
    next: Option<&'p NamedFile<'p>>,
}

impl<'p> ServerConfig<'p> {
    /// The values of the main server's directives.
    pub(crate) fn of(main: &'p server_rec) -> ServerConfig<'p> {
        configuration::of_server::<ServerConfig<'static>>(main).copied().unwrap_or_else(ServerConfig::empty)
    }

    /// Remembers that a section names a file.
    pub(crate) fn name_file(&mut self, pool: Pool<'p>, kind: FileKind, path: &'p CStr) {
        self.named = Some(pool.value(NamedFile { kind, path, next: self.named }));
    }
}

/// The files named in the configuration, `.htaccess` files aside, in the order of their servers, each once.
pub(crate) fn named_files(main: &server_rec) -> Vec<(FileKind, &CStr)> {
    let mut files = Vec::new();
    for server in servers(main) {
        let first = configuration::of_server::<ServerConfig<'static>>(server).and_then(|config| config.named);
        let mut named: Vec<_> = std::iter::successors(first, |file| file.next).collect();
        named.reverse();
        files.extend(named.into_iter().map(|file| (file.kind, file.path)));
    }
    let mut seen = HashSet::new();
    files.retain(|&file| seen.insert((file.0 as u8, file.1)));
    files
}

// SAFETY: the module's record has the server functions of this type.
unsafe impl Configuration for ServerConfig<'static> {
    type In<'p> = ServerConfig<'p>;

    const OWNER: Owner = Owner::Server;

    fn empty<'p>() -> ServerConfig<'p> {
        let slots = Settings::usual_slots(thread::available_parallelism().map_or(1, usize::from));
        let settings = Settings { entries: DEFAULT_ENTRIES, ttl: DEFAULT_TTL, slots, workers: 1, max_failures: None };
        ServerConfig {
            settings,
            htaccess_file_limit: DEFAULT_FILE_LIMIT,
            control: None,
            exempt: &[],
            fleet: Fleet::default(),
            named: None,
        }
    }

    fn merge<'p>(_outer: &Self::In<'p>, _inner: &Self::In<'p>) -> Option<ServerConfig<'p>> {
        None
    }
}

/// The type in httpd's table of directives, whose functions serve any pool.
type Server = ServerConfig<'static>;

/// The directives for the whole server.
pub(crate) const COMMANDS: &[command_rec] = &[
    command::word::<Server>(
        c"EsAuthCacheSize",
        |command, config, value| {
            config.settings.entries = number(command, value, 0, MOST_ENTRIES, "entries")?;
            Ok(())
        },
        c"verdicts remembered by the whole server; 0 remembers none",
    ),
    command::word::<Server>(
        c"EsAuthCacheTTL",
        |command, config, value| {
            config.settings.ttl = number(command, value, 1, LONGEST_TTL, "seconds")? as u64;
            Ok(())
        },
        c"seconds for which a verdict is remembered",
    ),
    command::word::<Server>(
        c"EsAuthHashSlots",
        |command, config, value| {
            config.settings.slots = number(command, value, 1, MOST_SLOTS, "hashes")?;
            Ok(())
        },
        c"password hashes computed at once; default: the number of processors, and one",
    ),
    command::word::<Server>(
        c"EsAuthMaxFailures",
        set_max_failures,
        c"wrong passwords, and the seconds they count for, that lock a client out of a user's account, such as 10/300; or Off",
    ),
    command::each_word::<Server>(
        c"EsAuthExempt",
        exempt,
        c"addresses whose wrong passwords are not counted, such as 192.0.2.1 or 2001:db8::/32",
    ),
    command::word::<Server>(
        c"EsAuthControl",
        set_control,
        c"On, Off or the path of a socket on which esauth lists and ends lockouts; default: Off",
    ),
    command::word::<Server>(
        c"EsAuthHtaccessFileLimit",
        |command, config, value| {
            config.htaccess_file_limit = number(command, value, 1, LARGEST_FILE_LIMIT, "bytes")? as u64;
            Ok(())
        },
        c"size limit of password and group files named by .htaccess, in bytes; default: 16777216",
    ),
    command::each_word::<Server>(
        c"EsAuthFleet",
        |command, config, text| config.fleet.add_address(command, text),
        c"servers of Redis or Valkey, each tried in turn, such as redis://host:6379, rediss://host or unix:/path",
    ),
    command::word::<Server>(
        c"EsAuthFleetKey",
        |command, config, path| {
            config.fleet.key_file = Some(absolute(command, path)?);
            Ok(())
        },
        c"file of the key that all servers of the fleet have, made by 'esauth fleet-key'",
    ),
    command::word::<Server>(
        c"EsAuthFleetCredentials",
        |command, config, path| {
            config.fleet.credentials_file = Some(absolute(command, path)?);
            Ok(())
        },
        c"file of what the servers of EsAuthFleet ask for, a line user:password or :password",
    ),
    command::word::<Server>(
        c"EsAuthFleetCA",
        |command, config, path| {
            config.fleet.authorities_file = Some(absolute(command, path)?);
            Ok(())
        },
        c"file of the certificates (PEM) to trust for rediss://; default: the system's",
    ),
    command::word::<Server>(
        c"EsAuthFleetServers",
        |command, config, value| {
            config.fleet.servers = Some(number(command, value, 1, MOST_SERVERS, "servers")? as u32);
            Ok(())
        },
        c"number of servers in the fleet: while Redis is lost, each allows its share of the limits; default: 2",
    ),
];

/// `EsAuthMaxFailures N[/SECONDS]` or `Off`.
fn set_max_failures<'p>(command: Command<'p>, config: &mut ServerConfig<'p>, value: &'p CStr) -> Answer<'p> {
    let parse = |text: &str| {
        if text.eq_ignore_ascii_case("off") {
            return Some(None);
        }
        let (failures, seconds) = text.split_once('/').map_or((text, None), |(n, seconds)| (n, Some(seconds)));
        let seconds = seconds.map_or(Some(DEFAULT_LOCKOUT), |text| whole_number(text, 1, LONGEST_LOCKOUT))?;
        let failures = whole_number(failures, 1, MOST_FAILURES)?;
        Some(Some(MaxFailures { failures: failures as u32, seconds: seconds as u32 }))
    };
    match value.to_str().ok().and_then(parse) {
        Some(max_failures) => {
            config.settings.max_failures = max_failures;
            Ok(())
        }
        None => {
            let allowed = format!(
                "is neither Off nor a whole number of failures from 1 to {MOST_FAILURES}, which a slash and a whole number \
                 of seconds from 1 to {LONGEST_LOCKOUT} may follow, such as 10/300"
            );
            refuse(command, value, &allowed)
        }
    }
}

/// `EsAuthExempt ADDRESS …`, for each of them.
fn exempt<'p>(command: Command<'p>, config: &mut ServerConfig<'p>, value: &'p CStr) -> Answer<'p> {
    match value.to_str().ok().and_then(|text| text.parse().ok()) {
        Some(range) => {
            config.exempt = command.pool().list(&[config.exempt, &[range]].concat());
            Ok(())
        }
        None => {
            let allowed =
                "is neither an address nor one with the number of its leading bits, such as 192.0.2.1 or 2001:db8::/32";
            refuse(command, value, allowed)
        }
    }
}

/// `EsAuthControl On|Off|PATH`
fn set_control<'p>(command: Command<'p>, config: &mut ServerConfig<'p>, value: &'p CStr) -> Answer<'p> {
    config.control = match value.to_bytes() {
        word if word.eq_ignore_ascii_case(b"on") => Some(Place::Usual),
        word if word.eq_ignore_ascii_case(b"off") => None,
        path => match command.pool().server_root_relative(value).filter(|_| path.contains(&b'/')) {
            Some(path) => Some(Place::At(path)),
            None => return refuse(command, value, "is neither On nor Off nor a path with a slash in it"),
        },
    };
    Ok(())
}

/// The directive's value, a whole number from `least` to `most`.
pub(crate) fn number<'p>(
    command: Command<'p>,
    value: &CStr,
    least: usize,
    most: usize,
    unit: &str,
) -> Result<usize, Refusal<'p>> {
    match value.to_str().ok().and_then(|text| whole_number(text, least, most)) {
        Some(number) => Ok(number),
        None => refuse(command, value, &format!("is not a whole number of {unit} from {least} to {most}")),
    }
}

fn refuse<'p, T>(command: Command<'p>, value: &CStr, allowed: &str) -> Result<T, Refusal<'p>> {
    command.refuse(&[command.name().to_bytes(), b": '", value.to_bytes(), b"' ", allowed.as_bytes()])
}

/// `text` as a number from `least` to `most`: digits only.
fn whole_number(text: &str, least: usize, most: usize) -> Option<usize> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number))?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)
}
