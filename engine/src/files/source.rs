//! The current snapshot of one file: found in memory, read again when the file has changed.
//!
//! Whether it has changed is asked of the kernel at every look: by one `epoll_wait` where everything on the way to the file is
//! watched and would be heard of, else by one `stat`. Where it has:
//!
//! * While somebody is writing to the file, the snapshot of before stays the right answer: what the file holds meanwhile
//!   is nobody's intention. How the writer is noticed is told in `watch`.
//! * A change that was not reported (another file in this place; a file system that reports nothing) must have been quiet
//!   for a moment before it is believed to be complete.
//! * One thread reads, and the others who need the file wait for it.

use std::ffi::{CStr, CString};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::io::Errno;

use super::identity::{Opened, ReadError, Stamp};
use super::lines::LineRules;
use super::trail::Trail;
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

/// How many snapshots this process has made, of all files.
static SNAPSHOTS: AtomicU64 = AtomicU64::new(0);

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
    /// The folder that the path is in.
    folder: CString,
    rules: LineRules,
    watcher: Arc<Watcher>,
    current: RwLock<Option<Arc<Snapshot<T>>>>,
    /// The watcher's generation at which the file was seen to be as the current snapshot has it, and from which on every
    /// change would be reported; or one of the two words below.
    untouched_since: AtomicU64,
    /// Held by the one thread that reads the file; the others wait for it rather than answer from stale data.
    reader: Mutex<Reader>,
    /// The current snapshot's serial number, for who needs no more than that.
    serial: AtomicU64,
    /// How often the file was read.
    loads: AtomicU64,
    /// True where `Reader::news` holds something.
    has_news: AtomicBool,
}

/// It is not known whether changes would be reported.
const UNKNOWN: u64 = u64::MAX;
/// Changes would not be reported.
const NEVER: u64 = u64::MAX - 1;

/// No snapshot has this serial number.
const NO_SNAPSHOT: u64 = u64::MAX;

/// What only the thread that reads the file needs.
#[derive(Default)]
struct Reader {
    watched: Option<WatchedFile>,
    trail: Trail,
    /// True where the last attempt to watch the file failed.
    unwatchable: bool,
    /// True where the last attempt to read the file failed.
    failing: bool,
    /// What has not been told yet, latest last.
    news: Vec<News>,
}

/// A file that is watched.
#[derive(Clone, Copy)]
struct WatchedFile {
    /// Tells which file it is.
    stamp: Stamp,
    watch: Watch,
    /// What had happened when the content was read that the current snapshot is of. `None` where it is of another file.
    read_at: Option<Activity>,
}

/// What a thread has seen of a file that it waits for.
struct Wait {
    began: Instant,
    /// The file as it was last seen, and since when it has been so.
    seen: Option<(Stamp, Instant)>,
    readings: usize,
}

/// A file's content as it was at one moment. Dereferences to the parsed file.
pub struct Snapshot<T> {
    parsed: T,
    stamp: Stamp,
    first_read: Instant,
    /// False while the file might have changed without its stamp showing it.
    settled: AtomicBool,
    serial: u64,
}

impl<T> Snapshot<T> {
    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// Notes that at the time `began` or later, the file held what was read.
    fn was_right_at(&self, began: (SystemTime, Instant)) {
        if has_settled(&self.stamp, self.first_read, began) {
            self.settled.store(true, Ordering::Release);
        }
    }

    /// A number that no other snapshot of this process has, of whatever file.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// The size of the file in bytes.
    pub fn file_size(&self) -> u64 {
        self.stamp.size()
    }
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
    pub news: Option<News>,
}

