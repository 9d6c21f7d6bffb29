//! Back ends that can be reached around the section meant to protect them.

use super::check::Check;
use super::findings::Findings;
use super::network::{is_for_this_machine, redirects_to_https};
use super::route::{Meets, Route};
use super::sections::{Guarded, Number, SectionKind, Sections};
use super::tree::Directive;

pub(super) fn check(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>]) {
    let sections = findings.sections;
    let (none, routes): (Vec<_>, Vec<_>) = Route::all(sections).into_iter().partition(|route| route.target == b"!");
    // If everything is protected, or everything is open, there is nothing to compare.
    let open: Vec<_> = routes.iter().filter(|route| route.is_open(sections)).collect();
    for guard in guarded {
        guards_no_back_end(findings, guard, &routes, &open, &none);
    }
    for route in open {
        guarded_elsewhere(findings, guarded, route, &routes);
    }
    open_proxy(findings, guarded);
}

const UNGUARDED_ADVICE: &str = "put the Require into <Proxy *> or <Location \"/\"> of the same virtual host";

/// A section meant for a back end that matches none, while one is open to everybody.
fn guards_no_back_end(
    findings: &mut Findings<'_, '_>,
    guard: &Guarded<'_>,
    routes: &[Route<'_>],
    open: &[&Route<'_>],
    none: &[Route<'_>],
) {
    let sections = findings.sections;
    let section = sections.get(guard.section);
    let in_scope = |route: &&Route<'_>| sections.are_related(route.host, guard.section);
    let is_missed = routes.iter().filter(in_scope).all(|route| route.meets(sections, guard.section) == Meets::No);
    let mut open = open.iter().copied().filter(in_scope);
    let open = match section.kind {
        // The section may be for a forward proxy.
        SectionKind::Proxy if !is_on(sections, section.host, "ProxyRequests") => open.next(),
        SectionKind::Location if !section.argument.starts_with(b"/") => open.next(),
        // All requests go to the back end, and none to a file.
        SectionKind::Directory | SectionKind::Files if none.iter().all(|route| route.host != section.host) => {
            open.find(|route| route.path == Some(b"/") && route.host == section.host)
        }
        _ => None,
    };
    let (Some(open), Some(opening), true) = (open, section.opening, is_missed) else { return };
    let (guard_text, route, place) = (opening.text(), open.directive.text(), open.directive.place());
    let what = format!(
        "{guard_text} asks for a password but does not cover the back end of {route} ({place}), which is open to everybody"
    );
    findings.add(Check::UnguardedBackend, opening, &[guard.section, open.section], &what, UNGUARDED_ADVICE);
}

/// An open route to a back end that another route protects with a password.
fn guarded_elsewhere(
    findings: &mut Findings<'_, '_>,
    guarded: &[Guarded<'_>],
    route: &Route<'_>,
    routes: &[Route<'_>],
) {
    let sections = findings.sections;
    let target = route.target.strip_suffix(b"/").unwrap_or(route.target);
    let reaches = |other: &Route<'_>| {
        other.target.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let guard_of = |other: &Route<'_>| guarded.iter().find(|guard| other.meets(sections, guard.section) == Meets::Yes);
    let has_variables = route.target.iter().any(|byte| b"$%".contains(byte));
    if has_variables || is_for_this_machine(sections, route.host) || redirects_to_https(sections, route.host) {
        return;
    }
    let mut others = routes.iter().filter(|other| reaches(other));
    let Some((other, guard)) = others.find_map(|other| Some((other, guard_of(other)?))) else { return };
    let (text, other_text, place) = (route.directive.text(), other.directive.text(), other.directive.place());
    let what = format!("{text} is open to everybody and leads to the back end that {other_text} ({place}) protects");
    let concerned = [route.section, other.section, guard.section];
    findings.add(Check::UnguardedBackend, route.directive, &concerned, &what, UNGUARDED_ADVICE);
}

/// A forward proxy accepts requests for any address, the back end's too, which only `<Proxy>` sections cover.
fn open_proxy(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>]) {
    let sections = findings.sections;
    for (number, directive) in sections.named("ProxyRequests") {
        let guards = guarded.iter().map(|guard| guard.section).filter(|&guard| sections.are_related(number, guard));
        let mut concerned: Vec<_> = guards.collect();
        let is_kept = |other: Number| {
            let section = sections.get(other);
            sections.are_related(number, other)
                && matches!(section.kind, SectionKind::Proxy | SectionKind::Condition)
                && section.restricts()
        };
        if !says_on(directive) || concerned.is_empty() || sections.numbers().any(is_kept) {
            continue;
        }
        concerned.push(number);
        let what = "ProxyRequests On accepts requests for any address, the back end's too, and no <Proxy> section asks for \
                    a password";
        let advice = "set ProxyRequests Off; ProxyPass and RewriteRule do not need it";
        findings.add(Check::OpenProxy, directive, &concerned, what, advice);
    }
}

fn is_on(sections: &Sections<'_>, host: Number, name: &str) -> bool {
    sections.setting_around(host, name).is_some_and(|(_, directive)| says_on(directive))
}

fn says_on(directive: Directive<'_>) -> bool {
    directive.word(0).is_some_and(|word| word.eq_ignore_ascii_case(b"on"))
}
