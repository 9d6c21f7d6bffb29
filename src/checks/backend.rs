//! Sections that tell the back end who the user is (EsAuthBackendCredentials, EsAuthBackendUser): credentials that others
//! could read on the way, or that cannot be of use.

use super::check::Check;
use super::findings::Findings;
use super::network::{names_this_machine, starts_with_scheme};
use super::route::{Route, balancer, is_proxied, members};
use super::sections::{MAIN, Number, SectionKind, Sections};
use super::tree::Directive;

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let sections = findings.sections;
    let is_proxied = is_proxied(sections);
    for number in sections.numbers() {
        let own = |name| sections.own_setting(number, name).map(|(_, directive)| directive);
        let user = own("EsAuthBackendUser").filter(|directive| !is(*directive, &["off"]));
        if let Some(directive) = user.filter(|directive| is(*directive, &["runas"])) {
            run_as(findings, number, directive);
        }
        let Some(directive) = own("EsAuthBackendCredentials").or(user) else { continue };
        if !is_proxied {
            let name = String::from_utf8_lossy(directive.name()).into_owned();
            let what = format!("{name} is about what mod_proxy passes on, and nothing here is");
            findings.add(Check::NotProxied, directive, &[number], &what, &format!("add ProxyPass, or remove {name}"));
        }
        if names_a_file(directive) {
            way(findings, number, directive);
        }
    }
}

/// Whether the directive names a credentials file.
pub(super) fn names_a_file(directive: Directive<'_>) -> bool {
    directive.is("EsAuthBackendCredentials") && !is(directive, &["client", "none"])
}

fn is(directive: Directive<'_>, values: &[&str]) -> bool {
    directive.word(0).is_some_and(|word| values.iter().any(|value| word.eq_ignore_ascii_case(value.as_bytes())))
}

fn run_as(findings: &mut Findings<'_, '_>, number: Number, directive: Directive<'_>) {
    let credentials = findings.sections.setting(number, "EsAuthBackendCredentials");
    let may_be_set = findings.sections.may_be_set(number, "EsAuthBackendCredentials");
    if !may_be_set || credentials.is_some_and(|(_, credentials)| !names_a_file(credentials)) {
        let what = "EsAuthBackendUser RunAs has no credential to act with, so every request is refused";
        let advice = "add EsAuthBackendCredentials PATH: the credential of a user who may run as the others";
        findings.add(Check::RunAsWithoutCredentials, directive, &[number], what, advice);
    }
}

/// Looks at the way to each back end of the section's requests.
fn way(findings: &mut Findings<'_, '_>, number: Number, credentials: Directive<'_>) {
    let sections = findings.sections;
    for route in Route::all(sections) {
        let kind = sections.get(number).kind;
        let host = sections.get(number).host;
        let is_of_server = kind == SectionKind::Server && (host == route.host || host == MAIN);
        if !is_of_server && !route.is_guarded_by(sections, number) {
            continue;
        }
        let concerned = [number, route.section];
        match balancer(route.target) {
            None => hop(findings, &route, route.directive, route.target, credentials, &concerned),
            Some(name) => members(sections, name)
                .into_iter()
                .for_each(|(_, member, url)| hop(findings, &route, member, url, credentials, &concerned)),
        }
    }
}

fn hop(
    findings: &mut Findings<'_, '_>,
    route: &Route<'_>,
    directive: Directive<'_>,
    url: &[u8],
    credentials: Directive<'_>,
    concerned: &[Number],
) {
    let (text, place) = (directive.text(), credentials.place());
    if starts_with_scheme(url, "https:") || starts_with_scheme(url, "wss:") {
        if let Some(fault) = unverified(findings.sections, route) {
            let what = format!(
                "{text} gets the credentials named at {place}, but {fault}: an impostor in its place would get them, too"
            );
            let advice =
                "SSLProxyVerify require, SSLProxyCheckPeerName on, and the back end's CA in SSLProxyCACertificateFile";
            findings.add(Check::UnverifiedBackend, directive, concerned, &what, advice);
        }
    } else if !names_this_machine(url) {
        let what = format!(
            "{text} gets the credentials named at {place} over plain HTTP, where others on the network can read them"
        );
        let advice = "use https, with SSLProxyVerify require, or a back end on this machine";
        findings.add(Check::PlainCredentials, directive, concerned, &what, advice);
    }
}

/// What keeps httpd from checking the certificate of an https back end.
fn unverified(sections: &Sections<'_>, route: &Route<'_>) -> Option<&'static str> {
    // Also in <Proxy>, since httpd 2.4.31; which of them covers a back end is not looked at.
    let settings = |name| {
        let in_proxy = sections.named(name).filter(|&(number, _)| {
            sections.get(number).kind == SectionKind::Proxy && sections.are_related(number, route.host)
        });
        let around = sections.setting_around(route.host, name);
        in_proxy.chain(around).map(|(_, directive)| directive).collect::<Vec<_>>()
    };
    if !settings("SSLProxyVerify").into_iter().any(|directive| is(directive, &["require"])) {
        return Some("its certificate is not checked (SSLProxyVerify is not require)");
    }
    let is_off = |name| settings(name).into_iter().any(|directive| is(directive, &["off"]));
    is_off("SSLProxyCheckPeerName").then_some("the name in its certificate is not checked (SSLProxyCheckPeerName off)")
}
