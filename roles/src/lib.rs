//! Which user may do what on which index: Elasticsearch's own roles, enforced in front of it.
//!
//! * [`RolesFile`] is a roles file (`roles.yml`) as a snapshot kept by the engine's `Source`; [`Roles`] is its content.
//! * [`Rights`] are the sum of a user's roles; [`RightsCache`] remembers them as long as the files are unchanged.
//! * [`judge`] decides about one request, from its head. If the body matters, a [`BodyJudge`] continues as it arrives.
//!
//! Ambiguous requests are refused. The judged request must be the one sent: the caller sends the judged bytes, with the
//! target of [`Pass::target`] or [`BodyJudge::target`] instead of its own.
//!
//! # Ids that carry authority
//!
//! The id of a scroll, of a point in time or of an asynchronous search stands for a search that was allowed to the user
//! who began it. An open Elasticsearch accepts it from anyone, and nothing here remembers who was given which id, since
//! answers are not read. So such an id passes only where it cannot show more than the user may read anyway:
//!
//! * Scrolls: `?scroll=` begins one with rights to search. `/_search/scroll` continues or clears one with rights to
//!   `read` on `*`. A user with less gets the first page only, and pages further by `search_after`. A user with these
//!   rights who learns the id of a scroll over indices whose names begin with a dot, which `*` leaves out, can read it.
//! * Points in time: `_pit` is not in the table of endpoints, and a search whose body has a `pit` is refused.
//! * Asynchronous searches: `_async_search` is not in the table of endpoints.
//!
//! Elasticsearch's own security lets any user clear any scroll by its id; this is stricter.
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
