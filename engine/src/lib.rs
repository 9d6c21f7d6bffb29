//! The engine of `rust_esauth`: files in, verdicts out.
//!
//! * [`Passwords`] and [`Groups`] are immutable snapshots of a password or group file, parsed by the line rules of
//!   Apache httpd and searched in constant time for any number of users, groups and members.
//! * [`Source`] keeps the current snapshot of one file and reads the file again after a change.
//! * [`verification::Verifier`] remembers verdicts for all processes of a server, and computes each hash once.
//! * [`exposition::page`] shows its counts to Prometheus.
//! * [`hash::verify`] compares a password with a stored hash of any family that `htpasswd` or crypt(3) makes.
//! * [`refusal`] is an answer in the form of Elasticsearch's own.
//! * [`control`] is what operators say to a running server, and its answers.
//! * [`Listing`] is a password or group file line by line, and [`hash::describe`] describes a stored hash, for programs
//!   that explain a file to people.
//!
//! No type of httpd's appears here: user names, passwords and group names are bytes without NUL, like httpd's C
//! strings. Nothing here logs; messages for the operator are returned as [`FileEvent`].

mod clock;
pub mod control;
mod counters;
pub mod exposition;
mod files;
pub mod hash;
mod outcome;
mod random;
pub mod refusal;
mod sync;
pub mod threads;
pub mod verification;
mod wipe;

pub use clock::Seldom;
pub use files::{
    Accepted, Credentials, CredentialsFault, CredentialsFile, FileEvent, Groups, LineRules, Listed, Listing,
    Memberships, Moment, Parse, Passwords, ReadError, Reading, Rotation, Seen, Snapshot, Source, Watcher,
    advice_on_watching,
};
pub use random::fill_with_random;
pub use wipe::wipe_registers;
