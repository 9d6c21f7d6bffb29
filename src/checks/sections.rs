//! The sections of a configuration and the directives in effect in them, as far as that is known without a request.

use super::check::Check;
use super::tree::Directive;

/// The kind of a section.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SectionKind {
    /// The main server or a virtual host: everything outside of other sections.
    Server,
    Directory,
    Files,
    Location,
    Proxy,
    /// `<If>` and the like.
    Condition,
}

impl SectionKind {
    /// The kind of a section whose directives apply to some requests, and whether its argument is a regular expression.
    fn of(section: Directive<'_>) -> Option<(SectionKind, bool)> {
        let kinds = [
            ("<Directory", SectionKind::Directory, false),
            ("<DirectoryMatch", SectionKind::Directory, true),
            ("<Files", SectionKind::Files, false),
            ("<FilesMatch", SectionKind::Files, true),
            ("<Location", SectionKind::Location, false),
            ("<LocationMatch", SectionKind::Location, true),
            ("<Proxy", SectionKind::Proxy, false),
            ("<ProxyMatch", SectionKind::Proxy, true),
            ("<If", SectionKind::Condition, true),
            ("<ElseIf", SectionKind::Condition, true),
            ("<Else", SectionKind::Condition, true),
        ];
        kinds.into_iter().find(|(name, ..)| section.is(name)).map(|(_, kind, is_pattern)| (kind, is_pattern))
    }
}

/// The number of a section; 0 is the main server.
pub(super) type Number = usize;
pub(super) const MAIN: Number = 0;

pub(super) struct Section<'t> {
    pub(super) kind: SectionKind,
    /// None: the main server.
    pub(super) opening: Option<Directive<'t>>,
    /// The requests it applies to: a path, the beginning of a URL or, for several kinds, a pattern.
    pub(super) argument: &'t [u8],
    pub(super) is_pattern: bool,
    /// The surrounding section; for a virtual host, the main server.
    outer: Option<Number>,
    /// The main server or virtual host that it belongs to.
    pub(super) host: Number,
    pub(super) directives: Vec<Placed<'t>>,
    /// The `<LimitExcept>` sections in it.
    pub(super) exceptions: Vec<Directive<'t>>,
    /// The `<Limit>` sections in it.
    pub(super) limits: Vec<Directive<'t>>,
}

/// A directive and its surroundings within its section.
#[derive(Clone, Copy)]
pub(super) struct Placed<'t> {
    pub(super) directive: Directive<'t>,
    pub(super) surroundings: Surroundings,
}

/// The surroundings of a directive within its section.
#[derive(Clone, Copy)]
pub(super) struct Surroundings {
    pub(super) methods: Methods,
    /// It is in `<RequireAll>` or `<RequireNone>`.
    pub(super) combined: bool,
}

impl Surroundings {
    const NONE: Surroundings = Surroundings { methods: Methods::All, combined: false };
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Methods {
    All,
    /// Inside this one of the section's [`limits`](Section::limits).
    Limit(usize),
    /// Inside this one of the section's [`exceptions`](Section::exceptions).
    Except(usize),
}

/// A section that asks for a password checked by this module.
pub(super) struct Guarded<'t> {
    pub(super) section: Number,
    /// The requirements that need a user, at least one.
    pub(super) requirements: Vec<Placed<'t>>,
}

pub(super) struct Sections<'t>(Vec<Section<'t>>);

impl<'t> Sections<'t> {
    pub(super) fn read(tree: impl Iterator<Item = Directive<'t>>) -> Self {
        let mut sections = Sections(Vec::new());
        sections.open(SectionKind::Server, None, false, None);
        sections.fill(MAIN, Surroundings::NONE, tree);
        sections
    }

    fn open(
        &mut self,
        kind: SectionKind,
        opening: Option<Directive<'t>>,
        is_pattern: bool,
        outer: Option<Number>,
    ) -> Number {
        let words = opening.map(Directive::words).unwrap_or_default();
        let (is_pattern, argument) = match words[..] {
            [b"~", pattern, ..] => (true, pattern),
            [argument, ..] => (is_pattern || has_wildcards(kind, argument), argument),
            [] => (is_pattern, &b""[..]),
        };
        let number = self.0.len();
        let host = outer.filter(|_| kind != SectionKind::Server).map_or(number, |outer| self.0[outer].host);
        let (directives, exceptions, limits) = (Vec::new(), Vec::new(), Vec::new());
        self.0.push(Section { kind, opening, argument, is_pattern, outer, host, directives, exceptions, limits });
        number
    }

