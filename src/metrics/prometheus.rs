//! `SetHandler rust-esauth-metrics`: the counts for Prometheus, in its text format 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
//!
//! User names never become labels: they are unbounded in number, and private.

use std::ffi::{CStr, c_int};
use std::fmt::{Display, Write as _};
use std::time::Duration;

use esauth_engine::hash::Family;
use esauth_engine::verification::{Counters, FileKind, FileReport, Lookup, Times, Verifier, Waited};

use crate::config::files::file_directive;
use crate::config::section::{self, DirConfig, METRICS_HANDLER};
use crate::httpd::bindings::{DECLINED, HTTP_FORBIDDEN, HTTP_METHOD_NOT_ALLOWED, HTTP_SERVICE_UNAVAILABLE, M_GET, OK};
use crate::httpd::generation;
use crate::httpd::log::{Level, log_request};
use crate::httpd::module::VERSION;
use crate::httpd::request::Request;
#[cfg(httpd = "2.4")]
use crate::roles::audit::{self, CLASSES, VERDICTS};
use crate::state::outcomes::{Outcome, guard_request, reason, verdict};
use crate::state::verdicts;

const CONTENT_TYPE: &CStr = c"text/plain; version=0.0.4; charset=utf-8";

/// The content handler; DECLINED leaves the request to other modules.
pub(crate) extern "C" fn handler(request: Option<Request<'_>>) -> c_int {
    let Some(request) = request else { return DECLINED };
    if request.handler() != Some(METRICS_HANDLER) {
        return DECLINED;
    }
    guard_request(request, HTTP_SERVICE_UNAVAILABLE as c_int, || {
        if !DirConfig::of(request).shows(section::Page::Metrics) {
            let text =
                b"rust_esauth: SetHandler rust-esauth-metrics works in the server's own configuration only, not in \
                .htaccess files, AddHandler or RewriteRule";
            log_request!(request, Level::Error, 0, text);
            return HTTP_FORBIDDEN as c_int;
        }
        answer(request)
    })
}

fn answer(request: Request<'_>) -> c_int {
    // HEAD shares GET's method number.
    if request.method_number() != M_GET as c_int {
        request.allow_only(M_GET as c_int);
        return HTTP_METHOD_NOT_ALLOWED as c_int;
    }
    let Some(cache) = verdicts::verifier() else { return HTTP_SERVICE_UNAVAILABLE as c_int };
    request.set_content_type(CONTENT_TYPE);
    request.headers_out().set(c"Cache-Control", c"no-store");
    request.write(page(cache).as_bytes());
    OK as c_int
}

fn page(cache: &Verifier) -> String {
    let mut page = Page::default();
    server(&mut page, cache.counters());
    #[cfg(httpd = "2.4")]
    roles(&mut page, cache.counters());
    remembered(&mut page, cache);
    hashes(&mut page, cache);
    files(&mut page, cache);
    page.text
}

fn server(page: &mut Page, counters: &Counters) {
    page.metric("build_info", "gauge", "The module's version and the httpd generation it is built for.");
    page.sample(&[("version", VERSION), ("httpd", generation::HTTPD)], 1);
    page.metric("start_time_seconds", "gauge", "Start of counting, in seconds since 1970.");
    page.sample(&[], counters.started());
    page.metric("requests_total", "counter", "Requests that this module authenticated or refused, by final outcome.");
    for outcome in Outcome::ALL {
        let labels = [("verdict", verdict(outcome)), ("reason", reason(outcome).to_str().unwrap_or(""))];
        page.sample(&labels, counters.requests(outcome as u8));
    }
}

/// Requests in sections with `EsAuthRoles`.
#[cfg(httpd = "2.4")]
fn roles(page: &mut Page, counters: &Counters) {
    page.metric("roles_requests_total", "counter", "Requests judged by EsAuthRoles, by verdict and kind of action.");
    for (verdict, verdict_label) in VERDICTS {
        for (class, class_label) in CLASSES {
            let labels = [("verdict", verdict_label), ("action", class_label)];
            page.sample(&labels, audit::requests(counters, verdict, class));
        }
    }
}

fn remembered(page: &mut Page, cache: &Verifier) {
    let (counters, usage) = (cache.counters(), cache.usage());
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

fn hashes(page: &mut Page, cache: &Verifier) {
    let (counters, usage) = (cache.counters(), cache.usage());
    page.metric("hashes_total", "counter", "Password hashes computed, by family.");
    for family in Family::COUNTED {
        page.sample(&[("family", family.label())], counters.hashes(family));
    }
    page.metric("hash_duration_seconds", "histogram", "Time to compute a password hash.");
    // {SHA} takes less time than reading the clock.
    for family in Family::COUNTED.into_iter().filter(|&family| family != Family::Sha1) {
        page.histogram(("family", family.label()), &counters.hash_times(family));
    }
    page.metric("hash_slots", "gauge", "Maximum of simultaneous password hashes (EsAuthHashSlots).");
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
struct File {
    kind: FileKind,
    path: String,
    report: FileReport,
    is_named: bool,
}

fn files(page: &mut Page, cache: &Verifier) {
    let files = all_files(cache);
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

fn all_files(cache: &Verifier) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    for &(kind, path) in verdicts::named_files() {
        let Some(counters) = cache.named_file(kind, path.to_bytes()) else { continue };
        let path = path.to_string_lossy().into_owned();
        files.push(File { kind, path, report: counters.read(), is_named: true });
    }
    for kind in FileKind::ALL {
        let report = cache.counters().other_files(kind).read();
        files.push(File { kind, path: "other".to_owned(), report, is_named: false });
    }
    files
}

/// The page written so far.
#[derive(Default)]
struct Page {
    text: String,
    /// The metric that the next samples belong to.
    metric: &'static str,
}

const PREFIX: &str = "rust_esauth_";

impl Page {
    /// Begins a metric; its samples follow. `help` has neither backslash nor line break.
    fn metric(&mut self, name: &'static str, kind: &str, help: &str) {
        self.metric = name;
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}");
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, value);
    }

    fn file(&mut self, file: &File, value: impl Display) {
        self.sample(&[("directive", file_directive(file.kind)), ("path", &file.path)], value);
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
