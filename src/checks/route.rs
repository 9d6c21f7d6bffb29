//! Routes to back ends, and whether a section protects them.

use super::sections::{MAIN, Number, Section, SectionKind, Sections};
use super::tree::Directive;

/// Whether the requests of a route belong to a section.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meets {
    Yes,
    No,
    /// Some may, or it is unknown.
    Unknown,
}

/// The back end for requests with a path.
pub(super) struct Route<'t> {
    pub(super) host: Number,
    /// The section of the directive.
    pub(super) section: Number,
    /// None: all paths that match a regular expression.
    pub(super) path: Option<&'t [u8]>,
    pub(super) target: &'t [u8],
    pub(super) directive: Directive<'t>,
}

impl<'t> Route<'t> {
    /// `ProxyPass [PATH] URL [KEY=VALUE …]`, where the path may be that of the surrounding `<Location>`; or
    /// `RewriteRule PATTERN URL [FLAGS]`.
    fn of(sections: &Sections<'t>, number: Number, directive: Directive<'t>) -> Option<Route<'t>> {
        let section = sections.get(number);
        let words = directive.words();
        let (path, target) = match (section.kind, &words[..]) {
            (_, [_, target, ..]) if directive.is("RewriteRule") => (None, proxies(&words).then_some(*target)?),
            (SectionKind::Location, [target, ..]) => ((!section.is_pattern).then_some(section.argument), *target),
            (_, [path, target, ..]) => (directive.is("ProxyPass").then_some(*path), *target),
            _ => return None,
        };
        Some(Route { host: section.host, section: number, path, target, directive })
    }

    /// All routes, including those without a back end (`!`).
    pub(super) fn all(sections: &Sections<'t>) -> Vec<Route<'t>> {
        let named = ["ProxyPass", "ProxyPassMatch", "RewriteRule"].into_iter().flat_map(|name| sections.named(name));
        named.filter_map(|(section, directive)| Route::of(sections, section, directive)).collect()
    }

    /// Whether the requests belong to a section.
    pub(super) fn meets(&self, sections: &Sections<'_>, number: Number) -> Meets {
        let section = sections.get(number);
        if !sections.are_related(self.host, number) {
            return Meets::No;
        }
        match section.kind {
            SectionKind::Server | SectionKind::Condition => Meets::Unknown,
            // mod_proxy requests no file.
            SectionKind::Directory | SectionKind::Files => Meets::No,
            SectionKind::Location if number == self.section => Meets::Yes,
            SectionKind::Location | SectionKind::Proxy if section.is_pattern => Meets::Unknown,
            SectionKind::Location => match self.path {
                _ if section.argument == b"/" => Meets::Yes,
                None => Meets::Unknown,
                Some(path) if section.leads_to(path) => Meets::Yes,
                Some(path) => {
                    let folder = path.strip_suffix(b"/").unwrap_or(path);
                    if section.argument.starts_with(folder) && section.argument.starts_with(b"/") {
                        Meets::Unknown
                    } else {
                        Meets::No
                    }
                }
            },
            SectionKind::Proxy => {
                let url = section.argument.strip_suffix(b"*").unwrap_or(section.argument);
                // The part of the URL known before a request comes.
                let end = self.target.iter().position(|byte| b"$%".contains(byte)).unwrap_or(self.target.len());
                let known = &self.target[..end];
                if known.starts_with(url) {
                    Meets::Yes
                } else if url.starts_with(known) || known.starts_with(b"unix:") {
                    Meets::Unknown
                } else {
                    Meets::No
                }
            }
        }
    }

    /// Whether the route is certainly open to everybody.
    pub(super) fn is_open(&self, sections: &Sections<'_>) -> bool {
        sections.numbers().all(|number| {
            let section = sections.get(number);
            section.kind == SectionKind::Server || !section.restricts() || self.meets(sections, number) == Meets::No
        })
    }

    pub(super) fn is_guarded_by(&self, sections: &Sections<'_>, number: Number) -> bool {
        let guard: &Section<'_> = sections.get(number);
        let everywhere = guard.argument == b"/";
        (guard.host == self.host || guard.host == MAIN || self.host == MAIN)
            && match guard.kind {
                SectionKind::Proxy => guard.is_pattern || guard.leads_to(self.target),
                SectionKind::Location if number == self.section => true,
                SectionKind::Location => {
                    !guard.is_pattern && (everywhere || self.path.is_some_and(|path| guard.leads_to(path)))
                }
                _ => false,
            }
    }
}

/// Whether anything may be handed to mod_proxy.
pub(super) fn is_proxied(sections: &Sections<'_>) -> bool {
    const PROXYING: [&str; 6] =
        ["ProxyPass", "ProxyPassMatch", "RewriteRule", "SetHandler", "AddHandler", "ProxyRequests"];
    PROXYING.iter().any(|name| sections.named(name).next().is_some())
}

/// The name in `balancer://NAME/…`.
pub(super) fn balancer(url: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = url.split_at_checked(b"balancer://".len())?;
    let is_balancer = scheme.eq_ignore_ascii_case(b"balancer://");
    is_balancer.then(|| rest.split(|&byte| byte == b'/').next().unwrap_or(rest))
}

/// The members of a balancer: `BalancerMember URL` in its `<Proxy>` section, or `BalancerMember balancer://NAME URL`.
pub(super) fn members<'t>(sections: &Sections<'t>, name: &[u8]) -> Vec<(Number, Directive<'t>, &'t [u8])> {
    let members = sections.named("BalancerMember").filter_map(|(number, member)| {
        let (of, url) = match member.words()[..] {
            [of, url, ..] if balancer(of).is_some() => (of, url),
            [url, ..] => (sections.get(number).argument, url),
            [] => return None,
        };
        (balancer(of) == Some(name)).then_some((number, member, url))
    });
    members.collect()
}

/// Whether the words of a `RewriteRule` end in flags with `P` among them.
pub(super) fn proxies(words: &[&[u8]]) -> bool {
    let flags = words.get(2).and_then(|flags| flags.strip_prefix(b"[")?.strip_suffix(b"]"));
    let is_proxy = |flag: &[u8]| flag.eq_ignore_ascii_case(b"P") || flag.eq_ignore_ascii_case(b"proxy");
    flags.is_some_and(|flags| flags.split(|&byte| byte == b',').any(|flag| is_proxy(flag.trim_ascii())))
}
