//! The directives for the server as a whole, which is `http` in nginx: all workers share one memory.

use esauth_engine::verification::{AddressRange, FileKind, MaxFailures, Settings, Verifier};
use esauth_fleet::MOST_SERVERS;

use super::fleet::Fleet;
use crate::nginx::bindings::{ngx_command_t, ngx_ncpu};
use crate::nginx::configuration::{
    Directive, MAIN, ONE_OR_TWO_WORDS, ONE_WORD, Reading, Refused, WORDS, of_main, seconds,
};

/// Requests that the queue is dimensioned for at most: more could not be looked through in a moment. None of them takes a
/// thread while it waits.
const MOST_WAITING: usize = 1024;

/// What is set in `http`.
#[derive(Default)]
pub(crate) struct MainConfig {
    /// True if any location asks for authentication.
    pub(crate) used: bool,
    cache_size: Option<usize>,
    cache_ttl: Option<u64>,
    hash_slots: Option<usize>,
    max_failures: Option<Option<MaxFailures>>,
    exempt: &'static [AddressRange],
    control: Option<Option<&'static [u8]>>,
    pub(crate) fleet: Fleet,
    files: Option<&'static NamedFile>,
    /// The memory of the workers, once they are to be started.
    pub(crate) verifier: Option<Verifier>,
}

/// A file named in the configuration without variables, and those before it.
#[derive(Clone, Copy)]
struct NamedFile {
    kind: FileKind,
    path: &'static [u8],
    before: Option<&'static NamedFile>,
}

impl MainConfig {
    /// The settings of the memory, for workers with so many connections together.
    pub(crate) fn settings(&self, connections: usize) -> Settings {
        // SAFETY: set by nginx when it starts.
        let processors = unsafe { (&raw const ngx_ncpu).read() };
        Settings {
            entries: self.entries(),
            ttl: self.ttl(),
            slots: self.hash_slots.unwrap_or(Settings::usual_slots(usize::try_from(processors).unwrap_or(1))),
            workers: connections.min(MOST_WAITING),
            max_failures: self.max_failures.flatten(),
        }
    }

    /// Whether the failures of a client at this address are not counted.
    pub(crate) fn is_exempt(&self, client: &str) -> bool {
        self.exempt.iter().any(|range| range.contains(client))
    }

    /// The number of verdicts to remember.
    pub(crate) fn entries(&self) -> usize {
        self.cache_size.unwrap_or(65_536)
    }

    /// Seconds for which a verdict is remembered.
    pub(crate) fn ttl(&self) -> u64 {
        self.cache_ttl.unwrap_or(1200)
    }

    /// Whether a client can be locked out.
    pub(crate) fn limits_failures(&self) -> bool {
        self.max_failures.flatten().is_some()
    }

    /// The path of the operators' socket, if there is one.
    pub(crate) fn control(&self) -> Option<&'static [u8]> {
        self.control.flatten()
    }

    /// The files named without variables, each once, in their order.
    pub(crate) fn files(&self) -> Vec<(FileKind, &'static [u8])> {
        let files = std::iter::successors(self.files, |file| file.before);
        let mut files: Vec<_> = files.map(|file| (file.kind, file.path)).collect();
        files.reverse();
        files
    }

    /// Notes a file named without variables.
    pub(crate) fn name(
        &mut self,
        reading: Reading<'static>,
        kind: FileKind,
        path: &'static [u8],
    ) -> Result<(), Refused> {
        let mut before = std::iter::successors(self.files, |file| file.before);
        if before.any(|file| (file.kind, file.path) == (kind, path)) {
            return Ok(());
        }
        let pool = reading.pool().ok_or(Refused::NO_MEMORY)?;
        let file = pool.value(NamedFile { kind, path, before: self.files }).ok_or(Refused::NO_MEMORY)?;
        self.files = Some(file);
        Ok(())
    }
}

