//! What a server counts and logs of its fleet: the same for every host. Of all its processes, one logs a change.

use esauth_engine::exposition::Page;
use esauth_engine::verification::Counters;

use crate::shared::{Event, Lookup, Observer};

/// What a host calls its directives, and how it logs.
#[derive(Clone, Copy)]
pub struct Host {
    /// The directive for the addresses.
    pub fleet: &'static str,
    /// For the file of the key.
    pub key: &'static str,
    /// For the file of what the servers ask for.
    pub credentials: &'static str,
    /// For the file of certificates.
    pub authorities: &'static str,
    /// What has to happen to the server after a file was corrected, such as "restarted gracefully".
    pub restarted: &'static str,
    /// Takes a line about the server as a whole, which belongs to no request. Called in any thread.
    pub log: fn(Level, &str),
}

/// The importance of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// It does not work until somebody does something.
    Error,
    /// It does not work now.
    Warning,
    /// It works again.
    Notice,
}

/// What the host's numbers of the counters stand for, from here on. The host has those below.
const LOOKUPS: usize = 16;
const TOLD: usize = LOOKUPS + LOOKUP_RESULTS.len();
const NOT_TOLD: usize = TOLD + 1;
const STATE: usize = TOLD + 2;
const FULL: usize = TOLD + 3;
const COUNTED: usize = TOLD + 4;
const NOT_COUNTED: usize = TOLD + 5;

/// How questions to the fleet end, with their labels in the metrics.
const LOOKUP_RESULTS: [(Lookup, &str); 6] = [
    (Lookup::Known, "known"),
    (Lookup::Unknown, "unknown"),
    (Lookup::Forged, "forged"),
    (Lookup::Late, "late"),
    (Lookup::Skipped, "skipped"),
    (Lookup::LockedOut, "locked_out"),
];

/// What the processes of the server last met.
#[derive(Clone, Copy)]
#[repr(u8)]
enum State {
    Fine,
    Lost,
    /// A file has a fault.
    Unusable,
}

/// Adds the metrics to a page. `directive`: the one for the addresses.
pub fn write_metrics(page: &mut Page, counters: &Counters, directive: &str) {
    let help = format!("Whether the servers of {directive}, and its files, can be used.");
    page.metric("fleet_reachable", "gauge", &help);
    page.sample(&[], u8::from(counters.of_host(STATE) == State::Fine as u64));
    let help = format!("Credentials not remembered here, by what {directive} knew of them.");
    page.metric("fleet_lookups_total", "counter", &help);
    for (result, label) in LOOKUP_RESULTS {
        page.sample(&[("result", label)], counters.of_host(LOOKUPS + result as usize));
    }
    let help = format!("Credentials verified here, by whether {directive} took them.");
    page.metric("fleet_entries_total", "counter", &help);
    for (number, label) in [(TOLD, "taken"), (NOT_TOLD, "lost")] {
        page.sample(&[("result", label)], counters.of_host(number));
    }
    let help = format!("Failures and reports of requests, by whether {directive} counted them.");
    page.metric("fleet_counts_total", "counter", &help);
    for (number, label) in [(COUNTED, "taken"), (NOT_COUNTED, "lost")] {
        page.sample(&[("result", label)], counters.of_host(number));
    }
}

/// Counts for the server and logs for its host.
pub(crate) struct Report {
    host: Host,
    counters: &'static Counters,
}

impl Report {
    pub(crate) fn new(host: Host, counters: &'static Counters) -> Report {
        Report { host, counters }
    }

    /// The files have no fault, at a start.
    pub(crate) fn note_usable(&self) {
        self.has_ended(STATE, State::Unusable as u64);
    }

    /// A file has a fault, which `why` tells.
    pub(crate) fn note_unusable(&self, why: &str) {
        if self.has_begun(STATE, State::Unusable as u64) {
            let restarted = self.host.restarted;
            let text = format!("{why}. This server shares nothing with the fleet until it is {restarted}");
            (self.host.log)(Level::Error, &text);
        }
    }

    /// Notes a fault; whether the server did not know of it.
    fn has_begun(&self, place: usize, fault: u64) -> bool {
        self.counters.swap_of_host(place, fault) != fault
    }

    /// Whether a fault that the whole server knows of is over, for the first that asks.
    fn has_ended(&self, place: usize, fault: u64) -> bool {
        self.counters.of_host(place) == fault && self.counters.swap_of_host(place, 0) == fault
    }

    fn log(&self, level: Level, text: &str) {
        (self.host.log)(level, &format!("{} {text}", self.host.fleet));
    }

    fn note_reached(&self) {
        if self.has_ended(STATE, State::Lost as u64) {
            self.log(Level::Notice, "can be used again");
        }
    }

    fn note_taken(&self, is_taken: bool) {
        if is_taken && self.has_ended(FULL, 1) {
            self.log(Level::Notice, "takes entries again");
        }
    }
}

impl Observer for Report {
    fn looked_up(&self, result: Lookup) {
        self.counters.count_of_host(LOOKUPS + result as usize);
        // Also where the process that met a loss has ended.
        if matches!(result, Lookup::Known | Lookup::Unknown | Lookup::Forged | Lookup::LockedOut) {
            self.note_reached();
        }
    }

    fn told(&self, was_left: bool) {
        self.counters.count_of_host(if was_left { TOLD } else { NOT_TOLD });
        self.note_taken(was_left);
    }

    fn counted(&self, was_counted: bool) {
        self.counters.count_of_host(if was_counted { COUNTED } else { NOT_COUNTED });
        self.note_taken(was_counted);
    }

    fn event(&self, event: &Event) {
        match event {
            Event::Lost(address, why) => {
                if self.has_begun(STATE, State::Lost as u64) {
                    let effect =
                        "until it can, this server hashes every credential itself and allows its share of the limits";
                    self.log(Level::Warning, &format!("{address} cannot be used ({why}); {effect}"));
                }
            }
            Event::Reached => self.note_reached(),
            Event::Full(why) => {
                if self.has_begun(FULL, 1) {
                    let effect = "until it does, the other servers hash what this one has verified, and each allows its share of the limits";
                    self.log(Level::Warning, &format!("takes no entries ({why}); {effect}"));
                }
            }
        }
    }
}
