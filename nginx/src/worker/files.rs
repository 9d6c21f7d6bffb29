//! The password and group files of the process.
//!
//! An unchanged file, as one `stat` tells, is answered at once. The event loop is told of changes, in the order in which
//! they and the requests come; as long as it is told of none, one `stat` is enough for a tick of the clock. Reading a file,
//! and waiting for a program that rewrites it, happens in the thread pool, one task at a time for each file. A request that
//! comes during a reading waits for the next one, which begins after it came.

use std::ffi::CString;
use std::rc::Rc;
use std::sync::Arc;

use esauth_engine::verification::{Contents, FileKind, Verifier};
use esauth_engine::{
    FileEvent, Groups, LineRules, Parse, Passwords, ReadError, Reading, Seen, Snapshot, Source, Watcher,
    advice_on_watching,
};

use super::visit::{Pinned, State};
use super::waiting::{add, forget, tell};
use crate::config::file_directive;
use crate::nginx::descriptor::{Reads, follow, unfollow};
use crate::nginx::local::Local;
use crate::nginx::log::{Level, Log, log};
use crate::nginx::request::Request;
use crate::nginx::thread::{Task, post};

/// Files that are kept, of each kind, beside those in use. Variables in a name may lead to any number of them.
const MOST: usize = 256;

#[derive(Default)]
pub(crate) struct Files {
    /// Both begin with the file used last.
    passwords: Vec<File<Passwords>>,
    groups: Vec<File<Groups>>,
    watcher: Arc<Watcher>,
    /// True once the event loop has been asked to tell of changes, as far as it can.
    followed: bool,
    verifier: Option<Verifier>,
}

static FILES: Local<Files> = Local::new();

fn with<R>(work: impl FnOnce(&mut Files) -> R) -> Option<R> {
    // SAFETY: everything in this file is called by the event loop, except the `work` of tasks, which does not come here.
    unsafe { FILES.with(Files::default, work) }
}

/// Frees the memory, at the end of the process.
pub(super) fn end() {
    unfollow();
    // SAFETY: as above.
    unsafe { FILES.clear() };
}

struct File<T> {
    path: Rc<[u8]>,
    source: Arc<Source<T>>,
    /// The requests that the current reading is for; empty: there is none.
    reading: Vec<u64>,
    /// The requests that came since it began.
    next: Vec<u64>,
    /// What has last shown that it is unchanged.
    seen: Option<Seen>,
    /// The loads that are in the server's counters.
    counted: u64,
}

/// A kind of file.
pub(crate) trait FileOf: Parse + Send + Sync + Sized + 'static {
    const KIND: FileKind;

    fn contents(&self, bytes: u64) -> Contents;
    fn pinned(state: &mut State) -> &mut Option<Pinned<Self>>;
    #[expect(private_interfaces, reason = "only this folder calls it")]
    fn files(files: &mut Files) -> &mut Vec<File<Self>>;
}

#[expect(private_interfaces, reason = "as above")]
impl FileOf for Passwords {
    const KIND: FileKind = FileKind::Users;

    fn contents(&self, bytes: u64) -> Contents {
        Contents { users: self.len(), groups: 0, bytes }
    }

    fn pinned(state: &mut State) -> &mut Option<Pinned<Self>> {
        &mut state.passwords
    }

    fn files(files: &mut Files) -> &mut Vec<File<Self>> {
        &mut files.passwords
    }
}

#[expect(private_interfaces, reason = "as above")]
impl FileOf for Groups {
    const KIND: FileKind = FileKind::Groups;

    fn contents(&self, bytes: u64) -> Contents {
        Contents { users: self.members(), groups: self.groups(), bytes }
    }

    fn pinned(state: &mut State) -> &mut Option<Pinned<Self>> {
        &mut state.groups
    }

    fn files(files: &mut Files) -> &mut Vec<File<Self>> {
        &mut files.groups
    }
}

struct Changes;

impl Reads for Changes {
    fn read() {
        with(|files| files.watcher.take());
    }
}

impl Files {
    /// Has the event loop tell of changes, once there is anything to be told.
    fn follow_changes(&mut self) {
        if self.followed {
            return;
        }
        if let Some(descriptor) = self.watcher.descriptor() {
            follow::<Changes>(descriptor);
            self.followed = true;
        }
    }
}

/// Reads files ahead of the first request, and counts readings for this verifier from now on.
pub(super) fn preload(named: &[(FileKind, &[u8])], verifier: Option<Verifier>) {
    with(|files| {
        files.verifier = verifier;
        for (kind, path) in named {
            match kind {
                FileKind::Users => file::<Passwords>(files, path).preload(verifier.as_ref()),
                FileKind::Groups => file::<Groups>(files, path).preload(verifier.as_ref()),
                FileKind::Roles | FileKind::Credentials => {}
            }
        }
    });
}

/// A file's content for a request.
pub(crate) enum Content<T> {
    Read(Arc<Snapshot<T>>),
    Unreadable(ReadError),
    /// The request waits for it.
    Waits,
    /// Memory is lacking.
    Failed,
}

/// The content of the file at `path` for a request, or why it cannot be read, if that can be told at once.
pub(crate) fn at_once<T: FileOf>(
    request: Request<'_>,
    state: &mut State,
    path: &[u8],
) -> Option<Result<Arc<Snapshot<T>>, ReadError>> {
    if let Some(pinned) = T::pinned(state).as_ref().filter(|pinned| *pinned.path == *path) {
        return Some(pinned.content.clone());
    }
    let seen = with(|files| {
        files.follow_changes();
        let file = file::<T>(files, path);
        let seen = file.source.glance_since(&mut file.seen, request.is_behind());
        seen.map(|snapshot| (Rc::clone(&file.path), snapshot))
    });
    let (path, snapshot) = seen.flatten()?;
    *T::pinned(state) = Some(Pinned { path, content: Ok(Arc::clone(&snapshot)) });
    Some(Ok(snapshot))
}

