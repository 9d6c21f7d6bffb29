//! The result of `esauth check`, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::findings::{Checked, Content, Rotating};
use super::timing::Measured;
use crate::arguments::CheckOptions;
use crate::terminal::{self, bad, count, faint, good, strong};

#[derive(Serialize)]
struct Report<'a> {
    clean: bool,
    files: &'a [Checked],
}

pub(super) fn print(files: &[Checked], options: &CheckOptions) -> Result<(), String> {
    if options.json {
        let clean = files.iter().all(|file| file.counts.is_empty());
        return terminal::print_json(&Report { clean, files });
    }
    let mut text = String::new();
    for file in files {
        // Writing to a String cannot fail.
        let _ = write_file(&mut text, file);
    }
    terminal::print(&text)
}

fn write_file(text: &mut String, file: &Checked) -> std::fmt::Result {
    match &file.content {
        Content::Passwords { users, can_log_in, .. } => {
            let they = count(*users, "user");
            writeln!(text, "{}: {they}, {can_log_in} of whom can log in", strong(&file.path))?;
        }
        Content::Groups { groups, members } => {
            let (groups, members) = (count(*groups, "group"), count(*members, "member"));
            writeln!(text, "{}: {groups}, {members}", strong(&file.path))?;
        }
        Content::Roles { roles } => writeln!(text, "{}: {}", strong(&file.path), count(*roles, "role"))?,
    }
    if let Content::Passwords { hashes, rotations, .. } = &file.content {
        write_hashes(text, hashes)?;
        for Rotating { name, until } in rotations {
            writeln!(text, "  {name} has two passwords until {until}")?;
        }
    }
    write_findings(text, file)?;
    writeln!(text)
}

fn write_hashes(text: &mut String, hashes: &[Measured]) -> std::fmt::Result {
    if hashes.is_empty() {
        return Ok(());
    }
    let width = hashes.iter().map(|kind| kind.cost.len()).max().unwrap_or(0).max(4);
    writeln!(
        text,
        "  {}",
        faint(format_args!("{:<14} {:<width$} {:>9} {:>12}", "hash", "cost", "users", "time here"))
    )?;
    for kind in hashes {
        let time = match (kind.milliseconds, kind.more_than_milliseconds) {
            (Some(time), _) => duration(time),
            (None, Some(time)) => format!("> {}", duration(time)),
            (None, None) if !kind.usable => "never matches".to_owned(),
            (None, None) => "not measured".to_owned(),
        };
        writeln!(text, "  {:<14} {:<width$} {:>9} {:>12}", kind.family, kind.cost, kind.users, time)?;
    }
    Ok(())
}

fn duration(milliseconds: f64) -> String {
    match milliseconds {
        long if long >= 1000.0 => format!("{:.1} s", long / 1000.0),
        medium if medium >= 10.0 => format!("{medium:.0} ms"),
        short if short >= 0.1 => format!("{short:.1} ms"),
        tiny => format!("{:.1} µs", tiny * 1000.0),
    }
}

fn write_findings(text: &mut String, file: &Checked) -> std::fmt::Result {
    if file.counts.is_empty() {
        return writeln!(text, "  {} nothing found", good("✓"));
    }
    for finding in &file.findings {
        let name = if finding.name.is_empty() { String::new() } else { format!("{} ", finding.name) };
        let place = format!("{}:{}:", file.path, finding.line);
        writeln!(text, "{place} {}: {name}{}", bad(finding.kind.name()), finding.message)?;
    }
    for (kind, &number) in &file.counts {
        let shown = file.findings.iter().filter(|finding| finding.kind == *kind).count();
        if number > shown {
            writeln!(text, "{}: {} more of {} (--all shows them)", file.path, number - shown, bad(kind.name()))?;
        }
    }
    writeln!(text, "  {} {}", bad("✗"), count(file.counts.values().sum(), "finding"))
}
