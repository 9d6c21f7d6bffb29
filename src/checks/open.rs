//! Sections that look protected but are not: they ask for a password for some methods only, or never, or admit others
//! as well.

use super::check::Check;
use super::findings::Findings;
use super::sections::{Guarded, MAIN, Methods, Number, Section, SectionKind, grants_to_all, restricts};
use super::tree::Directive;

pub(super) fn check(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>]) {
    for guard in guarded {
        limited_methods(findings, guard);
        open_to_all(findings, guard);
        overridden(findings, guard);
    }
    no_require(findings);
}

/// Methods that change data; a section that asks for a password for GET only leaves them open by mistake.
const CHANGING: [&str; 4] = ["POST", "PUT", "DELETE", "PATCH"];

/// Every `Require` stands in `<Limit>`, and other methods are left open.
fn limited_methods(findings: &mut Findings<'_, '_>, guard: &Guarded<'_>) {
    let sections = findings.sections;
    let section = sections.get(guard.section);
    let is_limited = |methods| matches!(methods, Methods::Limit(_));
    let others = section.directives.iter().filter(|placed| !is_limited(placed.surroundings.methods));
    if others.into_iter().any(|placed| restricts(placed.directive)) || sections.may_be_set(guard.section, "AuthMerging")
    {
        return;
    }
    let limits = guard.requirements.iter().filter_map(|placed| match placed.surroundings.methods {
        Methods::Limit(number) => section.limits.get(number).copied(),
        _ => None,
    });
    let limits: Vec<Directive<'_>> = limits.collect();
    let named: Vec<_> = limits.iter().flat_map(|limit| limit.words()).collect();
    let open: Vec<_> = CHANGING.into_iter().filter(|method| !named.contains(&method.as_bytes())).collect();
    let (Some(limit), false) = (limits.first(), open.is_empty()) else { return };
    let what = format!("{} asks for a password, but {} need none", limit.text(), open.join(", "));
    let advice = "put the Require into <LimitExcept OPTIONS>, or outside of both";
    findings.add(Check::LimitedMethods, *limit, &[guard.section], &what, advice);
}

/// A directive in the section admits everybody, whatever else is required.
fn open_to_all(findings: &mut Findings<'_, '_>, guard: &Guarded<'_>) {
    let sections = findings.sections;
    let section = sections.get(guard.section);
    let beside = guard.requirements.iter().filter(|placed| !placed.surroundings.combined);
    let methods: Vec<_> = beside.map(|placed| placed.surroundings.methods).collect();
    let granted = section.directives.iter().find(|placed| {
        let own = placed.surroundings;
        let same = own.methods == Methods::All || methods.contains(&own.methods);
        grants_to_all(placed.directive) && !own.combined && same && !methods.is_empty()
    });
    if let Some(granted) = granted {
        let requirement = guard.requirements[0].directive.text();
        let what = format!("{} beside {requirement} admits everybody: one of them is enough", granted.directive.text());
        let advice = "remove it";
        findings.add(Check::OpenToAll, granted.directive, &[guard.section], &what, advice);
    }
    let words = |directive: Directive<'_>| directive.words().join(&b' ').to_ascii_lowercase();
    let satisfy = sections.setting_around(guard.section, "Satisfy").filter(|(_, it)| words(*it) == b"any");
    let own = || section.directives.iter().map(|placed| placed.directive);
    let allows = own().any(|directive| directive.is("Allow") && words(directive) == b"from all");
    if let (Some((number, satisfy)), true, false) = (satisfy, allows, own().any(|directive| directive.is("Deny"))) {
        let what = "Satisfy Any beside Allow from all admits everybody, with or without a password";
        let advice = "remove Satisfy, or deny access to clients that need a password";
        findings.add(Check::OpenToAll, satisfy, &[guard.section, number], what, advice);
    }
}

