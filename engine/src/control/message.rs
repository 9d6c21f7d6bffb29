//! The texts between `esauth` and a host.
//!
//! Both are lists of fields, each ended by NUL, which no user's name contains. The first names the command or the kind of
//! answer; the last is `end`, so that what was cut off on its way is recognized. No password, hash or digest is ever part of
//! it.

use std::fmt::Write as _;

use crate::verification::{Locked, LockedOut, Lockout, Remembered, Scope, Unlocked, Verifier};

/// Size limit of a command in bytes.
pub(super) const LONGEST_COMMAND: usize = 16 * 1024;

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// List lockouts.
    Lockouts,
    /// End lockouts: of a user, of a client, or of a user at a client; without either, all.
    Unlock {
        /// The user's name.
        user: Option<Vec<u8>>,
        /// The client's address.
        client: Option<String>,
    },
    /// Forget all verdicts.
    Forget,
}

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The lockouts in effect.
    Lockouts(Vec<LockedOut>),
    /// What was ended.
    Unlocked(Unlocked),
    /// What was forgotten.
    Forgotten(Remembered),
    /// Nothing was done, for this reason.
    Refused(String),
}

const LOCKOUTS: &str = "lockouts";
const UNLOCK: &str = "unlock";
const FORGET: &str = "forget";
const REFUSED: &str = "refused";
const USER: &str = "user=";
const CLIENT: &str = "client=";
/// Fields of a lockout.
const FIELDS: usize = 6;

impl Command {
    /// Does what the command says. `max_failures`: the directive that limits failures.
    pub fn run(&self, verifier: &Verifier, max_failures: &str) -> Reply {
        let nobody = || Reply::Refused(format!("{max_failures} is off, so nobody is locked out"));
        match self {
            Command::Lockouts => verifier.lockouts().map_or_else(nobody, Reply::Lockouts),
            Command::Unlock { user, client } => {
                verifier.unlock(user.as_deref(), client.as_deref()).map_or_else(nobody, Reply::Unlocked)
            }
            Command::Forget => Reply::Forgotten(verifier.forget()),
        }
    }

    /// The command as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut field = |parts: [&[u8]; 2]| text.extend(parts.into_iter().chain([&b"\0"[..]]).flatten());
        match self {
            Command::Lockouts => field([LOCKOUTS.as_bytes(), b""]),
            Command::Forget => field([FORGET.as_bytes(), b""]),
            Command::Unlock { user, client } => {
                field([UNLOCK.as_bytes(), b""]);
                if let Some(user) = user {
                    field([USER.as_bytes(), user]);
                }
                if let Some(client) = client {
                    field([CLIENT.as_bytes(), client.as_bytes()]);
                }
            }
        }
        ended(text)
    }

    /// The command that bytes are, or why they are none.
    pub fn parse(text: &[u8]) -> Result<Command, String> {
        let mut fields = fields(text)?.into_iter();
        let name = String::from_utf8_lossy(fields.next().unwrap_or(b"")).into_owned();
        let (mut user, mut client) = (None, None);
        for field in fields {
            if let Some(name) = field.strip_prefix(USER.as_bytes()) {
                user = Some(name.to_vec());
            } else if let Some(address) = field.strip_prefix(CLIENT.as_bytes()) {
                client = Some(String::from_utf8_lossy(address).into_owned());
            } else {
                // Left out, it would unlock more than was meant.
                return Err(format!("this version does not know {:?}", String::from_utf8_lossy(field)));
            }
        }
        match &name[..] {
            LOCKOUTS => Ok(Command::Lockouts),
            UNLOCK => Ok(Command::Unlock { user, client }),
            FORGET => Ok(Command::Forget),
            name => Err(format!("this version does not know the command {name:?}")),
        }
    }
}

impl Reply {
    /// A line for the log: what `command`, run by the user of the system with this number, has changed. `None`: nothing.
    pub fn report(&self, by: u32, command: &Command) -> Option<Vec<u8>> {
        let done = match self {
            Reply::Unlocked(done) => format!("ended {} lockouts and cleared {} counts", done.lockouts, done.counts),
            Reply::Forgotten(done) => format!("forgot {} right and {} wrong credentials", done.grants, done.denials),
            Reply::Lockouts(_) | Reply::Refused(_) => return None,
        };
        let mut line = format!("esauth, run by user number {by}, {done}").into_bytes();
        if let Command::Unlock { user, client } = command {
            if let Some(user) = user {
                line.extend([b" of user ", &user[..]].concat());
            }
            if let Some(client) = client {
                line.extend([b" at ", client.as_bytes()].concat());
            }
        }
        Some(line)
    }

