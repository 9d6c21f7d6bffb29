//! What the checks have found.

use std::collections::HashSet;

use super::check::Check;
use super::sections::{Number, Sections};
use super::tree::Directive;

/// The faults found so far.
pub(super) struct Findings<'f, 't> {
    pub(super) sections: &'f Sections<'t>,
    /// What is to be said, a line each.
    pub(super) lines: Vec<String>,
    seen: HashSet<String>,
}

impl<'f, 't> Findings<'f, 't> {
    pub(super) fn new(sections: &'f Sections<'t>) -> Self {
        Findings { sections, lines: Vec::new(), seen: HashSet::new() }
    }

    /// Adds a fault of a directive: what is wrong, what to do, and the sections of which one may have silenced the check.
    pub(super) fn add(
        &mut self,
        check: Check,
        directive: Directive<'_>,
        concerned: &[Number],
        what: &str,
        advice: &str,
    ) {
        if concerned.iter().any(|&section| self.sections.is_silenced(section, check)) {
            return;
        }
        let (place, name) = (directive.place(), check.name());
        let line = format!("rust_esauth: {place}: {what}: {advice}. To silence this: EsAuthSilence {name}");
        if self.seen.insert(line.clone()) {
            self.lines.push(line);
        }
    }
}
