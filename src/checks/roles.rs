//! Sections in which EsAuthRoles refuses everything, or has nothing to judge.

use super::check::Check;
use super::findings::Findings;
use super::route::is_proxied;

pub(super) fn check(findings: &mut Findings<'_, '_>) {
    let sections = findings.sections;
    let is_proxied = is_proxied(sections);
    for number in sections.numbers() {
        let Some((_, directive)) = sections.own_setting(number, "EsAuthRoles") else { continue };
        if sections.setting(number, "AuthGroupFile").is_none() && !sections.may_be_set(number, "AuthGroupFile") {
            let what = "EsAuthRoles has no AuthGroupFile beside it, which says who has which role, so every request is refused";
            findings.add(Check::NoGroupFile, directive, &[number], what, "add AuthGroupFile PATH");
        }
        if !is_proxied {
            let what = "EsAuthRoles judges only what mod_proxy passes on, and nothing here is";
            findings.add(Check::NotProxied, directive, &[number], what, "add ProxyPass, or remove EsAuthRoles");
        }
    }
}
