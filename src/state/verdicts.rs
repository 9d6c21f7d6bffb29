//! The verified cache of the running server: created once before the children are forked, and kept at a graceful
//! restart.

use std::ffi::CStr;
use std::io;
use std::ptr::{from_mut, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use esauth_engine::verification::{AddressRange, FileKind, Settings, Unprotected, Verifier};

use crate::httpd::pool::{ConfigurationPool, ProcessPool};

/// State shared by all children of the server, in the configuration's pool.
#[derive(Clone, Copy)]
struct Server<'p> {
    cache: Verifier,
    settings: Settings,
    /// True if the cache was taken over from the previous configuration.
    is_adopted: bool,
    files: &'p [NamedFile<'p>],
    exempt: &'p [AddressRange],
}

/// A file named in the configuration.
pub(crate) type NamedFile<'p> = (FileKind, &'p CStr);

/// Null until the configuration is complete.
static SERVER: AtomicPtr<Server<'static>> = AtomicPtr::new(null_mut());

/// Called when the configuration is about to be replaced.
pub(crate) fn forget() {
    SERVER.store(null_mut(), Ordering::Relaxed);
}

fn server() -> Option<&'static Server<'static>> {
    // SAFETY: null, or in the configuration's pool, complete, and not changed while anybody reads it.
    unsafe { SERVER.load(Ordering::Acquire).as_ref() }
}

/// The server's cache. `None` only before the configuration is complete.
pub(crate) fn verifier() -> Option<&'static Verifier> {
    server().map(|server| &server.cache)
}

/// The refused protections of the cache's memory, with the reason.
pub(crate) type Missing = Vec<(Unprotected, io::Error)>;

/// The files named in the configuration, `.htaccess` files aside.
pub(crate) fn named_files() -> &'static [NamedFile<'static>] {
    server().map_or(&[], |server| server.files)
}

/// Whether a client's failures are not counted (`EsAuthExempt`). Costs nothing if no address is exempt.
pub(crate) fn is_exempt(client: &str) -> bool {
    server().is_some_and(|server| server.exempt.iter().any(|range| range.contains(client)))
}

/// Creates the cache, or takes over that of the previous configuration. The named files get counters of their own.
pub(crate) fn establish<'p>(
    process: ProcessPool<'_>,
    configuration: ConfigurationPool<'p>,
    settings: Settings,
    files: &[NamedFile<'p>],
    exempt: &'p [AddressRange],
) -> io::Result<Missing> {
    // SAFETY: stored by `renew`, in this process.
    let kept = process.kept_memory().and_then(|memory| unsafe { Verifier::adopt(memory.cast(), settings) });
    let (cache, missing) = match kept {
        Some(cache) => (cache, Missing::new()),
        None => renew(process, settings)?,
    };
    name_files(&cache, files);
    let files = configuration.list(files);
    let server = configuration.value(Server { cache, settings, is_adopted: kept.is_some(), files, exempt });
    SERVER.store(from_mut(server).cast(), Ordering::Release);
    // SAFETY: the parent answers no requests; any later use of the cache opens the memory again.
    unsafe { cache.close() }?;
    Ok(missing)
}

/// Forgets all verdicts, if [`establish`] has taken over a cache but the restart is not graceful. `None` if it has not.
pub(crate) fn start_afresh(process: ProcessPool<'_>) -> io::Result<Option<Missing>> {
    let Some(&adopted) = server().filter(|server| server.is_adopted) else { return Ok(None) };
    let (cache, missing) = renew(process, adopted.settings)?;
    name_files(&cache, adopted.files);
    // SAFETY: in the configuration's pool; this is the parent's only thread, and no child has been forked that reads it.
    unsafe {
        SERVER.load(Ordering::Acquire).write(Server { cache, is_adopted: false, ..adopted });
        cache.close()?;
        Ok(Some(missing))
    }
}

/// Opens the cache in this process, a child about to answer requests.
pub(crate) fn open() -> io::Result<()> {
    server().map_or(Ok(()), |server| server.cache.open())
}

fn name_files(cache: &Verifier, files: &[NamedFile<'_>]) {
    cache.name_files(files.iter().map(|(kind, path)| (*kind, path.to_bytes())));
}

/// Creates a cache, whose memory replaces that of its predecessor.
fn renew(process: ProcessPool<'_>, settings: Settings) -> io::Result<(Verifier, Missing)> {
    let (cache, missing) = Verifier::create(settings)?;
    if let Some(predecessor) = process.kept_memory() {
        // SAFETY: stored here before; the parent answers no requests, so nothing in it uses the predecessor's memory.
        // The children that use it have mappings of their own.
        unsafe { Verifier::release(predecessor.cast()) };
    }
    process.keep_memory(cache.memory().cast());
    Ok((cache, missing))
}
