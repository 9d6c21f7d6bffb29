//! Where a server is, and the name and password it wants.

use std::fmt;
use std::path::PathBuf;

use redis::{ConnectionAddr, IntoConnectionInfo};
use zeroize::Zeroizing;

/// One server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(crate) place: Place,
    pub(crate) database: i64,
    /// As written.
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16 },
    Unix(PathBuf),
}

/// The reason why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be read, or names something that is not known here.
    NotAnAddress,
    /// It holds a name or a password.
    HasCredentials,
}

impl Address {
    /// For a message about a text that is none.
    pub const EXAMPLES: &str = "redis://host:6379/0, rediss://host:6379 or unix:/path/of/the.sock";

    /// `redis://HOST[:PORT][/DATABASE]`, `rediss://…` (TLS), `unix:/PATH`.
    pub fn parse(text: &str) -> Result<Address, Fault> {
        let info = text.into_connection_info().map_err(|_| Fault::NotAnAddress)?;
        if info.redis_settings().username().is_some() || info.redis_settings().password().is_some() {
            return Err(Fault::HasCredentials);
        }
        let place = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Place::Tcp { host: host.clone(), port: *port },
            ConnectionAddr::TcpTls { host, port, insecure: false, .. } => {
                Place::Tls { host: host.clone(), port: *port }
            }
            ConnectionAddr::Unix(path) => Place::Unix(path.clone()),
            _ => return Err(Fault::NotAnAddress),
        };
        Ok(Address { place, database: info.redis_settings().db(), text: text.to_owned() })
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self.place, Place::Tls { .. })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// What a server asks for before it answers.
#[derive(Clone)]
pub struct Credentials {
    /// `None`: the server's default user.
    pub(crate) user: Option<Zeroizing<String>>,
    pub(crate) password: Zeroizing<String>,
}

impl Credentials {
    /// Those in a file's content: a line `USER:PASSWORD` or `:PASSWORD`, besides empty lines and comments (`#`). `None`
    /// for any other content.
    pub fn parse(content: &str) -> Option<Credentials> {
        let mut lines = content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (user, password) = lines.next()?.split_once(':')?;
        if lines.next().is_some() || password.is_empty() {
            return None;
        }
        let own = |text: &str| Zeroizing::new(text.to_owned());
        Some(Credentials { user: (!user.is_empty()).then(|| own(user)), password: own(password) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]

    use super::*;

    #[test]
    fn addresses_are_read_as_redis_writes_them() {
        let host = || "redis.example".to_owned();
        for (text, place, database) in [
            ("redis://redis.example", Place::Tcp { host: host(), port: 6379 }, 0),
            ("redis://redis.example:7000/3", Place::Tcp { host: host(), port: 7000 }, 3),
            ("rediss://redis.example", Place::Tls { host: host(), port: 6379 }, 0),
            ("unix:/run/redis.sock", Place::Unix("/run/redis.sock".into()), 0),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((&address.place, address.database, address.to_string()), (&place, database, text.to_owned()));
        }
        for text in
            ["", "redis", "http://x", "redis://", "redis://host/x", "rediss://host/#insecure", "/run/redis.sock"]
        {
            assert_eq!(Address::parse(text), Err(Fault::NotAnAddress), "{text}");
        }
        for text in ["redis://:secret@host", "redis://user:secret@host", "redis://user@host"] {
            assert_eq!(Address::parse(text), Err(Fault::HasCredentials), "{text}");
        }
    }

    #[test]
    fn credentials_are_one_line_with_a_colon() {
        let parsed =
            |text| Credentials::parse(text).map(|it| (it.user.map(|user| user.to_string()), it.password.to_string()));
        assert_eq!(parsed("esauth:a:b\n"), Some((Some("esauth".to_owned()), "a:b".to_owned())));
        assert_eq!(parsed("# Redis\n:secret"), Some((None, "secret".to_owned())));
        for bad in ["", "secret", "a:", "a:b\nc:d", "#a:b"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
