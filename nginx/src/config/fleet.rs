//! `esauth_fleet` and its files: what this server shares with others.

use esauth_fleet::{Address, Fault};

use crate::nginx::bindings::ngx_str_t;
use crate::nginx::configuration::{Reading, Refused};
use crate::nginx::text::bytes;

/// The values of the directives.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fleet {
    /// Each of them is an address.
    addresses: &'static [ngx_str_t],
    pub(crate) key: Option<&'static [u8]>,
    pub(crate) credentials: Option<&'static [u8]>,
    pub(crate) authorities: Option<&'static [u8]>,
    pub(crate) servers: Option<u32>,
}

impl Fleet {
    /// Empty: there is no fleet.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        // SAFETY: words of the configuration, which live as long as it.
        self.addresses.iter().filter_map(|word| parse(unsafe { bytes(*word) }).ok()).collect()
    }

    /// Whether all is there that it needs. If not, logs what is missing.
    pub(crate) fn is_complete(&self, reading: Reading<'_>) -> bool {
        let is_complete = self.addresses.is_empty() || self.key.is_some();
        if !is_complete {
            let advice = b"\"esauth_fleet\" needs \"esauth_fleet_key\": \"esauth fleet-key FILE\" makes a key";
            reading.refuse(&[advice]);
        }
        is_complete
    }

    /// Takes the addresses of the directive that is read.
    pub(super) fn read_addresses(&mut self, reading: Reading<'static>) -> Result<(), Refused> {
        if !self.addresses.is_empty() {
            return Err(Refused::because(c"is duplicate"));
        }
        let words = reading.words().get(1..).unwrap_or(&[]);
        for number in 1..=words.len() {
            match parse(reading.word(number)) {
                Ok(_) => {}
                Err(Fault::NotAnAddress) => {
                    let expected = format!("\", expected an address such as {}", Address::EXAMPLES);
                    return Err(reading.refuse(&[b"invalid value \"", reading.word(number), expected.as_bytes()]));
                }
                // A word that is not repeated in an error message.
                Err(Fault::HasCredentials) => {
                    return Err(Refused::because(
                        c"has a user or password, which belong in \"esauth_fleet_credentials\"",
                    ));
                }
            }
        }
        self.addresses = reading.pool().and_then(|pool| pool.list(words)).ok_or(Refused::NO_MEMORY)?;
        Ok(())
    }
}

fn parse(word: &[u8]) -> Result<Address, Fault> {
    std::str::from_utf8(word).map_err(|_| Fault::NotAnAddress).and_then(Address::parse)
}
