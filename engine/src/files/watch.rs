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
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The files that one process watches, and the folders on the way to them.
///
/// Each process needs one of its own, made after the fork: an event is delivered once.
#[derive(Default)]
pub struct Watcher {
    /// Opened with the first watch.
    inotify: OnceLock<OwnedFd>,
    /// `None` where it cannot be had.
    bell: OnceLock<Option<Bell>>,
    /// Changes before any event is taken.
    generation: AtomicU64,
    watched: Mutex<HashMap<i32, Watched>>,
}

/// Tells in one system call whether there is anything to hear. (An epoll, which costs half of a poll where there is not.)
struct Bell {
    epoll: OwnedFd,
    /// Reports that something was mounted or unmounted, once each time.
    _mounts: OwnedFd,
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

/// The key to a watched file's [`Activity`]. The kernel does not give a number out again before it has given out all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch(i32);

impl Watcher {
    /// Watches the file at `path`. Each watch is to be given back with [`Watcher::unwatch`].
    pub(crate) fn watch(&self, path: &CStr) -> Result<Watch, Errno> {
        self.add(path, WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE)
    }

    /// The same for a folder: whether it is still at `path`, and may be entered by those who may now. Fails with `NOTDIR`
    /// for a symbolic link.
    pub(crate) fn watch_folder(&self, path: &CStr) -> Result<Watch, Errno> {
        self.add(path, WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW)
    }

    fn add(&self, path: &CStr, flags: WatchFlags) -> Result<Watch, Errno> {
        let mut watched = self.watched();
        let inotify = match self.inotify.get() {
            Some(inotify) => inotify,
            None => {
                let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
                self.bell.get_or_init(|| Bell::on(&inotify).ok());
                self.inotify.get_or_init(|| inotify)
            }
        };
        let flags = flags | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
        let number = inotify::add_watch(inotify, path, flags)?;
        match watched.entry(number) {
            Entry::Occupied(mut known) => known.get_mut().holders += 1,
            Entry::Vacant(place) => {
                place.insert(Watched { activity: Activity::default(), holders: 1 });
            }
        }
        Ok(Watch(number))
    }

    /// Gives a watch back.
    pub(crate) fn unwatch(&self, watch: Watch) {
        let mut watched = self.watched();
        let Entry::Occupied(mut known) = watched.entry(watch.0) else { return };
        known.get_mut().holders -= 1;
        if known.get().holders == 0 {
            known.remove();
            self.remove(watch.0);
        }
    }

    /// It may be gone already, with its file.
    fn remove(&self, number: i32) {
        if let Some(inotify) = self.inotify.get() {
            let _ = inotify::remove_watch(inotify, number);
        }
    }

    /// What has happened to a file until now. `None` where it is not watched any more: it was deleted, or events were
    /// lost.
    pub(crate) fn activity(&self, watch: Watch) -> Option<Activity> {
        let mut watched = self.watched();
        self.take_events(&mut watched);
        Some(watched.get(&watch.0)?.activity)
    }

    /// A number that changes whenever something happens to anything that is watched, and some other times.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// True where nothing has happened, to anything that is watched nor to what is mounted where, since the generation had
    /// this number. False wherever that cannot be told.
    ///
    /// One system call, without a lock. An event that another thread is about to take has changed the generation before it
    /// is gone from the queue, so it is either seen here or there. Only of a mount, which is reported once and to one
    /// thread, another may learn the instant later that this one takes to pass it on.
    pub(crate) fn is_quiet_since(&self, generation: u64) -> bool {
        let Some(Some(bell)) = self.bell.get() else { return false };
        let mut room = [MaybeUninit::uninit(); 2];
        let Ok((rung, _)) = epoll::wait(&bell.epoll, &mut room, Some(&AT_ONCE)) else { return false };
        if rung.iter().any(|event| event.data.u64() == MOUNTS) {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
        rung.is_empty() && self.generation() == generation
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<i32, Watched>> {
        // What a panic leaves behind is whole: every change of it is one step.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_events(&self, watched: &mut HashMap<i32, Watched>) {
        let Some(inotify) = self.inotify.get() else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(inotify.as_fd(), &mut buffer);
        let mut lost = false;
        while !reader.is_buffer_empty() || has_events(inotify) {
            if reader.is_buffer_empty() {
                // Before they are taken, see `is_quiet_since`.
                self.generation.fetch_add(1, Ordering::AcqRel);
            }
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => lost = true,
                Ok(event) if event.events().contains(ReadFlags::IGNORED) => {
                    watched.remove(&event.wd());
                }
                Ok(event) => {
                    if let Some(file) = watched.get_mut(&event.wd()) {
                        file.activity.note(event.events());
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => {
                    lost = true;
                    break;
                }
            }
        }
        if lost {
            // Whatever happened, it was not all heard. A new watch starts from nothing.
            for (number, _) in watched.drain() {
                self.remove(number);
            }
        }
    }
}

const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

fn has_events(inotify: &OwnedFd) -> bool {
    // Where that cannot be told, reading will tell.
    poll(&mut [PollFd::new(inotify, PollFlags::IN)], Some(&AT_ONCE)) != Ok(0)
}

/// What a bell rings for.
const INOTIFY: u64 = 0;
const MOUNTS: u64 = 1;

impl Bell {
    fn on(inotify: &OwnedFd) -> Result<Bell, Errno> {
        let mounts = rustix::fs::open(c"/proc/self/mountinfo", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, inotify, epoll::EventData::new_u64(INOTIFY), epoll::EventFlags::IN)?;
        epoll::add(&epoll, &mounts, epoll::EventData::new_u64(MOUNTS), epoll::EventFlags::PRI)?;
        Ok(Bell { epoll, _mounts: mounts })
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
        assert_eq!(watcher.activity(watch), None, "an old watch is not the new one");
    }
}
