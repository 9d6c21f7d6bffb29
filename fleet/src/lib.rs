//! What the servers of a fleet share over Redis or Valkey: that a password is right, so that one of them hashes it for all;
//! failures; and the requests of limited users.
//!
//! [`Fleet`] is one process's access to it. It is a cache that may be lost at any moment, and an enemy's: no answer of the
//! server can grant anything but what somebody with the [`Key`] has told ([`entry`]); nobody waits longer for it than
//! [`LONGEST_WAIT`]; and while it cannot be reached, nobody waits at all. One thread holds the one connection; requests
//! leave their questions in its queue ([`access`], [`worker`]). [`counts`] are the commands for counting together. [`link`] is a connection, with every wait and every size bounded.
//!
//! A host's directives are [`settings`]; [`report`] counts and logs for it what happens.

mod access;
mod address;
mod counts;
mod entry;
mod forgive;
mod key;
mod link;
mod report;
mod settings;
mod shared;
mod socket;
mod worker;

pub use access::{Fleet, Stopped};
pub use address::{Address, Credentials, Fault};
pub use forgive::forgive;
pub use key::Key;
pub use report::{Host, Level, write_metrics};
pub use settings::{DEFAULT_SERVERS, MOST_SERVERS, Settings};
pub use shared::{Event, Lookup, Observer, Options};
pub use worker::LONGEST_WAIT;
