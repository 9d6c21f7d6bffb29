//! Verification: one password hash per credential for the whole server.
//!
//! A [`Verifier`] is made once, before the children are forked, and shared by all of them (`shared`). It remembers verdicts by
//! a keyed digest of stored hash and password (`digest`), grants and denials in parts of their own (`table`), decides which
//! request computes a hash that is not remembered (`queue`, `compute`), and refuses clients that have failed too often
//! (`lockouts`). A connection that goes on with what was granted a moment ago takes even less than a lookup (`recall`).

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

pub use lockouts::{Lockout, MaxFailures, Scope};
pub use recall::{Grant, Presented};
pub use shared::Unprotected;
pub use verifier::{Credential, Judgement, Settings, Verdict, Verifier};

pub use crate::counters::{
    Contents, Counters, FileCounters, FileKind, FileReport, Look, OUTCOMES, Outcome, PartUsage, Times, Usage, Waited,
};
