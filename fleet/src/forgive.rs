//! Ending lockouts for an operator.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use esauth_engine::verification::{stand_in_for_network, stand_in_for_user};
use redis::{Value, cmd};

use crate::entry::{self, Kind};
use crate::link::{Broken, Link, no_reply, words};
use crate::shared::Options;
use crate::socket;

/// The longest time for all of it, and for each step.
const PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_secs(1);

/// Names looked at in a step.
const STEP_SIZE: u32 = 500;

/// Clears what the fleet has counted of a user, of a client, or of a user at a client; without either, everything. Waits for
/// the server, with a connection of its own. Returns the number of pairs cleared, or the reason for the failure.
pub fn forgive(options: &Options, user: Option<&[u8]>, client: Option<&str>) -> Result<usize, String> {
    let mut failed = String::from("it has no address");
    for address in &options.addresses {
        let tls = match address.is_tls().then(|| socket::tls(options.authorities.as_deref())).transpose() {
            Ok(tls) => tls,
            Err(error) => return Err(format!("the certificates to trust cannot be read: {error}")),
        };
        let (deadline, ends) = (Instant::now() + STEP, Arc::new(AtomicBool::new(false)));
        let link = Link::open(address, options.credentials.as_ref(), tls.as_ref(), deadline, &ends);
        match link.and_then(|mut link| clear(&mut link, &pattern(options, user, client))) {
            Ok(cleared) => return Ok(cleared),
            Err(broken) => failed = broken.to_string(),
        }
    }
    Err(failed)
}

/// The names of pairs, as the server matches them.
fn pattern(options: &Options, user: Option<&[u8]>, client: Option<&str>) -> String {
    let key = &options.key.names;
    let hex = |bytes: [u8; 8]| format!("{:016x}", u64::from_be_bytes(bytes));
    let user = user.map(|user| hex(stand_in_for_user(key, user)));
    let network = client.map(|client| hex(stand_in_for_network(key, client)));
    let any = || "?".repeat(16);
    format!("{}{}{}*", entry::prefix(Kind::Failures), user.unwrap_or_else(any), network.unwrap_or_else(any))
}

fn clear(link: &mut Link, pattern: &str) -> Result<usize, Broken> {
    let began = Instant::now();
    let (mut cursor, mut cleared) = (b"0".to_vec(), 0);
    while began.elapsed() < PATIENCE {
        let mut scan = cmd("SCAN");
        scan.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP_SIZE);
        let mut replies = link.exchange(&[scan], Instant::now() + STEP)?;
        let (next, names) = match replies.pop() {
            Some(Value::Array(parts)) => match <[Value; 2]>::try_from(parts) {
                Ok([Value::BulkString(next), Value::Array(names)]) => (next, names),
                _ => return Err(no_reply()),
            },
            Some(Value::ServerError(error)) => return Err(Broken::Refused(words(&error))),
            _ => return Err(no_reply()),
        };
        let mut clear = cmd("DEL");
        for name in &names {
            let Value::BulkString(name) = name else { return Err(no_reply()) };
            clear.arg(name);
        }
        if !names.is_empty() {
            match link.exchange(&[clear], Instant::now() + STEP)?.pop() {
                Some(Value::Int(number)) => cleared += usize::try_from(number).unwrap_or(0),
                Some(Value::ServerError(error)) => return Err(Broken::Refused(words(&error))),
                _ => return Err(no_reply()),
            }
        }
        if next == b"0" {
            return Ok(cleared);
        }
        cursor = next;
    }
    Err(Broken::Refused("nothing more within ten seconds".to_owned()))
}
