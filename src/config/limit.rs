//! `EsAuthLimit`: how many requests a user may make in a time.

use std::ffi::CStr;

use esauth_engine::verification::{Limit, LimitFault};

use crate::httpd::command::{Answer, Command};
use crate::httpd::words::words;

/// `EsAuthLimit REQUESTS/SECONDS|Off [user NAME …|group NAME …]`
pub(crate) fn parse<'p>(command: Command<'p>, arguments: &'p CStr) -> Answer<'p, Limit<'p>> {
    let mut words = words(command.pool(), arguments).map(CStr::to_bytes);
    let (rate, kind) = (words.next().unwrap_or(b""), words.next());
    let names: &[&[u8]] = command.pool().list(&words.collect::<Vec<_>>());
    match Limit::parse(rate, kind, names) {
        Ok(limit) => Ok(limit),
        Err(LimitFault::Rate) => {
            let allowed = format!("' is neither Off nor {}", Limit::RATES);
            command.refuse(&[b"EsAuthLimit: '", rate, allowed.as_bytes()])
        }
        Err(LimitFault::Names) => {
            let allowed = b"' is neither user nor group with a name behind it";
            command.refuse(&[b"EsAuthLimit: '", kind.unwrap_or(b""), allowed])
        }
    }
}
