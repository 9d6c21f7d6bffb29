//! The checklist.

use std::fmt::Write;
use std::process::ExitCode;

use serde::Serialize;

use crate::server::front::{Advice, Front};
use crate::terminal::{self, bad, faint, good, strong};

/// The checks. Their names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Id {
    Connection,
    Encryption,
    Versions,
    Chain,
    Name,
    Validity,
    ClientCertificate,
    PlainHttp,
    NoCredentials,
    WrongPassword,
    RightPassword,
    Outsider,
    Options,
    Methods,
    Paths,
    Identity,
    Claims,
    Rights,
    PasswordFile,
    Backend,
}

impl Id {
    const ALL: [Id; 20] = [
        Id::Connection,
        Id::Encryption,
        Id::Versions,
        Id::Chain,
        Id::Name,
        Id::Validity,
        Id::ClientCertificate,
        Id::PlainHttp,
        Id::NoCredentials,
        Id::WrongPassword,
        Id::RightPassword,
        Id::Outsider,
        Id::Options,
        Id::Methods,
        Id::Paths,
        Id::Identity,
        Id::Claims,
        Id::Rights,
        Id::PasswordFile,
        Id::Backend,
    ];

    fn title(self) -> &'static str {
        match self {
            Id::Connection => "connection",
            Id::Encryption => "encryption",
            Id::Versions => "versions of TLS",
            Id::Chain => "certificate",
            Id::Name => "its name",
            Id::Validity => "its days",
            Id::ClientCertificate => "client's own",
            Id::PlainHttp => "plain HTTP",
            Id::NoCredentials => "no credentials",
            Id::WrongPassword => "wrong password",
            Id::RightPassword => "right password",
            Id::Outsider => "outsider",
            Id::Options => "OPTIONS",
            Id::Methods => "other methods",
            Id::Paths => "other paths",
            Id::Identity => "identity",
            Id::Claims => "client's claims",
            Id::Rights => "its rights",
            Id::PasswordFile => "password file",
            Id::Backend => "back end",
        }
    }

    fn section(self) -> &'static str {
        match self {
            Id::Connection
            | Id::Encryption
            | Id::Versions
            | Id::Chain
            | Id::Name
            | Id::Validity
            | Id::ClientCertificate
            | Id::PlainHttp => "On the way",
            Id::NoCredentials
            | Id::WrongPassword
            | Id::RightPassword
            | Id::Outsider
            | Id::Options
            | Id::Methods
            | Id::Paths => "At the door",
            Id::Identity | Id::Claims | Id::Rights | Id::PasswordFile | Id::Backend => "Past the door",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Passed,
    Failed,
    Skipped,
}

/// One check, done or skipped.
#[derive(Serialize)]
pub(super) struct Check {
    pub(super) id: Id,
    result: State,
    /// The observation, or the reason for skipping.
    pub(super) found: String,
    #[serde(skip)]
    advice: Advice,
    /// The advice, once it is known for which server.
    #[serde(rename = "advice", skip_serializing_if = "str::is_empty")]
    text: &'static str,
}

impl Check {
    fn new(id: Id, result: State, found: String, advice: Advice) -> Self {
        Check { id, result, found, advice, text: "" }
    }

    pub(super) fn passed(id: Id, found: impl Into<String>) -> Self {
        Check::new(id, State::Passed, found.into(), Advice::NONE)
    }

    pub(super) fn failed(id: Id, found: impl Into<String>, advice: impl Into<Advice>) -> Self {
        Check::new(id, State::Failed, found.into(), advice.into())
    }

    pub(super) fn skipped(id: Id, why: impl Into<String>) -> Self {
        Check::new(id, State::Skipped, why.into(), Advice::NONE)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.result == State::Failed
    }
}

#[derive(Serialize)]
pub(super) struct Report {
    url: String,
    passed: bool,
    checks: Vec<Check>,
    #[serde(skip)]
    front: Front,
}

impl Report {
    pub(super) fn new(url: &str) -> Self {
        Report { url: url.to_owned(), passed: true, checks: Vec::new(), front: Front::default() }
    }

    /// Gives advice for this server from now on.
    pub(super) fn speak_of(&mut self, front: Front) {
        self.front = front;
    }

    pub(super) fn add(&mut self, check: Check) {
        self.passed &= !check.has_failed();
        self.checks.push(check);
    }

    /// Skips the remaining checks, except that of the back end, which needs no server in front.
    pub(super) fn skip_rest(&mut self, why: &str) {
        for id in [
            Id::NoCredentials,
            Id::WrongPassword,
            Id::RightPassword,
            Id::Outsider,
            Id::Options,
            Id::Methods,
            Id::Paths,
            Id::PasswordFile,
        ] {
            self.add(Check::skipped(id, why));
        }
    }

    pub(super) fn print(mut self, json: bool) -> Result<ExitCode, String> {
        let place = |check: &Check| Id::ALL.iter().position(|&id| id == check.id);
        self.checks.sort_by_key(place);
        self.checks.iter_mut().for_each(|check| check.text = check.advice.to(self.front));
        if json {
            terminal::print_json(&self)?;
        } else {
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _ = self.write(&mut text);
            terminal::print(&text)?;
        }
        Ok(if self.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "{}", strong(&self.url))?;
        let mut section = "";
        for check in &self.checks {
            if check.id.section() != section {
                section = check.id.section();
                writeln!(text, "\n  {}", strong(section))?;
            }
            let title = format!("{:<16}", check.id.title());
            match check.result {
                State::Passed => writeln!(text, "  {} {title} {}", good("✓"), check.found)?,
                State::Failed => writeln!(text, "  {} {title} {}", bad("✗"), check.found)?,
                State::Skipped => writeln!(text, "  {} {}", faint("–"), faint(format!("{title} {}", check.found)))?,
            }
            for line in wrapped(check.text) {
                writeln!(text, "    {:<16} {line}", "")?;
            }
        }
        let number = |result| self.checks.iter().filter(|check| check.result == result).count();
        let (passed, failed, skipped) = (number(State::Passed), number(State::Failed), number(State::Skipped));
        let failed = if failed == 0 { format!("{failed} failed") } else { bad(format!("{failed} failed")) };
        writeln!(text, "\n  {passed} passed, {failed}, {skipped} skipped")
    }
}

/// Lines of at most 80 characters, the first with an arrow.
fn wrapped(advice: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in advice.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < 80 => *line += &format!(" {word}"),
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(format!("→ {word}")),
        }
    }
    lines
}
