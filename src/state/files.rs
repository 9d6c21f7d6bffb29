//! The files of one child process: every password and group file that its requests have needed, in memory.
//!
//! Files named in the server's configuration stay as long as the child. Files named only by a `.htaccess` are chosen by
//! its author, so their size is bounded, and they are freed when no longer used.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::process;
#[cfg(httpd = "2.4")]
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use esauth_engine::verification::{Contents, FileKind};
use esauth_engine::{
    Credentials, CredentialsFile, FileEvent, Groups, Parse, Passwords, ReadError, Reading, Snapshot, Source, Watcher,
    advice_on_watching,
};
use esauth_roles::RolesFile;
use once_cell::race::OnceBox;

use crate::config::files::file_directive;
use crate::httpd::bindings::apr_status_t;
use crate::httpd::generation;
use crate::httpd::loaded;
use crate::httpd::log::{Level, here, log_request, log_server};
use crate::httpd::request::Request;
use crate::state::verdicts;

/// The effect of a line that is too long for the stock module.
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
            b" has 8191 bytes or more: it counts as one line, but stock httpd cuts it and reads the rest as another"
        }
        // The stock module also cuts such a line after 8191 bytes.
        #[cfg(httpd = "2.2")]
        FileKind::Groups => b" has 16 MiB or more: it and the lines after it are ignored; split it in two",
        // They have no such limit.
        FileKind::Roles | FileKind::Credentials => b"",
    }
}

/// Faults of a file's content that are logged; the first says most.
#[cfg(httpd = "2.4")]
const FAULTS: usize = 10;

/// How long an unused file named only by a `.htaccess` is kept.
const KEPT_UNUSED: Duration = Duration::from_secs(300);

/// Maximum number of these kept of each kind, however small.
const MOST_OTHERS: usize = 1024;

/// Size limit in bytes of a file named only by a `.htaccess`, and of all of them together for each kind. Written only
/// when a child starts.
static LIMIT: AtomicU64 = AtomicU64::new(0);

/// The current content of `path`. Logs events of the file; the caller reports a failure.
pub(crate) fn passwords(request: Request<'_>, path: &CStr) -> Result<Arc<Snapshot<Passwords>>, Unreadable> {
    let kind = FileKind::Users;
    let store = store();
    store.passwords.with(store, path, |file| report(request, kind, path, file.current(kind)))
}

/// The same for a group file.
pub(crate) fn groups(request: Request<'_>, path: &CStr) -> Result<Arc<Snapshot<Groups>>, Unreadable> {
    let kind = FileKind::Groups;
    let store = store();
    store.groups.with(store, path, |file| report(request, kind, path, file.current(kind)))
}

/// The same for a roles file.
#[cfg(httpd = "2.4")]
pub(crate) fn roles(request: Request<'_>, path: &CStr) -> Result<Arc<Snapshot<RolesFile>>, Unreadable> {
    let kind = FileKind::Roles;
    let store = store();
    store.roles.with(store, path, |file| report(request, kind, path, file.current(kind)))
}

/// The same for a credentials file.
#[cfg(httpd = "2.4")]
pub(crate) fn credentials(request: Request<'_>, path: &CStr) -> Result<Arc<Snapshot<CredentialsFile>>, Unreadable> {
    let kind = FileKind::Credentials;
    let store = store();
    store.credentials.with(store, path, |file| report(request, kind, path, file.current(kind)))
}

/// Logs the faults of a file's content, once in each child.
#[cfg(httpd = "2.4")]
pub(crate) fn report_faults<T: Send + Sync + 'static>(
    request: Request<'_>,
    kind: FileKind,
    path: &CStr,
    snapshot: &Arc<Snapshot<T>>,
    faults: &[impl ToString],
) {
    static REPORTED: Mutex<Vec<Weak<dyn Send + Sync>>> = Mutex::new(Vec::new());
    let this: Weak<dyn Send + Sync> = Arc::<Snapshot<T>>::downgrade(snapshot);
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    reported.retain(|known| known.strong_count() > 0);
    if reported.iter().any(|known| std::ptr::addr_eq(known.as_ptr(), this.as_ptr())) {
        return;
    }
    reported.push(this);
    drop(reported);
    let (name, path, after) =
        (file_directive(kind).as_bytes(), path.to_bytes(), b". Until the file is corrected, every request is refused");
    for fault in faults.iter().take(FAULTS) {
        let fault = fault.to_string();
        log_request!(request, Level::Error, 0, b"rust_esauth: ", name, b" ", path, b" ", fault.as_bytes(), after);
    }
}

/// Starts a child: stores the limit for files named only by a `.htaccess`, and reads the files of the server's
/// configuration before the first request needs them.
pub(crate) fn start(limit: u64) {
    LIMIT.store(limit, Ordering::Relaxed);
    let store = store();
    // If the process changes its user, requests may not be answered as this one.
    if !store.proves_rights {
        store.passwords.named.values().for_each(|file| file.preload(FileKind::Users));
        store.groups.named.values().for_each(|file| file.preload(FileKind::Groups));
        store.roles.named.values().for_each(|file| file.preload(FileKind::Roles));
        store.credentials.named.values().for_each(|file| file.preload(FileKind::Credentials));
    }
}

