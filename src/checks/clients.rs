//! Client addresses: those of a proxy in front, or chosen by the client.

use super::check::Check;
use super::findings::Findings;
use super::network::{is_behind_tls, is_for_this_machine, tls};
use super::sections::{Guarded, MAIN, Sections};
use super::tree::Directive;

pub(super) fn check(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>]) {
    if !guarded.is_empty() {
        chosen_address(findings, guarded);
        common_address(findings, guarded);
    }
}

/// mod_remoteip without a trusted proxy.
fn chosen_address(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>]) {
    let sections = findings.sections;
    let trusted = ["InternalProxy", "InternalProxyList", "TrustedProxy", "TrustedProxyList"];
    if trusted.iter().any(|name| sections.named(&format!("RemoteIP{name}")).next().is_some()) {
        return;
    }
    for (number, directive) in sections.named("RemoteIPHeader") {
        if is_for_this_machine(sections, sections.get(number).host) {
            continue;
        }
        let what = format!(
            "{} trusts that header from any client, so clients choose the address they are logged and locked out by",
            directive.text()
        );
        let advice = "name the proxy in front: RemoteIPInternalProxy ADDRESS";
        findings.add(Check::RemoteipTrust, directive, &concerned(number, guarded), &what, advice);
    }
}

/// A lockout by address while all clients seem to share a proxy's.
fn common_address(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>]) {
    let sections = findings.sections;
    let tells = ["RemoteIPHeader", "RemoteIPProxyProtocol", "RPAFenable", "RPAF_Enable", "ProxyProtocol"];
    if tells.iter().any(|name| sections.named(name).next().is_some()) {
        return;
    }
    let Some((_, directive)) = sections.named("EsAuthMaxFailures").last() else { return };
    if directive.word(0).is_some_and(|word| word.eq_ignore_ascii_case(b"off")) {
        return;
    }
    let hint = guarded.iter().find_map(|guard| hint_of_a_proxy(sections, sections.get(guard.section).host));
    let Some(hint) = hint else { return };
    let what = format!(
        "{} counts failures by address, but {} ({}) suggests a proxy in front, whose address all clients share",
        directive.text(),
        hint.text(),
        hint.place()
    );
    let advice = "load mod_remoteip: RemoteIPHeader X-Forwarded-For and RemoteIPInternalProxy ADDRESS";
    findings.add(Check::SharedAddress, directive, &concerned(MAIN, guarded), &what, advice);
}

/// The section of a directive, and all that ask for a password.
fn concerned(number: usize, guarded: &[Guarded<'_>]) -> Vec<usize> {
    guarded.iter().map(|guard| guard.section).chain([number]).collect()
}

/// A directive of a host, or of all, that makes sense only behind a proxy.
fn hint_of_a_proxy<'t>(sections: &Sections<'t>, host: usize) -> Option<Directive<'t>> {
    if tls(sections, host) != Some(true) && is_behind_tls(sections, host) {
        return sections.setting_around(host, "ServerName").map(|(_, directive)| directive);
    }
    let in_scope = |&(number, _): &(usize, Directive<'t>)| {
        let of = sections.get(number).host;
        of == host || of == MAIN
    };
    let speaks = |directive: Directive<'t>| directive.words().iter().any(|word| contains(word, b"x-forwarded-"));
    let names = ["SetEnvIf", "SetEnvIfNoCase", "RewriteCond"];
    let by_condition = names.into_iter().flat_map(|name| sections.named(name)).filter(in_scope);
    let found = by_condition.map(|(_, directive)| directive).find(|&directive| speaks(directive));
    found.or_else(|| {
        let logs = sections.named("CustomLog").filter(in_scope).map(|(_, log)| log);
        logs.into_iter().find_map(|log| {
            let format = log.word(1)?;
            let named = || sections.named("LogFormat").map(|(_, it)| it).find(|it| it.word(1) == Some(format));
            if contains(format, b"x-forwarded-for}i") { Some(log) } else { named().filter(|&it| speaks(it)) }
        })
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.to_ascii_lowercase().windows(part.len()).any(|window| window == part)
}
