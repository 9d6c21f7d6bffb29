//! How large a process is.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) memory_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) mappings: usize,
}

impl Size {
    fn of(process: u32) -> Self {
        // Memory that no file stands behind, page by page: VmRSS is counted in coarse steps.
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        let anonymous = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
        Size {
            memory_kib: anonymous.trim().split(' ').next().unwrap().parse().unwrap(),
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            mappings: fs::read_to_string(format!("/proc/{process}/maps")).unwrap().lines().count(),
        }
    }

    /// All children of `parent` together.
    pub(crate) fn of_children(parent: u32) -> Self {
        let mut all = Size { memory_kib: 0, descriptors: 0, mappings: 0 };
        for child in fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap().split_whitespace() {
            let size = Size::of(child.parse().unwrap());
            all.memory_kib += size.memory_kib;
            all.descriptors += size.descriptors;
            all.mappings += size.mappings;
        }
        all
    }

    /// The least of several looks: a process that is starting children has more of everything for a moment.
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
