//! Verification: one password hash per credential for the whole server.
//!
//! A [`Verifier`] is created once, before the children are forked, and shared by all of them (`shared`). It remembers
//! verdicts by a keyed digest of stored hash, password and user (`digest`), with separate parts for grants and denials
//! (`table`), decides which request computes a missing hash (`queue`, `compute`), and refuses clients that failed too
//! often (`lockouts`). Operators look into that and undo it (`operators`). `judgement` is the way of a credential through
//! all of these; `queued` the same for a host whose threads must not wait. `peers` is what other servers know and count. `rates`
//! counts the requests of users that were let in, by the `limits` of the configuration. For a connection that repeats credentials granted a moment ago, even
//! the lookup is skipped (`recall`).

mod compute;
mod count;
mod digest;
mod judgement;
mod limits;
mod lockouts;
mod network;
mod operators;
mod peers;
mod queue;
mod queued;
mod rates;
mod recall;
mod robust;
mod shared;
mod table;
#[cfg(all(test, not(loom)))]
mod tests;
mod verifier;

pub use compute::Credential;
pub use judgement::{Answer, Judgement, Pending, Verdict};
pub use limits::{Limit, LimitFault};
pub use lockouts::{Lockout, MaxFailures, PeerLockout, Scope, Unlocked};
pub use network::AddressRange;
pub use operators::{Locked, LockedOut, Remembered};
pub use peers::{
    Counted, Event, Learner, PeerName, Peers, Question, Reply, Spender, stand_in_for_network, stand_in_for_user,
};
pub use queued::{Hashed, Queued, Standing, Turn, Work};
pub use rates::{Rate, Spent};
pub use recall::{Grant, Presented, Recent};
pub use robust::wait_briefly;
pub use shared::Unprotected;
pub use verifier::{Settings, Verifier};

pub use crate::counters::{
    Contents, Counters, FileCounters, FileKind, FileReport, Lookup, OF_HOST, PartUsage, Times, Usage, Waited,
};
pub use crate::outcome::Outcome;
