//! A section in mod_status's page, and lines in its `?auto`.

use std::ffi::c_int;
use std::fmt::Write as _;

use esauth_engine::hash::Family;
use esauth_engine::verification::{Lookup, Verifier};

use crate::config::section::{DirConfig, Page};
use crate::httpd::bindings::{DECLINED, OK};
use crate::httpd::request::Request;
use crate::state::outcomes::{Outcome, guard_request};
use crate::state::verdicts;

/// mod_status's flag for `?auto` (`AP_STATUS_SHORT`).
const SHORT: c_int = 1;

/// mod_status's hook for other modules' sections.
pub(crate) extern "C" fn status_hook(request: Option<Request<'_>>, flags: c_int) -> c_int {
    let Some(request) = request else { return DECLINED };
    guard_request(request, DECLINED, || {
        // Authors of .htaccess files may show mod_status's page, and not know who may see ours.
        let Some(cache) = verdicts::verifier().filter(|_| DirConfig::of(request).shows(Page::Status)) else {
            return DECLINED;
        };
        let figures = figures(cache);
        request.write(if flags & SHORT == 0 { table(&figures) } else { lines(&figures) }.as_bytes());
        OK as c_int
    })
}

/// A line of the page: its key for `?auto`, its text for readers, its value.
struct Figure {
    key: String,
    text: String,
    value: u64,
}

fn figures(cache: &Verifier) -> Vec<Figure> {
    let (counters, usage) = (cache.counters(), cache.usage());
    let mut figures = Vec::new();
    for outcome in Outcome::ALL {
        let reason = outcome.reason();
        let key = format!("Requests{}", camel_case(reason));
        figures.push(Figure {
            key,
            text: format!("Requests: {}", reason.replace('_', " ")),
            value: counters.requests(outcome),
        });
    }
    let hashes = Family::COUNTED.into_iter().map(|family| counters.hashes(family)).sum();
    for (key, text, value) in [
        ("CacheGrantHits", "Remembered credentials: right", counters.lookups(Lookup::Grant)),
        ("CacheDenialHits", "Remembered credentials: wrong", counters.lookups(Lookup::Denial)),
        ("CacheMisses", "Credentials not remembered", counters.lookups(Lookup::Miss)),
        ("CacheGrantEntries", "Right credentials in the cache", usage.grants.entries),
        ("CacheDenialEntries", "Wrong credentials in the cache", usage.denials.entries),
        ("CacheGrantEvictions", "Right credentials evicted early", usage.grants.evictions),
        ("CacheDenialEvictions", "Wrong credentials evicted early", usage.denials.evictions),
        ("Hashes", "Password hashes computed", hashes),
        ("HashSlots", "Maximum of simultaneous hashes", usage.slots as u64),
        ("HashesRunning", "Hashes being computed", usage.running as u64),
        ("CredentialsWaiting", "Credentials waiting for a hash", usage.waiting as u64),
    ] {
        figures.push(Figure { key: key.to_owned(), text: text.to_owned(), value });
    }
    figures
}

fn lines(figures: &[Figure]) -> String {
    figures.iter().fold(String::new(), |mut text, figure| {
        let _ = writeln!(text, "EsAuth{}: {}", figure.key, figure.value);
        text
    })
}

/// All texts are ours and need no escaping.
fn table(figures: &[Figure]) -> String {
    let rows = figures.iter().fold(String::new(), |mut text, figure| {
        let _ = writeln!(text, "<tr><td>{}</td><td align=\"right\">{}</td></tr>", figure.text, figure.value);
        text
    });
    format!("<hr />\n<h2>rust_esauth: HTTP Basic authentication</h2>\n<table border=\"0\">\n{rows}</table>\n")
}

fn camel_case(words: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    words.split('_').filter(|word| !word.is_empty()).map(capital).collect()
}
