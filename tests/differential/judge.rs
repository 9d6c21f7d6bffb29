//! Whether the two servers agree on a configuration, or differ as intended.

use std::collections::{BTreeMap, HashMap};

use super::batch::{Both, Effects, OUTSIDE, Taken};
use super::intended::{Counts, as_ours_reads_it, comparable, is_about_unknown_groups};
use super::model::Configuration;

/// Statistics of a run.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) configurations: usize,
    pub(crate) refused: usize,
    pub(crate) requests: usize,
    pub(crate) http2: usize,
    /// By the status of both servers.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Requests with a user, and requests that left lines in the error log.
    pub(crate) with_user: usize,
    pub(crate) logged: usize,
    pub(crate) intended: Counts,
}

/// The place of a disagreement: the configuration itself, or the request with this number ([`OUTSIDE`]: lines that
/// belong to none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    Configuration,
    Request(usize),
}

/// The configurations, and those by which [`as_ours_reads_it`] explains them.
pub(crate) fn with_twins(configurations: Vec<Configuration>) -> Vec<Configuration> {
    let twins: Vec<_> =
        configurations.iter().filter_map(|configuration| Some(as_ours_reads_it(configuration)?.0)).collect();
    [configurations, twins].concat()
}

/// The first unintended difference.
pub(crate) fn judge(
    configuration: &Configuration,
    taken: &HashMap<String, Taken>,
    tally: &mut Tally,
) -> Option<Difference> {
    tally.configurations += 1;
    let both = match &taken[&configuration.name] {
        Taken::Refused { stock, ours } => {
            tally.refused += 1;
            return (stock != ours).then_some(Difference::Configuration);
        }
        Taken::Served(both) => both,
    };
    let twin = as_ours_reads_it(configuration);
    let twin = twin.as_ref().and_then(|(twin, name)| match &taken[&twin.name] {
        Taken::Served(both) => Some((both, *name)),
        Taken::Refused { .. } => None,
    });
    let mut found = None;
    let mut has_failed = false;
    for number in configuration.asks().map(|ask| ask.number).chain([OUTSIDE]) {
        let Some(asked) = both.get(&number) else { continue };
        count(asked, number, tally);
        let twin = twin.and_then(|(both, name)| Some((both.get(&number)?, name)));
        if found.is_none() && !agree(asked, twin, &mut has_failed, tally) {
            found = Some(Difference::Request(number));
        }
    }
    found
}

/// True if they agree. After an intended 500, `has_failed` is true.
fn agree(asked: &Both, twin: Option<(&Both, &'static str)>, has_failed: &mut bool, tally: &mut Tally) -> bool {
    let ours = comparable(&asked.ours, &mut tally.intended);
    let stock = comparable(&asked.stock, &mut tally.intended);
    if stock == ours {
        return true;
    }
    if is_about_unknown_groups(&asked.stock, &asked.ours, &mut tally.intended) {
        *has_failed = true;
        return true;
    }
    let after_an_error = *has_failed;
    let is_like_ours = |stock: &Effects| {
        let [stock, ours] = [stock, &asked.ours].map(|effects| comparable(effects, &mut Counts::new()));
        if after_an_error { stock.after_an_error() == ours.after_an_error() } else { stock == ours }
    };
    if is_like_ours(&asked.stock) {
        return true;
    }
    let Some((twin, name)) = twin else { return false };
    let fails = is_about_unknown_groups(&twin.stock, &asked.ours, &mut tally.intended);
    *has_failed |= fails;
    let explained = fails || is_like_ours(&twin.stock);
    if explained {
        *tally.intended.entry(name).or_default() += 1;
    }
    explained
}

fn count(asked: &Both, number: usize, tally: &mut Tally) {
    if number == OUTSIDE {
        return;
    }
    let stock = &asked.stock;
    tally.requests += 1;
    *tally.statuses.entry(stock.status).or_default() += 1;
    tally.with_user +=
        usize::from(stock.headers.iter().any(|header| header.starts_with("x-seen-user: ") && header.len() > 13));
    tally.logged += usize::from(!stock.logged.is_empty());
    tally.http2 += usize::from(stock.accessed.iter().any(|line| line.ends_with("HTTP/2.0")));
}
