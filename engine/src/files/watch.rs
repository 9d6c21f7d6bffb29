//! Detects a writer at a file, which `stat` cannot.
//!
//! A program that rewrites a file in place empties it first and fills it afterwards; in between, the content is
//! meaningless. For a watched file, inotify reports every change, and a writer's close, before the writer's `write` and
//! `close` return. So a reader that has taken the pending events knows whether a writer is active. The folder is
//! watched as well: only its events tell the history of a file that has just been put there under the same name.
//!
//! It does not detect every change: file systems change without inotify noticing (NFS, the layers of an overlay, writes
//! through `mmap`). Where nothing else can change a file, `route` uses the reports to save a check.

use std::collections::HashMap;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use once_cell::sync::OnceCell;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// The watches of one process.
///
/// Each process needs its own, created after the fork: an event is delivered only once.
#[derive(Default)]
pub struct Watcher {
    /// Opened for the first watch.
    inotify: OnceCell<OwnedFd>,
    watched: Mutex<HashMap<i32, Entries>>,
    /// How often events were taken.
    reports: AtomicU64,
}

/// The targets of one kernel watch, by name: files in a folder, or one file, with an empty name.
type Entries = HashMap<Box<[u8]>, Entry>;

#[derive(Default)]
struct Entry {
    activity: Activity,
    /// Number of holders of this watch: paths that lead to the same file share one.
    holders: usize,
}

/// Activity on a watched file so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// How often another file replaced it. Always 0 for a file that is watched by itself.
    pub(crate) arrivals: u64,
    /// Number of events since the last arrival. If it is unchanged, so is the file.
    pub(crate) events: u64,
    /// Number of writers since then that changed the file and closed it.
    pub(crate) contents: u64,
    /// When a writer began that has not closed the file yet.
    pub(crate) written_since: Option<Instant>,
}

/// The key to a watched file's [`Activity`]. The kernel reuses a number only after all others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    number: i32,
    name: Box<[u8]>,
}

impl Watcher {
    /// Watches the content and the rights of the file at `path`, under any name. Release each watch with [`Watcher::unwatch`].
    pub(crate) fn watch(&self, path: &CStr) -> Result<Watch, Errno> {
        self.add(path, b"", WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB)
    }

    /// Watches any file with this `name` in `folder`.
    pub(crate) fn watch_name(&self, folder: &CStr, name: &[u8]) -> Result<Watch, Errno> {
        let arrival = WatchFlags::CREATE | WatchFlags::MOVED_TO;
        self.add(folder, name, arrival | WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::ONLYDIR)
    }

    /// Watches which files the names in `folder` lead to, and who may reach them.
    pub(super) fn watch_names(&self, folder: &CStr) -> Result<Watch, Errno> {
        let gone = WatchFlags::DELETE | WatchFlags::MOVED_FROM;
        let come = WatchFlags::CREATE | WatchFlags::MOVED_TO;
        self.add(folder, b"", gone | come | WatchFlags::ATTRIB | WatchFlags::ONLYDIR)
    }

