//! The verdict on one request.

use std::sync::Arc;

use crate::action::{Action, Actions};
use crate::body::{BodyJudge, Limits, Scope};
use crate::decision::{Pass, Reason, Refusal, clean};
use crate::endpoints::{self, Body, Endpoint, Names};
use crate::names::{Access, Expression};
use crate::rights::Rights;
use crate::target::{Target, encode};

/// The facts about a request before its body arrives, all exactly as they will be sent to the back end.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// Such as `POST`. Case-sensitive.
    pub method: &'a [u8],
    /// Path and query, such as `/shop/_search?size=1`: the exact bytes of the request line to the back end, after a
    /// mapping such as `ProxyPass /es/ http://host:9200/`.
    pub target: &'a [u8],
    /// The value of `Content-Type`, or `None` without one. The caller must refuse several.
    pub content_type: Option<&'a [u8]>,
    /// The value of `Content-Encoding`, or `None` without one; several joined by commas.
    pub content_encoding: Option<&'a [u8]>,
    /// True if a body comes or may come: a `Content-Length` other than 0, a `Transfer-Encoding`, an HTTP/2 stream that
    /// did not end with the header.
    pub has_body: bool,
}

/// The verdict on the head of a request.
pub enum Decision {
    /// Send it.
    Pass(Pass),
    /// The head may be sent once the body, or the necessary part of it, has been judged.
    Body(Box<BodyJudge>),
    /// Do not send it.
    Refuse(Box<Refusal>),
}

/// Decides about a request of a user with these rights. Never fails: in doubt, it refuses.
pub fn judge(rights: &Arc<Rights>, request: &RequestHead<'_>, limits: &Limits) -> Decision {
    decide(rights, request, limits).unwrap_or_else(|refusal| Decision::Refuse(Box::new(refusal)))
}

fn decide(rights: &Arc<Rights>, request: &RequestHead<'_>, limits: &Limits) -> Result<Decision, Refusal> {
    if request.method == b"OPTIONS" {
        return if request.has_body {
            Err(Refusal::new(Reason::Body, "OPTIONS has a body".into()))
        } else {
            Ok(Decision::Pass(Pass::default()))
        };
    }
    if rights.is_empty() {
        return Err(Refusal::new(Reason::NoRole, "the user has no role that allows anything".into()));
    }
    if rights.are_unbounded() {
        return Ok(Decision::Pass(Pass::default()));
    }
    let target = Target::parse(request.target)?;
    let Some(endpoint) = endpoints::find(request.method, &target.segments) else {
        return Err(Refusal::new(Reason::Endpoint, "this method and path are not known here".into()));
    };
    if let Some((name, _)) = target.parameters.iter().find(|(name, _)| !is_allowed(endpoint, name)) {
        return Err(Refusal::new(Reason::Parameter, format!("parameter [{}] is not passed on here", clean(name))));
    }
    let mut pass = Pass::default();
    let actions = needed(endpoint, &target)?;
    pass.facts.note(endpoint.on_cluster | actions, std::iter::empty());
    if let Some(action) = rights.missing_on_cluster(endpoint.on_cluster) {
        return Err(Refusal::of_action(Reason::Privilege, action, Vec::new()));
    }
    let names = judge_names(rights, endpoint, &target, actions, &mut pass)?;
    if !request.has_body || endpoint.body == Body::Any {
        // Without a body, the names that must be in it are missing.
        return match endpoint.names {
            Names::InBody | Names::InBodyOr(_) => Err(Refusal::new(Reason::Body, "the body is missing".into())),
            _ => Ok(Decision::Pass(pass)),
        };
    }
    if endpoint.body == Body::Without {
        return Err(Refusal::new(Reason::Body, "this request has no body in Elasticsearch".into()));
    }
    let is_lines = matches!(endpoint.body, Body::Bulk | Body::MultiSearch | Body::MultiTemplate);
    media_type(request.content_type, is_lines)?;
    let is_gzip = encoding(request.content_encoding)?;
    let names = names.map(Expression::into_owned);
    let scope = Scope { rights: Arc::clone(rights), limits: *limits, grammar: endpoint.body, actions, names };
    Ok(Decision::Body(Box::new(BodyJudge::new(pass, scope, is_gzip))))
}

fn is_allowed(endpoint: &Endpoint, name: &str) -> bool {
    match name {
        // A table, a level or a detail that shows other indices.
        "level" | "detailed" | "metric" => false,
        "keep_alive" => false,
        "scroll" => endpoint.body == Body::Query,
        "refresh" | "op_type" => true,
        _ => endpoints::is_known_parameter(name),
    }
}

