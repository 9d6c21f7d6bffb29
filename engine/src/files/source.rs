//! The current snapshot of one file: in memory, and read again after a change.
//!
//! Every access asks the file system whether the file has changed (see `Look`). If it has:
//!
//! * While a program is writing to the file, the previous snapshot stays the right answer, because nobody intends the
//!   content in between. `watch` tells how a writer is noticed.
//! * A change that was not reported (by a file system that reports nothing, or to a file moved here while it was being
//!   written) must be followed by a quiet moment before it counts as complete.
//! * One thread reads, and other threads that need the file wait for it.
//!
//! A program that has mapped the file can change it without a trace, so the content is also compared at intervals.

use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};
use std::{mem, thread};

use rustix::io::Errno;
use zeroize::Zeroizing;

use super::identity::{Digest, Identity, Look, Opened, ReadError, digest};
use super::lines::LineRules;
use super::route::Route;
use super::snapshot::Snapshot;
use super::watch::{Activity, Watch, Watcher};
use crate::clock::monotonic_milliseconds;

/// How long to wait for a program that is writing to the file. After that, the content is taken as it is.
const WRITER_PATIENCE: Duration = Duration::from_secs(2);

/// How long an unreported change must be followed by no other.
const QUIET: Duration = Duration::from_millis(20);

/// How long a file may be missing or unreadable after it was there a moment ago: editors move the old file away before
/// they write the new one.
const BLINK: Duration = Duration::from_millis(20);

/// Interval of checks while waiting for a file.
const PAUSE: Duration = Duration::from_millis(1);

/// How often to reread a file that changes while it is read, before the last reading is taken as it is.
const READ_ATTEMPTS: usize = 3;

/// The parsed form of a file. Every sequence of bytes is a valid file to httpd.
pub trait Parse: Sized {
    /// Parses a file with these bytes. Fails only for lack of memory.
    fn parse(text: Vec<u8>, rules: LineRules) -> Result<Self, ReadError>;

    /// Number of the first line at which stock httpd would stop reading the file because of its length.
    fn stock_stops_at(&self) -> Option<usize>;
}

/// One file and its current snapshot, shared by the threads of a process.
pub struct Source<T> {
    pub(super) path: CString,
    rules: LineRules,
    /// Maximum size of the file in bytes.
    limit: Option<u64>,
    /// Whether every access must prove that the process may read the file.
    pub(super) proves_rights: bool,
    pub(super) watcher: Arc<Watcher>,
    pub(super) route: Route,
    current: RwLock<Option<Arc<Snapshot<T>>>>,
    /// Held by the one thread that reads the file; the others wait rather than answer from stale data.
    reader: Mutex<Reader>,
    /// How often the file was read.
    loads: AtomicU64,
    /// True if `Reader::events` holds anything.
    has_events: AtomicBool,
}

/// State used only by the thread that reads the file.
#[derive(Default)]
struct Reader {
    /// Watch on the file's name in its folder.
    path_watch: Option<Watch>,
    /// Number of files put there, up to and including the watched one.
    arrivals: u64,
    watched: Option<WatchedFile>,
    /// True if the last attempt to watch the file failed.
    unwatchable: bool,
    /// True if the last attempt to read the file failed.
    failing: bool,
    /// Events not yet reported, latest last.
    events: Vec<FileEvent>,
}

/// A file that is watched.
struct WatchedFile {
    identity: Identity,
    watch: Watch,
    /// The file's activity when the current snapshot's content was read. `None` if the snapshot is of another file.
    read_at: Option<Activity>,
}

/// Observations of a thread that waits for the file.
struct Wait {
    began: Instant,
    /// The file as last seen, and since when it has been so.
    seen: Option<(Identity, Instant)>,
    readings: usize,
}

/// The result of an access to a file.
pub struct Reading<T> {
    /// The file's current content, or why it cannot be read.
    pub snapshot: Result<Arc<Snapshot<T>>, ReadError>,
    /// A message for the operator, once for each change of the file's state.
    pub event: Option<FileEvent>,
}

/// A change in the state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEvent {
    /// It cannot be read any more, or not at the first attempt.
    Fails,
    /// It can be read again.
    Recovered,
    /// It was read, and the line with this number is longer than stock httpd reads.
    LongLine(usize),
    /// It cannot be watched, because of this error number: a change still counts at the next access, but one may meet a
    /// half-written file if the writer pauses for longer than a moment.
    Unwatched(i32),
}

impl<T: Parse> Source<T> {
    /// A source that has not read its file yet. All sources of a process share its `watcher`.
    pub fn new(path: &CStr, rules: LineRules, watcher: Arc<Watcher>) -> Self {
        Source {
            path: path.to_owned(),
            rules,
            limit: None,
            proves_rights: false,
            watcher,
            route: Route::default(),
            current: RwLock::new(None),
            reader: Mutex::default(),
            loads: AtomicU64::new(0),
            has_events: AtomicBool::new(false),
        }
    }