/// A change in the state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
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
            folder: folder_of(path),
            rules,
            watcher,
            current: RwLock::new(None),
            untouched_since: AtomicU64::new(UNKNOWN),
            reader: Mutex::default(),
            serial: AtomicU64::new(NO_SNAPSHOT),
            loads: AtomicU64::new(0),
            has_news: AtomicBool::new(false),
        }
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

    /// True where changes of the file would be reported, as seen at the last look: the next one takes no `stat`.
    pub fn is_watched(&self) -> bool {
        !matches!(self.untouched_since.load(Ordering::Relaxed), UNKNOWN | NEVER)
    }

    /// The content of the file as of now: one system call, and no allocation, where it has not changed since it was read.
    pub fn current(&self) -> Reading<T> {
        let remembered = self.untouched().or_else(|| self.unchanged());
        match remembered {
            Some(snapshot) if !self.has_news.load(Ordering::Relaxed) => Reading { snapshot: Ok(snapshot), news: None },
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
        self.has_news.store(!reader.news.is_empty(), Ordering::Relaxed);
    }

    /// The serial number of the current snapshot, if nothing has been reported that could have changed the file. Takes one
    /// system call, and writes to no memory.
    pub(crate) fn untouched_serial(&self) -> Option<u64> {
        self.is_untouched().then(|| self.serial.load(Ordering::Acquire))
    }

    /// The current snapshot, if nothing has been reported that could have changed the file.
    fn untouched(&self) -> Option<Arc<Snapshot<T>>> {
        // Not before: a snapshot that was current before the question may have been replaced since.
        self.is_untouched().then(|| self.last_read()).flatten()
    }

    fn is_untouched(&self) -> bool {
        let since = self.untouched_since.load(Ordering::Acquire);
        !matches!(since, UNKNOWN | NEVER) && self.watcher.is_quiet_since(since)
    }

    /// The current snapshot, if the file's stamp shows that it has not changed.
    fn unchanged(&self) -> Option<Arc<Snapshot<T>>> {
        let stamp = Stamp::of_path(&self.path).ok()?;
        let current = self.last_read();
        let snapshot = current.filter(|snapshot| snapshot.is_settled() && snapshot.stamp == stamp)?;
        if self.untouched_since.load(Ordering::Relaxed) != NEVER {
            // Whoever holds the lock will see to it.
            match self.reader.try_lock() {
                Ok(mut reader) => self.listen(&stamp, &mut reader),
                Err(TryLockError::Poisoned(reader)) => self.listen(&stamp, &mut reader.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        Some(snapshot)
    }

    /// Sees to it that the next look at the file, whose stamp is that of a settled snapshot, need not ask for its stamp.
    fn listen(&self, stamp: &Stamp, reader: &mut Reader) {
        reader.watch(&self.path, stamp, &self.watcher);
        // Takes what is in the queue, before the number that stands for it.
        let activity = reader.activity(stamp, &self.watcher);
        let generation = self.watcher.generation();
        if activity.is_some_and(|activity| activity.written_since.is_some()) {
            return;
        }
        if activity.is_none() || !reader.watch_trail(&self.path, &self.watcher) {
            self.untouched_since.store(NEVER, Ordering::Release);
            return;
        }
        // From here on a change would be reported.
        let current = self.last_read();
        let is_current = current.is_some_and(|current| current.is_settled() && current.stamp == *stamp);
        let is_unchanged = Stamp::of_path(&self.path).as_ref() == Ok(stamp);
        if is_current && is_unchanged && self.watcher.is_quiet_since(generation) {
            reader.note_read(activity);
            self.untouched_since.store(generation, Ordering::Release);
        }
    }

    /// A panic while the lock was held leaves nothing half done: a snapshot is published in one step, or not.
    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, reader: &mut Reader, snapshot: Result<Arc<Snapshot<T>>, ReadError>) -> Reading<T> {
        let news = (!reader.news.is_empty()).then(|| reader.news.remove(0));
        self.has_news.store(!reader.news.is_empty(), Ordering::Relaxed);
        Reading { snapshot, news }
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
                    reader.forget_trail(&self.watcher);
                    return Err(error);
                }
                Ok(None) | Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// The file's content as of now, or `None` where it is better to look again in a moment.
    fn look(&self, wait: &mut Wait, reader: &mut Reader) -> Result<Option<Arc<Snapshot<T>>>, ReadError> {
        let began = (SystemTime::now(), Instant::now());
        let stamp = Stamp::of_path(&self.path)?;
        let current = self.last_read();
        let is_current = |stamp: &Stamp| current.as_ref().is_some_and(|current| current.stamp == *stamp);
        // Whoever was the reader before may have read the file as it is now.
        let is_settled = current.as_ref().is_some_and(|current| current.is_settled());
        if is_current(&stamp) && (is_settled || reader.would_know_of_a_change(&stamp, &self.watcher)) {
            if let Some(current) = &current {
                current.was_right_at(began);
            }
            return Ok(current);
        }
        let mut file = Opened::open(&self.path)?;
        reader.watch(&self.path, &file.stamp, &self.watcher);
        let activity = reader.activity(&file.stamp, &self.watcher);
        let written_since = activity.and_then(|activity| activity.written_since);
        if written_since.is_some_and(|since| since.elapsed() < WRITER_PATIENCE) {
            // Not the current snapshot where a writer before this one has left a content that was never read.
            return Ok(current.filter(|_| reader.has_read_what_was_before(activity)));
        }
        let is_emptied = file.stamp.is_of_empty_file() && current.is_some();
        let is_another = current.as_ref().is_some_and(|current| !current.stamp.is_same_file(&file.stamp));
        let is_complete = if is_emptied {
            wait.is_quiet_and_empty(&file.stamp, reader.has_been_rewritten(activity))
        } else if reader.has_been_told(activity) {
            true
        } else if is_another && self.is_written_in_place(&file.stamp) {
            wait.has_been_quiet_for(WRITER_PATIENCE / 2, &file.stamp)
        } else {
            wait.has_been_quiet_for(QUIET, &file.stamp)
        };
        if !is_complete && !is_current(&file.stamp) {
            return Ok(None);
        }
        wait.readings += 1;
        self.read(&mut file, activity, wait.readings >= READ_ATTEMPTS, reader)
    }

    /// True where the file with this stamp was written to after it had been put in its place, by renaming or by making it
    /// there. Its writer may be one whose beginning nobody has listened to.
    fn is_written_in_place(&self, stamp: &Stamp) -> bool {
        Stamp::of_path(&self.folder).is_ok_and(|folder| stamp.is_of_later_content_than(&folder))
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
        let bytes = file.read()?;
        let is_unchanged = file.is_unchanged()? && reader.activity(&file.stamp, &self.watcher) == activity;
        if !is_unchanged && !as_it_is {
            return Ok(None);
        }
        let parsed = T::parse(bytes, self.rules)?;
        reader.note_read(activity);
        Ok(Some(self.publish_read(parsed, file.stamp, began, reader)))
    }

    fn publish_read(
        &self,
        parsed: T,
        stamp: Stamp,
        began: (SystemTime, Instant),
        reader: &mut Reader,
    ) -> Arc<Snapshot<T>> {
        let before = self.last_read();
        let first_read = match before {
            Some(before) if before.stamp == stamp => before.first_read,
            _ => {
                reader.note_long_line(parsed.stock_stops_at());
                began.1
            }
        };
        let settled = AtomicBool::new(has_settled(&stamp, first_read, began));
        let serial = SNAPSHOTS.fetch_add(1, Ordering::Relaxed);
        let snapshot = Arc::new(Snapshot { parsed, stamp, first_read, settled, serial });
        self.publish(Some(Arc::clone(&snapshot)));
        self.loads.fetch_add(1, Ordering::Relaxed);
        snapshot
    }

    fn publish(&self, snapshot: Option<Arc<Snapshot<T>>>) {
        self.untouched_since.store(UNKNOWN, Ordering::Release);
        let serial = snapshot.as_ref().map_or(NO_SNAPSHOT, |snapshot| snapshot.serial);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, snapshot);
        self.serial.store(serial, Ordering::Release);
        drop(current);
        // Not before the lock is given back: a large file takes a while to be freed.
        drop(before);
    }
}

/// True where a file with this stamp, which held what it does at the time `began` as well as when it was `first_read`, can
/// not change after that without its stamp showing it.
fn has_settled(stamp: &Stamp, first_read: Instant, began: (SystemTime, Instant)) -> bool {
    // The second way does without the wall clock, which can stand before the file's time for a day.
    stamp.settled_at(began.0) || began.1.duration_since(first_read) >= stamp.granularity()
}

fn folder_of(path: &CStr) -> CString {
    let path = path.to_bytes();
    let folder = match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) => &b"/"[..],
        Some(end) => &path[..end],
        None => b".",
    };
    // A part of a C string has no NUL in it.
    CString::new(folder).unwrap_or_default()
}

