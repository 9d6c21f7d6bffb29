//! How large a process is.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: usize,
    pub(crate) mappings: usize,
}

impl Size {
    fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Size {
            resident_kib: resident.trim().split(' ').next().unwrap().parse().unwrap(),
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            mappings: fs::read_to_string(format!("/proc/{process}/maps")).unwrap().lines().count(),
        }
    }

    /// The least of several looks: a process that is starting children has more of everything for a moment.
    pub(crate) fn settled(process: u32) -> Self {
        let mut least = Size::of(process);
        for _ in 0..10 {
            sleep(Duration::from_millis(20));
            let now = Size::of(process);
            least.resident_kib = least.resident_kib.min(now.resident_kib);
            least.descriptors = least.descriptors.min(now.descriptors);
            least.mappings = least.mappings.min(now.mappings);
        }
        least
    }
}