    fn fill(&mut self, number: Number, around: Surroundings, directives: impl Iterator<Item = Directive<'t>>) {
        for directive in directives {
            if !directive.is_section() {
                self.0[number].directives.push(Placed { directive, surroundings: around });
            } else if directive.is("<VirtualHost") {
                let host = self.open(SectionKind::Server, Some(directive), false, Some(MAIN));
                self.fill(host, Surroundings::NONE, directive.inside());
            } else if let Some((kind, is_pattern)) = SectionKind::of(directive) {
                let inner = self.open(kind, Some(directive), is_pattern, Some(number));
                self.fill(inner, Surroundings::NONE, directive.inside());
            } else if directive.is("<Limit") {
                let limits = &mut self.0[number].limits;
                limits.push(directive);
                let methods = Methods::Limit(limits.len() - 1);
                self.fill(number, Surroundings { methods, ..around }, directive.inside());
            } else if directive.is("<LimitExcept") {
                let exceptions = &mut self.0[number].exceptions;
                exceptions.push(directive);
                let methods = Methods::Except(exceptions.len() - 1);
                self.fill(number, Surroundings { methods, ..around }, directive.inside());
            } else if directive.is("<RequireAny") {
                // Treated as if not in such a section.
                self.fill(number, around, directive.inside());
            } else if directive.is("<RequireAll") || directive.is("<RequireNone") {
                self.fill(number, Surroundings { combined: true, ..around }, directive.inside());
            }
            // Other sections, such as <AuthnProviderAlias>, apply to no request by themselves.
        }
    }

    pub(super) fn get(&self, number: Number) -> &Section<'t> {
        &self.0[number]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Section<'t>> {
        self.0.iter()
    }

    /// The virtual hosts.
    pub(super) fn virtual_hosts(&self) -> impl Iterator<Item = Number> {
        (0..self.0.len()).filter(|&number| number != MAIN && self.0[number].host == number)
    }

    /// All directives with a name, in any section, with their sections.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = (Number, Directive<'t>)> {
        self.0.iter().enumerate().flat_map(move |(number, section)| {
            let directives = section.directives.iter().map(|placed| placed.directive);
            directives.filter(move |directive| directive.is(name)).map(move |directive| (number, directive))
        })
    }

    /// The numbers of all sections.
    pub(super) fn numbers(&self) -> std::ops::Range<Number> {
        0..self.0.len()
    }

    /// Whether directives of one of two hosts may apply in the other.
    pub(super) fn are_related(&self, one: Number, other: Number) -> bool {
        let (one, other) = (self.0[one].host, self.0[other].host);
        one == other || one == MAIN || other == MAIN
    }

    /// The section and those around it, outwards.
    fn outward(&self, number: Number) -> impl Iterator<Item = Number> {
        std::iter::successors(Some(number), |&number| self.0[number].outer)
    }

    /// The value in effect in a section of a directive whose last occurrence counts: there, around it, or in another
    /// section that covers the same requests and more.
    pub(super) fn setting(&self, number: Number, name: &str) -> Option<(Number, Directive<'t>)> {
        self.setting_around(number, name).or_else(|| {
            let others = (0..self.0.len()).rev().filter(|&other| self.covers(other, number));
            others.into_iter().find_map(|other| self.own_setting(other, name))
        })
    }

    /// The same, only for the section and those around it, such as for directives of a virtual host.
    pub(super) fn setting_around(&self, number: Number, name: &str) -> Option<(Number, Directive<'t>)> {
        self.outward(number).find_map(|number| self.own_setting(number, name))
    }

    pub(super) fn own_setting(&self, number: Number, name: &str) -> Option<(Number, Directive<'t>)> {
        let directives = self.0[number].directives.iter().rev().map(|placed| placed.directive);
        directives.into_iter().find(|directive| directive.is(name)).map(|directive| (number, directive))
    }

    /// Whether the directive may be set for some of the section's requests.
    pub(super) fn may_be_set(&self, number: Number, name: &str) -> bool {
        self.setting_around(number, name).is_some()
            || (0..self.0.len()).any(|other| self.may_cover(other, number) && self.own_setting(other, name).is_some())
    }

    /// Whether directives of `other` apply to all requests of the section.
    fn covers(&self, other: Number, number: Number) -> bool {
        let (outer, inner) = (&self.0[other], &self.0[number]);
        if outer.kind == SectionKind::Server || !(outer.host == inner.host || outer.host == MAIN) || outer.is_pattern {
            return false;
        }
        outer.kind == inner.kind && !inner.is_pattern && outer.leads_to(inner.argument)
            || outer.kind == SectionKind::Location && outer.argument == b"/"
    }

    /// Whether directives of `other` may apply to the section's requests: excluded only if both sections are of one
    /// kind, for different places.
    pub(super) fn may_cover(&self, other: Number, number: Number) -> bool {
        let (outer, inner) = (&self.0[other], &self.0[number]);
        let same_host = outer.host == inner.host || outer.host == MAIN || inner.host == MAIN;
        let comparable = outer.kind == inner.kind && !outer.is_pattern && !inner.is_pattern;
        outer.kind != SectionKind::Server && same_host && (!comparable || outer.leads_to(inner.argument))
    }

    /// The sections protected by this module.
    pub(super) fn guarded(&self) -> Vec<Guarded<'t>> {
        let guarded = (0..self.0.len()).filter_map(|section| {
            let requirements = self.0[section].directives.iter().copied();
            let requirements: Vec<_> = requirements.filter(|placed| wants_a_user(placed.directive)).collect();
            let is_ours = !requirements.is_empty() && self.is_ours(section);
            is_ours.then_some(Guarded { section, requirements })
        });
        guarded.collect()
    }

    pub(super) fn is_ours(&self, section: Number) -> bool {
        let auth_type = self.setting(section, "AuthType").and_then(|(_, directive)| directive.word(0));
        let providers = self.setting(section, "AuthBasicProvider").map(|(_, directive)| directive.words());
        let is_ours = |name: &&[u8]| *name == b"file" || *name == b"esauth";
        auth_type.is_some_and(|written| written.eq_ignore_ascii_case(b"Basic"))
            && providers.is_none_or(|names| names.iter().any(is_ours))
    }

    /// Whether `EsAuthSilence` turns the check off in the section.
    pub(super) fn is_silenced(&self, number: Number, check: Check) -> bool {
        let placed = self.outward(number).flat_map(|number| &self.0[number].directives);
        let mut silences = placed.map(|placed| placed.directive).filter(|directive| directive.is("EsAuthSilence"));
        silences.any(|directive| directive.words().into_iter().any(|name| Check::named(name) == Some(check)))
    }
}

