//! The table of cases and its runner.

pub(crate) mod case;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod start_up;
pub(crate) mod variant;

mod folders;
mod group_file;
mod header;
mod only_22;
mod password_file;
mod providers;
mod requests;
mod sections;
mod virtual_hosts;

use std::collections::{BTreeMap, HashSet};

use case::Case;

/// The cases that this httpd can run, and the names of the others by the reason.
pub(crate) fn table() -> (Vec<Case>, BTreeMap<&'static str, Vec<String>>) {
    let parts = [
        password_file::cases(),
        group_file::cases(),
        header::cases(),
        sections::cases(),
        folders::cases(),
        providers::cases(),
        requests::cases(),
        virtual_hosts::cases(),
        only_22::cases(),
    ];
    let table: Vec<Case> = parts.into_iter().flatten().collect();
    let mut names = HashSet::new();
    for case in &table {
        assert!(names.insert(case.name.clone()), "two cases are named {}", case.name);
        assert!(!case.asks.is_empty(), "the case {} asks nothing", case.name);
    }
    let mut skipped: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let there = table.into_iter().filter(|case| {
        let missing = case.is_missing();
        if let Some(why) = missing {
            skipped.entry(why).or_default().push(case.name.clone());
        }
        missing.is_none()
    });
    (there.collect(), skipped)
}
