//! What a judgement comes to.

use std::fmt;

/// The verdict on the head of a request.
pub enum Decision {
    /// To be sent.
    Pass(Pass),
    /// The head may be sent once the body has been judged, or as much of it as has to be.
    Body(Box<BodyJudge>),
    /// Not to be sent.
    Refuse(Box<Refusal>),
}

/// A request that may be sent as it is, but for its target.
#[derive(Debug, Default)]
pub struct Pass {
    /// What to send in place of the target: the names narrowed to those that the user may see. `None`: the target as it is.
    pub target: Option<Vec<u8>>,
    /// For the log.
    pub facts: Facts,
    /// The answer has an id of this kind, which should be remembered as this user's.
    pub gives: Option<IdKind>,
}

/// What was judged, for an audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The transport actions, such as `indices:data/read/search`; each once. Empty where the endpoint is not known.
    pub actions: Vec<&'static str>,
    /// The names and patterns of indices, aliases and data streams; each once, the first [`Facts::MOST_INDICES`] of them. As
    /// sent by the client, without control characters.
    pub indices: Vec<String>,
}

impl Facts {
    /// More names than this are not kept.
    pub const MOST_INDICES: usize = 64;
}

/// A kind of id that lets its owner go on with what they began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdKind {
    /// `_scroll_id` of a search.
    Scroll,
    /// `id` of a point in time.
    PointInTime,
}

/// Why a request is refused: a label of bounded variety, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The user has no role that the roles file knows.
    NoRole,
    /// No role allows the action on one of the names, or on the cluster.
    Privilege,
    /// The target cannot be read without doubt.
    Target,
    /// Method and path are not in the table.
    Endpoint,
    /// A query parameter that this endpoint is not known to have, or that is given twice.
    Parameter,
    /// An expression for names that cannot be judged.
    Name,
    /// No name, `_all` or a wildcard reaches further than the roles, where Elasticsearch would act on all of it.
    Wildcard,
    /// The body is of a media type, or in an encoding, that is not read here.
    MediaType,
    /// The body is not what the endpoint takes, or not without doubt.
    Body,
    /// The body is larger than what is held in memory.
    TooLarge,
    /// A query that reads from elsewhere, in a way that is not judged here.
    Query,
    /// An id that was not given to this user.
    Id,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 12] = [
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
        Reason::Id,
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
            Reason::Id => "id",
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
    /// The whole reason in English, for the log and the client: one line, without control characters.
    pub text: String,
    /// The transport action that is not allowed, where one is known.
    pub action: Option<&'static str>,
    /// The names that it is not allowed on. Without control characters.
    pub indices: Vec<String>,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, text: String) -> Refusal {
        Refusal { reason, text, action: None, indices: Vec::new() }
    }

    /// The HTTP status: 403, 413 or 415.
    pub fn status(&self) -> u16 {
        self.reason.status()
    }

    /// The answer's body (`application/json`) in Elasticsearch's own shape, for `user` with the roles of these names.
    pub fn json<'a>(&self, user: &[u8], roles: impl Iterator<Item = &'a str>) -> Vec<u8> {
        let _ = (user, roles);
        Vec::new()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Judges a body as it arrives.
///
/// The caller holds back what it has fed until it is told that it may be sent: a sum of bytes, counted from the first. What
/// is held back stays below [`Limits::document`](crate::Limits::document) for bodies that have to be read as a whole, and
/// below a megabyte for `_bulk`.
pub struct BodyJudge {
    pass: Pass,
}

impl BodyJudge {
    /// What to send in place of the target, as in [`Pass::target`].
    pub fn target(&self) -> Option<&[u8]> {
        self.pass.target.as_deref()
    }

    /// Judges the next bytes of the body, as they are going to be sent. How many more bytes of all that was fed may be sent
    /// now: zero or more, not counting those of earlier answers. After a refusal the request is to be given up; feeding goes
    /// on being refused.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, Box<Refusal>> {
        let _ = bytes;
        Err(Box::new(Refusal::new(Reason::Body, "bodies are not judged yet".into())))
    }

    /// The body is complete. How many more bytes may be sent now: all that were held back.
    pub fn finish(&mut self) -> Result<usize, Box<Refusal>> {
        Err(Box::new(Refusal::new(Reason::Body, "bodies are not judged yet".into())))
    }

    /// For the log: what has been judged until now.
    pub fn facts(&self) -> &Facts {
        &self.pass.facts
    }

    /// The answer has an id of this kind, which should be remembered as this user's.
    pub fn gives(&self) -> Option<IdKind> {
        self.pass.gives
    }
}