impl Section<'_> {
    /// Whether anything in it restricts access.
    pub(super) fn restricts(&self) -> bool {
        self.directives.iter().any(|placed| restricts(placed.directive))
    }

    /// Whether the section applies to everything that begins with its argument, including `place`, unless it is a
    /// pattern.
    pub(super) fn leads_to(&self, place: &[u8]) -> bool {
        let argument = self.argument;
        if self.kind == SectionKind::Proxy {
            return place.starts_with(argument.strip_suffix(b"*").unwrap_or(argument));
        }
        let folder = argument.strip_suffix(b"/").unwrap_or(argument);
        place.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// Whether the argument of a section is more than the beginning of its targets.
fn has_wildcards(kind: SectionKind, argument: &[u8]) -> bool {
    let argument = argument.strip_suffix(b"*").filter(|_| kind == SectionKind::Proxy).unwrap_or(argument);
    argument.iter().any(|byte| b"*?".contains(byte))
}

/// Whether a directive restricts access.
pub(super) fn restricts(directive: Directive<'_>) -> bool {
    directive.is("Require") && !grants_to_all(directive) || directive.is("Deny")
}

/// `Require all granted`
pub(super) fn grants_to_all(directive: Directive<'_>) -> bool {
    let is = |index, wanted: &[u8]| directive.word(index).is_some_and(|word| word.eq_ignore_ascii_case(wanted));
    cfg!(httpd = "2.4") && directive.is("Require") && is(0, b"all") && is(1, b"granted")
}

/// Whether a requirement needs a user.
fn wants_a_user(directive: Directive<'_>) -> bool {
    let kinds: [&[u8]; 5] = [b"valid-user", b"user", b"group", b"file-owner", b"file-group"];
    directive.is("Require")
        && directive.word(0).is_some_and(|word| kinds.iter().any(|kind| word.eq_ignore_ascii_case(kind)))
}