    fn add(&self, path: &CStr, name: &[u8], flags: WatchFlags) -> Result<Watch, Errno> {
        let mut watched = self.watched();
        let inotify = self.inotify.get_or_try_init(|| inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK))?;
        // A file has one watch, which others rely on too.
        let number = inotify::add_watch(inotify, path, flags | WatchFlags::MASK_ADD)?;
        watched.entry(number).or_default().entry(name.into()).or_default().holders += 1;
        Ok(Watch { number, name: name.into() })
    }

    /// Releases a watch.
    pub(crate) fn unwatch(&self, watch: Watch) {
        let mut watched = self.watched();
        let Some(entries) = watched.get_mut(&watch.number) else { return };
        let Some(entry) = entries.get_mut(&watch.name) else { return };
        entry.holders -= 1;
        if entry.holders == 0 {
            entries.remove(&watch.name);
        }
        if entries.is_empty() {
            watched.remove(&watch.number);
            self.remove(watch.number);
        }
    }

    /// The watch may be gone already, with its file.
    fn remove(&self, number: i32) {
        if let Some(inotify) = self.inotify.get() {
            let _ = inotify::remove_watch(inotify, number);
        }
    }

    /// Activity on a file until now. `None` if it is no longer watched: it was deleted, or events were lost.
    pub(crate) fn activity(&self, watch: &Watch) -> Option<Activity> {
        let mut watched = self.watched();
        self.take_events(&mut watched);
        Some(watched.get(&watch.number)?.get(&watch.name)?.activity)
    }

    /// The descriptor that can be read once there is an event. `None` before the first watch.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.get().map(AsFd::as_fd)
    }

    /// Takes the events until now.
    pub fn take(&self) {
        self.take_events(&mut self.watched());
    }

    /// Changes when events are taken.
    pub(super) fn reports(&self) -> u64 {
        self.reports.load(Ordering::SeqCst)
    }

    /// Adds to a newly watched file its activity since its `arrival`, from the folder's reports.
    pub(crate) fn add_history(&self, watch: &Watch, arrival: &Watch) {
        let mut watched = self.watched();
        self.take_events(&mut watched);
        let Some(&Entry { activity: history, .. }) =
            watched.get(&arrival.number).and_then(|entries| entries.get(&arrival.name))
        else {
            return;
        };
        let entry = watched.get_mut(&watch.number).and_then(|entries| entries.get_mut(&watch.name));
        if let Some(entry) = entry.filter(|entry| entry.holders == 1) {
            entry.activity = Activity { arrivals: 0, ..history };
        }
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<i32, Entries>> {
        // A panic leaves the state consistent: every change of it is one step.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_events(&self, watched: &mut HashMap<i32, Entries>) {
        let Some(inotify) = self.inotify.get() else { return };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(inotify.as_fd(), &mut buffer);
        let mut lost = false;
        while !reader.is_buffer_empty() || has_events(inotify) {
            // Before they are taken: a thread that finds no event must know that there was one.
            self.reports.fetch_add(1, Ordering::SeqCst);
            match reader.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => lost = true,
                Ok(event) if event.events().contains(ReadFlags::IGNORED) => {
                    watched.remove(&event.wd());
                }
                Ok(event) => {
                    let name = event.file_name().map_or(&b""[..], CStr::to_bytes);
                    if let Some(entry) = watched.get_mut(&event.wd()).and_then(|entries| entries.get_mut(name)) {
                        entry.activity.note(event.events());
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
            // Some events were lost. A new watch starts from nothing.
            for (number, _) in watched.drain() {
                self.remove(number);
            }
        }
    }
}

/// With poll(2): a non-blocking epoll_wait(2) may find nothing while another thread is in it (Linux since 5.11).
fn has_events(inotify: &OwnedFd) -> bool {
    const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    // If this fails, reading will tell.
    poll(&mut [PollFd::new(inotify, PollFlags::IN)], Some(&AT_ONCE)) != Ok(0)
}

impl Activity {
    fn note(&mut self, happened: ReadFlags) {
        if happened.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            *self = Activity { arrivals: self.arrivals + 1, ..Activity::default() };
        }
        if !happened.intersects(ReadFlags::MODIFY | ReadFlags::CLOSE_WRITE) {
            return;
        }
        self.events += 1;
        if happened.contains(ReadFlags::CLOSE_WRITE) {
            // Without a change before it, only an open file was closed.
            self.contents += u64::from(self.written_since.take().is_some());
        } else if happened.contains(ReadFlags::MODIFY) {
            self.written_since.get_or_insert_with(Instant::now);
        }
    }
}

/// Advice for an operator if a file cannot be watched because of this error number. Ends a sentence.
pub fn advice_on_watching(number: i32) -> &'static str {
    match Errno::from_raw_os_error(number) {
        Errno::MFILE => "raise fs.inotify.max_user_instances, or the limit on open files",
        Errno::NFILE => "raise fs.file-max",
        Errno::NOSPC => "raise fs.inotify.max_user_watches",
        Errno::NOMEM => "the kernel is out of memory",
        Errno::ACCESS | Errno::PERM => {
            "let the user httpd runs as watch it (SELinux, AppArmor and seccomp can forbid that)"
        }
        Errno::NOSYS => "the kernel has no inotify",
        _ => "see inotify_add_watch(2) for this error",
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
    #[cfg_attr(miri, ignore = "Miri does not know inotify")]
    fn a_writer_is_seen_from_its_first_change_until_it_closes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "before").unwrap();
        let watcher = Watcher::default();
        let watch = watcher.watch(&c_path(&path)).unwrap();
        assert_eq!(watcher.activity(&watch), Some(Activity::default()));
        let mut file = File::create(&path).unwrap();
        let emptied = watcher.activity(&watch).unwrap();
        assert!(emptied.written_since.is_some());
        file.write_all(b"after").unwrap();
        assert_eq!(watcher.activity(&watch).unwrap().written_since, emptied.written_since);
        drop(file);
        let closed = watcher.activity(&watch).unwrap();
        assert!(closed.written_since.is_none() && closed.events > emptied.events);
        drop(File::open(&path).unwrap());
        assert_eq!(watcher.activity(&watch), Some(closed), "a reader is nothing");
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not know inotify")]
    fn a_deleted_file_is_watched_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        let watcher = Watcher::default();
        let watch = watcher.watch(&c_path(&path)).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(watcher.activity(&watch), None);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not know inotify")]
    fn two_paths_to_a_file_share_its_watch_until_both_give_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        fs::write(&one, "").unwrap();
        fs::hard_link(&one, &two).unwrap();
        let watcher = Watcher::default();
        let [first, second] = [&one, &two].map(|path| watcher.watch(&c_path(path)).unwrap());
        assert_eq!(first, second);
        watcher.unwatch(first);
        assert!(watcher.activity(&second).is_some());
        let gone = Watch { number: second.number, name: second.name.clone() };
        watcher.unwatch(second);
        assert!(watcher.activity(&gone).is_none());
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not know inotify")]
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
        assert_eq!(watcher.activity(&watch), None);
        let again = watcher.watch(&c_path(&path)).unwrap();
        assert_eq!(watcher.activity(&again), Some(Activity::default()));
        assert_eq!(watcher.activity(&watch), None, "an old watch is not the new one");
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not know inotify")]
    fn of_a_file_put_in_a_watched_place_all_is_known_since_then() {
        let folder = tempfile::tempdir().unwrap();
        let [path, new] = ["file", "new"].map(|name| folder.path().join(name));
        fs::write(&path, "before").unwrap();
        let watcher = Watcher::default();
        let path_watch = watcher.watch_name(&c_path(folder.path()), b"file").unwrap();
        fs::write(&path, "longer").unwrap();
        fs::write(&new, "after").unwrap();
        fs::rename(&new, &path).unwrap();
        let arrived = Activity { arrivals: 1, ..Activity::default() };
        assert_eq!(watcher.activity(&path_watch), Some(arrived), "what was before is of another file");
        let mut writer = File::options().append(true).open(&path).unwrap();
        writer.write_all(b"more").unwrap();
        let watch = watcher.watch(&c_path(&path)).unwrap();
        watcher.add_history(&watch, &path_watch);
        assert!(watcher.activity(&watch).unwrap().written_since.is_some());
        drop(writer);
        let closed = watcher.activity(&watch).unwrap();
        assert_eq!((closed.written_since, closed.contents), (None, 1));
        fs::write(&new, "of no concern").unwrap();
        assert_eq!(watcher.activity(&watch), Some(closed));
    }

    #[test]
    fn the_advice_fits_the_error() {
        assert!(advice_on_watching(libc::ENOSPC).contains("max_user_watches"));
        assert!(advice_on_watching(libc::EMFILE).contains("max_user_instances"));
        assert!(!advice_on_watching(libc::EACCES).contains("raise"));
    }
}
