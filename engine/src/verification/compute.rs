//! A credential, and the computation of its hashes: in the caller's thread or in one of low priority.

use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::process::setpriority_process;

use crate::hash;
use crate::threads::without_signals;

/// Low priority: against one thread of normal priority, a hash gets a tenth of a processor, so it ends within seconds
/// under any load.
const NICE: i32 = 10;
/// After a suspect's wrong password, its slot stays empty for four times as long as the hash took, up to this. A processor that
/// hashes without end slows its neighbours, whatever the priorities.
const LONGEST_REST: Duration = Duration::from_millis(400);

/// A credential to be judged.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// The user's hash in the password file, or several hashes separated by colons, each of whose passwords is right; for
    /// an unknown user, a hash that takes the same time.
    pub stored: &'a [u8],
    /// A hash to compute, too, if the only stored one does not match: then the time does not tell whether a user has
    /// several. Its result counts for nothing.
    pub padding: Option<&'a [u8]>,
    /// The password that the client sent.
    pub password: &'a [u8],
    /// False for a user that the file does not have: the verdict is denied, whatever the hash says.
    pub known: bool,
    /// The client's address, as text. Slots are shared between networks (of IPv6, 64 bits); lockouts apply to networks,
    /// too.
    pub client: &'a str,
    /// True if the same header was granted before on the same connection. Such a request tells a guesser nothing, so a
    /// lockout lets it pass however many others come.
    pub proven: bool,
    /// True for a client whose failures are neither counted nor held against it.
    pub exempt: bool,
    /// The claimed user: with `file`, names the account that a client can be locked out of.
    pub user: &'a [u8],
    /// The password file's path. A user of the same name in another file is another user.
    pub file: &'a [u8],
}

/// True if all of a credential takes less time than looking up a verdict.
pub(super) fn is_cheap(credential: &Credential<'_>) -> bool {
    let is_single = |stored: &[u8]| memchr::memchr(b':', stored).is_none();
    hash::is_cheap(credential.stored) && is_single(credential.stored) && credential.padding.is_none_or(hash::is_cheap)
}

/// The first of the stored hashes.
pub(super) fn first(stored: &[u8]) -> &[u8] {
    &stored[..memchr::memchr(b':', stored).unwrap_or(stored.len())]
}

/// The result of hashing.
pub(super) struct Computed {
    /// The number, from 0, of the stored hash that was made from the password; `None` if none was. If the peers knew, 0.
    pub(super) matching: Option<usize>,
    /// `None`: the peers knew that the password is right, and nothing was hashed.
    pub(super) took: Option<Duration>,
}

/// Hashes a password as each stored hash was made, and as the padding was if there is only one. Fails if that could not
/// be computed. A hash that gives way leaves the processor alone for a while if the password is wrong.
pub(super) fn compute(credential: &Credential<'_>, gives_way: bool) -> io::Result<Computed> {
    let began = Instant::now();
    let compute = || hash_now(credential.password, credential.stored, credential.padding);
    let matching = if gives_way { giving_way(compute) } else { compute() }?;
    let took = began.elapsed();
    if gives_way && matching.is_none() {
        thread::sleep((took * 4).min(LONGEST_REST));
    }
    Ok(Computed { matching, took: Some(took) })
}

fn hash_now(password: &[u8], stored: &[u8], padding: Option<&[u8]>) -> io::Result<Option<usize>> {
    let mut hashes = 0;
    for stored in stored.split(|&byte| byte == b':') {
        if hash::try_verify(password, stored)? {
            return Ok(Some(hashes));
        }
        hashes += 1;
    }
    if let Some(padding) = padding.filter(|_| hashes == 1) {
        hash::try_verify(password, padding)?;
    }
    Ok(None)
}

/// Uses a thread of its own, since without privileges a thread cannot restore a priority it has lowered; its cost is
/// small beside a hash.
fn giving_way<T: Send>(work: impl Fn() -> io::Result<T> + Sync) -> io::Result<T> {
    thread::scope(|scope| {
        let at_low_priority = || {
            // Of the calling thread, which ends with this hash. If it fails, the hash takes its share.
            let _ = setpriority_process(None, NICE);
            work()
        };
        let builder = thread::Builder::new().name("esauth-hash".into()).stack_size(256 * 1024);
        match without_signals(|| builder.spawn_scoped(scope, at_low_priority)) {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(io::Error::other("a panic"))),
            // No thread available: compute the hash here.
            Err(_) => work(),
        }
    })
}
