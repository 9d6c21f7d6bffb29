//! The files of one child process: every password and group file that a request of it has needed, in memory.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use esauth_engine::cache::{Contents, FileKind};
use esauth_engine::{
    FileEvent, Groups, Parse, Passwords, ReadError, Reading, Snapshot, Source, Watcher, advice_on_watching,
};

use crate::config::section::file_directive;
use crate::httpd::bindings::apr_status_t;
use crate::httpd::generation;
use crate::httpd::log::{Level, here, log_request, log_server};
use crate::httpd::request::Request;
use crate::state::verdicts;

/// What to tell about a line of a file that is too long for the stock module.
const fn long_line(kind: FileKind) -> &'static [u8] {
    match kind {
        #[cfg(httpd = "2.4")]
        FileKind::Users => b" has 8191 bytes or more: it and the lines after it count, but stock httpd ignores them",
        #[cfg(httpd = "2.4")]
        FileKind::Groups => {
            b" has 16 MiB or more: it and the lines after it are ignored, as by stock httpd; split it in two"
        }
        #[cfg(httpd = "2.2")]
        FileKind::Users => {
            b" has 8191 bytes or more: it counts as one line, but stock httpd cuts it there and takes the rest for another"
        }
        // The stock module cuts that, too, after 8191 bytes.
        #[cfg(httpd = "2.2")]
        FileKind::Groups => b" has 16 MiB or more: it and the lines after it are ignored; split it in two",
    }
}

/// The content of `path` as of now. What is new about the file is logged; a failure is left to the caller to report.
pub(crate) fn passwords(request: Request<'_>, path: &CStr) -> Result<Arc<Snapshot<Passwords>>, Unreadable> {
    let file = store().passwords.file(path, &store().watcher);
    report(request, FileKind::Users, path, file.current(FileKind::Users))
}

/// As [`passwords`], for a group file.
pub(crate) fn groups(request: Request<'_>, path: &CStr) -> Result<Arc<Snapshot<Groups>>, Unreadable> {
    let file = store().groups.file(path, &store().watcher);
    report(request, FileKind::Groups, path, file.current(FileKind::Groups))
}

/// Reads a file ahead of the first request that needs it.
pub(crate) fn preload(kind: FileKind, path: &CStr) {
    match kind {
        FileKind::Users => store().passwords.file(path, &store().watcher).preload(kind),
        FileKind::Groups => store().groups.file(path, &store().watcher).preload(kind),
    }
}

/// A file cannot be read: the status that stock httpd would put in front of its line.
#[derive(Clone, Copy)]
pub(crate) struct Unreadable(pub(crate) apr_status_t);

#[derive(Default)]
struct Store {
    passwords: Files<Passwords>,
    groups: Files<Groups>,
    watcher: Arc<Watcher>,
}

/// Made when first asked for, which is after the fork; it ends with the child, like the memory it is in. (The parent,
/// in which the library is loaded and unloaded at every restart, never asks.)
fn store() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(Store::default)
}

/// Files by path. None is ever taken away, so to find one writes to no memory that other threads use.
struct Files<T> {
    buckets: [Entry<T>; BUCKETS],
}

const BUCKETS: usize = 256;

/// Where a file is, or is going to be.
type Entry<T> = OnceLock<Box<File<T>>>;

struct File<T> {
    source: Source<T>,
    /// How many of the source's loads are in the server's counters.
    counted: AtomicU64,
    /// The next one in the same bucket.
    next: Entry<T>,
}

impl<T> Default for Files<T> {
    fn default() -> Self {
        Files { buckets: [const { OnceLock::new() }; BUCKETS] }
    }
}

impl<T: Parse> Files<T> {
    /// The file of `path`: no allocation once it is there.
    fn file(&self, path: &CStr, watcher: &Arc<Watcher>) -> &File<T> {
        let mut entry = &self.buckets[bucket(path)];
        loop {
            let new = || Source::new(path, generation::LINE_RULES, Arc::clone(watcher));
            let file = entry
                .get_or_init(|| Box::new(File { source: new(), counted: AtomicU64::new(0), next: OnceLock::new() }));
            if file.source.path() == path {
                return file;
            }
            entry = &file.next;
        }
    }
}

