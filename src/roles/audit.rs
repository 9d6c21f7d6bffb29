//! Traces of a judgement: the log's line for a refusal, the notes for the access log, the counts.

use std::ffi::CStr;

use esauth_engine::verification::Counters;
use esauth_roles::{Facts, Refusal};

use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::state::verdicts;

/// The notes for the access log: `%{esauth-action}n` and `%{esauth-indices}n`.
const ACTION_NOTE: &CStr = c"esauth-action";
const INDICES_NOTE: &CStr = c"esauth-indices";

/// How a request came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RolesVerdict {
    Passed,
    Refused,
    /// It would have been refused, but `EsAuthRolesMode` is Report.
    Reported,
}

/// What kind of action a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActionClass {
    /// Reads documents.
    Read,
    /// Writes documents.
    Write,
    /// Manages or looks at indices.
    Index,
    /// Manages or looks at the cluster.
    Cluster,
    /// Not known here, or not read since everything is allowed.
    Other,
}

pub(crate) const VERDICTS: [(RolesVerdict, &str); 3] =
    [(RolesVerdict::Passed, "passed"), (RolesVerdict::Refused, "refused"), (RolesVerdict::Reported, "reported")];

pub(crate) const CLASSES: [(ActionClass, &str); 5] = [
    (ActionClass::Read, "read"),
    (ActionClass::Write, "write"),
    (ActionClass::Index, "index"),
    (ActionClass::Cluster, "cluster"),
    (ActionClass::Other, "other"),
];

impl ActionClass {
    /// The class of transport actions by their names. A write may create its index, and a read look at it.
    fn of<'a>(actions: impl Iterator<Item = &'a str>) -> ActionClass {
        let classes = actions.map(|action| match action {
            _ if action.starts_with("indices:data/read") => ActionClass::Read,
            _ if action.starts_with("indices:data/write") => ActionClass::Write,
            _ if action.starts_with("indices:") => ActionClass::Index,
            _ => ActionClass::Cluster,
        });
        let rank = |class: &ActionClass| match class {
            ActionClass::Other => 0,
            ActionClass::Cluster => 1,
            ActionClass::Index => 2,
            ActionClass::Read => 3,
            ActionClass::Write => 4,
        };
        classes.max_by_key(rank).unwrap_or(ActionClass::Other)
    }
}

fn number(verdict: RolesVerdict, class: ActionClass) -> usize {
    verdict as usize * CLASSES.len() + class as usize
}

/// How many requests of a class came out so.
pub(crate) fn requests(counters: &Counters, verdict: RolesVerdict, class: ActionClass) -> u64 {
    counters.of_host(number(verdict, class))
}

/// Notes and counts a request that passes.
pub(crate) fn passed(request: Request<'_>, facts: &Facts) {
    note(request, facts.actions.iter().copied(), &facts.indices);
    count(RolesVerdict::Passed, ActionClass::of(facts.actions.iter().copied()));
}

/// Notes, counts and logs a request that is refused, or would be.
pub(crate) fn refused(request: Request<'_>, user: &CStr, refusal: &Refusal, facts: &Facts, reports: bool) {
    let actions: Vec<&str> = match refusal.action() {
        Some(action) => vec![action],
        None => facts.actions.clone(),
    };
    let indices = if refusal.indices.is_empty() { &facts.indices } else { &refusal.indices };
    note(request, actions.iter().copied(), indices);
    let verdict = if reports { RolesVerdict::Reported } else { RolesVerdict::Refused };
    count(verdict, ActionClass::of(actions.iter().copied()));
    let what: &[u8] = if reports { b"would be refused (EsAuthRolesMode Report): " } else { b"refused: " };
    let granting: Vec<&str> = refusal.granting().collect();
    let granting = if granting.is_empty() { String::new() } else { format!(" (granted by: {})", granting.join(", ")) };
    let (user, uri, method) = (user.to_bytes(), request.uri().to_bytes(), request.method().to_bytes());
    let level = if reports { Level::Warning } else { Level::Error };
    log_request!(
        request,
        level,
        0,
        b"rust_esauth: roles: user ",
        user,
        b" ",
        what,
        method,
        b" ",
        uri,
        b": ",
        refusal.text.as_bytes(),
        granting.as_bytes(),
    );
}

/// Counts a request that could not be judged.
pub(crate) fn failed() {
    count(RolesVerdict::Refused, ActionClass::Other);
}

fn note<'a>(request: Request<'_>, actions: impl Iterator<Item = &'a str>, indices: &[String]) {
    let actions: Vec<&str> = actions.collect();
    for (name, value) in [(ACTION_NOTE, actions.join(",")), (INDICES_NOTE, indices.join(","))] {
        if !value.is_empty() {
            request.notes().set(name, request.pool().join(&[value.as_bytes()]));
        }
    }
}

fn count(verdict: RolesVerdict, class: ActionClass) {
    if let Some(cache) = verdicts::verifier() {
        cache.counters().count_of_host(number(verdict, class));
    }
}
