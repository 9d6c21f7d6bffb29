//! Makes a configuration on which the servers differ as small as possible.

use std::time::{Duration, Instant};

use super::batch::{self, OUTSIDE};
use super::judge::{Difference, Tally, judge, with_twins};
use super::model::{Configuration, How, Talk};
use crate::harness::backend::Backend;
use crate::variant::Variant;

/// Number of candidates served together.
const TOGETHER: usize = 40;

/// The smallest differing configuration found in `time`; None if the difference does not recur.
pub(crate) fn shrink(
    variant: &Variant,
    found: &Configuration,
    difference: Difference,
    backend: &Backend,
    time: Duration,
) -> Option<Configuration> {
    let deadline = Instant::now() + time;
    let differs = |candidates: Vec<Configuration>| first_that_differs(variant, candidates, difference, backend);
    let mut smallest = differs(fewer_requests(found, difference))?;
    let mut size = smallest.parts() / 2;
    while size > 0 {
        let parts = smallest.parts();
        let candidates: Vec<_> =
            (0..parts.div_ceil(size)).map(|at| smallest.without(at * size..(at + 1) * size)).collect();
        let mut smaller = None;
        for together in candidates.chunks(TOGETHER) {
            if Instant::now() > deadline {
                return Some(smallest);
            }
            smaller = differs(together.to_vec());
            if smaller.is_some() {
                break;
            }
        }
        match smaller {
            Some(smaller) => {
                smallest = smaller;
                size = size.min(smallest.parts());
            }
            None => size /= 2,
        }
    }
    Some(smallest)
}

/// The differing request alone, or with its predecessors.
fn fewer_requests(found: &Configuration, difference: Difference) -> Vec<Configuration> {
    let mut candidates = Vec::new();
    match difference {
        Difference::Configuration => candidates.push(Configuration { talks: Vec::new(), ..found.clone() }),
        Difference::Request(number) => {
            // Lines that belong to no request may come from any.
            if number == OUTSIDE {
                return vec![found.clone()];
            }
            let is_in = |talk: &Talk| talk.asks.iter().any(|ask| ask.number == number);
            let Some(at) = found.talks.iter().position(is_in) else { return candidates };
            let talk = &found.talks[at];
            let only = talk.asks.iter().filter(|ask| ask.number == number).cloned().collect();
            let alone = Talk { how: How::KeptAlive, edit: None, asks: only };
            let edited = Talk { how: talk.how, edit: talk.edit.clone(), asks: alone.asks.clone() };
            for talks in [vec![alone], vec![edited], vec![talk.clone()], found.talks[..=at].to_vec()] {
                candidates.push(Configuration { talks, ..found.clone() });
            }
        }
    }
    candidates
}

fn first_that_differs(
    variant: &Variant,
    candidates: Vec<Configuration>,
    difference: Difference,
    backend: &Backend,
) -> Option<Configuration> {
    let named = candidates.into_iter().enumerate();
    let named: Vec<_> = named.map(|(place, it)| Configuration { name: format!("s{place:07}"), ..it }).collect();
    if difference == Difference::Configuration {
        // Only the first refusal is reported, so each is tried alone.
        return named.into_iter().find(|candidate| {
            let taken = batch::run(variant, std::slice::from_ref(candidate), backend);
            judge(candidate, &taken, &mut Tally::default()) == Some(difference)
        });
    }
    let taken = batch::run(variant, &with_twins(named.clone()), backend);
    let differs = |candidate: &Configuration| {
        matches!(judge(candidate, &taken, &mut Tally::default()), Some(Difference::Request(_)))
    };
    named.into_iter().find(differs)
}
