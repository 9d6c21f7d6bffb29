//! The counts for Prometheus, in its text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! User names never become labels: they are unbounded in number, and private.

use std::ffi::CStr;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use crate::counters::{Counters, FileKind, FileReport, Lookup, Times, Waited};
use crate::hash::Family;
use crate::outcome::Outcome;
use crate::verification::Verifier;

/// The content type of a page.
pub const CONTENT_TYPE: &CStr = c"text/plain; version=0.0.4; charset=utf-8";

/// What a host calls things.
pub struct Host<'h> {
    /// The module's version.
    pub version: &'h str,
    /// The name of the host, and the release or generation that the module is built for.
    pub server: (&'h str, &'h str),
    /// The directive for the number of hashes computed at once.
    pub hash_slots: &'h str,
    /// The directives that name files, with the kinds of files.
    pub file_directives: &'h [(FileKind, &'h str)],
    /// The files named in the configuration.
    pub files: &'h [(FileKind, &'h [u8])],
}

/// The page of a host, which adds metrics of its `own` behind those of requests.
pub fn page(verifier: &Verifier, host: &Host<'_>, own: impl FnOnce(&mut Page)) -> String {
    let mut page = Page::default();
    server(&mut page, verifier.counters(), host);
    own(&mut page);
    remembered(&mut page, verifier);
    hashes(&mut page, verifier, host);
    files(&mut page, verifier, host);
    page.text
}

fn server(page: &mut Page, counters: &Counters, host: &Host<'_>) {
    page.metric("build_info", "gauge", "The module's version and the server it is built for.");
    page.sample(&[("version", host.version), host.server], 1);
    page.metric("start_time_seconds", "gauge", "Start of counting, in seconds since 1970.");
    page.sample(&[], counters.started());
    page.metric("requests_total", "counter", "Requests that this module authenticated or refused, by final outcome.");
    for outcome in Outcome::ALL {
        let labels = [("verdict", outcome.verdict()), ("reason", outcome.reason())];
        page.sample(&labels, counters.requests(outcome));
    }
}

fn remembered(page: &mut Page, verifier: &Verifier) {
    let (counters, usage) = (verifier.counters(), verifier.usage());
    let parts = [("grants", Lookup::Grant, usage.grants), ("denials", Lookup::Denial, usage.denials)];
    page.metric("cache_hits_total", "counter", "Credentials whose verdict was remembered.");
    for (part, lookup, _) in parts {
        page.sample(&[("part", part)], counters.lookups(lookup));
    }
    page.metric("cache_misses_total", "counter", "Credentials whose verdict was not remembered.");
    page.sample(&[], counters.lookups(Lookup::Miss));
    page.metric("cache_entries", "gauge", "Verdicts in the cache now.");
    for (part, _, usage) in parts {
        page.sample(&[("part", part)], usage.entries);
    }
    page.metric("cache_entries_limit", "gauge", "Capacity of the cache, in verdicts.");
    for (part, _, usage) in parts {
        page.sample(&[("part", part)], usage.room);
    }
    page.metric("cache_evictions_total", "counter", "Verdicts evicted before they expired.");
    for (part, _, usage) in parts {
        page.sample(&[("part", part)], usage.evictions);
    }
}

fn hashes(page: &mut Page, verifier: &Verifier, host: &Host<'_>) {
    let (counters, usage) = (verifier.counters(), verifier.usage());
    page.metric("hashes_total", "counter", "Password hashes computed, by family.");
    for family in Family::COUNTED {
        page.sample(&[("family", family.label())], counters.hashes(family));
    }
    page.metric("hash_duration_seconds", "histogram", "Time to compute a password hash.");
    // {SHA} takes less time than reading the clock.
    for family in Family::COUNTED.into_iter().filter(|&family| family != Family::Sha1) {
        page.histogram(("family", family.label()), &counters.hash_times(family));
    }
    let help = format!("Maximum of simultaneous password hashes ({}).", host.hash_slots);
    page.metric("hash_slots", "gauge", &help);
    page.sample(&[], usage.slots);
    page.metric("hashes_running", "gauge", "Slots in use now.");
    page.sample(&[], usage.running);
    page.metric("credentials_waiting", "gauge", "Credentials waiting for a slot now.");
    page.sample(&[], usage.waiting);
    page.metric("wait_duration_seconds", "histogram", "Time a request waited for a verdict, by how the wait ended.");
    for (ended, label) in [(Waited::Slot, "slot"), (Waited::Shared, "shared"), (Waited::Refused, "refused")] {
        page.histogram(("ended", label), &counters.waits(ended));
    }
}