    /// The same with a size limit: larger files fail with [`ReadError::OverLimit`].
    #[must_use]
    pub fn with_limit(mut self, bytes: u64) -> Self {
        self.limit = Some(bytes);
        self
    }

    /// The same for a process that changes its user or groups: every access opens the file to prove that it may be
    /// read.
    #[must_use]
    pub fn proving_rights(mut self) -> Self {
        self.proves_rights = true;
        self
    }

    /// The content read last, if it was settled and there is nothing to tell.
    pub(super) fn last_settled(&self) -> Option<Arc<Snapshot<T>>> {
        self.last_read().filter(|snapshot| snapshot.is_settled() && !self.has_events.load(Ordering::Relaxed))
    }

    /// The content read last, current or not. Does not access the file.
    pub fn last_read(&self) -> Option<Arc<Snapshot<T>>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file's path.
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// How often the file has been read.
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }

    /// The file's current content. If it has not changed since it was read, this takes one check (see the module's
    /// documentation) and no allocation.
    pub fn current(&self) -> Reading<T> {
        match self.unchanged() {
            Some(snapshot) if !self.has_events.load(Ordering::Relaxed) => {
                Reading { snapshot: Ok(snapshot), event: None }
            }
            Some(snapshot) => self.tell(&mut self.reader(), Ok(snapshot)),
            None => {
                let mut reader = self.reader();
                let blink = if reader.failing { Duration::ZERO } else { BLINK };
                let snapshot = self.look_until(blink, &mut reader);
                reader.note_outcome(snapshot.is_err());
                self.tell(&mut reader, snapshot)
            }
        }
    }

    /// The file's current content, if one check shows that it has not changed and there is nothing to tell. Otherwise
    /// [`Source::current`] is to be asked, by a thread that may read the file and wait for its writer.
    pub fn glance(&self) -> Option<Arc<Snapshot<T>>> {
        let snapshot = self.unchanged_as_it_looks().filter(|_| !self.has_events.load(Ordering::Relaxed))?;
        (!snapshot.is_to_be_compared(monotonic_milliseconds())).then_some(snapshot)
    }

    /// Reads the file ahead of the first request. That request reports events, and meets a failure again, since none is
    /// remembered here.
    pub fn preload(&self) {
        let mut reader = self.reader();
        let _ = self.look_until(Duration::ZERO, &mut reader);
        self.has_events.store(!reader.events.is_empty(), Ordering::Relaxed);
    }

    /// The current snapshot, if the file has not changed since it was read.
    fn unchanged(&self) -> Option<Arc<Snapshot<T>>> {
        let snapshot = self.unchanged_as_it_looks()?;
        // One thread compares; the others need not wait for it.
        if snapshot.takes_comparison(monotonic_milliseconds()) && !self.holds_what_was_read(&snapshot) {
            snapshot.settled.store(false, Ordering::Release);
            return None;
        }
        Some(snapshot)
    }

    /// The current snapshot, if the file looks as it did when it was read.
    fn unchanged_as_it_looks(&self) -> Option<Arc<Snapshot<T>>> {
        // Taken before the check, whose moment it must be valid for.
        let snapshot = self.last_read().filter(|snapshot| snapshot.is_settled())?;
        let seen = match snapshot.look.at(&self.path) {
            Err(error) if error.is_shortage() && !self.proves_rights => Look::Stat.at(&self.path),
            seen => seen,
        };
        (seen == Ok(snapshot.identity)).then_some(snapshot)
    }

    /// Compares the file's content with what was read.
    fn holds_what_was_read(&self, snapshot: &Snapshot<T>) -> bool {
        match Opened::open(&self.path).and_then(|mut file| file.digest()) {
            Ok(digest) => digest == snapshot.digest,
            // Says nothing about the file.
            Err(error) => error.is_shortage(),
        }
    }

    /// A panic under the lock leaves nothing half done: a snapshot is published in one step, or not at all.
    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, reader: &mut Reader, snapshot: Result<Arc<Snapshot<T>>, ReadError>) -> Reading<T> {
        let event = (!reader.events.is_empty()).then(|| reader.events.remove(0));
        self.has_events.store(!reader.events.is_empty(), Ordering::Relaxed);
        Reading { snapshot, event }
    }

    /// Checks a file that may have changed until there is an answer. Accepts an error as the answer after `blink`.
    fn look_until(&self, blink: Duration, reader: &mut Reader) -> Result<Arc<Snapshot<T>>, ReadError> {
        let mut wait = Wait::default();
        loop {
            match self.look(&mut wait, reader) {
                Ok(Some(snapshot)) => return Ok(snapshot),
                Err(error) if wait.began.elapsed() >= blink => {
                    // The content is no longer readable, so it must not answer later requests, and its memory can be
                    // freed.
                    self.publish(None);
                    reader.stop_watching(&self.watcher);
                    return Err(error);
                }
                Ok(None) | Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// The file's current content, or `None` if the caller should check again in a moment.
    fn look(&self, wait: &mut Wait, reader: &mut Reader) -> Result<Option<Arc<Snapshot<T>>>, ReadError> {
        let mut file = Opened::open(&self.path)?;
        let current = self.last_read();
        let is_current = current.as_ref().is_some_and(|current| current.identity == file.identity);
        if is_current && current.as_ref().is_some_and(|current| current.is_settled()) {
            // The previous reader has already read the file's current state.
            return Ok(current);
        }
        reader.watch(&self.path, &file.identity, &self.watcher);
        let activity = reader.activity(&file.identity, &self.watcher);
        let written_since = activity.and_then(|activity| activity.written_since);
        if written_since.is_some_and(|since| since.elapsed() < WRITER_PATIENCE) {
            // Not the current snapshot if an earlier writer left content that was never read.
            return Ok(current.filter(|_| reader.has_read_what_was_before(activity)));
        }
        let is_complete = if file.identity.is_of_empty_file() && current.is_some() {
            wait.is_quiet_and_empty(&file.identity)
        } else {
            reader.has_been_told(activity) || wait.has_been_quiet_for(QUIET, &file.identity)
        };
        if !is_complete && !is_current {
            return Ok(None);
        }
        wait.readings += 1;
        self.read(&mut file, activity, wait.readings >= READ_ATTEMPTS, reader)
    }

    /// Reads a file with known `activity`; `None` if it changed meanwhile, unless it is to be taken as it is.
    fn read(
        &self,
        file: &mut Opened,
        activity: Option<Activity>,
        as_it_is: bool,
        reader: &mut Reader,
    ) -> Result<Option<Arc<Snapshot<T>>>, ReadError> {
        let began = (SystemTime::now(), Instant::now());
        // Wiped, whichever way it ends: the parser takes it, and wipes what it does not keep if it holds secrets.
        let mut bytes = Zeroizing::new(file.read(self.limit)?);
        let is_unchanged = file.is_unchanged()? && reader.activity(&file.identity, &self.watcher) == activity;
        if !is_unchanged && !as_it_is {
            return Ok(None);
        }
        let digest = digest(&bytes);
        let before = self.last_read().filter(|before| before.identity == file.identity);
        if let Some(before) = before.as_ref().filter(|before| before.digest == digest) {
            before.was_right_at(began);
        } else {
            let first_read = before.map_or(began.1, |before| before.first_read);
            self.publish_read(T::parse(mem::take(&mut *bytes), self.rules)?, digest, file, first_read, began, reader);
        }
        reader.note_read(activity);
        Ok(self.last_read())
    }

    fn publish_read(
        &self,
        parsed: T,
        digest: Digest,
        file: &Opened,
        first_read: Instant,
        began: (SystemTime, Instant),
        reader: &mut Reader,
    ) {
        reader.note_long_line(parsed.stock_stops_at());
        let look = if self.proves_rights { Look::Open } else { file.look };
        let (settled, compare_at) = (AtomicBool::new(false), AtomicU64::new(0));
        let snapshot = Snapshot { parsed, identity: file.identity, look, digest, first_read, settled, compare_at };
        snapshot.was_right_at(began);
        self.publish(Some(Arc::new(snapshot)));
        self.loads.fetch_add(1, Ordering::Relaxed);
    }

    fn publish(&self, snapshot: Option<Arc<Snapshot<T>>>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, snapshot);
        drop(current);
        // Not before the lock is released: freeing a large file takes a while.
        drop(before);
    }
}

impl<T> Drop for Source<T> {
    fn drop(&mut self) {
        let reader = self.reader.get_mut().unwrap_or_else(PoisonError::into_inner);
        reader.stop_watching(&self.watcher);
        reader.stop_watching_path(&self.watcher);
        self.route.release(&self.watcher);
    }
}

/// The folder of `path`, and the file's name.
fn folder_and_name(path: &CStr) -> (CString, &[u8]) {
    let path = path.to_bytes();
    let (folder, name) = match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) => (&b"/"[..], &path[1..]),
        Some(end) => (&path[..end], &path[end + 1..]),
        None => (&b"."[..], path),
    };
    // A part of a C string has no NUL in it.
    (CString::new(folder).unwrap_or_default(), name)
}