/// Frees the `.htaccess` files that have not been used for a while. Called with every request, since no other thread
/// can do it; usually has nothing to do.
pub(crate) fn give_back_unused() {
    let Some(store) = STORE.get() else { return };
    let now = store.began.elapsed();
    let due = store.looked_through.load(Ordering::Relaxed);
    let next = (now + KEPT_UNUSED / 10).as_secs();
    let is_mine = || store.looked_through.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    if now.as_secs() >= due && store.process == process::id() && is_mine() {
        let given_back = store.passwords.give_back_unused(now) + store.groups.give_back_unused(now);
        if given_back > 0 {
            give_back_free_memory();
        }
    }
}

/// Makes the allocator return its free memory to the system.
fn give_back_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: touches no memory in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// A file cannot be read, for the status that stock httpd puts in front of its line.
#[derive(Clone, Copy)]
pub(crate) struct Unreadable(pub(crate) apr_status_t);

struct Store {
    /// The process that owns the store.
    process: u32,
    /// Whether requests may be answered with other rights than the process has now.
    proves_rights: bool,
    passwords: Files<Passwords>,
    groups: Files<Groups>,
    roles: Files<RolesFile>,
    credentials: Files<CredentialsFile>,
    watcher: Arc<Watcher>,
    began: Instant,
    /// When to check the `.htaccess` files next, in seconds since the store was created.
    looked_through: AtomicU64,
    /// The store of a process forked from this one.
    forked: OnceBox<Store>,
}

/// Created on first use, which is after the fork; it ends with the child, like its memory. (The parent, which loads and
/// unloads the library at every restart, never uses it.)
static STORE: OnceBox<Store> = OnceBox::new();

/// The store of this process. A copy made by a fork is left alone: its content was read with other rights, its watches
/// are shared with the process it came from, and its locks may be held by threads that do not exist here.
fn store() -> &'static Store {
    let process = process::id();
    let mut store = STORE.get_or_init(|| Box::new(Store::new()));
    while store.process != process {
        store = store.forked.get_or_init(|| Box::new(Store::new()));
    }
    store
}

impl Store {
    fn new() -> Store {
        let (mut passwords, mut groups) = (Files::default(), Files::default());
        let (mut roles, mut credentials) = (Files::default(), Files::default());
        let (watcher, proves_rights) = (Arc::default(), loaded::changes_user());
        for &(kind, path) in verdicts::named_files() {
            match kind {
                FileKind::Users => passwords.name(path, &watcher, proves_rights),
                FileKind::Groups => groups.name(path, &watcher, proves_rights),
                FileKind::Roles => roles.name(path, &watcher, proves_rights),
                FileKind::Credentials => credentials.name(path, &watcher, proves_rights),
            }
        }
        Store {
            process: process::id(),
            proves_rights,
            passwords,
            groups,
            roles,
            credentials,
            watcher,
            began: Instant::now(),
            looked_through: AtomicU64::new(0),
            forked: OnceBox::new(),
        }
    }
}

/// Files of one kind by path.
struct Files<T> {
    /// Those named in the server's configuration. Finding one takes no lock.
    named: HashMap<CString, File<T>>,
    /// Those named only by a `.htaccess`.
    others: Mutex<HashMap<CString, Kept<T>>>,
}

struct File<T> {
    source: Source<T>,
    /// Number of the source's loads that are already in the server's counters.
    counted: AtomicU64,
}

/// A file and its time of last use, since the store was created.
struct Kept<T> {
    file: Arc<File<T>>,
    used: Duration,
}

impl<T> Default for Files<T> {
    fn default() -> Self {
        Files { named: HashMap::new(), others: Mutex::default() }
    }
}

impl<T: Parse + Measure> Files<T> {
    /// Adds a file named in the server's configuration.
    fn name(&mut self, path: &CStr, watcher: &Arc<Watcher>, proves_rights: bool) {
        self.named.entry(path.to_owned()).or_insert_with(|| File::new(path, watcher, proves_rights, None));
    }

    /// Calls `work` with the file of `path`.
    fn with<R>(&self, store: &Store, path: &CStr, work: impl FnOnce(&File<T>) -> R) -> R {
        if let Some(file) = self.named.get(path) {
            return work(file);
        }
        let file = self.other(store, path);
        let loads = file.source.loads();
        let result = work(&file);
        if file.source.loads() != loads {
            self.keep_within_limit(path);
        }
        result
    }