    /// The answer as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let of_numbers =
            |name: &str, numbers: [u64; 2]| format!("{name}\0{}\0{}\0", numbers[0], numbers[1]).into_bytes();
        let text = match self {
            Reply::Lockouts(lockouts) => {
                let mut text = format!("{LOCKOUTS}\0").into_bytes();
                lockouts.iter().for_each(|lockout| encode(lockout, &mut text));
                text
            }
            Reply::Unlocked(Unlocked { lockouts, counts }) => of_numbers(UNLOCK, [*lockouts as u64, *counts as u64]),
            Reply::Forgotten(Remembered { grants, denials }) => of_numbers(FORGET, [*grants, *denials]),
            Reply::Refused(why) => format!("{REFUSED}\0{}\0", why.replace('\0', "")).into_bytes(),
        };
        ended(text)
    }

    /// The answer that bytes are, or why they are none.
    pub fn parse(text: &[u8]) -> Result<Reply, String> {
        let fields = fields(text)?;
        let (name, rest) = fields.split_first().ok_or("the answer is empty")?;
        match (&String::from_utf8_lossy(name)[..], rest) {
            (LOCKOUTS, rest) => rest.chunks(FIELDS).map(lockout).collect::<Option<_>>().map(Reply::Lockouts),
            (UNLOCK, [lockouts, counts]) => number(lockouts).zip(number(counts)).map(|(lockouts, counts)| {
                Reply::Unlocked(Unlocked { lockouts: lockouts as usize, counts: counts as usize })
            }),
            (FORGET, [grants, denials]) => number(grants)
                .zip(number(denials))
                .map(|(grants, denials)| Reply::Forgotten(Remembered { grants, denials })),
            (REFUSED, [why]) => Some(Reply::Refused(String::from_utf8_lossy(why).into_owned())),
            _ => None,
        }
        .ok_or_else(|| "the answer is of another version".to_owned())
    }
}

/// The last field.
const END: &[u8] = b"end\0";

fn ended(text: Vec<u8>) -> Vec<u8> {
    [&text, END].concat()
}

/// The fields of a text, but the last.
fn fields(text: &[u8]) -> Result<Vec<&[u8]>, String> {
    let text = text.strip_suffix(END).and_then(|text| text.strip_suffix(b"\0")).ok_or("it is incomplete")?;
    Ok(text.split(|&byte| byte == 0).collect())
}

fn encode(lockout: &LockedOut, text: &mut Vec<u8>) {
    let scope = match lockout.lockout.scope {
        Scope::User => "user",
        Scope::Password => "password",
    };
    let mut numbers = String::new();
    // Writing to a string cannot fail.
    let _ = write!(numbers, "{scope}\0{}\0{}\0", lockout.lockout.seconds, lockout.failures);
    text.extend(numbers.into_bytes());
    let (kind, network, user) = match &lockout.name {
        None => ("unknown", "", &b""[..]),
        Some(Locked { network, user, is_cut: false }) => ("whole", &network[..], &user[..]),
        Some(Locked { network, user, is_cut: true }) => ("cut", &network[..], &user[..]),
    };
    for field in [kind.as_bytes(), network.as_bytes(), user] {
        text.extend(field);
        text.push(0);
    }
}

fn lockout(fields: &[&[u8]]) -> Option<LockedOut> {
    let &[scope, seconds, failures, kind, network, user] = fields else { return None };
    let scope = match scope {
        b"user" => Scope::User,
        b"password" => Scope::Password,
        _ => return None,
    };
    let name = |is_cut| Locked { network: String::from_utf8_lossy(network).into_owned(), user: user.to_vec(), is_cut };
    let name = match kind {
        b"unknown" => None,
        b"whole" => Some(name(false)),
        b"cut" => Some(name(true)),
        _ => return None,
    };
    Some(LockedOut { lockout: Lockout { scope, seconds: number(seconds)? }, failures: number(failures)?, name })
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_arrives_as_it_was_sent() {
        for user in [None, Some(&b""[..]), Some(b"al ice\n\xff=\\")] {
            for client in [None, Some("192.0.2.1")] {
                let (user, client) = (user.map(<[u8]>::to_vec), client.map(str::to_owned));
                let command = Command::Unlock { user, client };
                assert_eq!(Command::parse(&command.encode()), Ok(command));
            }
        }
        for command in [Command::Lockouts, Command::Forget] {
            assert_eq!(Command::parse(&command.encode()), Ok(command));
        }
    }

    /// Otherwise a command cut off on its way would unlock everybody.
    #[test]
    fn a_command_that_is_incomplete_or_not_understood_is_none() {
        let (user, client) = (Some(b"end".to_vec()), Some("192.0.2.1".to_owned()));
        let whole = Command::Unlock { user, client }.encode();
        assert!((0..whole.len()).all(|length| Command::parse(&whole[..length]).is_err()));
        for text in
            [&b""[..], b"end\0", b"\0end\0", b"reload\0end\0", b"unlock\0network=192.0.2.0/24\0end\0", b"unlock\0"]
        {
            assert!(Command::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_answer_arrives_as_it_was_sent() {
        let lockout = |scope, name| LockedOut { lockout: Lockout { scope, seconds: 7 }, failures: 12, name };
        let named =
            |is_cut| Some(Locked { network: "2001:db8::/64".to_owned(), user: b"al\nice\xff".to_vec(), is_cut });
        let lockouts =
            vec![lockout(Scope::User, named(false)), lockout(Scope::Password, named(true)), lockout(Scope::User, None)];
        for reply in [
            Reply::Lockouts(Vec::new()),
            Reply::Lockouts(lockouts),
            Reply::Unlocked(Unlocked { lockouts: 3, counts: 0 }),
            Reply::Forgotten(Remembered { grants: u64::MAX, denials: 1 }),
            Reply::Refused("why".to_owned()),
        ] {
            assert_eq!(Reply::parse(&reply.encode()), Ok(reply));
        }
        for text in [&b""[..], b"lockouts\0", b"lockouts\0user\0end\0", b"unlock\0x\x001\0end\0", b"new\0end\0"] {
            assert!(Reply::parse(text).is_err(), "{text:?}");
        }
    }
}