impl Default for Wait {
    fn default() -> Self {
        Wait { began: Instant::now(), seen: None, readings: 0 }
    }
}

impl Wait {
    /// True if the file with this identity has not changed for so long, or has been waited for too long.
    fn has_been_quiet_for(&mut self, duration: Duration, identity: &Identity) -> bool {
        let is_old = identity.age_of_content(SystemTime::now()).is_some_and(|age| age >= duration);
        is_old || self.has_been_seen_for(duration, identity) || self.began.elapsed() >= WRITER_PATIENCE
    }

    /// The same for a file that has become empty, which is rarely intended: a writer empties the file first, some time
    /// before that is reported and the file's times are set (as long as the file system takes, and until the writer has the
    /// processor again). That an earlier writer closed the file does not tell that it left it empty.
    fn is_quiet_and_empty(&mut self, identity: &Identity) -> bool {
        self.has_been_seen_for(WRITER_PATIENCE, identity) || self.began.elapsed() >= 3 * WRITER_PATIENCE
    }

    fn has_been_seen_for(&mut self, duration: Duration, identity: &Identity) -> bool {
        let since = match self.seen {
            Some((seen, since)) if seen == *identity => since,
            _ => self.seen.insert((*identity, Instant::now())).1,
        };
        since.elapsed() >= duration
    }
}

