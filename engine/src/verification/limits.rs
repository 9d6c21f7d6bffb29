//! Limits on the requests of users, as a host's configuration has them: which one counts for a user.

use std::str::FromStr;
use std::sync::Arc;

use super::rates::Rate;
use crate::files::{Groups, Snapshot};
use crate::refusal;

const MOST_REQUESTS: u32 = 1_000_000;
const LONGEST: u32 = 24 * 3600;

/// One limit of a section of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'c> {
    rate: Option<Rate>,
    whose: Whose<'c>,
}

/// The users that a limit is for.
#[derive(Clone, Copy, Debug)]
enum Whose<'c> {
    Everybodys,
    /// Those with these names.
    Users(&'c [&'c [u8]]),
    /// The members of these groups.
    Groups(&'c [&'c [u8]]),
}

/// Which part of a limit cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitFault {
    /// The rate.
    Rate,
    /// The word behind it, or no name follows that.
    Names,
}

impl<'c> Limit<'c> {
    /// What a rate may be, besides `Off`.
    pub const RATES: &'static str = "a whole number of requests from 1 to 1000000, a slash and a whole number of seconds from 1 to \
                                     86400, such as 100/60";

    /// `REQUESTS/SECONDS|Off [user NAME …|group NAME …]`. `kind`: the word before the names, if there is one.
    pub fn parse(rate: &[u8], kind: Option<&[u8]>, names: &'c [&'c [u8]]) -> Result<Limit<'c>, LimitFault> {
        let rate = match rate {
            word if word.eq_ignore_ascii_case(b"off") => None,
            word => Some(std::str::from_utf8(word).ok().and_then(parse_rate).ok_or(LimitFault::Rate)?),
        };
        let whose = match kind {
            None => Whose::Everybodys,
            Some(kind) if kind.eq_ignore_ascii_case(b"user") && !names.is_empty() => Whose::Users(names),
            Some(kind) if kind.eq_ignore_ascii_case(b"group") && !names.is_empty() => Whose::Groups(names),
            Some(_) => return Err(LimitFault::Names),
        };
        Ok(Limit { rate, whose })
    }

    /// Whether it names neither users nor groups. A section has one such limit at most.
    pub fn is_everybodys(&self) -> bool {
        matches!(self.whose, Whose::Everybodys)
    }

    /// The rate that counts for a user: that of the first limit with the user's name, else of the first one with one of the
    /// user's groups, else of the one without names. `groups` is called only if they decide. `None` of it: they are
    /// unknown, and the lowest rate of all counts that may be the user's.
    pub fn of_user<E>(
        limits: &[Limit<'_>],
        user: &[u8],
        groups: impl FnOnce() -> Result<Option<Arc<Snapshot<Groups>>>, E>,
    ) -> Result<Option<Rate>, E> {
        let named = |limit: &&Limit<'_>| matches!(limit.whose, Whose::Users(names) if names.contains(&user));
        if let Some(limit) = limits.iter().find(named) {
            return Ok(limit.rate);
        }
        let everybodys = || limits.iter().find(|limit| limit.is_everybodys()).and_then(|limit| limit.rate);
        if !limits.iter().any(|limit| matches!(limit.whose, Whose::Groups(_))) {
            return Ok(everybodys());
        }
        let Some(file) = groups()? else { return Ok(lowest(limits)) };
        let memberships = file.of(user);
        let is_member = |group: &&[u8]| memberships.is_some_and(|groups| groups.contains(group));
        let of_group = |limit: &&Limit<'_>| matches!(limit.whose, Whose::Groups(names) if names.iter().any(is_member));
        Ok(limits.iter().find(of_group).map_or_else(everybodys, |limit| limit.rate))
    }
}

/// The lowest rate of a user whose groups are unknown.
fn lowest(limits: &[Limit<'_>]) -> Option<Rate> {
    let rates = limits.iter().filter(|limit| !matches!(limit.whose, Whose::Users(_))).filter_map(|limit| limit.rate);
    let in_a_day = |rate: &Rate| u64::from(rate.requests) * 86_400 * 1000 / u64::from(rate.seconds);
    rates.min_by_key(in_a_day)
}

fn parse_rate(text: &str) -> Option<Rate> {
    let (requests, seconds) = text.split_once('/')?;
    Some(Rate { requests: whole_number(requests, MOST_REQUESTS)?, seconds: whole_number(seconds, LONGEST)? })
}

/// A number from 1 to `most`: digits only.
fn whole_number(text: &str, most: u32) -> Option<u32> {
    let number = u32::from_str(text).ok().filter(|number| (1..=most).contains(number))?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)
}

impl Rate {
    /// The answer, in Elasticsearch's form, to a client whose user may make another request after so many seconds.
    pub fn refusal(self, seconds: u64) -> String {
        let Rate { requests, seconds: window } = self;
        let reason =
            format!("the user's limit is {requests} requests in {window} seconds; retry after {seconds} seconds");
        // Elasticsearch's own type of 429, at which its clients wait and retry.
        refusal::body(429, "es_rejected_execution_exception", &reason)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_rate_or_off_and_may_be_for_named_users_or_groups() {
        let names: &[&[u8]] = &[b"alice"];
        for (rate, kind, names, expected) in [
            (&b"100/60"[..], None, &[][..], Ok(true)),
            (b"OFF", None, &[], Ok(true)),
            (b"1000000/86400", Some(&b"User"[..]), names, Ok(false)),
            (b"1/1", Some(b"group"), names, Ok(false)),
            (b"1/1", Some(b"group"), &[], Err(LimitFault::Names)),
            (b"1/1", Some(b"alice"), names, Err(LimitFault::Names)),
            (b"0/60", None, &[], Err(LimitFault::Rate)),
            (b"1000001/60", None, &[], Err(LimitFault::Rate)),
            (b"1/86401", None, &[], Err(LimitFault::Rate)),
            (b"+1/60", None, &[], Err(LimitFault::Rate)),
            (b"100", None, &[], Err(LimitFault::Rate)),
            (b"", None, &[], Err(LimitFault::Rate)),
        ] {
            let parsed = Limit::parse(rate, kind, names).map(|limit| limit.is_everybodys());
            assert_eq!(parsed, expected, "{}", String::from_utf8_lossy(rate));
        }
    }
}
