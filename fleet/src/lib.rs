//! What the servers of a fleet share over Redis or Valkey: that a password is right, so that one of them hashes it for all.
//!
//! [`Fleet`] is one process's access to it. It is a cache that may be lost at any moment, and an enemy's: no answer of the
//! server can grant anything but what somebody with the [`Key`] has told ([`entry`]); nobody waits longer for it than
//! [`LONGEST_WAIT`]; and while it cannot be reached, nobody waits at all. One thread holds the one connection; requests
//! leave their questions in its queue ([`worker`]). [`link`] is a connection, with every wait and every size bounded.

mod address;
mod entry;
mod key;
mod link;
mod socket;
mod worker;

pub use address::{Address, Credentials, Fault};
pub use key::Key;
pub use worker::{Event, Fleet, LONGEST_WAIT, Lookup, Observer, Options, Stopped};