impl Reader {
    /// The activity of the file with this identity. `None` if it is not watched.
    fn activity(&self, identity: &Identity, watcher: &Watcher) -> Option<Activity> {
        let watched = self.watched.as_ref().filter(|watched| watched.identity.is_same_file(identity))?;
        watcher.activity(&watched.watch)
    }

    /// True if anything was reported about the watched file since it was read.
    fn has_been_told(&self, activity: Option<Activity>) -> bool {
        activity.is_some_and(|activity| activity.events > self.read_at().map_or(0, |read_at| read_at.events))
    }

    /// True if the watched file was read after the last writer before the current one.
    fn has_read_what_was_before(&self, activity: Option<Activity>) -> bool {
        self.read_at().zip(activity).is_some_and(|(read_at, activity)| read_at.contents == activity.contents)
    }

    fn read_at(&self) -> Option<Activity> {
        self.watched.as_ref()?.read_at
    }

    /// Watches the file with this identity, to which `path` leads, instead of the previous one.
    fn watch(&mut self, path: &CStr, identity: &Identity, watcher: &Watcher) {
        if self.activity(identity, watcher).is_some() {
            return;
        }
        self.stop_watching(watcher);
        match watcher.watch(path) {
            Ok(watch) => {
                self.unwatchable = false;
                self.watch_path(path, &watch, watcher);
                self.watched = Some(WatchedFile { identity: *identity, watch, read_at: None });
            }
            // It is gone already, which the next check will find.
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.unwatchable, true) {
                    self.events.push(FileEvent::Unwatched(error.raw_os_error()));
                }
            }
        }
        // Another file may have replaced this one since it was opened.
        if Look::Stat.at(path).map_or(true, |now| !now.is_same_file(identity)) {
            self.stop_watching(watcher);
        }
    }

    /// Watches the folder of the file of `watch`. If the file arrived there after another one was read, its activity
    /// since then is known. (If the folder cannot be watched, nothing is reported.)
    fn watch_path(&mut self, path: &CStr, watch: &Watch, watcher: &Watcher) {
        let (folder, name) = folder_and_name(path);
        let Ok(path_watch) = watcher.watch_name(&folder, name) else { return self.stop_watching_path(watcher) };
        let arrivals = watcher.activity(&path_watch).map_or(0, |activity| activity.arrivals);
        if self.path_watch.as_ref() == Some(&path_watch) && self.arrivals < arrivals {
            watcher.add_history(watch, &path_watch);
        }
        self.arrivals = arrivals;
        // Released only now, so that watches that are already there stay.
        self.stop_watching_path(watcher);
        self.path_watch = Some(path_watch);
    }

    fn stop_watching_path(&mut self, watcher: &Watcher) {
        if let Some(path_watch) = self.path_watch.take() {
            watcher.unwatch(path_watch);
        }
    }

    fn stop_watching(&mut self, watcher: &Watcher) {
        if let Some(watched) = self.watched.take() {
            watcher.unwatch(watched.watch);
        }
    }

    fn note_read(&mut self, activity: Option<Activity>) {
        if let Some(watched) = &mut self.watched {
            watched.read_at = activity;
        }
    }

    fn note_outcome(&mut self, fails: bool) {
        let failed = std::mem::replace(&mut self.failing, fails);
        if fails != failed {
            self.events.push(if fails { FileEvent::Fails } else { FileEvent::Recovered });
        }
    }

    fn note_long_line(&mut self, number: Option<usize>) {
        self.events.retain(|event| !matches!(event, FileEvent::LongLine(_)));
        self.events.extend(number.map(FileEvent::LongLine));
    }
}