/// The content of the file at `path` for a request, which sees the same as long as it lasts.
pub(crate) fn content<T: FileOf>(request: Request<'_>, state: &mut State, path: &[u8]) -> Content<T> {
    match at_once(request, state, path) {
        Some(Ok(snapshot)) => return Content::Read(snapshot),
        Some(Err(error)) => return Content::Unreadable(error),
        None => {}
    }
    let Some(number) = add(request, state, forget) else { return Content::Failed };
    let is_read = with(|files| {
        let file = file::<T>(files, path);
        file.next.push(number);
        let is_read = !file.reading.is_empty() || file.read_for_next();
        if !is_read {
            file.next.clear();
        }
        is_read
    });
    if is_read == Some(true) {
        return Content::Waits;
    }
    state.place = None;
    Content::Failed
}

fn file<'f, T: FileOf>(files: &'f mut Files, path: &[u8]) -> &'f mut File<T> {
    let known = T::files(files).iter().position(|file| *file.path == *path);
    let place = known.unwrap_or_else(|| {
        let file = File::new(path.into(), &files.watcher);
        let files = T::files(files);
        if files.len() >= MOST {
            let oldest = files.iter().rposition(|file| file.reading.is_empty());
            oldest.map(|oldest| files.remove(oldest));
        }
        files.push(file);
        files.len() - 1
    });
    let files = T::files(files);
    files[..=place].rotate_right(1);
    &mut files[0]
}

impl<T: FileOf> File<T> {
    fn new(path: Rc<[u8]>, watcher: &Arc<Watcher>) -> File<T> {
        // Without NUL: see `path` in `access`.
        let name = CString::new(&*path).unwrap_or_default();
        let source = Arc::new(Source::new(&name, LineRules::Httpd24, Arc::clone(watcher)));
        File { path, source, reading: Vec::new(), next: Vec::new(), seen: None, counted: 0 }
    }

    fn preload(&mut self, verifier: Option<&Verifier>) {
        self.source.preload();
        self.count_loads(verifier);
    }

    /// Adds this worker's loads since the last call to the server's counters.
    fn count_loads(&mut self, verifier: Option<&Verifier>) {
        let loads = self.source.loads() - std::mem::replace(&mut self.counted, self.source.loads());
        if let (1.., Some(verifier), Some(snapshot)) = (loads, verifier, self.source.last_read()) {
            let contents = snapshot.contents(snapshot.file_size());
            verifier.file(T::KIND, self.source.path().to_bytes()).note_loads(loads, contents);
        }
    }

    /// Begins a reading for the requests that have come. False if the thread pool does not take it.
    fn read_for_next(&mut self) -> bool {
        let posted = post(Box::new(Read { source: Arc::clone(&self.source), reading: None })).is_ok();
        if posted {
            self.reading = std::mem::take(&mut self.next);
        }
        posted
    }
}

/// A file to read.
struct Read<T> {
    source: Arc<Source<T>>,
    reading: Option<Reading<T>>,
}

impl<T: FileOf> Task for Read<T> {
    fn work(&mut self) {
        self.reading = Some(self.source.current());
    }

    fn done(self: Box<Self>) {
        let path = self.source.path().to_bytes();
        // After a panic, there is none.
        let content = match self.reading {
            Some(Reading { snapshot, event }) => {
                if let Some(event) = event {
                    report::<T>(path, event, snapshot.as_ref().err());
                }
                snapshot
            }
            None => Err(ReadError::NO_MEMORY),
        };
        let told = with(|files| {
            let verifier = files.verifier;
            let Some(file) = T::files(files).iter_mut().find(|file| *file.path == *path) else { return Vec::new() };
            file.count_loads(verifier.as_ref());
            let mut told = std::mem::take(&mut file.reading);
            if !file.next.is_empty() && !file.read_for_next() {
                told.append(&mut file.next);
            }
            told
        });
        for number in told.unwrap_or_default() {
            tell(number, |state| *T::pinned(state) = Some(Pinned { path: path.into(), content: content.clone() }));
        }
    }
}

fn report<T: FileOf>(path: &[u8], event: FileEvent, error: Option<&ReadError>) {
    let Some(log) = Log::of_process() else { return };
    let (name, reason) = (file_directive(T::KIND).as_bytes(), error.map(ToString::to_string).unwrap_or_default());
    match event {
        FileEvent::Fails => {
            let advice = b". Requests that need it are refused until it can be read; it must be a regular file, and \
                           nginx's workers must be able to read it and enter its folders";
            let cannot = b" cannot be read: ";
            log!(log, Level::Error, 0, b"esauth: ", name, b" ", path, cannot, reason.as_bytes(), advice);
        }
        FileEvent::Recovered => log!(log, Level::Notice, 0, b"esauth: ", name, b" ", path, b" can be read again"),
        FileEvent::Unwatched(number) => {
            let reason = ReadError::Os(number).to_string();
            let effect =
                b". Changes still count at once, but valid users may be refused while a slow program rewrites \
                           it in place; ";
            let (cannot, advice) = (b" cannot be watched: ", advice_on_watching(number).as_bytes());
            log!(log, Level::Warning, 0, b"esauth: ", name, b" ", path, cannot, reason.as_bytes(), effect, advice);
        }
        // Of no concern to nginx, which has other limits.
        FileEvent::LongLine(_) => {}
    }
}
