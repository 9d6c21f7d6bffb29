//! A difference, described so that a person can paste it into a server and see it.

use std::collections::HashMap;

use super::batch::{Both, Effects, OUTSIDE, Taken};
use super::judge::{Difference, Tally};
use super::model::{Ask, Configuration, File, Header, Role, written};

pub(crate) fn difference(
    variant: &str,
    configuration: &Configuration,
    taken: &HashMap<String, Taken>,
    difference: Difference,
) -> String {
    let mut text = format!("stock and {variant} differ: {}\n", configuration.name);
    if !configuration.global.is_empty() {
        text += &format!("\n--- in the main server\n{}", written(&configuration.global));
    }
    text += &format!("\n--- in the virtual host, DocumentRoot @DIR@/htdocs\n{}", written(&configuration.host));
    configuration.files.iter().for_each(|it| text += &file(it));
    for talk in &configuration.talks {
        if let Some(edit) = &talk.edit {
            text +=
                &format!("\n--- then, {}:{}", if edit.by_rename { "by rename" } else { "in place" }, file(&edit.file));
        }
        text += &format!("\n--- over one connection ({:?})\n", talk.how);
        talk.asks.iter().for_each(|it| text += &ask(it));
    }
    match (&taken[&configuration.name], difference) {
        (Taken::Refused { stock, ours }, _) => text += &format!("\n--- stock\n{stock:?}\n--- {variant}\n{ours:?}\n"),
        (Taken::Served(both), Difference::Request(number)) => {
            if let Some(Both { stock, ours }) = both.get(&number) {
                let about = if number == OUTSIDE { "lines of no request".into() } else { format!("request {number}") };
                text += &format!("\n--- {about}, stock\n{}--- {about}, {variant}\n{}", effects(stock), effects(ours));
            }
        }
        (Taken::Served(_), Difference::Configuration) => {}
    }
    text
}

/// Unprintable bytes are escaped for `printf`.
fn file(file: &File) -> String {
    let kind = match file.role {
        Role::Folder => " (a folder)",
        Role::Locked => " (mode 000)",
        _ => "",
    };
    let lines = file.lines.iter().map(|line| format!("{}\n", shortened(&line.escape_ascii().to_string())));
    format!("\n--- {}{kind}\n{}", file.path, lines.collect::<String>())
}

fn ask(ask: &Ask) -> String {
    let mut text = format!("{}: {} {} {}\n", ask.number, ask.method, shortened(&ask.target), ask.version);
    for header in &ask.headers {
        let line = match header {
            Header::Line(line) => line.escape_ascii().to_string(),
            Header::Digest { user, password } => format!("(the answer to a Digest challenge of {user}, {password})"),
        };
        text += &format!("   {}\n", shortened(&line));
    }
    if !ask.body.is_empty() {
        text += &format!("   body {:?}\n", ask.body);
    }
    text
}

fn effects(effects: &Effects) -> String {
    let Effects { status, headers, body, accessed, logged } = effects;
    let mut text = format!("{status}, accessed {accessed:?}\n");
    headers.iter().for_each(|header| text += &format!("  {header}\n"));
    text += &format!("  {}\n", shortened(&format!("{body:?}")));
    for line in logged {
        text += &format!("  [{}:{}] {} {}\n", line.module, line.level, line.status, line.text);
    }
    text
}

/// Long lines are tested, but not readable.
fn shortened(text: &str) -> String {
    const MOST: usize = 600;
    let length = text.chars().count();
    if length <= MOST {
        return text.to_owned();
    }
    let start: String = text.chars().take(MOST / 2).collect();
    let end: String = text.chars().skip(length - MOST / 2).collect();
    format!("{start} … ({} characters) … {end}", length - MOST)
}

/// The counts of a run.
pub(crate) fn summary(tally: &Tally) -> String {
    let Tally { configurations, refused, requests, http2, statuses, with_user, logged, intended } = tally;
    let listed = |counts: Vec<String>| if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    let statuses = listed(statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect());
    let intended = listed(intended.iter().map(|(name, count)| format!("{name}: {count}")).collect());
    format!(
        "{configurations} configurations ({refused} refused by both), {requests} requests ({http2} over HTTP/2, \
         {with_user} with a user, {logged} with log lines)\n  by status: {statuses}\n  intended differences: {intended}"
    )
}
