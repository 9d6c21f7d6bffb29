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
            Err(Fault::NotAnAddress) => refuse(format!("' is not an address such as {}", Address::EXAMPLES).as_bytes()),
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
