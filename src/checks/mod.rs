//! What is wrong with a configuration, as far as it concerns the sections that this module guards: said by
//! `apachectl configtest` and, at every start and restart, in the error log.
//!
//! Each check may miss a fault, since what holds for a request is only known when it comes. But it should not complain of
//! what is right: whatever cannot be told for certain is let pass.
//!
//! * [`tree`]: the directives as httpd has read them;
//! * [`sections`]: which of them hold where;
//! * [`requirements`]: what is missing in a section, or stands in the wrong place;
//! * [`files`]: password and group files, by the rights of the [`run_user`];
//! * [`network`]: what others on the network can read or reach.

mod files;
mod network;
mod requirements;
mod run_user;
mod sections;
mod tree;

use std::collections::HashSet;
use std::ffi::CStr;

use crate::config::section::DirConfig;
use crate::httpd::bindings::{command_rec, server_rec};
use crate::httpd::boundary::guard;
use crate::httpd::command::{self, Answer, Command};
use crate::httpd::log::{Level, here, log_server};
use crate::httpd::pool::Pool;

use sections::{Number, Sections};
use tree::Directive;

/// What is looked for; the name is what `EsAuthSilence` knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    ServedFile,
    WorldReadable,
    Writable,
    Unreadable,
    NoAuthName,
    NoUserFile,
    NoGroupFile,
    RequireOutside,
    PlainHttp,
    PublicBackend,
}

impl Check {
    const ALL: [(Check, &str); 10] = [
        (Check::ServedFile, "served-file"),
        (Check::WorldReadable, "world-readable"),
        (Check::Writable, "writable"),
        (Check::Unreadable, "unreadable"),
        (Check::NoAuthName, "no-auth-name"),
        (Check::NoUserFile, "no-user-file"),
        (Check::NoGroupFile, "no-group-file"),
        (Check::RequireOutside, "require-outside"),
        (Check::PlainHttp, "plain-http"),
        (Check::PublicBackend, "public-backend"),
    ];

    fn named(name: &[u8]) -> Option<Check> {
        Check::ALL.into_iter().find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name)).map(|(check, _)| check)
    }

    fn name(self) -> &'static str {
        Check::ALL.into_iter().find(|&(check, _)| check == self).map_or("", |(_, name)| name)
    }
}

/// The directive of the checks.
pub(crate) const COMMANDS: &[command_rec] =
    &[command::anywhere_but_htaccess(command::each_word::<DirConfig<'static>>(
        c"EsAuthSilence",
        check_name,
        c"names of start-up checks that are not to warn here",
    ))];

/// `EsAuthSilence NAME …`, once for each name. Where it stands is looked up in the tree.
fn check_name<'p>(command: Command<'p>, _config: &mut DirConfig<'p>, name: &'p CStr) -> Answer<'p> {
    if Check::named(name.to_bytes()).is_some() {
        return Ok(());
    }
    let known = Check::ALL.map(|(_, name)| name).join(", ");
    command.refuse(&[b"EsAuthSilence: '", name.to_bytes(), b"' is none of ", known.as_bytes()])
}

/// When the configuration is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// By the server that will serve with it.
    Start,
    /// By `httpd -t`, which may be run by somebody else.
    Test,
}

/// Looks at the configuration that httpd has just read, and logs a warning for each thing that is wrong.
///
/// # Safety
/// The configuration is complete, its tree lasts for this call, and this is the only thread.
pub(crate) unsafe fn report(occasion: Occasion, main: &server_rec, pool: Pool<'_>) {
    // Whatever happens here, it is no reason not to start.
    guard((), || {
        // SAFETY: as the caller promises.
        let sections = Sections::read(unsafe { tree::configuration(pool) });
        let guarded = sections.guarded();
        if guarded.is_empty() {
            return;
        }
        let mut findings = Findings { sections: &sections, lines: Vec::new(), seen: HashSet::new() };
        requirements::check(&mut findings, &guarded);
        files::check(&mut findings, &guarded, occasion);
        network::check(&mut findings, &guarded);
        for line in findings.lines {
            log_server(here!(), Level::Warning, 0, Some(main), pool, &[line.as_bytes()]);
        }
    });
}

/// What the checks have found.
struct Findings<'f, 't> {
    sections: &'f Sections<'t>,
    lines: Vec<String>,
    seen: HashSet<String>,
}

impl Findings<'_, '_> {
    /// Adds a fault of a directive: what is wrong, what to do, and the sections of which one may have silenced the check.
    fn add(&mut self, check: Check, directive: Directive<'_>, concerned: &[Number], what: &str, advice: &str) {
        if concerned.iter().any(|&section| self.sections.is_silenced(section, check)) {
            return;
        }
        let (place, name) = (directive.place(), check.name());
        let line = format!("rust_esauth: {place}: {what}: {advice}. To silence this: EsAuthSilence {name}");
        if self.seen.insert(line.clone()) {
            self.lines.push(line);
        }
    }
}
