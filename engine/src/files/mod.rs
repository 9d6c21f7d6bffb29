//! Password and group files: read, parsed into snapshots, and read again when they have changed.
//!
//! * `identity`: what a `stat` tells of a file, and reading all of it.
//! * `lines`, `htpasswd`, `groups`: from bytes to a snapshot; `listing`: line by line, to explain a file.
//! * `source`, `watch`, `trail`: the current snapshot of one file.

mod groups;
mod htpasswd;
mod identity;
mod lines;
mod listing;
mod source;
mod trail;
mod watch;

pub use groups::{Groups, Memberships};
pub use htpasswd::Passwords;
pub use identity::ReadError;
pub use lines::LineRules;
pub use listing::{Listed, Listing};
pub use source::{News, Parse, Reading, Snapshot, Source};
pub use watch::Watcher;
