//! The size of a process.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

/// The children of `parent`, in the order of their numbers.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let mut children: Vec<u32> = children.split_whitespace().map(|child| child.parse().unwrap()).collect();
    children.sort_unstable();
    children
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) memory_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) mappings: usize,
}

impl Size {
    fn of(process: u32) -> Self {
        // Anonymous memory, page by page: VmRSS is counted in coarse steps.
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        let anonymous = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
        Size {
            memory_kib: anonymous.trim().split(' ').next().unwrap().parse().unwrap(),
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            mappings: fs::read_to_string(format!("/proc/{process}/maps")).unwrap().lines().count(),
        }
    }

    /// The sum of these processes.
    pub(crate) fn of_all(processes: &[u32]) -> Self {
        let none = Size { memory_kib: 0, descriptors: 0, mappings: 0 };
        processes.iter().map(|&process| Size::of(process)).fold(none, |all, one| Size {
            memory_kib: all.memory_kib + one.memory_kib,
            descriptors: all.descriptors + one.descriptors,
            mappings: all.mappings + one.mappings,
        })
    }

    /// The minimum of several measurements: a process that is starting children has more of everything for a moment.
    pub(crate) fn settled(process: u32) -> Self {
        let mut least = Size::of(process);
        for _ in 0..10 {
            sleep(Duration::from_millis(20));
            let now = Size::of(process);
            least.memory_kib = least.memory_kib.min(now.memory_kib);
            least.descriptors = least.descriptors.min(now.descriptors);
            least.mappings = least.mappings.min(now.mappings);
        }
        least
    }
}
