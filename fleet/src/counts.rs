//! Counting together: the commands to the server, and what its answers mean.
//!
//! Two scripts, each of whose calls is one step: `failures.lua` and `rates.lua`. Nothing that they answer is proved: an
//! enemy's server can refuse attempts and requests, or allow those that a server's own counts allow.

use esauth_engine::verification::{Counted, Event, PeerLockout, Scope, Spender};
use redis::{Cmd, Value, cmd};

use crate::entry::{self, Kind, Name};

/// The scripts as the server knows them.
#[derive(Clone, Default)]
pub(crate) struct Scripts {
    failures: String,
    rates: String,
}

/// What the server says about an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The entry of the password.
    Entry(Vec<u8>),
    /// Counted, and allowed.
    Allowed,
    /// Counted, and the last one allowed before this lockout.
    Last(PeerLockout),
    /// Not allowed.
    LockedOut(PeerLockout),
}

/// A user's requests since they were last reported.
#[derive(Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) requests: u64,
    pub(crate) spender: Spender,
}

impl Scripts {
    /// The commands that leave the scripts with the server.
    pub(crate) fn load() -> [Cmd; 2] {
        [include_str!("failures.lua"), include_str!("rates.lua")].map(|script| {
            let mut load = cmd("SCRIPT");
            load.arg("LOAD").arg(script);
            load
        })
    }

    /// From the replies to [`Scripts::load`].
    pub(crate) fn loaded(replies: &[Value]) -> Option<Scripts> {
        let name = |reply: &Value| match reply {
            Value::BulkString(name) => String::from_utf8(name.clone()).ok().filter(|name| name.len() == 40),
            _ => None,
        };
        let [failures, rates] = replies else { return None };
        Some(Scripts { failures: name(failures)?, rates: name(rates)? })
    }

    /// Asks about an attempt, and for the entry of its password if that has a name.
    pub(crate) fn ask(&self, counted: &Counted, name: Option<&Name>) -> Cmd {
        self.failures("ask", counted, name)
    }

    /// Reports an event.
    pub(crate) fn note(&self, event: Event, counted: &Counted) -> Cmd {
        match event {
            Event::Wrong => self.failures("wrong", counted, None),
            Event::WrongUncounted => self.failures("uncounted", counted, None),
            Event::Withdrawn => self.failures("withdrawn", counted, None),
            Event::Right => {
                let mut command = cmd("DEL");
                command.arg(entry::server_name(Kind::Failures, &counted.pair));
                command
            }
        }
    }

    fn failures(&self, event: &str, counted: &Counted, name: Option<&Name>) -> Cmd {
        let mut command = cmd("EVALSHA");
        command.arg(&self.failures).arg(1 + usize::from(name.is_some()));
        command.arg(entry::server_name(Kind::Failures, &counted.pair));
        if let Some(name) = name {
            command.arg(entry::server_name(Kind::Password, name));
        }
        let milliseconds = u64::from(counted.limit.seconds) * 1000;
        command.arg(event).arg(format!("{:016x}", counted.credential)).arg(counted.limit.failures).arg(milliseconds);
        command
    }

    /// Reports requests of these users.
    pub(crate) fn spend(&self, spent: &[(Name, Spent)]) -> Cmd {
        let mut command = cmd("EVALSHA");
        command.arg(&self.rates).arg(spent.len());
        for (name, _) in spent {
            command.arg(entry::server_name(Kind::Requests, name));
        }
        for (_, Spent { requests, spender }) in spent {
            let interval = (u64::from(spender.rate.seconds) * 1_000_000).div_ceil(spender.rate.requests.max(1).into());
            command.arg(*requests).arg(interval);
        }
        command
    }
}

/// The meaning of a reply about an attempt; `None` if it cannot be one.
pub(crate) fn said(reply: Value) -> Option<Said> {
    match reply {
        Value::BulkString(entry) => Some(Said::Entry(entry)),
        Value::Array(numbers) => {
            let [Value::Int(state), Value::Int(milliseconds)] = numbers[..] else { return None };
            let lockout = |scope| PeerLockout { scope, milliseconds: milliseconds.try_into().unwrap_or(0) };
            match state {
                0 => Some(Said::Allowed),
                1 => Some(Said::Last(lockout(Scope::User))),
                2 => Some(Said::LockedOut(lockout(Scope::User))),
                3 => Some(Said::LockedOut(lockout(Scope::Password))),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Takes note of a reply to [`Scripts::spend`]; false if it cannot be one.
pub(crate) fn learn(spent: &[(Name, Spent)], reply: &Value) -> bool {
    let Value::Array(numbers) = reply else { return false };
    if numbers.len() != spent.len() {
        return false;
    }
    spent.iter().zip(numbers).all(|((_, spent), number)| {
        let Value::Int(microseconds) = number else { return false };
        spent.spender.learn(u64::try_from(*microseconds).unwrap_or(0).saturating_mul(1000));
        true
    })
}
