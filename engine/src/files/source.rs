//! The current snapshot of one file: found in memory, read again when the file has changed.
//!
//! Whether it has changed is asked of the file system at every look (see `Look`). Where it has:
//!
//! * While somebody is writing to the file, the snapshot of before stays the right answer: what the file holds meanwhile
//!   is nobody's intention. How the writer is noticed is told in `watch`.
//! * A change that was not reported (a file system that reports nothing, a file moved here while it was being written) must
//!   have been quiet for a moment before it is believed to be complete.
//! * One thread reads, and the others who need the file wait for it.
//!
//! A program that has mapped the file can change it without a trace, so the content is compared at intervals as well.

use std::ffi::{CStr, CString};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::identity::{Digest, Identity, Look, Opened, ReadError, digest};
use super::lines::LineRules;
use super::watch::{Activity, Watch, Watcher};

/// How long a file that somebody is writing to is left alone. A writer that takes longer is not waited for.
const WRITER_PATIENCE: Duration = Duration::from_secs(2);

/// How long a change that nobody reported must have been the last one.
const QUIET: Duration = Duration::from_millis(20);

/// How long an empty file must have been empty, where its writer has closed it: the next one may be about to begin.
const EMPTY: Duration = Duration::from_millis(500);

/// How long a file that was there a moment ago may be missing or unreadable: editors move the old one away before they
/// write the new one.
const BLINK: Duration = Duration::from_millis(20);

/// Between two looks at a file that is waited for.
const PAUSE: Duration = Duration::from_millis(1);

/// How often a file that changes while it is read is read again before the last reading is taken as it is.
const READ_ATTEMPTS: usize = 3;

/// How often the content of a file is compared with its snapshot, for each [`COMPARED`] bytes of it or part of them.
const COMPARISON_MILLISECONDS: u64 = 1000;
const COMPARED: u64 = 1024 * 1024;

/// What a file's bytes are turned into. Every file means something to httpd.
pub trait Parse: Sized {
    /// The snapshot of a file with these bytes. Fails only where there is not enough memory.
    fn parse(text: Vec<u8>, rules: LineRules) -> Result<Self, ReadError>;

    /// Number of the first line at which stock httpd would stop reading the file because of its length.
    fn stock_stops_at(&self) -> Option<usize>;
}

/// One file and its current snapshot, shared by the threads of a process.
pub struct Source<T> {
    path: CString,
    rules: LineRules,
    /// The most bytes that the file may have.
    limit: Option<u64>,
    /// Whether every look has to show that the process may read the file.
    proves_rights: bool,
    watcher: Arc<Watcher>,
    current: RwLock<Option<Arc<Snapshot<T>>>>,
    /// Held by the one thread that reads the file; the others wait for it rather than answer from stale data.
    reader: Mutex<Reader>,
    /// How often the file was read.
    loads: AtomicU64,
    /// True where `Reader::events` holds something.
    has_events: AtomicBool,
}

/// What only the thread that reads the file needs.
#[derive(Default)]
struct Reader {
    /// Whatever has the file's name in its folder.
    place: Option<Watch>,
    /// Number of files put there, up to the one that is watched.
    arrivals: u64,
    watched: Option<WatchedFile>,
    /// True where the last attempt to watch the file failed.
    unwatchable: bool,
    /// True where the last attempt to read the file failed.
    failing: bool,
    /// What has not been told yet, latest last.
    events: Vec<FileEvent>,
}

/// A file that is watched.
struct WatchedFile {
    identity: Identity,
    watch: Watch,
    /// What had happened when the content was read that the current snapshot is of. `None` where it is of another file.
    read_at: Option<Activity>,
}

/// What a thread has seen of a file that it waits for.
struct Wait {
    began: Instant,
    /// The file as it was last seen, and since when it has been so.
    seen: Option<(Identity, Instant)>,
    readings: usize,
}

/// A file's content as it was at one moment. Dereferences to the parsed file.
pub struct Snapshot<T> {
    parsed: T,
    identity: Identity,
    look: Look,
    digest: Digest,
    first_read: Instant,
    /// False while the file might have changed without its identity showing it.
    settled: AtomicBool,
    /// When the content is to be compared again, in [`milliseconds`].
    compare_at: AtomicU64,
}

