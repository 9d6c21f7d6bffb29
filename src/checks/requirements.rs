//! Directives missing in a section that asks for a password, and a `Require` that leaves no method open.

use super::check::Check;
use super::findings::Findings;
use super::sections::{Guarded, Methods, Placed, Section};
use super::tree::Directive;

pub(super) fn check(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>]) {
    for guarded in guarded {
        missing_directives(findings, guarded);
        require_outside(findings, guarded);
    }
}

fn missing_directives(findings: &mut Findings<'_, '_>, guarded: &Guarded<'_>) {
    let sections = findings.sections;
    let mut need = |check, name, placed: &Placed<'_>, otherwise: &str, advice: &str| {
        if !sections.may_be_set(guarded.section, name) {
            let what = format!("{} has no {name} beside it, so {otherwise}", placed.directive.text());
            findings.add(check, placed.directive, &[guarded.section], &what, advice);
        }
    };
    let first = &guarded.requirements[0];
    need(Check::NoAuthName, "AuthName", first, "every request is answered with 500", "add AuthName \"TEXT\"");
    let advice = "add AuthUserFile PATH; a group file holds no passwords";
    need(Check::NoUserFile, "AuthUserFile", first, "nobody can log in", advice);
    // In 2.2 the groups may be those of mod_authz_dbm.
    let by_group = |placed: &&Placed<'_>| names_group(placed.directive);
    if let Some(placed) = guarded.requirements.iter().find(by_group) {
        if !sections.may_be_set(guarded.section, "AuthDBMGroupFile") {
            need(Check::NoGroupFile, "AuthGroupFile", placed, "nobody is in a group", "add AuthGroupFile PATH");
        }
    }
}

/// Whether the requirement is about groups.
pub(super) fn names_group(requirement: Directive<'_>) -> bool {
    let kinds: [&[u8]; 2] = [b"group", b"file-group"];
    requirement.word(0).is_some_and(|word| kinds.iter().any(|kind| word.eq_ignore_ascii_case(kind)))
}

/// A requirement for every method beside a `<LimitExcept>` that was meant to leave some open.
fn require_outside(findings: &mut Findings<'_, '_>, guarded: &Guarded<'_>) {
    let section = findings.sections.get(guarded.section);
    for (number, exception) in section.exceptions.iter().enumerate() {
        let Some(outside) = outside_in_effect(section, guarded, number) else { continue };
        let (exception_text, outside_text) = (exception.text(), outside.text());
        let what = format!(
            "{exception_text} leaves nothing open, because {outside_text} in line {} applies to every method",
            outside.line()
        );
        let methods = String::from_utf8_lossy(exception.arguments().to_bytes()).into_owned();
        let advice = format!(
            "if {methods} must need no password, keep {outside_text} only inside {exception_text}; else remove \
             {exception_text}"
        );
        findings.add(Check::RequireOutside, *exception, &[guarded.section], &what, &advice);
    }
}

/// The requirement outside that makes the section's exception meaningless: nothing else is required inside, or nothing
/// that the outer one does not admit already. Combined requirements may mean anything.
fn outside_in_effect<'t>(section: &Section<'t>, guarded: &Guarded<'t>, exception: usize) -> Option<Directive<'t>> {
    let is_require = |placed: &&Placed<'t>| placed.directive.is("Require");
    let inside = |placed: &&Placed<'t>| placed.surroundings.methods == Methods::Except(exception);
    let all: Vec<_> = section.directives.iter().filter(is_require).collect();
    if all.iter().any(|placed| placed.surroundings.combined) {
        return None;
    }
    let inner: Vec<_> = all.iter().filter(|placed| inside(placed)).map(|placed| placed.directive.words()).collect();
    let outer = guarded.requirements.iter().filter(|placed| placed.surroundings.methods == Methods::All);
    let lets_in_all_of = |outer: &&Placed<'t>| {
        let words = outer.directive.words();
        let is_valid_user = words.first().is_some_and(|word| word.eq_ignore_ascii_case(b"valid-user"));
        inner.iter().all(|inner| *inner == words || is_valid_user)
    };
    outer.into_iter().find(lets_in_all_of).map(|placed| placed.directive)
}