/// A configured file, or all others of a kind.
struct File<'h> {
    kind: FileKind,
    directive: &'h str,
    path: String,
    report: FileReport,
    is_named: bool,
}

fn files(page: &mut Page, verifier: &Verifier, host: &Host<'_>) {
    let files = all_files(verifier, host);
    let named = || files.iter().filter(|file| file.is_named);
    let of_kind = |kind| named().filter(move |file| file.kind == kind);
    page.metric("file_readable", "gauge", "1 if the file was readable when last checked; 0 if not, or if never read.");
    named().for_each(|file| page.file(file, u8::from(file.report.readable)));
    page.metric("file_users", "gauge", "Users in a password file; users with a group in a group file.");
    named().for_each(|file| page.file(file, file.report.contents.users));
    page.metric("file_groups", "gauge", "Groups with at least one member.");
    of_kind(FileKind::Groups).for_each(|file| page.file(file, file.report.contents.groups));
    page.metric("file_size_bytes", "gauge", "Size of the file when last read.");
    named().for_each(|file| page.file(file, file.report.contents.bytes));
    page.metric("file_last_load_timestamp_seconds", "gauge", "When the file was last read, in seconds since 1970.");
    named().for_each(|file| page.file(file, file.report.loaded_at));
    page.metric("file_loads_total", "counter", "How often the file was read, by all children together.");
    files.iter().for_each(|file| page.file(file, file.report.loads));
    page.metric("file_failures_total", "counter", "Requests that needed the file while it could not be read.");
    files.iter().for_each(|file| page.file(file, file.report.failures));
}

fn all_files<'h>(verifier: &Verifier, host: &Host<'h>) -> Vec<File<'h>> {
    let mut files: Vec<File<'h>> = Vec::new();
    for &(kind, path) in host.files {
        let directive = host.file_directives.iter().find(|named| named.0 == kind).map_or("", |named| named.1);
        let Some(counters) = verifier.named_file(kind, path) else { continue };
        let path = String::from_utf8_lossy(path).into_owned();
        files.push(File { kind, directive, path, report: counters.read(), is_named: true });
    }
    for &(kind, directive) in host.file_directives {
        let report = verifier.counters().other_files(kind).read();
        files.push(File { kind, directive, path: "other".to_owned(), report, is_named: false });
    }
    files
}

/// The page written so far.
#[derive(Default)]
pub struct Page {
    text: String,
    /// The metric that the next samples belong to.
    metric: &'static str,
}

const PREFIX: &str = "rust_esauth_";

impl Page {
    /// Begins a metric; its samples follow. `help` has neither backslash nor line break.
    pub fn metric(&mut self, name: &'static str, kind: &str, help: &str) {
        self.metric = name;
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
    }

    /// Adds a sample of the current metric.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, value);
    }

    fn file(&mut self, file: &File<'_>, value: impl Display) {
        self.sample(&[("directive", file.directive), ("path", &file.path)], value);
    }

    fn histogram(&mut self, label: (&str, &str), times: &Times) {
        for (bound, count) in times.up_to() {
            let bound = bound.map_or("+Inf".to_owned(), seconds);
            self.line("_bucket", &[label, ("le", &bound)], count);
        }
        self.line("_sum", &[label], seconds(times.sum));
        self.line("_count", &[label], times.count());
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let (text, metric) = (&mut self.text, self.metric);
        let _ = write!(text, "{PREFIX}{metric}{suffix}");
        for (index, (name, value)) in labels.iter().enumerate() {
            let _ = write!(text, "{}{name}=\"{}\"", if index == 0 { '{' } else { ',' }, escape(value));
        }
        let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

fn seconds(duration: Duration) -> String {
    duration.as_secs_f64().to_string()
}

/// Escapes a label's value.
fn escape(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
