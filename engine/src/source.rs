//! The current snapshot of one file: found in memory, read again when the file has changed.

use std::ffi::{CStr, CString};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use crate::file::{self, ReadError, Stamp};
use crate::lines::LineRules;

/// What a file's bytes are turned into. Parsing never fails: every file means something to httpd.
pub trait Parse: Sized {
    /// The snapshot of a file with these bytes.
    fn parse(text: Vec<u8>, rules: LineRules) -> Self;

    /// Number of the first line at which stock httpd would stop reading the file because of its length.
    fn stock_stops_at(&self) -> Option<usize>;
}

/// One file and its current snapshot, shared by the threads of a process.
pub struct Source<T> {
    path: CString,
    rules: LineRules,
    current: RwLock<Option<Arc<Snapshot<T>>>>,
    /// Held by the one thread that reads the file; the others wait for it rather than answer from stale data.
    reading: Mutex<()>,
    failing: AtomicBool,
    /// Number of a line to be reported as [`News::LongLine`]; 0: none.
    long_line: AtomicUsize,
}

/// A file's content as it was at one moment. Dereferences to the parsed file.
pub struct Snapshot<T> {
    parsed: T,
    stamp: Stamp,
    first_read: Instant,
    /// False while the file might have changed without its stamp showing it.
    settled: bool,
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
}

impl<T: Parse> Source<T> {
    /// A source that has not looked at its file yet.
    pub fn new(path: &CStr, rules: LineRules) -> Self {
        Source {
            path: path.to_owned(),
            rules,
            current: RwLock::new(None),
            reading: Mutex::new(()),
            failing: AtomicBool::new(false),
            long_line: AtomicUsize::new(0),
        }
    }

    /// The file's path.
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// The content of the file as of now: one `stat`, and no allocation, where it has not changed since it was read.
    pub fn current(&self) -> Reading<T> {
        match Stamp::of_path(&self.path) {
            Ok(stamp) => match self.remembered(&stamp) {
                Some(snapshot) => Reading { snapshot: Ok(snapshot), news: self.long_line() },
                None => self.read_again(),
            },
            Err(error) => self.failed(error),
        }
    }

    /// Reads the file ahead of the first request, which is the one to report what there is to say. A failure is not
    /// remembered: that request will meet it again.
    pub fn preload(&self) {
        let _one_reader = lock(&self.reading);
        if let Ok(snapshot) = self.read() {
            self.publish_read(Arc::new(snapshot));
        }
    }

    fn remembered(&self, stamp: &Stamp) -> Option<Arc<Snapshot<T>>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|snapshot| snapshot.settled && snapshot.stamp == *stamp).cloned()
    }

    fn read_again(&self) -> Reading<T> {
        let _one_reader = lock(&self.reading);
        // Whoever held the lock before may have read the file as it is now.
        match Stamp::of_path(&self.path) {
            Ok(stamp) => {
                if let Some(snapshot) = self.remembered(&stamp) {
                    return Reading { snapshot: Ok(snapshot), news: self.long_line() };
                }
            }
            Err(error) => return self.failed(error),
        }
        match self.read() {
            Ok(snapshot) => self.succeeded(snapshot),
            Err(error) => self.failed(error),
        }
    }

    fn read(&self) -> Result<Snapshot<T>, ReadError> {
        let began = SystemTime::now();
        let began_monotonic = Instant::now();
        let content = file::read(&self.path)?;
        let before = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let first_read = match before {
            Some(before) if before.stamp == content.stamp => before.first_read,
            _ => began_monotonic,
        };
        // The second way to settle does without the wall clock, which can stand before the file's time for a day.
        let settled = content.stamp.settled_at(began)
            || began_monotonic.duration_since(first_read) >= content.stamp.granularity();
        Ok(Snapshot { parsed: T::parse(content.bytes, self.rules), stamp: content.stamp, first_read, settled })
    }

    fn succeeded(&self, snapshot: Snapshot<T>) -> Reading<T> {
        let snapshot = Arc::new(snapshot);
        self.publish_read(Arc::clone(&snapshot));
        let recovered = self.failing.swap(false, Ordering::Relaxed).then_some(News::Recovered);
        Reading { snapshot: Ok(snapshot), news: recovered.or_else(|| self.long_line()) }
    }

    fn failed(&self, error: ReadError) -> Reading<T> {
        // What can't be read now must not answer later requests, and its memory is better given back.
        if self.failing.load(Ordering::Relaxed) {
            return Reading { snapshot: Err(error), news: None };
        }
        self.publish(None);
        let news = (!self.failing.swap(true, Ordering::Relaxed)).then_some(News::Fails);
        Reading { snapshot: Err(error), news }
    }

    /// Publishes what was read. A line of it that is too long is news unless the content before was the same.
    fn publish_read(&self, snapshot: Arc<Snapshot<T>>) {
        let stamp = snapshot.stamp;
        let long_line = snapshot.stock_stops_at().unwrap_or(0);
        let known = self.publish(Some(snapshot)).is_some_and(|before| before.stamp == stamp);
        if !known {
            self.long_line.store(long_line, Ordering::Relaxed);
        }
    }

    /// The line to be reported, once.
    fn long_line(&self) -> Option<News> {
        if self.long_line.load(Ordering::Relaxed) == 0 {
            return None;
        }
        match self.long_line.swap(0, Ordering::Relaxed) {
            0 => None,
            number => Some(News::LongLine(number)),
        }
    }

    fn publish(&self, snapshot: Option<Arc<Snapshot<T>>>) -> Option<Arc<Snapshot<T>>> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, snapshot)
    }
}

/// A panic while the lock was held leaves nothing half done: a snapshot is published in one step, or not.
fn lock(mutex: &Mutex<()>) -> std::sync::MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