/// The paths of a configuration are few, so a hash that is quick (FNV-1a) will do.
fn bucket(path: &CStr) -> usize {
    let hash =
        path.to_bytes().iter().fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash as usize % BUCKETS
}

impl<T: Parse + Measure> File<T> {
    fn current(&self, kind: FileKind) -> Reading<T> {
        let reading = self.source.current();
        self.count_loads(kind);
        if reading.snapshot.is_err() {
            if let Some(cache) = verdicts::cache() {
                cache.file(kind, self.source.path().to_bytes()).note_failure();
            }
        }
        reading
    }

    fn preload(&self, kind: FileKind) {
        self.source.preload();
        self.count_loads(kind);
    }

    /// Adds to the server's counters what this child has read since it did so last.
    fn count_loads(&self, kind: FileKind) {
        let loads = self.source.loads();
        let counted = self.counted.load(Ordering::Relaxed);
        let is_mine = || self.counted.compare_exchange(counted, loads, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if loads == counted || !is_mine() {
            return;
        }
        if let (Some(cache), Some(snapshot)) = (verdicts::cache(), self.source.last_read()) {
            cache
                .file(kind, self.source.path().to_bytes())
                .note_loads(loads - counted, snapshot.contents(snapshot.file_size()));
        }
    }
}

/// What an operator is told about the content of a file of so many bytes.
trait Measure {
    fn contents(&self, bytes: u64) -> Contents;
}

impl Measure for Passwords {
    fn contents(&self, bytes: u64) -> Contents {
        Contents { users: self.len(), groups: 0, bytes }
    }
}

impl Measure for Groups {
    fn contents(&self, bytes: u64) -> Contents {
        Contents { users: self.members(), groups: self.groups(), bytes }
    }
}

fn report<T>(
    request: Request<'_>,
    kind: FileKind,
    path: &CStr,
    reading: Reading<T>,
) -> Result<Arc<Snapshot<T>>, Unreadable> {
    let (name, path) = (file_directive(kind).as_bytes(), path.to_bytes());
    match reading.event {
        Some(FileEvent::Recovered) => {
            log_request!(request, Level::Notice, 0, b"rust_esauth: ", name, b" ", path, b" can be read again");
        }
        Some(FileEvent::LongLine(number)) => {
            let effect = long_line(kind);
            let number = number.to_string();
            let line = [b" line ", number.as_bytes()].concat();
            log_request!(request, Level::Warning, 0, b"rust_esauth: ", name, b" ", path, line, effect);
        }
        Some(FileEvent::Unwatched(number)) => {
            let reason = ReadError::Os(number).to_string();
            log_request!(
                request,
                Level::Warning,
                0,
                b"rust_esauth: ",
                name,
                b" ",
                path,
                b" cannot be watched: ",
                reason.as_bytes(),
                b". Changes of it still count at once, but valid users may be refused while a slow program rewrites it in \
                  place; ",
                advice_on_watching(number).as_bytes(),
            );
        }
        Some(FileEvent::Fails) | None => {}
    }
    let error = match reading.snapshot {
        Ok(snapshot) => return Ok(snapshot),
        Err(error) => error,
    };
    if reading.event == Some(FileEvent::Fails) {
        let reason = error.to_string();
        log_request!(
            request,
            Level::Error,
            0,
            b"rust_esauth: ",
            name,
            b" ",
            path,
            b" cannot be read: ",
            reason.as_bytes(),
            b". Requests that need it are refused until it can; see that it is a regular file, and that the user httpd \
              runs as may read it and enter its folders",
        );
    }
    Err(Unreadable(status(request, path, error)))
}

/// The APR status for `error`: on Unix the error number itself.
fn status(request: Request<'_>, path: &[u8], error: ReadError) -> apr_status_t {
    const EBADF: apr_status_t = 9;
    const EFBIG: apr_status_t = 27;
    match error {
        ReadError::Os(number) => number,
        ReadError::TooLarge | ReadError::OverLimit { .. } => EFBIG,
        ReadError::NotRegular => {
            // Stock httpd says this where it opens files, outside of any request.
            let tag = generation::tag("AH00554: ");
            let parts = [tag, b"Access to file ", path, b" denied by server: not a regular file"];
            log_server(here!(), Level::Error, 0, None, request.pool(), &parts);
            EBADF
        }
    }
}
