//! The intended differences, each by its name: those of docs/migration.md that a generated request can meet. Any other
//! difference is a fault.

use std::collections::BTreeMap;

use super::batch::Effects;
use super::model::{Configuration, File, Role};
use crate::harness::log::Line;

/// How often each difference occurred.
pub(crate) type Counts = BTreeMap<&'static str, usize>;

const MODULE: &str = "a log line names our module";
const OUR_LINE: &str = "a line of ours about a file";
const FAKE: &str = "AH02457 without the header";
const FAKE_LINE: &str = "AH02457: AuthBasicFake: \"Authorization: Basic ";
const LONG_LINE: &str = "a password line of 8191 bytes or more";
const LAST_LINE: &str = "a group file's last line without LF";

const UNKNOWN_GROUPS: &str = "500 where a group cannot be told";

/// Lines of either server if membership is unknown.
const UNKNOWN_GROUP_LINES: [&str; 5] = ["AH01664", "AH01665", "AH01668", "AH01669", "AH02592"];
/// mod_authz_owner's line, which has the same effect if the requirement is negated.
const NO_OWNER_LINE: &str = "AH01639";

/// Whether the servers differ because ours treats as an error what stock denies. It must not admit anybody.
pub(crate) fn is_about_unknown_groups(stock: &Effects, ours: &Effects, counts: &mut Counts) -> bool {
    let logs = |effects: &Effects, number: &str| effects.logged.iter().any(|line| line.number() == Some(number));
    let mut numbers = UNKNOWN_GROUP_LINES.iter().chain([&NO_OWNER_LINE]);
    // An error document has a status of its own. The log has the original request's first, with its user, and then that one.
    let has_error = |line: &String| line.split(' ').step_by(2).take(2).any(|status| status == "500");
    let is_error = ours.status == 500 || ours.accessed.iter().any(has_error);
    let tells = numbers.any(|number| logs(stock, number) && logs(ours, number));
    // As `LogLevel crit` has it. Then the requirements are not told apart, but a denial from anything else.
    let is_silent = stock.logged.is_empty() && ours.logged.is_empty() && [401, 403].contains(&stock.status);
    let is = tells && (is_error || ours.status == stock.status) || is_silent && is_error;
    if is {
        *counts.entry(UNKNOWN_GROUPS).or_default() += 1;
    }
    is
}

/// The compared result: log lines as `[level] module: status text`.
#[derive(PartialEq, Eq)]
pub(crate) struct Comparable<'a> {
    status: u16,
    headers: Vec<&'a str>,
    body: &'a str,
    accessed: &'a [String],
    logged: Vec<String>,
}

pub(crate) fn comparable<'a>(effects: &'a Effects, counts: &mut Counts) -> Comparable<'a> {
    let logged = effects.logged.iter().filter_map(|line| comparable_line(line, counts)).collect();
    let Effects { status, headers, body, accessed, .. } = effects;
    let headers = headers.iter().map(String::as_str).collect();
    Comparable { status: *status, headers, body, accessed, logged }
}

impl Comparable<'_> {
    /// As after an intended 500, which ends a connection that stock keeps, and decides before the requirements that come
    /// next: without mod_http2's offer, which it makes once for each connection, and with each of `logged` once.
    pub(crate) fn after_an_error(mut self) -> Self {
        self.headers.retain(|header| !["upgrade: h2c", "connection: Upgrade"].contains(header));
        for header in &mut self.headers {
            if *header == "connection: Upgrade, close" {
                *header = "connection: close";
            }
        }
        // mod_http2 puts its header before the others.
        self.headers.sort_unstable();
        self.logged.dedup();
        self
    }
}

fn comparable_line(line: &Line, counts: &mut Counts) -> Option<String> {
    let mut count = |name: &'static str| *counts.entry(name).or_default() += 1;
    if is_our_line(line) {
        count(OUR_LINE);
        return None;
    }
    let module = match line.module.as_str() {
        "rust_esauth" => {
            count(MODULE);
            "file authentication"
        }
        "auth_basic" | "authn_file" | "authz_groupfile" => "file authentication",
        // httpd's core refuses to open irregular files for the stock modules.
        "core" if line.number() == Some("AH00554") => "file authentication",
        other => other,
    };
    // mod_auth_basic logs the credentials that it made up for the back end; ours does not.
    let text = match line.text.strip_prefix(FAKE_LINE) {
        Some(_) => {
            if line.module == "rust_esauth" {
                count(FAKE);
            }
            FAKE_LINE
        }
        None => &line.text,
    };
    Some(format!("[{}] {module}: {} {text}", line.level, line.status))
}

/// Our own lines, without a number of httpd's: about files, and about hashes.
fn is_our_line(line: &Line) -> bool {
    if line.module != "rust_esauth" {
        return false;
    }
    let file = line
        .text
        .strip_prefix("rust_esauth: AuthUserFile ")
        .or_else(|| line.text.strip_prefix("rust_esauth: AuthGroupFile "));
    let about_a_file = ["cannot be read: ", "can be read again", " has 8191 bytes or more: "];
    file.is_some_and(|rest| about_a_file.iter().any(|text| rest.contains(text)))
        || line.level == "debug" && line.text.starts_with("rust_esauth: computed a hash for user ")
}

/// The same configuration with files that stock httpd reads to their end, and the name of the difference. Ours must
/// treat the originals as stock treats these.
pub(crate) fn as_ours_reads_it(original: &Configuration) -> Option<(Configuration, &'static str)> {
    let mut twin = original.clone();
    twin.name.replace_range(..1, "t");
    let mut name = None;
    let edited = twin.talks.iter_mut().filter_map(|talk| talk.edit.as_mut()).map(|edit| &mut edit.file);
    for file in twin.files.iter_mut().chain(edited) {
        name = name.or(match file.role {
            Role::Passwords | Role::Locked => shorten(file).then_some(LONG_LINE),
            Role::Groups => end(file).then_some(LAST_LINE),
            Role::Other | Role::Folder => None,
        });
    }
    name.map(|name| (twin, name))
}

/// Shortens the lines to fit httpd's buffer; no user has so long a name or hash in either.
fn shorten(file: &mut File) -> bool {
    let mut found = false;
    for line in file.lines.iter_mut().filter(|line| line.len() > 8000) {
        let ends_with_field = line.ends_with(b":secret\n") || line.ends_with(b":more\n");
        let keep_back = if ends_with_field { 10 } else { 1 };
        let back = line.len() - keep_back;
        line.drain(7900..back);
        found = true;
    }
    found
}

/// Stock httpd loses a last line that lacks its LF and exactly fills the read buffer.
fn end(file: &mut File) -> bool {
    let Some(last) = file.lines.last_mut().filter(|last| last.len() >= 500 && !last.ends_with(b"\n")) else {
        return false;
    };
    last.push(b'\n');
    true
}
