//! `EsAuthRoles`: what a user may do on which index, judged when mod_proxy is about to send the request.
//!
//! * [`gate`]: mod_proxy's hook, from the request to its answer;
//! * [`rights`]: what the user's roles allow, by the files as they are now;
//! * [`inspector`]: the request's body, judged as it arrives;
//! * [`audit`]: the log's lines, the notes for the access log, the counts.

pub(crate) mod audit;
pub(crate) mod gate;
mod inspector;
mod rights;
