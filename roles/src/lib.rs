//! Who may do what on which index: Elasticsearch's own roles, enforced in front of it.
//!
//! * [`RolesFile`] is a roles file (`roles.yml`) as a snapshot that the engine's `Source` keeps; [`Roles`] is what it says.
//! * [`Rights`] are what a user's roles add up to; [`RightsCache`] remembers them for as long as the files are the same.
//! * [`judge`] decides about one request, from its head. Where the body matters, a [`BodyJudge`] decides on as it arrives.
//!
//! What cannot be read without doubt is refused. What is judged has to be what is sent: the caller sends the bytes that
//! were judged, with the target that [`Pass::target`] or [`BodyJudge::target`] has in place of its own.
//!
//! No type of httpd's appears here, and nothing here logs.

mod action;
mod body;
mod decision;
mod endpoints;
mod json;
mod judge;
mod names;
mod pattern;
mod rights;
mod roles;
mod target;
mod yaml;

pub use body::BodyJudge;
pub use decision::{Decision, Facts, Pass, Reason, Refusal};
pub use judge::{Limits, RequestHead, judge};
pub use pattern::may_overlap;
pub use rights::{Rights, RightsCache};
pub use roles::{Fault, Role, Roles, RolesFile};
