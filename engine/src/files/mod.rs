//! Password, group and credentials files: read, parsed into snapshots, and read again after a change.
//!
//! * `identity`: checks whether a file has changed, and reads it.
//! * `lines`, `htpasswd`, `groups`, `credentials`: from bytes to a snapshot; `listing`: line by line, to explain a file;
//!   `rotation`: a second password of a user.
//! * `source`, `snapshot`, `watch`, `route`, `glance`: the current snapshot of one file.

mod credentials;
mod glance;
mod groups;
mod htpasswd;
mod identity;
mod lines;
mod listing;
mod rotation;
mod route;
mod snapshot;
mod source;
mod watch;

pub use credentials::{Credentials, CredentialsFault, CredentialsFile};
pub use glance::Seen;
pub use groups::{Groups, Memberships};
pub use htpasswd::{Accepted, Passwords};
pub use identity::ReadError;
pub(crate) use identity::{Identity, Look};
pub use lines::LineRules;
pub use listing::{Listed, Listing};
pub use rotation::{Moment, Rotation};
pub use snapshot::Snapshot;
pub use source::{FileEvent, Parse, Reading, Source};
pub use watch::{Watcher, advice_on_watching};
