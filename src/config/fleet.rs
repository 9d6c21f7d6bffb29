//! `EsAuthFleet` and its files: what this server shares with others.

use std::ffi::CStr;

use esauth_fleet::{Address, Fault};

use crate::httpd::command::{Answer, Command, Refusal};

/// The values of the directives.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fleet<'p> {
    /// `EsAuthFleet`: addresses that [`Address::parse`] has accepted.
    pub(crate) addresses: &'p [&'p CStr],
    /// `EsAuthFleetKey`, absolute.
    pub(crate) key_file: Option<&'p CStr>,
    /// `EsAuthFleetCredentials`, absolute.
    pub(crate) credentials_file: Option<&'p CStr>,
    /// `EsAuthFleetCA`, absolute.
    pub(crate) authorities_file: Option<&'p CStr>,
    /// `EsAuthFleetServers`; `None`: the default.
    pub(crate) servers: Option<u32>,
}

/// Servers of a fleet that does not say how many it has.
pub(crate) const DEFAULT_SERVERS: u32 = 2;
/// Maximum of `EsAuthFleetServers`.
pub(crate) const MOST_SERVERS: usize = 10_000;

impl<'p> Fleet<'p> {
    /// `EsAuthFleet URL …`, called once for each.
    pub(crate) fn add_address(&mut self, command: Command<'p>, text: &'p CStr) -> Answer<'p> {
        let refuse = |why: &[u8]| command.refuse(&[b"EsAuthFleet: '", text.to_bytes(), why]);
        match text.to_str().map_err(|_| Fault::NotAnAddress).and_then(Address::parse) {
            Ok(_) => {
                let addresses = [self.addresses, &[text]].concat();
                self.addresses = command.pool().list(&addresses);
                Ok(())
            }
            Err(Fault::NotAnAddress) => {
                refuse(b"' is not an address such as redis://host:6379/0, rediss://host:6379 or unix:/path/of/the.sock")
            }
            // A line that is not repeated in an error message.
            Err(Fault::HasCredentials) => command
                .refuse(&[b"EsAuthFleet: an address has no user and password: they belong in EsAuthFleetCredentials"]),
        }
    }
}

/// The absolute path of a file, relative to the ServerRoot.
pub(crate) fn absolute<'p>(command: Command<'p>, path: &'p CStr) -> Result<&'p CStr, Refusal<'p>> {
    match command.pool().server_root_relative(path) {
        Some(absolute) => Ok(absolute),
        None => command.refuse(&[b"Invalid file path ", path.to_bytes()]),
    }
}