impl<T> Snapshot<T> {
    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// Notes that at the time `began` or later, the file held what was read.
    fn was_right_at(&self, began: (SystemTime, Instant)) {
        self.compare_at.store(milliseconds() + self.comparison_interval(), Ordering::Relaxed);
        self.settled.store(has_settled(&self.identity, self.first_read, began), Ordering::Release);
    }

    fn comparison_interval(&self) -> u64 {
        COMPARISON_MILLISECONDS * self.identity.size().div_ceil(COMPARED).max(1)
    }

    /// What to look for, to tell that the file at some path is this one and unchanged, and until when that will do. `None`
    /// where it will not do even now.
    pub(crate) fn evidence(&self) -> Option<(Look, Identity, u64)> {
        self.is_settled().then(|| (self.look, self.identity, self.compare_at.load(Ordering::Relaxed)))
    }

    /// The size of the file in bytes.
    pub fn file_size(&self) -> u64 {
        self.identity.size()
    }
}

/// Of the monotonic clock, as of its last tick.
pub(crate) fn milliseconds() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

impl<T> Deref for Snapshot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.parsed
    }
}

/// The answer to a look at a file.
pub struct Reading<T> {
    /// The file's content as of now, or why it cannot be read.
    pub snapshot: Result<Arc<Snapshot<T>>, ReadError>,
    /// What an operator should hear about this file, once for each change of its state.
    pub event: Option<FileEvent>,
}

/// A change in the state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEvent {
    /// It could be read, or had not been tried, and now cannot be read.
    Fails,
    /// It could not be read and now can.
    Recovered,
    /// It was read, and the line of this number is longer than stock httpd reads.
    LongLine(usize),
    /// It cannot be watched, for the reason of this error number: a change still counts at the next look, but a writer
    /// that takes longer than a blink may be met half-way.
    Unwatched(i32),
}

impl<T: Parse> Source<T> {
    /// A source that has not looked at its file yet. All sources of a process share its `watcher`.
    pub fn new(path: &CStr, rules: LineRules, watcher: Arc<Watcher>) -> Self {
        Source {
            path: path.to_owned(),
            rules,
            limit: None,
            proves_rights: false,
            watcher,
            current: RwLock::new(None),
            reader: Mutex::default(),
            loads: AtomicU64::new(0),
            has_events: AtomicBool::new(false),
        }
    }

    /// The same for a file that may have so many bytes and no more: larger ones fail with [`ReadError::OverLimit`].
    #[must_use]
    pub fn with_limit(mut self, bytes: u64) -> Self {
        self.limit = Some(bytes);
        self
    }

    /// The same for a process that changes its user or groups: no look is answered from memory but where the file can be
    /// opened at that moment.
    #[must_use]
    pub fn proving_rights(mut self) -> Self {
        self.proves_rights = true;
        self
    }