    fn other(&self, store: &Store, path: &CStr) -> Arc<File<T>> {
        let mut others = self.others();
        let now = store.began.elapsed();
        if let Some(kept) = others.get_mut(path) {
            kept.used = now;
            return Arc::clone(&kept.file);
        }
        let limit = LIMIT.load(Ordering::Relaxed);
        let file = Arc::new(File::new(path, &store.watcher, store.proves_rights, Some(limit)));
        others.insert(path.to_owned(), Kept { file: Arc::clone(&file), used: now });
        if others.len() > MOST_OTHERS {
            drop_oldest(&mut others, path);
        }
        file
    }

    /// Drops the files unused for longest, except that of `path`, until the total is within the limit.
    fn keep_within_limit(&self, path: &CStr) {
        let mut others = self.others();
        let limit = LIMIT.load(Ordering::Relaxed);
        let is_too_much =
            |others: &HashMap<CString, Kept<T>>| others.values().map(|kept| kept.file.size()).sum::<u64>() > limit;
        let mut is_less = false;
        while is_too_much(&others) && drop_oldest(&mut others, path) {
            is_less = true;
        }
        if is_less {
            give_back_free_memory();
        }
    }

    /// Number of files freed.
    fn give_back_unused(&self, now: Duration) -> usize {
        let mut others = self.others();
        let before = others.len();
        others.retain(|_, kept| now.saturating_sub(kept.used) < KEPT_UNUSED);
        before - others.len()
    }

    fn others(&self) -> MutexGuard<'_, HashMap<CString, Kept<T>>> {
        // A panic leaves the state consistent: every change of it is one step.
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops the file unused for longest, except that of `path`. False if there is none.
fn drop_oldest<T>(others: &mut HashMap<CString, Kept<T>>, path: &CStr) -> bool {
    let candidates = others.iter().filter(|(other, _)| other.as_c_str() != path);
    let oldest = candidates.min_by_key(|(_, kept)| kept.used).map(|(path, _)| path.clone());
    oldest.is_some_and(|path| others.remove(&path).is_some())
}

impl<T: Parse> File<T> {
    fn new(path: &CStr, watcher: &Arc<Watcher>, proves_rights: bool, limit: Option<u64>) -> File<T> {
        let mut source = Source::new(path, generation::LINE_RULES, Arc::clone(watcher));
        if proves_rights {
            source = source.proving_rights();
        }
        if let Some(limit) = limit {
            source = source.with_limit(limit);
        }
        File { source, counted: AtomicU64::new(0) }
    }

    /// Size of the file in bytes, as it is in memory.
    fn size(&self) -> u64 {
        self.source.last_read().map_or(0, |snapshot| snapshot.file_size())
    }
}

impl<T: Parse + Measure> File<T> {
    fn current(&self, kind: FileKind) -> Reading<T> {
        let reading = self.source.current();
        self.count_loads(kind);
        if reading.snapshot.is_err() {
            if let Some(cache) = verdicts::verifier() {
                cache.file(kind, self.source.path().to_bytes()).note_failure();
            }
        }
        reading
    }

    fn preload(&self, kind: FileKind) {
        self.source.preload();
        self.count_loads(kind);
    }

    /// Adds this child's loads since the last call to the server's counters.
    fn count_loads(&self, kind: FileKind) {
        let loads = self.source.loads();
        let counted = self.counted.load(Ordering::Relaxed);
        let is_mine = || self.counted.compare_exchange(counted, loads, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if loads == counted || !is_mine() {
            return;
        }
        if let (Some(cache), Some(snapshot)) = (verdicts::verifier(), self.source.last_read()) {
            cache
                .file(kind, self.source.path().to_bytes())
                .note_loads(loads - counted, snapshot.contents(snapshot.file_size()));
        }
    }
}

/// Reports the contents of a file of this size.
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

impl Measure for RolesFile {
    fn contents(&self, bytes: u64) -> Contents {
        Contents { users: 0, groups: self.roles().map_or(0, |roles| roles.iter().count()), bytes }
    }
}

impl Measure for CredentialsFile {
    fn contents(&self, bytes: u64) -> Contents {
        let (users, groups) = self.credentials().map_or((0, 0), Credentials::counts);
        Contents { users, groups, bytes }
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
                b". Changes still count at once, but valid users may be refused while a slow program rewrites it in \
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
        let advice: &[u8] = match error {
            ReadError::OverLimit { .. } => {
                b" bytes for a file that only a .htaccess names. Requests that need it are refused; name it in the \
                  server's configuration, or raise EsAuthHtaccessFileLimit"
            }
            _ => {
                b". Requests that need it are refused until it can be read; it must be a regular file, and the user httpd \
                  runs as must be able to read it and enter its folders"
            }
        };
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
            advice,
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
            // Stock httpd logs this where it opens files, outside of any request.
            let tag = generation::tag("AH00554: ");
            let parts = [tag, b"Access to file ", path, b" denied by server: not a regular file"];
            log_server(here!(), Level::Error, 0, None, request.pool(), &parts);
            EBADF
        }
    }
}