/// A section applied later grants all requests of this one to everybody.
fn overridden(findings: &mut Findings<'_, '_>, guard: &Guarded<'_>) {
    let sections = findings.sections;
    let guarded = sections.get(guard.section);
    if guarded.kind == SectionKind::Condition {
        return;
    }
    for number in sections.numbers().filter(|&number| number != guard.section) {
        let section = sections.get(number);
        let merges = sections.own_setting(number, "AuthMerging").is_some();
        if section.kind != SectionKind::Location
            || section.is_pattern
            || merges
            || !sections.are_related(number, guard.section)
        {
            continue;
        }
        let requirements: Vec<_> = section.directives.iter().filter(|placed| placed.directive.is("Require")).collect();
        let grants = |placed: &&super::sections::Placed<'_>| {
            grants_to_all(placed.directive)
                && placed.surroundings.methods == Methods::All
                && !placed.surroundings.combined
        };
        let Some(granted) = requirements.first().filter(|_| requirements.iter().all(grants)) else { continue };
        if covers(section, guarded) && comes_later(section, number, guarded, guard.section) {
            let (inner, guard_text) = (granted.directive, guarded.opening.map(Directive::text).unwrap_or_default());
            let place = guarded.opening.map(Directive::place).unwrap_or_default();
            let outer = section.opening.map(Directive::text).unwrap_or_default();
            let what = format!("{} in {outer} overrides the requirement of {guard_text} ({place})", inner.text());
            let advice = "remove it, or give the section a narrower path";
            findings.add(Check::OpenToAll, inner, &[number, guard.section], &what, advice);
        }
    }
}

fn covers(section: &Section<'_>, guarded: &Section<'_>) -> bool {
    section.argument == b"/"
        || guarded.kind == SectionKind::Location && !guarded.is_pattern && section.leads_to(guarded.argument)
}

/// httpd applies `<Location>` last, those of the main server before those of a virtual host, and each in the order
/// written.
fn comes_later(section: &Section<'_>, number: Number, guarded: &Section<'_>, guard: Number) -> bool {
    guarded.kind != SectionKind::Location
        || if section.host == guarded.host { number > guard } else { guarded.host == MAIN }
}

/// A password file without a `Require` that needs it.
fn no_require(findings: &mut Findings<'_, '_>) {
    let sections = findings.sections;
    for number in sections.numbers() {
        let Some((_, directive)) = sections.own_setting(number, "AuthUserFile") else { continue };
        let section = sections.get(number);
        let may_be_in_htaccess = match section.kind {
            SectionKind::Condition | SectionKind::Server => true,
            SectionKind::Directory | SectionKind::Files => match sections.setting(number, "AllowOverride") {
                Some((_, allowed)) => !allowed.word(0).is_some_and(|word| word.eq_ignore_ascii_case(b"none")),
                None => cfg!(httpd = "2.2") || sections.named("AllowOverrideList").next().is_some(),
            },
            SectionKind::Location | SectionKind::Proxy => false,
        };
        let overlaps =
            |other: Number| other == number || sections.may_cover(other, number) || sections.may_cover(number, other);
        let is_required = sections.numbers().filter(|&other| overlaps(other)).any(|other| {
            let placed = sections.get(other).directives.iter().map(|placed| placed.directive);
            placed.into_iter().any(|it| if other == number { restricts(it) } else { may_want_a_user(it) })
        });
        if is_required || may_be_in_htaccess || !sections.is_ours(number) {
            continue;
        }
        let what = format!("{} has no Require, so nobody is asked for a password", directive.text());
        findings.add(Check::NoRequire, directive, &[number], &what, "add Require valid-user");
    }
}

/// Whether a requirement may need a user.
fn may_want_a_user(directive: Directive<'_>) -> bool {
    let others: [&[u8]; 7] = [b"all", b"ip", b"host", b"forward-dns", b"local", b"env", b"method"];
    let first = directive.word(0).unwrap_or(b"");
    directive.is("Require") && !others.iter().any(|other| first.eq_ignore_ascii_case(other))
}
