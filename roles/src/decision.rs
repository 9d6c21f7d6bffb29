//! What a judgement results in, apart from the body that is still to be judged.

use std::fmt;

use crate::action::{Action, Actions, Scope};

/// A request that may be sent unchanged, except for its target.
#[derive(Debug, Default)]
pub struct Pass {
    /// The target to send instead of the original: the names narrowed to those that the user may see. `None`: the
    /// original.
    pub target: Option<Vec<u8>>,
    /// Facts for the log.
    pub facts: Facts,
}

/// The judged facts, for an audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The transport actions, such as `indices:data/read/search`; each once. Empty for an unknown endpoint.
    pub actions: Vec<&'static str>,
    /// The names and patterns of indices, aliases and data streams; each once, the first [`Facts::MOST_INDICES`] of
    /// them. As they are sent, narrowed if they were, without control characters.
    pub indices: Vec<String>,
}

impl Facts {
    /// Maximum number of names kept.
    pub const MOST_INDICES: usize = 64;

    /// Notes that these actions are requested on these names.
    pub(crate) fn note<'a>(&mut self, actions: Actions, names: impl Iterator<Item = &'a str>) {
        for action in actions.iter() {
            if !self.actions.contains(&action.name()) {
                self.actions.push(action.name());
            }
        }
        for name in names {
            if self.indices.len() == Facts::MOST_INDICES {
                break;
            }
            let name = clean(name);
            if !self.indices.contains(&name) {
                self.indices.push(name);
            }
        }
    }
}

/// Why a request is refused: a label with a limited number of values, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The user has no role that is in the roles file.
    NoRole,
    /// No role allows the action on one of the names, or on the cluster.
    Privilege,
    /// The target is ambiguous.
    Target,
    /// Method and path are not in the table.
    Endpoint,
    /// A query parameter that is unknown for this endpoint, or given twice.
    Parameter,
    /// A name expression that cannot be judged.
    Name,
    /// A missing name, `_all` or a wildcard reaches further than the roles, and Elasticsearch would act on all of it.
    Wildcard,
    /// The body has a media type or an encoding that is not supported here.
    MediaType,
    /// The body is invalid for the endpoint, or ambiguous.
    Body,
    /// The body is larger than the limit of memory.
    TooLarge,
    /// A query that reads from another index in a way that cannot be judged here.
    Query,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 11] = [
        Reason::NoRole,
        Reason::Privilege,
        Reason::Target,
        Reason::Endpoint,
        Reason::Parameter,
        Reason::Name,
        Reason::Wildcard,
        Reason::MediaType,
        Reason::Body,
        Reason::TooLarge,
        Reason::Query,
    ];

    /// A word for metrics and logs, such as `privilege`.
    pub fn word(self) -> &'static str {
        match self {
            Reason::NoRole => "no_role",
            Reason::Privilege => "privilege",
            Reason::Target => "target",
            Reason::Endpoint => "endpoint",
            Reason::Parameter => "parameter",
            Reason::Name => "name",
            Reason::Wildcard => "wildcard",
            Reason::MediaType => "media_type",
            Reason::Body => "body",
            Reason::TooLarge => "too_large",
            Reason::Query => "query",
        }
    }

    /// The HTTP status of the refusal.
    pub fn status(self) -> u16 {
        match self {
            Reason::MediaType => 415,
            Reason::TooLarge => 413,
            _ => 403,
        }
    }
}

/// A request, or the rest of one, that must not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A label for metrics; has the HTTP status.
    pub reason: Reason,
    /// The complete reason in English, for the log and the client: one line, without control characters.
    pub text: String,
    /// The transport action that is not allowed, if known.
    pub(crate) action: Option<Action>,
    /// The names on which it is not allowed. Without control characters.
    pub indices: Vec<String>,
}

impl Refusal {
    /// For a reason other than a missing privilege. The text as in [`Refusal::text`].
    pub fn new(reason: Reason, text: String) -> Refusal {
        Refusal { reason, text, action: None, indices: Vec::new() }
    }

    /// For an action that no role allows on these names, or on the cluster if there are none.
    pub(crate) fn of_action(reason: Reason, action: Action, indices: Vec<String>) -> Refusal {
        let indices: Vec<String> = indices.iter().map(|name| clean(name)).collect();
        let text = match &indices[..] {
            [] => format!("no role allows [{}] on the cluster", action.name()),
            names => format!("no role allows [{}] on [{}]", action.name(), names.join(",")),
        };
        Refusal { reason, text, action: Some(action), indices }
    }

    /// The HTTP status: 403, 413 or 415.
    pub fn status(&self) -> u16 {
        self.reason.status()
    }

    /// The answer's body (`application/json`) in Elasticsearch's own form, for `user` with roles of these names.
    pub fn json<'a>(&self, user: &[u8], roles: impl Iterator<Item = &'a str>) -> Vec<u8> {
        let user = clean(&String::from_utf8_lossy(user));
        let roles: Vec<&str> = roles.collect();
        let reason = match self.action {
            Some(action) => {
                let (on, kind) = match action.scope() {
                    Scope::Cluster => (String::new(), "cluster"),
                    Scope::Index => (format!(" on indices [{}]", self.indices.join(",")), "index"),
                };
                let granting: Vec<&str> = action.scope().granting(action).collect();
                format!(
                    "action [{}] is unauthorized for user [{user}] with effective roles [{}]{on}, this action is granted by the \
                     {kind} privileges [{}]",
                    action.name(),
                    roles.join(","),
                    granting.join(",")
                )
            }
            None => format!(
                "this request of user [{user}] with effective roles [{}] is not allowed: {}",
                roles.join(","),
                self.text
            ),
        };
        let kind = match self.reason {
            Reason::MediaType => "media_type_header_exception",
            Reason::TooLarge => "content_too_long_exception",
            _ => "security_exception",
        };
        let cause = serde_json::json!({ "type": kind, "reason": reason });
        let answer = serde_json::json!({
            "error": { "root_cause": [cause], "type": kind, "reason": reason },
            "status": self.status(),
        });
        answer.to_string().into_bytes()
    }

    /// The transport action that is not allowed, if known, such as `indices:data/read/search`.
    pub fn action(&self) -> Option<&'static str> {
        self.action.map(Action::name)
    }

    /// The names of the privileges that allow the action, weakest first.
    pub fn granting(&self) -> impl Iterator<Item = &'static str> {
        self.action.into_iter().flat_map(|action| action.scope().granting(action))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text without control characters, shortened for a log.
pub(crate) fn clean(text: &str) -> String {
    const MOST: usize = 255;
    if text.len() <= MOST && text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control()) {
        return text.into();
    }
    text.chars().take(MOST).map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