/// The actions needed on the names, depending on the parameters.
fn needed(endpoint: &Endpoint, target: &Target<'_>) -> Result<Actions, Refusal> {
    let mut actions = endpoint.on_names;
    if let Some(op_type) = target.parameter("op_type") {
        let index = Actions::of(&[Action::Index]);
        let create = Actions::of(&[Action::CreateDocument]);
        actions = match op_type {
            "create" if actions.overlaps(index | create) => actions.without(index) | create,
            "index" if actions.overlaps(index | create) => actions.without(create) | index,
            _ => return Err(Refusal::new(Reason::Parameter, "parameter [op_type] is neither index nor create".into())),
        };
    }
    let is_by_query = actions.overlaps(Actions::of(&[Action::DeleteByQuery, Action::UpdateByQuery, Action::Reindex]));
    if is_by_query && target.parameter("refresh").is_some_and(|refresh| refresh != "false") {
        actions = actions | Actions::of(&[Action::Refresh]);
    }
    let makes_missing = actions.overlaps(Actions::of(&[Action::Delete]));
    if makes_missing && target.parameter("version_type").is_some() {
        actions = actions | Actions::of(&[Action::AutoCreate]);
    }
    if actions.overlaps(Actions::of(&[Action::Search])) && target.parameter("scroll").is_some() {
        actions = actions | Actions::of(&[Action::Scroll]);
    }
    Ok(actions)
}

/// Judges the names in the path, and rewrites the target if they are narrowed. Returns the names as sent.
fn judge_names<'t>(
    rights: &Rights,
    endpoint: &Endpoint,
    target: &'t Target<'_>,
    actions: Actions,
    pass: &mut Pass,
) -> Result<Option<Expression<'t>>, Refusal> {
    let mut sent = None;
    let mut replaced: Vec<(usize, String)> = Vec::new();
    for (number, part) in endpoint.parts().enumerate() {
        let text = &target.segments[number].text;
        match part {
            "{index}" | "{alias}" => {
                let names = Expression::parse(text)?;
                if endpoint.names == Names::Known {
                    known(rights, &names)?;
                    pass.facts.note(Actions::NONE, names.texts());
                    sent = Some(names);
                    continue;
                }
                let expands = target.parameter("expand_wildcards").is_none_or(|states| !states.contains("none"));
                if names.has_exclusions() && !expands {
                    let text = format!("[{}] takes names away, and expand_wildcards is none", clean(text));
                    return Err(Refusal::new(Reason::Name, text));
                }
                if endpoint.names == Names::One && !names.is_one_name() {
                    return Err(not_one(text));
                }
                let may_narrow = matches!(endpoint.names, Names::Narrow | Names::Missing(_));
                let names = match names.judge(rights, actions, may_narrow)? {
                    Access::Whole => names,
                    Access::Narrowed(text) => {
                        let names = Expression::parse(&text)?.into_owned();
                        replaced.push((number, text));
                        names
                    }
                };
                pass.facts.note(Actions::NONE, names.texts());
                if part == "{index}" {
                    sent = Some(names);
                } else if let Some(indices) = sent.as_ref().filter(|_| endpoint.body == Body::Alias) {
                    indices.gains_nothing_as(&names, rights)?;
                }
            }
            "{new}" => {
                let names = Expression::parse(text)?;
                pass.facts.note(Actions::NONE, names.texts());
                if !names.is_one_name() {
                    return Err(not_one(text));
                }
                names.judge(rights, actions | Actions::of(&[Action::CreateIndex]), false)?;
                if let Some(source) = &sent {
                    source.gains_nothing_as(&names, rights)?;
                }
                sent = Some(names);
            }
            _ => {}
        }
    }
    match endpoint.names {
        Names::Missing(path) | Names::InBodyOr(path) => {
            let everything = Expression::all();
            let text = match everything.judge(rights, actions, true) {
                Ok(Access::Narrowed(text)) => text,
                Ok(Access::Whole) => {
                    pass.facts.note(Actions::NONE, everything.texts());
                    return Ok(Some(everything));
                }
                // The names in the body may still be allowed.
                Err(_) if matches!(endpoint.names, Names::InBodyOr(_)) => return Ok(None),
                Err(refusal) => return Err(refusal),
            };
            let names = Expression::parse(&text)?.into_owned();
            pass.facts.note(Actions::NONE, names.texts());
            pass.target = Some(write_target(path, endpoint, target, &text, &replaced)?);
            Ok(Some(names))
        }
        Names::Everything => {
            let everything = Expression::all();
            pass.facts.note(Actions::NONE, everything.texts());
            everything.judge(rights, actions, false)?;
            Ok(Some(everything))
        }
        _ => {
            if !replaced.is_empty() {
                pass.target = Some(write_target(endpoint.path, endpoint, target, "", &replaced)?);
            }
            Ok(sent)
        }
    }
}

