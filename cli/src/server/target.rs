//! A server's address.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use http::Uri;

/// A parsed URL.
pub(crate) struct Target {
    pub(crate) is_encrypted: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    port: u16,
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// With a `/` at its end.
    pub(crate) path: String,
    connect: Option<IpAddr>,
}

impl Target {
    pub(crate) fn parse(url: &str, connect: Option<IpAddr>) -> Result<Self, String> {
        let wrong = |why: &str| format!("{url}: {why}; it should look like https://search.example.org");
        let uri: Uri = url.parse().map_err(|_| wrong("is no URL"))?;
        let is_encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("is neither https:// nor http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
        if authority.as_str().contains('@') {
            return Err(
                "a URL with a user or password in it shows them to every user of this machine: use --user".to_owned()
            );
        }
        let path = format!("{}/", uri.path().trim_end_matches('/'));
        Ok(Target {
            is_encrypted,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 }),
            origin: format!("{}://{authority}", if is_encrypted { "https" } else { "http" }),
            path,
            connect,
        })
    }

    /// The first of its addresses that accepts a connection; otherwise the error of each.
    pub(crate) fn reach(&self, timeout: Duration) -> Result<SocketAddr, String> {
        let addresses = self.addresses().map_err(|error| format!("{}: {error}", self.host))?;
        let mut failures = Vec::new();
        for address in addresses {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(_) => return Ok(address),
                Err(error) => failures.push(format!("{address}: {error}")),
            }
        }
        Err(failures.join("; "))
    }

    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        match self.connect {
            Some(address) => Ok(vec![(address, self.port).into()]),
            None => (self.host.as_str(), self.port).to_socket_addrs().map(Iterator::collect),
        }
    }
}
