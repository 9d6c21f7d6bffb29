//! The counters as a table: current rates, and totals since the counting began.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::page::{Page, Sample};
use crate::terminal::{bad, faint, good, strong};
use crate::text::printable;

/// The page as text. With an earlier page, and its age, shows rates per second.
pub(super) fn of(url: &str, page: &Page, before: Option<(&Page, Duration)>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = View { page, before, text: &mut text }.write(url);
    text
}

struct View<'a> {
    page: &'a Page,
    before: Option<(&'a Page, Duration)>,
    text: &'a mut String,
}

impl View<'_> {
    fn write(&mut self, url: &str) -> fmt::Result {
        let began = self.page.value("start_time_seconds", None);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let version = self.page.all("build_info").next().map_or("", |sample| sample.label("version"));
        let since = format!("rust_esauth {}, counting for {}", printable(version.as_bytes()), long(now - began));
        writeln!(self.text, "{}  {}\n", strong(url), faint(since))?;
        self.requests()?;
        self.cache()?;
        self.hashes()?;
        self.files()
    }

    /// A counter's rise per second, if known.
    fn rate(&self, metric: &str, label: (&str, &str)) -> Option<f64> {
        let (before, elapsed) = self.before?;
        // A restarted server counts from zero.
        let rise = self.page.value(metric, Some(label)) - before.value(metric, Some(label));
        Some(rise.max(0.0) / elapsed.as_secs_f64())
    }

    fn title(&mut self, title: &str) -> fmt::Result {
        let rate = if self.before.is_some() { "each second" } else { "" };
        let title = format!("{title:<24}");
        writeln!(
            self.text,
            "  {}{} {}",
            strong(title),
            faint(format!("{rate:>12}")),
            faint(format!("{:>14}", "in all"))
        )
    }

    fn counter(&mut self, name: &str, metric: &str, label: (&str, &str), more: &str) -> fmt::Result {
        let rate = self.rate(metric, label).map_or_else(String::new, |rate| format!("{rate:.1}"));
        let total = self.page.value(metric, Some(label));
        writeln!(self.text, "  {name:<24}{rate:>12} {total:>14}  {more}")
    }

    fn requests(&mut self) -> fmt::Result {
        self.title("Requests")?;
        for sample in self.page.all("requests_total") {
            let reason = sample.label("reason");
            if sample.value > 0.0 || reason == "granted" {
                let name = printable(reason.replace('_', " ").as_bytes());
                self.counter(&name, "requests_total", ("reason", reason), "")?;
            }
        }
        writeln!(self.text)
    }

    fn cache(&mut self) -> fmt::Result {
        self.title("Remembered verdicts")?;
        for (name, part) in [("hits, right", "grants"), ("hits, wrong", "denials")] {
            let label = Some(("part", part));
            let (entries, room) =
                (self.page.value("cache_entries", label), self.page.value("cache_entries_limit", label));
            let evicted = self.page.value("cache_evictions_total", label);
            let more = match evicted > 0.0 {
                true => format!("{entries} of {room} places taken, {evicted} evicted"),
                false => format!("{entries} of {room} places taken"),
            };
            self.counter(name, "cache_hits_total", ("part", part), &more)?;
        }
        self.counter("misses", "cache_misses_total", ("", ""), "")?;
        writeln!(self.text)
    }

    fn hashes(&mut self) -> fmt::Result {
        self.title("Hashes")?;
        for sample in self.page.all("hashes_total").filter(|sample| sample.value > 0.0) {
            let family = sample.label("family");
            let label = Some(("family", family));
            let count = self.page.value("hash_duration_seconds_count", label);
            let mean = self.page.value("hash_duration_seconds_sum", label) / count;
            let more = if count > 0.0 { format!("{} each", short(mean)) } else { String::new() };
            self.counter(&printable(family.as_bytes()), "hashes_total", ("family", family), &more)?;
        }
        let number = |metric| self.page.value(metric, None);
        let waiting = number("credentials_waiting");
        let slots = format!("{} of {} slots in use, {waiting} waiting", number("hashes_running"), number("hash_slots"));
        writeln!(self.text, "  {slots}\n")
    }

    fn files(&mut self) -> fmt::Result {
        writeln!(self.text, "  {}", strong("Files"))?;
        for file in self.page.all("file_readable") {
            let users = self.of_file("file_users", file);
            let (loads, failures) = (self.of_file("file_loads_total", file), self.of_file("file_failures_total", file));
            let was_read = self.of_file("file_last_load_timestamp_seconds", file) > 0.0;
            let mark = match (file.value > 0.0, was_read || failures > 0.0) {
                (true, _) => good("✓"),
                (false, true) => bad("✗"),
                (false, false) => faint("–"),
            };
            let failures = if failures > 0.0 { bad(format!(", not readable {failures} times")) } else { String::new() };
            let (directive, path) = (file.label("directive"), printable(file.label("path").as_bytes()));
            writeln!(self.text, "  {mark} {directive} {path}: {users} users, read {loads} times{failures}")?;
        }
        Ok(())
    }

    fn of_file(&self, metric: &str, file: &Sample) -> f64 {
        let is_it = |sample: &&Sample| sample.labels == file.labels;
        self.page.all(metric).find(is_it).map_or(0.0, |sample| sample.value)
    }
}

/// A short form of seconds.
fn short(seconds: f64) -> String {
    match seconds {
        long if long >= 1.0 => format!("{long:.1} s"),
        medium if medium >= 0.001 => format!("{:.1} ms", medium * 1e3),
        tiny => format!("{:.1} µs", tiny * 1e6),
    }
}

fn long(seconds: f64) -> String {
    match seconds {
        days if days >= 172_800.0 => format!("{:.0} days", days / 86_400.0),
        hours if hours >= 7200.0 => format!("{:.0} hours", hours / 3600.0),
        minutes if minutes >= 120.0 => format!("{:.0} minutes", minutes / 60.0),
        seconds => format!("{seconds:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(granted: u32) -> Page {
        let text = format!(
            "rust_esauth_requests_total{{verdict=\"granted\",reason=\"granted\"}} {granted}\n\
             rust_esauth_file_readable{{directive=\"AuthUserFile\",path=\"/u\"}} 1\n\
             rust_esauth_file_users{{directive=\"AuthUserFile\",path=\"/u\"}} 3\n"
        );
        Page::parse(&text).unwrap()
    }

    #[test]
    fn rates_are_the_rise_by_the_time_and_never_negative() {
        let row = |now, before| {
            let text = of("u", &page(now), Some((&page(before), Duration::from_secs(2))));
            let line = text.lines().find(|line| line.contains("granted")).unwrap().to_owned();
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(row(25, 20), ["granted", "2.5", "25"]);
        assert_eq!(row(5, 20), ["granted", "0.0", "5"]);
        assert!(of("u", &page(1), None).contains("AuthUserFile /u: 3 users"));
    }
}
