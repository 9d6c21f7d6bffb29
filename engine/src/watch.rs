//! Telling whether somebody is writing to a file: what `stat` cannot.
//!
//! A program that rewrites a file in place empties it first and fills it afterwards; in between the file says nothing. Of
//! a file that is watched, inotify reports every change, and that a writer has closed it, before `write` and `close`
//! return to that writer. So after a reader has taken the events that are there, it knows whether a writer is at the
//! file, unless the file system reports nothing (NFS and the like).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// The files that one process watches.
///
/// Each process needs one of its own, made after the fork: an event is delivered once.
#[derive(Default)]
pub struct Watcher {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Opened with the first watch.
    inotify: Option<OwnedFd>,
    watched: HashMap<i32, Watched>,
    /// How many instances of inotify there have been before: numbers of watches start anew with each.
    instance: u64,
}

struct Watched {
    activity: Activity,
    /// How many hold this watch: paths that lead to the same file share one.
    holders: usize,
}

/// What has happened to a watched file so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// Number of events. Where it has not changed, neither has the file.
    pub(crate) events: u64,
    /// Number of writers that have changed the file and closed it.
    pub(crate) contents: u64,
    /// When a writer began that has not closed the file yet.
    pub(crate) written_since: Option<Instant>,
}

/// The key to a watched file's [`Activity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    instance: u64,
    number: i32,
}

impl Watcher {
    /// Watches the file at `path`. Each watch is to be given back with [`Watcher::unwatch`].
    pub(crate) fn watch(&self, path: &CStr) -> Result<Watch, Errno> {
        let mut state = self.state();
        let inotify = match &state.inotify {
            Some(inotify) => inotify,
            None => state.inotify.insert(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?),
        };
        let wanted = WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF;
        let number = inotify::add_watch(inotify, path, wanted)?;
        match state.watched.entry(number) {
            Entry::Occupied(mut known) => known.get_mut().holders += 1,
            Entry::Vacant(place) => {
                place.insert(Watched { activity: Activity::default(), holders: 1 });
            }
        }
        Ok(Watch { instance: state.instance, number })
    }

    /// Gives a watch back.
    pub(crate) fn unwatch(&self, watch: Watch) {
        let mut state = self.state();
        if watch.instance != state.instance {
            return;
        }
        let Entry::Occupied(mut known) = state.watched.entry(watch.number) else { return };
        known.get_mut().holders -= 1;
        if known.get().holders == 0 {
            known.remove();
            if let Some(inotify) = &state.inotify {
                // It may be gone already, with its file.
                let _ = inotify::remove_watch(inotify, watch.number);
            }
        }
    }

    /// What has happened to a file until now. `None` where it is not watched any more: it was deleted, or events were
    /// lost.
    pub(crate) fn activity(&self, watch: Watch) -> Option<Activity> {
        let mut state = self.state();
        state.take_events();
        let watched = state.watched.get(&watch.number).filter(|_| watch.instance == state.instance)?;
        Some(watched.activity)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic leaves behind is whole: every change of it is one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_events(&mut self) {
        let State { inotify: Some(inotify), watched, .. } = self else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(inotify.as_fd(), &mut buffer);
        let lost = loop {
            match reader.next() {
                Ok(event) => {
                    let happened = event.events();
                    if happened.contains(ReadFlags::QUEUE_OVERFLOW) {
                        break true;
                    }
                    if happened.contains(ReadFlags::IGNORED) {
                        watched.remove(&event.wd());
                    } else if let Some(file) = watched.get_mut(&event.wd()) {
                        file.activity.note(happened);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break false,
                Err(_) => break true,
            }
        };
        if lost {
            // Whatever happened, it was not all heard. A new instance starts from nothing.
            *self = State { instance: self.instance + 1, ..State::default() };
        }
    }
}

impl Activity {
    fn note(&mut self, happened: ReadFlags) {
        self.events += 1;
        if happened.contains(ReadFlags::CLOSE_WRITE) {
            // Without a change before it, there was nothing but an open file.
            self.contents += u64::from(self.written_since.take().is_some());
        } else if happened.contains(ReadFlags::MODIFY) {
            self.written_since.get_or_insert_with(Instant::now);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]

    use std::ffi::CString;
    use std::fs::{self, File};
    use std::io::Write;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::*;

    fn c_path(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).unwrap()
    }

    #[test]
    fn a_writer_is_seen_from_its_first_change_until_it_closes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "before").unwrap();
        let watcher = Watcher::default();
        let watch = watcher.watch(&c_path(&path)).unwrap();
        assert_eq!(watcher.activity(watch), Some(Activity::default()));
        let mut file = File::create(&path).unwrap();
        let emptied = watcher.activity(watch).unwrap();
        assert!(emptied.written_since.is_some());
        file.write_all(b"after").unwrap();
        assert_eq!(watcher.activity(watch).unwrap().written_since, emptied.written_since);
        drop(file);
        let closed = watcher.activity(watch).unwrap();
        assert!(closed.written_since.is_none() && closed.events > emptied.events);
        drop(File::open(&path).unwrap());
        assert_eq!(watcher.activity(watch), Some(closed), "a reader is nothing");
    }

    #[test]
    fn a_deleted_file_is_watched_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        let watcher = Watcher::default();
        let watch = watcher.watch(&c_path(&path)).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(watcher.activity(watch), None);
    }

    #[test]
    fn two_paths_to_a_file_share_its_watch_until_both_give_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        fs::write(&one, "").unwrap();
        fs::hard_link(&one, &two).unwrap();
        let watcher = Watcher::default();
        let [first, second] = [&one, &two].map(|path| watcher.watch(&c_path(path)).unwrap());
        assert_eq!(first, second);
        watcher.unwatch(first);
        assert!(watcher.activity(second).is_some());
        watcher.unwatch(second);
        assert!(watcher.activity(second).is_none());
    }

    #[test]
    fn lost_events_end_all_watches_and_new_ones_can_be_had() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let watcher = Watcher::default();
        fs::write(&path, "").unwrap();
        let watch = watcher.watch(&c_path(&path)).unwrap();
        let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
        for _ in 0..=most / 2 {
            File::options().append(true).open(&path).unwrap().write_all(b"x").unwrap();
        }
        assert_eq!(watcher.activity(watch), None);
        let again = watcher.watch(&c_path(&path)).unwrap();
        assert_eq!(watcher.activity(again), Some(Activity::default()));
        assert_eq!(watcher.activity(watch), None, "the same number, but of a watch before");
    }
}
