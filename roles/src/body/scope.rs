//! What the parts of a body are judged by.

use std::sync::Arc;

use crate::action::{Action, Actions};
use crate::decision::{Facts, Reason, Refusal, clean};
use crate::endpoints::Body;
use crate::names::{Access, Expression};
use crate::rights::Rights;

/// Bounds of memory use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Size in bytes of a body that must be read as a whole before any part is sent, after decompression. Larger: 413.
    /// Streamed bodies (`_bulk`) have no bound.
    pub document: usize,
    /// Size in bytes of one action line of `_bulk`. Larger: 413.
    pub line: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { document: 8 * 1024 * 1024, line: 64 * 1024 }
    }
}

/// The scope in which a body's names are judged.
pub(crate) struct Scope {
    pub(crate) rights: Arc<Rights>,
    pub(crate) limits: Limits,
    pub(crate) grammar: Body,
    /// Actions needed on each name in the body, besides its target's.
    pub(crate) actions: Actions,
    /// The target's names. `None` if it has none.
    pub(crate) names: Option<Expression<'static>>,
}

impl Scope {
    /// Judges a name expression in the body, without narrowing it.
    pub(crate) fn names(&self, text: &str, actions: Actions, facts: &mut Facts) -> Result<(), Refusal> {
        let names = Expression::parse(text)?;
        facts.note(actions, names.texts());
        match names.judge(&self.rights, actions, false)? {
            Access::Whole => Ok(()),
            Access::Narrowed(_) => Err(Refusal::new(Reason::Wildcard, "a body's names cannot be narrowed".into())),
        }
    }

    /// Judges a text that must be the name of one index.
    pub(crate) fn one_name(&self, text: &str, actions: Actions, facts: &mut Facts) -> Result<(), Refusal> {
        if !Expression::parse(text)?.is_one_name() {
            return Err(Refusal::new(Reason::Name, format!("[{}] is not the name of one index", clean(text))));
        }
        self.names(text, actions, facts)
    }

    /// Judges the actions on the target's own names, to which an item of the body defers.
    pub(crate) fn own_names(&self, actions: Actions, facts: &mut Facts) -> Result<(), Refusal> {
        let Some(names) = &self.names else { return Err(malformed("an item names no index, nor does the target")) };
        facts.note(actions, names.texts());
        match names.judge(&self.rights, actions, false)? {
            Access::Whole => Ok(()),
            Access::Narrowed(_) => Err(Refusal::new(Reason::Wildcard, "these names cannot be narrowed".into())),
        }
    }
}

/// Actions of a query that reads from another index.
pub(crate) const LOOK_UP: Actions =
    Actions::of(&[Action::Search, Action::Get, Action::MultiGet, Action::TermVectors, Action::MultiTermVectors]);

pub(crate) fn malformed(text: impl Into<String>) -> Refusal {
    Refusal::new(Reason::Body, text.into())
}
