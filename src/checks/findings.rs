//! Findings of the checks.

use super::check::Check;
use super::sections::{Number, Sections};
use super::tree::Directive;

pub(super) struct Findings<'f, 't> {
    pub(super) sections: &'f Sections<'t>,
    found: Vec<Finding>,
}

/// A fault and its places, reported in one line.
struct Finding {
    check: Check,
    places: Vec<String>,
    what: String,
    advice: String,
}

impl Finding {
    /// Lines of httpd's log end after some 8,000 bytes.
    const MOST_PLACES: usize = 20;

    fn line(&self) -> String {
        let Finding { places, what, advice, .. } = self;
        let more = places.len().saturating_sub(Finding::MOST_PLACES);
        let mut named = places[..places.len() - more].join(", ");
        if more > 0 {
            named += &format!(" and {more} more places");
        }
        format!("rust_esauth: {named}: {what}: {advice}. To silence this: EsAuthSilence {}", self.check.name())
    }
}

impl<'f, 't> Findings<'f, 't> {
    pub(super) fn new(sections: &'f Sections<'t>) -> Self {
        Findings { sections, found: Vec::new() }
    }

    /// The warnings.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.found.iter().map(Finding::line)
    }

    /// Adds a fault of a directive: the problem, the advice, and the sections in which the check may be silenced.
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
        self.add_at(check, directive.place(), what, advice);
    }

    /// Adds a fault at a place without a directive.
    pub(super) fn add_at(&mut self, check: Check, place: String, what: &str, advice: &str) {
        let same = |found: &&mut Finding| found.check == check && found.what == what && found.advice == advice;
        match self.found.iter_mut().find(same) {
            Some(found) if found.places.contains(&place) => {}
            Some(found) => found.places.push(place),
            None => {
                let (what, advice) = (what.to_owned(), advice.to_owned());
                self.found.push(Finding { check, places: vec![place], what, advice });
            }
        }
    }
}
