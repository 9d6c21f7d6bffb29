//! Verification: one password hash per credential for the whole server.
//!
//! A [`Verifier`] is created once, before the children are forked, and shared by all of them (`shared`). It remembers
//! verdicts by a keyed digest of stored hash and password (`digest`), with separate parts for grants and denials
//! (`table`), decides which request computes a missing hash (`queue`, `compute`), and refuses clients that failed too
//! often (`lockouts`). For a connection that repeats credentials granted a moment ago, even the lookup is skipped
//! (`recall`).

mod compute;
mod count;
mod digest;
mod lockouts;
mod network;
mod queue;
mod recall;
mod robust;
mod shared;
mod table;
#[cfg(all(test, not(loom)))]
mod tests;
mod verifier;

pub use compute::Credential;
pub use lockouts::{Lockout, MaxFailures, Scope};
pub use recall::{Grant, Presented};
pub use shared::Unprotected;
pub use verifier::{Judgement, Settings, Verdict, Verifier};

pub use crate::counters::{
    Contents, Counters, FileCounters, FileKind, FileReport, Lookup, OF_HOST, OUTCOMES, PartUsage, Times, Usage, Waited,
};