fn not_one(text: &str) -> Refusal {
    Refusal::new(Reason::Name, format!("[{}] is not the name of one index", clean(text)))
}

fn known(rights: &Rights, names: &Expression<'_>) -> Result<(), Refusal> {
    match names.texts().find(|name| !rights.know(name)) {
        Some(name) => Err(Refusal::of_action(Reason::Privilege, Action::Stats, vec![name.into()])),
        None => Ok(()),
    }
}

/// Maximum length of a rewritten target: Elasticsearch accepts lines of 4096 bytes, including method and version.
const LONGEST: usize = 4000;

/// The target with the path `path`, whose `{index}` becomes `names` unless the endpoint's own path has it.
fn write_target(
    path: &str,
    endpoint: &Endpoint,
    target: &Target<'_>,
    names: &str,
    replaced: &[(usize, String)],
) -> Result<Vec<u8>, Refusal> {
    let mut written = String::with_capacity(path.len() + names.len() + target.query.map_or(0, str::len) + 64);
    let mut leaves_out = false;
    for part in path.split('/').skip(1) {
        written.push('/');
        let own = endpoint.parts().position(|own| own == part);
        match own {
            _ if !part.starts_with('{') => written.push_str(part),
            Some(number) => match replaced.iter().find(|(other, _)| *other == number) {
                Some((_, text)) => {
                    leaves_out |= has_plain_name(text);
                    encode(&mut written, text);
                }
                None => written.push_str(target.segments[number].raw),
            },
            None => {
                leaves_out |= has_plain_name(names);
                encode(&mut written, names);
            }
        }
    }
    let mut mark = '?';
    if let Some(query) = target.query.filter(|query| !query.is_empty()) {
        written.push(mark);
        written.push_str(query);
        mark = '&';
    }
    // A pattern replaced by a name must not fail if there is no such index.
    let is_lenient =
        !path.starts_with("/_cat/") && !path.starts_with("/_data_stream") && !path.starts_with("/_resolve");
    if leaves_out && is_lenient && target.parameter("ignore_unavailable").is_none() {
        written.push(mark);
        written.push_str("ignore_unavailable=true");
    }
    if written.len() > LONGEST {
        return Err(Refusal::new(
            Reason::Wildcard,
            "the target would be too long when it is narrowed; name the indices".into(),
        ));
    }
    Ok(written.into_bytes())
}

fn has_plain_name(names: &str) -> bool {
    names.split(',').any(|name| !name.contains('*'))
}

/// JSON or lines of JSON in UTF-8, and nothing else.
fn media_type(value: Option<&[u8]>, is_lines: bool) -> Result<(), Refusal> {
    let refuse = || {
        let allowed = if is_lines { "application/x-ndjson or application/json" } else { "application/json" };
        Err(Refusal::new(Reason::MediaType, format!("the body's media type has to be {allowed}, in UTF-8")))
    };
    let Some(value) = value.and_then(|value| std::str::from_utf8(value).ok()) else { return refuse() };
    let value = value.to_ascii_lowercase();
    let mut parts = value.split(';').map(|part| part.trim_matches([' ', '\t']));
    let is_json = match parts.next() {
        Some("application/json" | "application/vnd.elasticsearch+json") => true,
        Some("application/x-ndjson" | "application/vnd.elasticsearch+x-ndjson") => is_lines,
        _ => false,
    };
    let is_harmless = |part: &str| {
        let version = part.strip_prefix("compatible-with=");
        matches!(part, "charset=utf-8" | "charset=\"utf-8\"" | "charset=utf8")
            || version.is_some_and(|version| matches!(version.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9']))
    };
    if is_json && parts.all(is_harmless) { Ok(()) } else { refuse() }
}

/// True for gzip, false for none.
fn encoding(value: Option<&[u8]>) -> Result<bool, Refusal> {
    match value.map(|value| value.trim_ascii().to_ascii_lowercase()).as_deref() {
        None | Some(b"" | b"identity") => Ok(false),
        Some(b"gzip") => Ok(true),
        _ => Err(Refusal::new(Reason::MediaType, "the body's encoding has to be gzip, or none".into())),
    }
}