/// Rows of the table of directives.
pub(crate) const COMMANDS: [ngx_command_t; 11] = [
    of_main::<MainConfig, CacheSize>(c"esauth_cache_size", MAIN | ONE_WORD),
    of_main::<MainConfig, CacheTtl>(c"esauth_cache_ttl", MAIN | ONE_WORD),
    of_main::<MainConfig, HashSlots>(c"esauth_hash_slots", MAIN | ONE_WORD),
    of_main::<MainConfig, Failures>(c"esauth_max_failures", MAIN | ONE_OR_TWO_WORDS),
    of_main::<MainConfig, Exempt>(c"esauth_exempt", MAIN | WORDS),
    of_main::<MainConfig, Control>(c"esauth_control", MAIN | ONE_WORD),
    of_main::<MainConfig, FleetAddresses>(c"esauth_fleet", MAIN | WORDS),
    of_main::<MainConfig, FleetKey>(c"esauth_fleet_key", MAIN | ONE_WORD),
    of_main::<MainConfig, FleetCredentials>(c"esauth_fleet_credentials", MAIN | ONE_WORD),
    of_main::<MainConfig, FleetAuthorities>(c"esauth_fleet_ca", MAIN | ONE_WORD),
    of_main::<MainConfig, FleetServers>(c"esauth_fleet_servers", MAIN | ONE_WORD),
];

struct CacheSize;
struct CacheTtl;
struct HashSlots;
struct Failures;
struct Exempt;
struct Control;
struct FleetAddresses;
struct FleetKey;
struct FleetCredentials;
struct FleetAuthorities;
struct FleetServers;

impl Directive<MainConfig> for CacheSize {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        set(&mut main.cache_size, number(reading, 1, 0, 10_000_000)?)
    }
}

impl Directive<MainConfig> for CacheTtl {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        set(&mut main.cache_ttl, time(reading, 1)?.into())
    }
}

impl Directive<MainConfig> for HashSlots {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        set(&mut main.hash_slots, number(reading, 1, 1, 512)?)
    }
}

impl Directive<MainConfig> for Failures {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        if (reading.word(1), reading.words().len()) == (b"off", 2) {
            return set(&mut main.max_failures, None);
        }
        let failures = number(reading, 1, 1, 1_000_000)? as u32;
        let seconds = if reading.words().len() > 2 { time(reading, 2)? } else { 300 };
        set(&mut main.max_failures, Some(MaxFailures { failures, seconds }))
    }
}

impl Directive<MainConfig> for Exempt {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        let mut exempt = main.exempt.to_vec();
        for number in 1..reading.words().len() {
            let word = reading.word(number);
            let range = std::str::from_utf8(word).ok().and_then(|text| text.parse().ok());
            exempt.push(range.ok_or_else(|| {
                let expected = b"\", expected an address such as 192.0.2.1, or a range such as 2001:db8::/32";
                reading.refuse(&[b"invalid value \"", word, expected])
            })?);
        }
        main.exempt = reading.pool().and_then(|pool| pool.list(&exempt)).ok_or(Refused::NO_MEMORY)?;
        Ok(())
    }
}

impl Directive<MainConfig> for Control {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        let path = if reading.word(1) == b"off" { None } else { Some(reading.path(1)?) };
        set(&mut main.control, path)
    }
}

impl Directive<MainConfig> for FleetAddresses {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        main.fleet.read_addresses(reading)
    }
}

impl Directive<MainConfig> for FleetKey {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        set(&mut main.fleet.key, reading.path(1)?)
    }
}

impl Directive<MainConfig> for FleetCredentials {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        set(&mut main.fleet.credentials, reading.path(1)?)
    }
}

impl Directive<MainConfig> for FleetAuthorities {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        set(&mut main.fleet.authorities, reading.path(1)?)
    }
}

impl Directive<MainConfig> for FleetServers {
    fn read(reading: Reading<'static>, main: &mut MainConfig) -> Result<(), Refused> {
        set(&mut main.fleet.servers, number(reading, 1, 1, MOST_SERVERS)? as u32)
    }
}

/// Sets a value that may be set once.
fn set<T>(place: &mut Option<T>, value: T) -> Result<(), Refused> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refused::because(c"is duplicate")),
    }
}

/// The word with this number, as a number.
fn number(reading: Reading<'static>, word: usize, least: usize, most: usize) -> Result<usize, Refused> {
    let text = reading.word(word);
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        let expected = format!("\", expected a number from {least} to {most}");
        reading.refuse(&[b"invalid value \"", text, expected.as_bytes()])
    })
}

/// A time as nginx writes it, such as `20m`.
fn time(reading: Reading<'static>, word: usize) -> Result<u32, Refused> {
    const MOST: u32 = 2_592_000;
    let text = reading.word(word);
    seconds(text)
        .filter(|seconds| (1..=MOST).contains(seconds))
        .ok_or_else(|| reading.refuse(&[b"invalid value \"", text, b"\", expected a time from 1s to 30d"]))
}
