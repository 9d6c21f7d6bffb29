//! `EsAuthLimit`: how many requests a user may make in a time.

use std::ffi::CStr;

use esauth_engine::verification::Rate;

use crate::config::server::whole_number;
use crate::httpd::command::{Answer, Command};
use crate::httpd::words::words;

const MOST_REQUESTS: usize = 1_000_000;
const LONGEST: usize = 24 * 3600;

/// One `EsAuthLimit` of a section.
#[derive(Clone, Copy)]
pub(crate) struct Limit<'p> {
    /// `None`: Off.
    pub(crate) rate: Option<Rate>,
    pub(crate) whose: Whose<'p>,
}

/// The users that a limit is for.
#[derive(Clone, Copy)]
pub(crate) enum Whose<'p> {
    Everybodys,
    /// Those with these names.
    Users(&'p [&'p CStr]),
    /// The members of these groups.
    Groups(&'p [&'p CStr]),
}

impl<'p> Limit<'p> {
    /// `EsAuthLimit REQUESTS/SECONDS|Off [user NAME …|group NAME …]`
    pub(crate) fn parse(command: Command<'p>, arguments: &'p CStr) -> Answer<'p, Limit<'p>> {
        let mut words = words(command.pool(), arguments);
        let value = words.next().unwrap_or(c"").to_bytes();
        let Some(rate) = parse_rate(value) else {
            let allowed = format!(
                "' is neither Off nor a whole number of requests from 1 to {MOST_REQUESTS}, a slash and a whole number of \
                 seconds from 1 to {LONGEST}, such as 100/60"
            );
            return command.refuse(&[b"EsAuthLimit: '", value, allowed.as_bytes()]);
        };
        let kind = words.next();
        let names: &[&CStr] = command.pool().list(&words.collect::<Vec<_>>());
        let whose = match kind.map(CStr::to_bytes) {
            None => Whose::Everybodys,
            Some(kind) if kind.eq_ignore_ascii_case(b"user") && !names.is_empty() => Whose::Users(names),
            Some(kind) if kind.eq_ignore_ascii_case(b"group") && !names.is_empty() => Whose::Groups(names),
            Some(kind) => {
                let allowed = b"' is neither user nor group with a name behind it";
                return command.refuse(&[b"EsAuthLimit: '", kind, allowed]);
            }
        };
        Ok(Limit { rate, whose })
    }

    pub(crate) fn is_everybodys(&self) -> bool {
        matches!(self.whose, Whose::Everybodys)
    }
}

#[expect(clippy::option_option, reason = "a faulty value, or Off")]
fn parse_rate(value: &[u8]) -> Option<Option<Rate>> {
    let text = std::str::from_utf8(value).ok()?;
    if text.eq_ignore_ascii_case("off") {
        return Some(None);
    }
    let (requests, seconds) = text.split_once('/')?;
    let requests = whole_number(requests, 1, MOST_REQUESTS)? as u32;
    let seconds = whole_number(seconds, 1, LONGEST)? as u32;
    Some(Some(Rate { requests, seconds }))
}
