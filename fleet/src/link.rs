//! One connection to a server: commands out, replies in, with the time and the size of both bounded.

use std::fmt::{self, Write as _};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use redis::{Cmd, Parser, Value, cmd};
use rustls::ClientConfig;

use crate::address::{Address, Credentials};
use crate::counts::Scripts;
use crate::socket::Socket;

/// Most bytes of replies to one batch of commands: each asks for less than a hundred.
const MOST: usize = 64 * 1024;

/// A connection that has been let in.
pub(crate) struct Link {
    socket: Socket,
    parser: Parser,
    /// As the server knows them.
    pub(crate) scripts: Scripts,
}

/// A connection's end.
#[derive(Debug)]
pub(crate) enum Broken {
    /// It cannot be reached, takes too long, or sends what is no reply.
    Failed(io::Error),
    /// It refuses a command in these words.
    Refused(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Failed(error) if error.kind() == io::ErrorKind::TimedOut => {
                formatter.write_str("it does not answer in time")
            }
            Broken::Failed(error) => {
                let text = error.to_string();
                text.chars()
                    .filter(|character| !character.is_control())
                    .take(200)
                    .try_for_each(|it| formatter.write_char(it))
            }
            Broken::Refused(words) => write!(formatter, "it answers {words}"),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Failed(error)
    }
}

impl Link {
    /// Connects, logs in, and asks for something, before `deadline`.
    pub(crate) fn open(
        address: &Address,
        credentials: Option<&Credentials>,
        tls: Option<&Arc<ClientConfig>>,
        deadline: Instant,
        ends: &Arc<AtomicBool>,
    ) -> Result<Link, Broken> {
        let mut link = Link {
            socket: Socket::connect(address, tls, deadline, ends)?,
            parser: Parser::new(),
            scripts: Scripts::default(),
        };
        let mut commands = Vec::new();
        if let Some(Credentials { user, password }) = credentials {
            let mut auth = cmd("AUTH");
            if let Some(user) = user {
                auth.arg(user.as_str());
            }
            auth.arg(password.as_str());
            commands.push(auth);
        }
        if address.database != 0 {
            let mut select = cmd("SELECT");
            select.arg(address.database);
            commands.push(select);
        }
        for command in commands {
            match link.exchange(&[command], deadline)?.as_slice() {
                [Value::Okay] => {}
                [Value::ServerError(error)] => return Err(Broken::Refused(words(error))),
                _ => return Err(no_reply()),
            }
        }
        // A stopped server's kernel accepts connections, too.
        match link.exchange(&[probe()], deadline)?.as_slice() {
            [Value::Nil | Value::BulkString(_)] => {}
            [Value::ServerError(error)] => return Err(Broken::Refused(words(error))),
            _ => return Err(no_reply()),
        }
        let replies = link.exchange(&Scripts::load(), deadline)?;
        if let Some(Value::ServerError(error)) = replies.iter().find(|reply| matches!(reply, Value::ServerError(_))) {
            return Err(Broken::Refused(words(error)));
        }
        link.scripts = Scripts::loaded(&replies).ok_or_else(no_reply)?;
        Ok(link)
    }
    /// Sends commands and returns as many replies, before `deadline`. After an error the connection is of no use: a reply
    /// may come when another is expected.
    pub(crate) fn exchange(&mut self, commands: &[Cmd], deadline: Instant) -> Result<Vec<Value>, Broken> {
        let mut bytes = Vec::new();
        for command in commands {
            command.write_packed_command(&mut bytes);
        }
        self.socket.set_deadline(deadline);
        self.socket.write_all(&bytes)?;
        self.socket.flush()?;
        let mut replies = Bounded { socket: &mut self.socket, left: MOST };
        let parser = &mut self.parser;
        commands.iter().map(|_| parser.parse_value(&mut replies).map_err(as_broken)).collect()
    }
}

/// The replies to a batch.
struct Bounded<'s> {
    socket: &'s mut Socket,
    left: usize,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left);
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("it sends more than was asked for"));
        }
        let read = self.socket.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

fn as_broken(error: redis::RedisError) -> Broken {
    let kind = match error.is_timeout() {
        true => io::ErrorKind::TimedOut,
        false if error.is_io_error() => io::ErrorKind::ConnectionAborted,
        false => io::ErrorKind::InvalidData,
    };
    Broken::Failed(io::Error::new(kind, error))
}

/// Asks for something that is not there. The name is one that access may be limited to.
pub(crate) fn probe() -> Cmd {
    let mut probe = cmd("GET");
    probe.arg("esauth:v1:");
    probe
}

/// A reply that cannot belong to the command.
pub(crate) fn no_reply() -> Broken {
    Broken::Failed(io::Error::new(io::ErrorKind::InvalidData, "it does not answer as a server of Redis does"))
}

/// An error of the server's, in its own words, as far as they can be shown in a log.
pub(crate) fn words(error: &redis::ServerError) -> String {
    let text = format!("{} {}", error.code(), error.details().unwrap_or(""));
    text.trim().chars().filter(|character| !character.is_control()).take(100).collect()
}
