//! What is in the memory of a process.

use std::fs;
use std::os::unix::fs::FileExt;

/// The size in bytes of a mapping, by its line in `/proc/PROCESS/maps` or `smaps`.
pub(crate) fn size_of_mapping(line: &str) -> u64 {
    let (from, to) = range(line);
    to - from
}

fn range(line: &str) -> (u64, u64) {
    let (from, to) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
    (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap())
}

/// The mappings of `process` that it can write and that contain `text`.
pub(crate) fn occurrences(process: u32, text: &[u8]) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let memory = fs::File::open(format!("/proc/{process}/mem")).unwrap();
    let mut read = 0;
    let found: Vec<String> = maps
        .lines()
        .filter(|line| line.split_whitespace().nth(1).is_some_and(|rights| rights.starts_with("rw")))
        .filter(|line| {
            let (from, to) = range(line);
            let mut bytes = vec![0; (to - from) as usize];
            // Some mappings cannot be read; they belong to the kernel.
            if memory.read_exact_at(&mut bytes, from).is_err() {
                return false;
            }
            read += bytes.len();
            bytes.windows(text.len()).any(|window| window == text)
        })
        .map(str::to_owned)
        .collect();
    assert!(read > 1_000_000, "the memory of {process} was read");
    found
}
