//! What directives say about the whole server.

use std::collections::HashSet;
use std::ffi::CStr;
use std::thread;

use esauth_engine::verification::{FileKind, MaxFailures, Settings};

use crate::httpd::bindings::{command_rec, server_rec};
use crate::httpd::command::{self, Answer, Command, Refusal};
use crate::httpd::configuration::{self, Configuration, Owner};
use crate::httpd::pool::Pool;
use crate::httpd::server::servers;

/// The largest numbers that the directives take: a table of 640 MiB, a year, more than any machine has processors.
const MOST_ENTRIES: usize = 16 * 1024 * 1024;
const LONGEST_TTL: usize = 365 * 24 * 3600;
const MOST_SLOTS: usize = 4096;
/// Locking out for longer than a day is for a firewall to do.
const MOST_FAILURES: usize = 100_000;
const LONGEST_LOCKOUT: usize = 24 * 3600;

const DEFAULT_ENTRIES: usize = 65536;
const DEFAULT_TTL: u64 = 1200;
const DEFAULT_LOCKOUT: usize = 60;

/// 16 MiB, and as large as any file can be.
const DEFAULT_FILE_LIMIT: u64 = 16 * 1024 * 1024;
const LARGEST_FILE_LIMIT: usize = u32::MAX as usize;

/// What the directives of a server say. Those for the whole server stand in the main server's, and in no virtual host.
#[derive(Clone, Copy)]
pub(crate) struct ServerConfig<'p> {
    /// How verdicts are reached and remembered.
    pub(crate) settings: Settings,
    /// Bytes that a file which only a `.htaccess` names may have.
    pub(crate) htaccess_file_limit: u64,
    /// The files that the sections of this server name, the last one first.
    named: Option<&'p NamedFile<'p>>,
}

/// A file that the configuration names.
#[derive(Clone, Copy)]
pub(crate) struct NamedFile<'p> {
    pub(crate) kind: FileKind,
    pub(crate) path: &'p CStr,
    next: Option<&'p NamedFile<'p>>,
}

impl<'p> ServerConfig<'p> {
    /// What the directives of the main server say.
    pub(crate) fn of(main: &'p server_rec) -> ServerConfig<'p> {
        configuration::of_server::<ServerConfig<'static>>(main).copied().unwrap_or_else(ServerConfig::empty)
    }

    /// Remembers that a section names a file.
    pub(crate) fn name_file(&mut self, pool: Pool<'p>, kind: FileKind, path: &'p CStr) {
        self.named = Some(pool.value(NamedFile { kind, path, next: self.named }));
    }
}

/// The files that the configuration names, `.htaccess` files aside, in the order of their servers, each once.
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

// SAFETY: the module's record has the function of this type for servers.
unsafe impl Configuration for ServerConfig<'static> {
    type In<'p> = ServerConfig<'p>;

    const OWNER: Owner = Owner::Server;

    fn empty<'p>() -> ServerConfig<'p> {
        // As many hashes at once as there are processors.
        let slots = thread::available_parallelism().map_or(1, usize::from);
        let settings = Settings { entries: DEFAULT_ENTRIES, ttl: DEFAULT_TTL, slots, workers: 1, max_failures: None };
        ServerConfig { settings, htaccess_file_limit: DEFAULT_FILE_LIMIT, named: None }
    }

    fn merge<'p>(_outer: &Self::In<'p>, _inner: &Self::In<'p>) -> Option<ServerConfig<'p>> {
        None
    }
}

/// To httpd's table of directives, whose functions are for any pool.
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
        c"password hashes computed at once; default: the number of processors",
    ),
    command::word::<Server>(
        c"EsAuthMaxFailures",
        set_max_failures,
        c"wrong passwords, and the seconds they count for, that lock a client out of a user's account, such as 10/300; or Off",
    ),
    command::word::<Server>(
        c"EsAuthHtaccessFileLimit",
        |command, config, value| {
            config.htaccess_file_limit = number(command, value, 1, LARGEST_FILE_LIMIT, "bytes")? as u64;
            Ok(())
        },
        c"size limit of password and group files named by .htaccess, in bytes; default: 16777216",
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

/// The directive's value, a whole number from `least` to `most`.
fn number<'p>(command: Command<'p>, value: &CStr, least: usize, most: usize, unit: &str) -> Result<usize, Refusal<'p>> {
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