impl Default for Wait {
    fn default() -> Self {
        Wait { began: Instant::now(), seen: None, readings: 0 }
    }
}

impl Wait {
    /// True where the file with this stamp has been left alone for so long, or has been waited for too long.
    fn has_been_quiet_for(&mut self, duration: Duration, stamp: &Stamp) -> bool {
        let is_old = stamp.age_of_content(SystemTime::now()).is_some_and(|age| age >= duration);
        is_old || self.has_been_seen_for(duration, stamp) || self.began.elapsed() >= WRITER_PATIENCE
    }

    /// The same for a file that has become empty, which is rarely meant: a writer begins by emptying the file, a while before
    /// that is reported and the file's times are set (as long as the file system takes).
    fn is_quiet_and_empty(&mut self, stamp: &Stamp, is_expected: bool) -> bool {
        let enough = if is_expected { EMPTY } else { WRITER_PATIENCE };
        self.has_been_seen_for(enough, stamp) || self.began.elapsed() >= 3 * WRITER_PATIENCE
    }

    fn has_been_seen_for(&mut self, duration: Duration, stamp: &Stamp) -> bool {
        let since = match self.seen {
            Some((seen, since)) if seen == *stamp => since,
            _ => self.seen.insert((*stamp, Instant::now())).1,
        };
        since.elapsed() >= duration
    }
}

