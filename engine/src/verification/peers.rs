//! What the servers of a fleet share: right passwords, failures, and the requests of limited users.
//!
//! Every server judges by its own memory as well, and never by less: peers may save a hash, or refuse an attempt that this
//! server would still allow, but they cannot allow one that it refuses.

use super::digest::{Digest, KEY_BYTES, whole_digest};
use super::lockouts::{Attempt, MaxFailures, PeerLockout};
use super::network::{Network, network};
use super::rates::{Rate, Rates};
use crate::clock::{monotonic_milliseconds, monotonic_nanoseconds};

/// A name among peers: a keyed digest.
pub type PeerName = [u8; KEY_BYTES];

/// The memory that the servers of a fleet share. It may lose what it was told, and be slow, absent or an enemy's: it must
/// know only names that were told by somebody with its key.
pub trait Peers: Sync {
    /// The key of the names: the same for all servers, and nobody else's.
    fn key(&self) -> &[u8; KEY_BYTES];
    /// Number of servers, this one included.
    fn servers(&self) -> u32;
    /// Asks about a password before it is hashed, and counts it. Waits a few milliseconds at most.
    fn ask(&self, question: &Question<'_>) -> Reply;
    /// Tells the others the name of a right password, without waiting.
    fn tell(&self, name: &PeerName);
    /// Tells the others about an attempt that was not, or could not be, asked about, without waiting.
    fn note(&self, event: Event, counted: &Counted, learner: Learner);
    /// Whether requests of limited users are counted together now.
    fn count_requests(&self) -> bool;
    /// Tells the others about an admitted request of a limited user, without waiting.
    fn spend(&self, name: &PeerName, spender: Spender);
}

/// A question about a password that is about to be hashed.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// The password's name; `None` if nobody would have told it.
    pub name: Option<&'q PeerName>,
    /// The attempt, if attempts are counted.
    pub counted: Option<&'q Counted>,
}

/// The answer of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The password is right: one of them told the name not long ago.
    Known,
    /// They do not know, and have counted the attempt, if there was one to count.
    Unknown,
    /// The same, and the attempt is the last before this lockout.
    Last(PeerLockout),
    /// They refuse the attempt.
    LockedOut(PeerLockout),
    /// None in time.
    Unanswered,
}

/// An attempt as peers count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The user, the client's network and the user's line: 8 bytes that stand for the user, 8 for the network, 16 for all.
    pub pair: PeerName,
    /// Stands for the password.
    pub credential: u64,
    /// The limit for all servers together.
    pub limit: MaxFailures,
}

/// The further fate of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Counted by peers, and wrong.
    Wrong,
    /// Not counted yet, and wrong.
    WrongUncounted,
    /// Right: the pair is forgiven.
    Right,
    /// Counted, but no verdict could be reached.
    Withdrawn,
}

/// Takes note of a lockout that peers tell of later.
#[derive(Clone, Copy)]
pub struct Learner(pub(super) Attempt<'static>);

impl Learner {
    /// Locks out here as well, for no longer than this server itself would.
    pub fn learn(&self, lockout: PeerLockout) {
        self.0.learn(lockout, monotonic_milliseconds());
    }
}

/// A user whose requests are limited.
#[derive(Clone, Copy)]
pub struct Spender {
    pub(super) rates: &'static Rates,
    pub(super) user: Digest,
    /// The limit for all servers together.
    pub rate: Rate,
}

impl Spender {
    /// Takes note of what the user has spent on all servers: the time after which all of it will have flowed back.
    pub fn learn(&self, nanoseconds: u64) {
        self.rates.learn(&self.user, self.rate, monotonic_nanoseconds(), nanoseconds);
    }
}

/// The name of a credential: of all stored hashes, the password and the user, so a user whose line has changed has another.
/// The client's address is no part of it.
pub(super) fn name(peers: &dyn Peers, [stored, password, user]: [&[u8]; 3], known: bool) -> PeerName {
    if known {
        whole_digest(peers.key(), [stored, password, user])
    } else {
        // Asked for, so that it takes as long as for a known user, and never told.
        whole_digest(peers.key(), [stored, password, user, b"unknown"])
    }
}

/// An attempt with this user, line (empty for an unknown user), and stored hash and password. The path of the file is no
/// part of it: it may differ between servers.
pub(super) fn counted(
    peers: &dyn Peers,
    limit: MaxFailures,
    network: &Network,
    user: &[u8],
    line: &[u8],
    [stored, password]: [&[u8]; 2],
) -> Counted {
    let mut pair = [0; KEY_BYTES];
    pair[..8].copy_from_slice(&stand_in(peers.key(), b"user", user));
    pair[8..16].copy_from_slice(&stand_in(peers.key(), b"network", network));
    pair[16..].copy_from_slice(&whole_digest(peers.key(), [b"pair", network, user, line, b"", b""])[..16]);
    let credential =
        stand_in(peers.key(), b"credential", &whole_digest(peers.key(), [b"", stored, password, b"", b"", b""]));
    Counted { pair, credential: u64::from_le_bytes(credential), limit }
}

/// The bytes of [`Counted::pair`] that stand for a user, wherever the client is.
pub fn stand_in_for_user(key: &[u8; KEY_BYTES], user: &[u8]) -> [u8; 8] {
    stand_in(key, b"user", user)
}

/// Those that stand for a client's network, whoever the user is. `client`: an address, as text.
pub fn stand_in_for_network(key: &[u8; KEY_BYTES], client: &str) -> [u8; 8] {
    stand_in(key, b"network", &network(client))
}

/// The number of parts, here and above, differs from that of a name.
fn stand_in(key: &[u8; KEY_BYTES], what: &[u8], of: &[u8]) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&whole_digest(key, [what, of, b"", b"", b"", b""])[..8]);
    bytes
}

/// The name of a limited user. Users of the same name in other files, and other rates, are counted separately.
pub(super) fn spender_name(peers: &dyn Peers, file: &[u8], user: &[u8], rate: Rate) -> PeerName {
    let (requests, seconds) = (rate.requests.to_le_bytes(), rate.seconds.to_le_bytes());
    whole_digest(peers.key(), [b"rate", file, user, &requests, &seconds])
}

/// What follows for the rest of an attempt from the answer of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// There are no peers, or they count nothing.
    Nothing,
    /// The password is right.
    Known,
    /// They have counted the attempt.
    Counted,
    /// They may not have.
    Unanswered,
}

impl Heard {
    /// What to tell peers about a counted attempt whose password is right, wrong, or was not hashed.
    pub(super) fn event(self, is_right: Option<bool>) -> Option<Event> {
        match (self, is_right) {
            // Forgiven when they were asked.
            (Heard::Nothing | Heard::Known, _) | (Heard::Unanswered, None) => None,
            (_, Some(true)) => Some(Event::Right),
            (Heard::Counted, Some(false)) => Some(Event::Wrong),
            (Heard::Unanswered, Some(false)) => Some(Event::WrongUncounted),
            (Heard::Counted, None) => Some(Event::Withdrawn),
        }
    }
}
