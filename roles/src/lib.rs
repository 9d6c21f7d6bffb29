//! Which user may do what on which index: Elasticsearch's own roles, enforced in front of it.
//!
//! * [`RolesFile`] is a roles file (`roles.yml`) as a snapshot kept by the engine's `Source`; [`Roles`] is its content.
//! * [`Rights`] are the sum of a user's roles; [`RightsCache`] remembers them as long as the files are unchanged.
//! * [`judge`] decides about one request, from its head. If the body matters, a [`BodyJudge`] continues as it arrives.
//!
//! Ambiguous requests are refused. The judged request must be the one sent: the caller sends the judged bytes, with the
//! target of [`Pass::target`] or [`BodyJudge::target`] instead of its own.
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

pub use body::{BodyJudge, Limits};
pub use decision::{Facts, Pass, Reason, Refusal};
pub use judge::{Decision, RequestHead, judge};
pub use pattern::may_overlap;
pub use rights::{Rights, RightsCache};
pub use roles::{Role, Roles, RolesFile};
pub use yaml::Fault;
