//! Watches everything that decides which file a path leads to, and that file. While nothing is reported, the path leads
//! to the same file, unchanged, and no `stat` need tell so.
//!
//! Some changes are not reported: another file system mounted over a part of the path, and writes through `mmap`. So this
//! replaces no more than the checks within one tick of the clock.

use std::ffi::{CStr, CString};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FileType, lstat, readlink, statfs};

use super::identity::is_exact;
use super::watch::{Watch, Watcher};

/// As many symbolic links as the kernel follows.
const LINKS: usize = 40;

/// How long to wait after a failure, in nanoseconds.
const RETRY: u64 = 1_000_000_000;

/// A path that is watched.
#[derive(Default)]
pub(super) struct Route(Mutex<State>);

#[derive(Default)]
struct State {
    watches: Vec<Watch>,
    /// The watcher's count of reports when all was watched.
    complete_at: Option<u64>,
    /// Not before this time, in [`crate::clock::monotonic_nanoseconds`].
    next_try: u64,
}

impl Route {
    /// The watcher's count of reports, if anything that happens to the path or its file from now on will change it.
    pub(super) fn reports(&self, path: &CStr, watcher: &Watcher, now: u64) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.complete_at.is_none_or(|at| at != watcher.reports()) {
            state.complete_at = None;
            if state.next_try <= now {
                state.watch(path, watcher, now);
            }
        }
        state.complete_at
    }

    pub(super) fn release(&mut self, watcher: &Watcher) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).replace(Vec::new(), watcher);
    }
}

impl State {
    fn watch(&mut self, path: &CStr, watcher: &Watcher, now: u64) {
        watcher.take();
        let before = watcher.reports();
        let mut watches = Vec::new();
        let is_complete = follow(path, watcher, &mut watches).is_some();
        watcher.take();
        // Once in a tick at most, however much is reported.
        self.next_try = now + if is_complete { 1 } else { RETRY };
        self.complete_at = (is_complete && watcher.reports() == before).then_some(before);
        self.replace(watches, watcher);
    }

    /// Only now, so that watches which are already there stay.
    fn replace(&mut self, watches: Vec<Watch>, watcher: &Watcher) {
        for old in std::mem::replace(&mut self.watches, watches) {
            watcher.unwatch(old);
        }
    }
}

/// Watches the folders that `path` leads through, and the file at its end. `None` if that is impossible, or if one is on a
/// file system that others may change.
fn follow(path: &CStr, watcher: &Watcher, watches: &mut Vec<Watch>) -> Option<()> {
    let path = path.to_bytes().strip_prefix(b"/")?;
    // The names still to follow, the next one last.
    let mut ahead = names(path);
    let mut here = CString::from(c"/");
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        // Before the name is looked up: whatever happens to it later is reported.
        watches.push(watcher.watch_names(&here).ok()?);
        if !is_exact(&statfs(&here).ok()?) {
            return None;
        }
        let next = CString::new([here.to_bytes(), b"/", &name].concat()).ok()?;
        if FileType::from_raw_mode(lstat(&next).ok()?.st_mode) != FileType::Symlink {
            here = next;
            continue;
        }
        links += 1;
        let target = readlink(&next, Vec::new()).ok().filter(|_| links <= LINKS)?;
        if target.to_bytes().starts_with(b"/") {
            here = CString::from(c"/");
        }
        ahead.append(&mut names(target.to_bytes()));
    }
    watches.push(watcher.watch(&here).ok()?);
    is_exact(&statfs(&here).ok()?).then_some(())
}

/// The names in a path, the first one last.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    path.rsplit(|&byte| byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]

    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not know inotify")]
    fn a_path_that_cannot_be_watched_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        symlink("loop", folder.path().join("loop")).unwrap();
        let endless = CString::new(folder.path().join("loop").as_os_str().as_bytes()).unwrap();
        for path in [c"relative", c"/proc/self/status", c"/nowhere/users", &endless] {
            assert!(follow(path, &Watcher::default(), &mut Vec::new()).is_none());
        }
    }
}