    /// What was read last, whether that is still so or not. Does not look at the file.
    pub fn last_read(&self) -> Option<Arc<Snapshot<T>>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file's path.
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// How often the file was read, by now.
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }

    /// The content of the file as of now. Where it has not changed since it was read that takes one look (see the module's
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

    /// Reads the file ahead of the first request, which is the one to report what there is to say. A failure is not
    /// remembered: that request will meet it again.
    pub fn preload(&self) {
        let mut reader = self.reader();
        let _ = self.look_until(Duration::ZERO, &mut reader);
        self.has_events.store(!reader.events.is_empty(), Ordering::Relaxed);
    }

    /// The current snapshot, if the file is still as it was when it was read.
    fn unchanged(&self) -> Option<Arc<Snapshot<T>>> {
        // Taken before the look: it is as of that moment that it has to be right.
        let snapshot = self.last_read().filter(|snapshot| snapshot.is_settled())?;
        let seen = match snapshot.look.at(&self.path) {
            Err(error) if error.is_shortage() && !self.proves_rights => Look::Stat.at(&self.path),
            seen => seen,
        };
        if seen != Ok(snapshot.identity) {
            return None;
        }
        let (due, now) = (snapshot.compare_at.load(Ordering::Relaxed), milliseconds());
        if now < due {
            return Some(snapshot);
        }
        // One thread sees to it; the others need not wait for it.
        let next = now + snapshot.comparison_interval();
        let is_mine = snapshot.compare_at.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_mine && !self.holds_what_was_read(&snapshot) {
            snapshot.settled.store(false, Ordering::Release);
            return None;
        }
        Some(snapshot)
    }

    /// Compares the file's content with what was read.
    fn holds_what_was_read(&self, snapshot: &Snapshot<T>) -> bool {
        match Opened::open(&self.path).and_then(|mut file| file.digest()) {
            Ok(digest) => digest == snapshot.digest,
            // Says nothing of the file.
            Err(error) => error.is_shortage(),
        }
    }

    /// A panic while the lock was held leaves nothing half done: a snapshot is published in one step, or not.
    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, reader: &mut Reader, snapshot: Result<Arc<Snapshot<T>>, ReadError>) -> Reading<T> {
        let event = (!reader.events.is_empty()).then(|| reader.events.remove(0));
        self.has_events.store(!reader.events.is_empty(), Ordering::Relaxed);
        Reading { snapshot, event }
    }

    /// Looks at the file, which may have changed, until there is an answer. Takes an error for one after `blink`.
    fn look_until(&self, blink: Duration, reader: &mut Reader) -> Result<Arc<Snapshot<T>>, ReadError> {
        let mut wait = Wait::default();
        loop {
            match self.look(&mut wait, reader) {
                Ok(Some(snapshot)) => return Ok(snapshot),
                Err(error) if wait.began.elapsed() >= blink => {
                    // What can't be read now must not answer later requests, and its memory is better given back.
                    self.publish(None);
                    reader.stop_watching(&self.watcher);
                    return Err(error);
                }
                Ok(None) | Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// The file's content as of now, or `None` where it is better to look again in a moment.
    fn look(&self, wait: &mut Wait, reader: &mut Reader) -> Result<Option<Arc<Snapshot<T>>>, ReadError> {
        let mut file = Opened::open(&self.path)?;
        let current = self.last_read();
        let is_current = current.as_ref().is_some_and(|current| current.identity == file.identity);
        if is_current && current.as_ref().is_some_and(|current| current.is_settled()) {
            // Whoever was the reader before has read the file as it is now.
            return Ok(current);
        }
        reader.watch(&self.path, &file.identity, &self.watcher);
        let activity = reader.activity(&file.identity, &self.watcher);
        let written_since = activity.and_then(|activity| activity.written_since);
        if written_since.is_some_and(|since| since.elapsed() < WRITER_PATIENCE) {
            // Not the current snapshot where a writer before this one has left a content that was never read.
            return Ok(current.filter(|_| reader.has_read_what_was_before(activity)));
        }
        let is_complete = if file.identity.is_of_empty_file() && current.is_some() {
            wait.is_quiet_and_empty(&file.identity, reader.has_been_rewritten(activity))
        } else {
            reader.has_been_told(activity) || wait.has_been_quiet_for(QUIET, &file.identity)
        };
        if !is_complete && !is_current {
            return Ok(None);
        }
        wait.readings += 1;
        self.read(&mut file, activity, wait.readings >= READ_ATTEMPTS, reader)
    }

    /// Reads a file of which `activity` is known; `None` where it changed meanwhile, unless it is to be taken as it is.
    fn read(
        &self,
        file: &mut Opened,
        activity: Option<Activity>,
        as_it_is: bool,
        reader: &mut Reader,
    ) -> Result<Option<Arc<Snapshot<T>>>, ReadError> {
        let began = (SystemTime::now(), Instant::now());
        let bytes = file.read(self.limit)?;
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
            self.publish_read(T::parse(bytes, self.rules)?, digest, file, first_read, began, reader);
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
        // Not before the lock is given back: a large file takes a while to be freed.
        drop(before);
    }
}

impl<T> Drop for Source<T> {
    fn drop(&mut self) {
        let reader = self.reader.get_mut().unwrap_or_else(PoisonError::into_inner);
        reader.stop_watching(&self.watcher);
        reader.stop_watching_place(&self.watcher);
    }
}

/// True where a file with this identity, which held what it does at the time `began` as well as when it was `first_read`, can
/// not change after that without its identity showing it.
fn has_settled(identity: &Identity, first_read: Instant, began: (SystemTime, Instant)) -> bool {
    // The second way does without the wall clock, which can stand before the file's time for a day.
    identity.settled_at(began.0) || began.1.duration_since(first_read) >= identity.granularity()
}

/// The folder and the name that `path` ends in.
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
    /// True where the file with this identity has been left alone for so long, or has been waited for too long.
    fn has_been_quiet_for(&mut self, duration: Duration, identity: &Identity) -> bool {
        let is_old = identity.age_of_content(SystemTime::now()).is_some_and(|age| age >= duration);
        is_old || self.has_been_seen_for(duration, identity) || self.began.elapsed() >= WRITER_PATIENCE
    }

    /// The same for a file that has become empty, which is rarely meant: a writer begins by emptying the file, a while before
    /// that is reported and the file's times are set (as long as the file system takes).
    fn is_quiet_and_empty(&mut self, identity: &Identity, is_expected: bool) -> bool {
        let enough = if is_expected { EMPTY } else { WRITER_PATIENCE };
        self.has_been_seen_for(enough, identity) || self.began.elapsed() >= 3 * WRITER_PATIENCE
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
    /// What has happened to the file with this identity. `None` where it is not watched.
    fn activity(&self, identity: &Identity, watcher: &Watcher) -> Option<Activity> {
        let watched = self.watched.as_ref().filter(|watched| watched.identity.is_same_file(identity))?;
        watcher.activity(&watched.watch)
    }

    /// True where something was reported of the watched file since it was read.
    fn has_been_told(&self, activity: Option<Activity>) -> bool {
        activity.is_some_and(|activity| activity.events > self.read_at().map_or(0, |read_at| read_at.events))
    }

    /// True where a writer has changed the watched file and closed it since it was read.
    fn has_been_rewritten(&self, activity: Option<Activity>) -> bool {
        self.read_at().zip(activity).is_some_and(|(read_at, activity)| read_at.contents < activity.contents)
    }

    /// True where the watched file was read after the last writer before the one that is at it now.
    fn has_read_what_was_before(&self, activity: Option<Activity>) -> bool {
        self.read_at().zip(activity).is_some_and(|(read_at, activity)| read_at.contents == activity.contents)
    }

    fn read_at(&self) -> Option<Activity> {
        self.watched.as_ref()?.read_at
    }

    /// Watches the file with this identity, to which `path` leads, in place of the one watched before.
    fn watch(&mut self, path: &CStr, identity: &Identity, watcher: &Watcher) {
        if self.activity(identity, watcher).is_some() {
            return;
        }
        self.stop_watching(watcher);
        match watcher.watch(path) {
            Ok(watch) => {
                self.unwatchable = false;
                self.watch_place(path, &watch, watcher);
                self.watched = Some(WatchedFile { identity: *identity, watch, read_at: None });
            }
            // Gone already, which the next look will find.
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.unwatchable, true) {
                    self.events.push(FileEvent::Unwatched(error.raw_os_error()));
                }
            }
        }
        // Another file may have taken the place since this one was opened.
        if Look::Stat.at(path).map_or(true, |now| !now.is_same_file(identity)) {
            self.stop_watching(watcher);
        }
    }

    /// Watches the place that the file of `watch` is in. If it was put there since another one was read, what has happened
    /// to it meanwhile is known. (Where the folder cannot be watched, it is not; that is no fault to report.)
    fn watch_place(&mut self, path: &CStr, watch: &Watch, watcher: &Watcher) {
        let (folder, name) = folder_and_name(path);
        let Ok(place) = watcher.watch_name(&folder, name) else { return self.stop_watching_place(watcher) };
        let arrivals = watcher.activity(&place).map_or(0, |activity| activity.arrivals);
        if self.place.as_ref() == Some(&place) && self.arrivals < arrivals {
            watcher.add_history(watch, &place);
        }
        self.arrivals = arrivals;
        // Given back only now, so that what is watched already stays so.
        self.stop_watching_place(watcher);
        self.place = Some(place);
    }

    fn stop_watching_place(&mut self, watcher: &Watcher) {
        if let Some(place) = self.place.take() {
            watcher.unwatch(place);
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