impl Reader {
    /// What has happened to the file with this stamp. `None` where it is not watched.
    fn activity(&self, stamp: &Stamp, watcher: &Watcher) -> Option<Activity> {
        let watched = self.watched.filter(|watched| watched.stamp.is_same_file(stamp))?;
        watcher.activity(watched.watch)
    }

    /// True where the content of the file with this stamp was read after everything that has happened to it, and its file
    /// system is known to report what happens.
    fn would_know_of_a_change(&self, stamp: &Stamp, watcher: &Watcher) -> bool {
        let activity = self.activity(stamp, watcher);
        activity.is_some_and(|activity| activity.events > 0 && self.read_at() == Some(activity))
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
        self.watched?.read_at
    }

    /// Watches the file with this stamp, to which `path` leads, in place of the one watched before.
    fn watch(&mut self, path: &CStr, stamp: &Stamp, watcher: &Watcher) {
        if self.activity(stamp, watcher).is_some() {
            return;
        }
        self.stop_watching(watcher);
        match watcher.watch(path) {
            Ok(watch) => {
                self.watched = Some(WatchedFile { stamp: *stamp, watch, read_at: None });
                self.unwatchable = false;
            }
            // Gone already, which the next look will find.
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.unwatchable, true) {
                    self.news.push(News::Unwatched(error.raw_os_error()));
                }
            }
        }
        // Another file may have taken the place since this one was opened.
        if Stamp::of_path(path).map_or(true, |now| !now.is_same_file(stamp)) {
            self.stop_watching(watcher);
        }
    }

    fn stop_watching(&mut self, watcher: &Watcher) {
        if let Some(watched) = self.watched.take() {
            watcher.unwatch(watched.watch);
        }
    }

    /// Watches the folders that `path` leads through, as they are now. False where that cannot tell everything.
    fn watch_trail(&mut self, path: &CStr, watcher: &Watcher) -> bool {
        let trail = Trail::watch(path, watcher);
        let is_whole = trail.is_some();
        // Given back only now, so that what is watched already stays so.
        std::mem::replace(&mut self.trail, trail.unwrap_or_default()).unwatch(watcher);
        is_whole
    }

    fn forget_trail(&mut self, watcher: &Watcher) {
        std::mem::take(&mut self.trail).unwatch(watcher);
    }

    fn note_read(&mut self, activity: Option<Activity>) {
        if let Some(watched) = &mut self.watched {
            watched.read_at = activity;
        }
    }

    fn note_outcome(&mut self, fails: bool) {
        let failed = std::mem::replace(&mut self.failing, fails);
        if fails != failed {
            self.news.push(if fails { News::Fails } else { News::Recovered });
        }
    }

    fn note_long_line(&mut self, number: Option<usize>) {
        self.news.retain(|news| !matches!(news, News::LongLine(_)));
        self.news.extend(number.map(News::LongLine));
    }
}
