//! `esauth explain`: how EsAuthRoles decides about one request, and why, by the code that decides in the server.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use esauth_engine::{Groups, LineRules, Parse};
use esauth_roles::{Decision, Facts, Limits, Refusal, RequestHead, Rights, Roles, judge};

use crate::arguments::ExplainOptions;
use crate::terminal;
use crate::text::printable;

/// The explanation.
#[derive(serde::Serialize)]
struct Explanation {
    user: String,
    roles: Vec<String>,
    passes: bool,
    /// The target sent instead of the original.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_as: Option<String>,
    actions: Vec<&'static str>,
    indices: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Explained>,
}

#[derive(serde::Serialize)]
struct Explained {
    status: u16,
    reason: &'static str,
    text: String,
    privileges: Vec<&'static str>,
}

pub(crate) fn run(options: &ExplainOptions) -> Result<ExitCode, String> {
    let roles = roles(&options.roles)?;
    let rights = Arc::new(rights(&roles, options)?);
    let (method, target) = options
        .request
        .split_once(' ')
        .ok_or_else(|| format!("{:?} is not a request such as 'GET /logs-*/_search'", options.request))?;
    let body = options.body.as_deref().map(read).transpose()?;
    let head = RequestHead {
        method: method.as_bytes(),
        target: target.as_bytes(),
        content_type: Some(options.content_type.as_bytes()).filter(|_| body.is_some()),
        content_encoding: None,
        has_body: body.as_ref().is_some_and(|body| !body.is_empty()),
    };
    let mut explanation = explain(&rights, &head, body.as_deref().unwrap_or_default());
    explanation.user.clone_from(&options.user);
    if options.json {
        terminal::print_json(&explanation)?;
    } else {
        terminal::print(&in_words(&explanation))?;
    }
    Ok(if explanation.passes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn explain(rights: &Arc<Rights>, head: &RequestHead<'_>, body: &[u8]) -> Explanation {
    let (target, facts, refusal) = match judge(rights, head, &Limits::default()) {
        Decision::Pass(pass) => (pass.target, pass.facts, None),
        Decision::Refuse(refusal) => (None, Facts::default(), Some(refusal)),
        Decision::Body(mut judge) => {
            let refusal = judge.feed(body).and_then(|_| judge.finish()).err();
            (judge.target().map(<[u8]>::to_vec), judge.facts().clone(), refusal)
        }
    };
    let mut actions = facts.actions;
    if let Some(action) =
        refusal.as_ref().and_then(|refusal| refusal.action()).filter(|action| !actions.contains(action))
    {
        actions.push(action);
    }
    Explanation {
        user: String::new(),
        roles: rights.roles().map(Into::into).collect(),
        passes: refusal.is_none(),
        sent_as: target.map(|target| printable(&target)).filter(|_| refusal.is_none()),
        actions,
        indices: facts.indices,
        refusal: refusal.as_deref().map(explained),
    }
}

fn explained(refusal: &Refusal) -> Explained {
    Explained {
        status: refusal.status(),
        reason: refusal.reason.word(),
        text: refusal.text.clone(),
        privileges: refusal.granting().collect(),
    }
}

fn in_words(explanation: &Explanation) -> String {
    let mut text = match &explanation.refusal {
        None => format!("{}\n", terminal::good("passes")),
        Some(refusal) => format!("{}: {}\n", terminal::bad(format!("refused ({})", refusal.status)), refusal.text),
    };
    let mut line = |what: &str, words: &[&str]| {
        if !words.is_empty() {
            text += &format!("  {what}: {}\n", words.join(", "));
        }
    };
    let roles: Vec<&str> = explanation.roles.iter().map(String::as_str).collect();
    line("user", &[&explanation.user]);
    line("roles", if roles.is_empty() { &["none in the roles file"] } else { &roles });
    line("actions", &explanation.actions);
    line("indices", &explanation.indices.iter().map(String::as_str).collect::<Vec<_>>());
    line("sent as", &explanation.sent_as.iter().map(String::as_str).collect::<Vec<_>>());
    line("privileges that allow it", explanation.refusal.as_ref().map_or(&[], |refusal| &refusal.privileges));
    text
}

fn rights(roles: &Roles, options: &ExplainOptions) -> Result<Rights, String> {
    let mut names: Vec<Vec<u8>> = options.role.iter().map(|role| role.clone().into_bytes()).collect();
    for path in &options.groups {
        let groups =
            Groups::parse(read(path)?, LineRules::Httpd24).map_err(|error| format!("{}: {error}", path.display()))?;
        if let Some(memberships) = groups.of(options.user.as_bytes()) {
            names.extend(memberships.names().map(<[u8]>::to_vec));
        }
    }
    Ok(Rights::of(roles, names.iter().map(Vec::as_slice)))
}

/// The roles of a file, or all of its faults.
fn roles(path: &Path) -> Result<Roles, String> {
    Roles::parse(&read(path)?).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| format!("{}: {fault}", path.display())).collect();
        lines.join("\n")
    })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
