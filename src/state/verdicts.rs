//! The verified cache of the running server: made once before the children are forked, and kept across `graceful`.

use std::ffi::{c_char, c_void};
use std::io;
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::thread;

use esauth_engine::cache::{Cache, MaxFailures, Settings};

use crate::config::{self, CommandFunction, refuse, server_command};
use crate::httpd::bindings::{
    ESAUTH_GLOBAL_ONLY, TAKE1, ap_check_cmd_context, apr_pool_t, cmd_parms, command_rec, esauth_keep_memory,
    esauth_kept_memory,
};
use crate::httpd::boundary::guard;
use crate::httpd::pool::Pool;
use crate::httpd::request::c_str;

/// The largest numbers that the directives take: a table of 640 MiB, a year, more than any machine has processors.
const MOST_ENTRIES: usize = 16 * 1024 * 1024;
const LONGEST_TTL: usize = 365 * 24 * 3600;
const MOST_SLOTS: usize = 4096;
/// Locking out for longer than a day is for a firewall to do.
const MOST_FAILURES: usize = 100_000;
const LONGEST_LOCKOUT: usize = 24 * 3600;

const DEFAULT_ENTRIES: usize = 65536;
const DEFAULT_TTL: usize = 1200;
const DEFAULT_LOCKOUT: usize = 60;

/// `EsAuthHashSlots` was not given: as many as there are processors.
const AS_PROCESSORS: usize = 0;

/// `EsAuthMaxFailures` was not given, or is Off.
const NO_LOCKOUT: usize = 0;

/// What the directives say. Written only while the parent reads its configuration.
static ENTRIES: AtomicUsize = AtomicUsize::new(DEFAULT_ENTRIES);
static TTL: AtomicUsize = AtomicUsize::new(DEFAULT_TTL);
static SLOTS: AtomicUsize = AtomicUsize::new(AS_PROCESSORS);
static FAILURES: AtomicUsize = AtomicUsize::new(NO_LOCKOUT);
static LOCKOUT: AtomicUsize = AtomicUsize::new(DEFAULT_LOCKOUT);

/// True where the cache is that of the configuration before.
static ADOPTED: AtomicBool = AtomicBool::new(false);

/// The cache, in the configuration's pool.
static CACHE: AtomicPtr<Cache> = AtomicPtr::new(null_mut());

pub(crate) const ES_AUTH_CACHE_SIZE: command_rec = server_command(
    c"EsAuthCacheSize",
    CommandFunction { take1: set_entries },
    TAKE1,
    c"verdicts to remember for the whole server; 0: none",
);
pub(crate) const ES_AUTH_CACHE_TTL: command_rec = server_command(
    c"EsAuthCacheTTL",
    CommandFunction { take1: set_ttl },
    TAKE1,
    c"seconds for which a verdict is remembered",
);
pub(crate) const ES_AUTH_HASH_SLOTS: command_rec = server_command(
    c"EsAuthHashSlots",
    CommandFunction { take1: set_slots },
    TAKE1,
    c"password hashes computed at once; default: the number of processors",
);
pub(crate) const ES_AUTH_MAX_FAILURES: command_rec = server_command(
    c"EsAuthMaxFailures",
    CommandFunction { take1: set_max_failures },
    TAKE1,
    c"wrong passwords after which a client is locked out of a user's account, and within how many seconds: 10/300; or Off",
);

/// Puts the directives back to their defaults, before a configuration is read.
pub(crate) fn reset() {
    ENTRIES.store(DEFAULT_ENTRIES, Ordering::Relaxed);
    TTL.store(DEFAULT_TTL, Ordering::Relaxed);
    SLOTS.store(AS_PROCESSORS, Ordering::Relaxed);
    FAILURES.store(NO_LOCKOUT, Ordering::Relaxed);
    CACHE.store(null_mut(), Ordering::Relaxed);
}

/// The server's cache. `None` only before the configuration is complete.
pub(crate) fn cache() -> Option<&'static Cache> {
    // SAFETY: null or in the configuration's pool, complete, and never changed.
    unsafe { CACHE.load(Ordering::Acquire).as_ref() }
}

/// Makes the cache, or takes over the one that the configuration before this one had.
///
/// # Safety
/// `process` is the process's pool and `configuration` the configuration's; this is the parent's only thread.
pub(crate) unsafe fn establish(process: *mut apr_pool_t, configuration: Pool<'_>) -> io::Result<()> {
    let settings = settings();
    // SAFETY: the process's pool; what is kept there was put there by `renew`, in this process.
    let kept = unsafe {
        let memory = NonNull::new(esauth_kept_memory(process));
        memory.and_then(|memory| Cache::adopt(memory.cast(), settings))
    };
    ADOPTED.store(kept.is_some(), Ordering::Relaxed);
    let cache = match kept {
        Some(cache) => cache,
        // SAFETY: as the caller promises.
        None => unsafe { renew(process, settings) }?,
    };
    name_files(&cache);
    CACHE.store(configuration.value(cache), Ordering::Release);
    Ok(())
}

/// Forgets everything after all, where [`establish`] has taken over a cache but the restart is not a graceful one.
///
/// # Safety
/// As for [`establish`], which has been called.
pub(crate) unsafe fn start_afresh(process: *mut apr_pool_t) -> io::Result<()> {
    if ADOPTED.swap(false, Ordering::Relaxed) {
        // SAFETY: as the caller promises; nobody else looks at the place before the children are forked.
        unsafe {
            let cache = renew(process, settings())?;
            name_files(&cache);
            CACHE.load(Ordering::Acquire).write(cache);
        }
    }
    Ok(())
}

/// Gives the configured files counters of their own.
fn name_files(cache: &Cache) {
    cache.name_files(config::named_files().map(|(kind, path)| (kind.counted_as(), path.to_bytes())));
}

/// A new cache, with its memory kept in place of its predecessor's.
///
/// # Safety
/// As for [`establish`].
unsafe fn renew(process: *mut apr_pool_t, settings: Settings) -> io::Result<Cache> {
    let cache = Cache::create(settings)?;
    // SAFETY: as the caller promises; the parent answers no requests, so nothing in it uses the predecessor's memory. The
    // children that do have mappings of their own.
    unsafe {
        if let Some(predecessor) = NonNull::new(esauth_kept_memory(process)) {
            Cache::release(predecessor.cast());
        }
        esauth_keep_memory(process, cache.memory().as_ptr().cast());
    }
    Ok(cache)
}

fn settings() -> Settings {
    let slots = match SLOTS.load(Ordering::Relaxed) {
        AS_PROCESSORS => thread::available_parallelism().map_or(1, usize::from),
        slots => slots,
    };
    let (entries, ttl) = (ENTRIES.load(Ordering::Relaxed), TTL.load(Ordering::Relaxed) as u64);
    Settings { entries, ttl, slots, max_failures: max_failures() }
}

fn max_failures() -> Option<MaxFailures> {
    let [failures, seconds] = [&FAILURES, &LOCKOUT].map(|place| place.load(Ordering::Relaxed) as u32);
    (failures as usize != NO_LOCKOUT).then_some(MaxFailures { failures, seconds })
}

unsafe extern "C" fn set_entries(cmd: *mut cmd_parms, _config: *mut c_void, value: *const c_char) -> *const c_char {
    // SAFETY: httpd's arguments of a directive.
    unsafe { set(cmd, value, &ENTRIES, 0, MOST_ENTRIES, "entries") }
}

unsafe extern "C" fn set_ttl(cmd: *mut cmd_parms, _config: *mut c_void, value: *const c_char) -> *const c_char {
    // SAFETY: httpd's arguments of a directive.
    unsafe { set(cmd, value, &TTL, 1, LONGEST_TTL, "seconds") }
}

unsafe extern "C" fn set_slots(cmd: *mut cmd_parms, _config: *mut c_void, value: *const c_char) -> *const c_char {
    // SAFETY: httpd's arguments of a directive.
    unsafe { set(cmd, value, &SLOTS, 1, MOST_SLOTS, "hashes") }
}

/// `EsAuthMaxFailures N[/SECONDS]` or `Off`.
unsafe extern "C" fn set_max_failures(
    cmd: *mut cmd_parms,
    _config: *mut c_void,
    value: *const c_char,
) -> *const c_char {
    let take = |text: &str| {
        let (failures, seconds) = if text.eq_ignore_ascii_case("off") {
            (NO_LOCKOUT, DEFAULT_LOCKOUT)
        } else {
            let (failures, seconds) = text.split_once('/').map_or((text, None), |(n, seconds)| (n, Some(seconds)));
            let seconds = seconds.map_or(Some(DEFAULT_LOCKOUT), |text| whole_number(text, 1, LONGEST_LOCKOUT))?;
            (whole_number(failures, 1, MOST_FAILURES)?, seconds)
        };
        FAILURES.store(failures, Ordering::Relaxed);
        LOCKOUT.store(seconds, Ordering::Relaxed);
        Some(())
    };
    let allowed = || {
        format!(
            "is neither Off nor a whole number of failures from 1 to {MOST_FAILURES}, which a slash and a whole number of \
             seconds from 1 to {LONGEST_LOCKOUT} may follow, such as 10/300"
        )
    };
    // SAFETY: httpd's arguments of a directive.
    unsafe { set_with(cmd, value, take, allowed) }
}

/// Sets `place` to the directive's value, a whole number from `least` to `most`, or says what is wrong.
///
/// # Safety
/// As for [`set_with`].
unsafe fn set(
    cmd: *mut cmd_parms,
    value: *const c_char,
    place: &AtomicUsize,
    least: usize,
    most: usize,
    unit: &str,
) -> *const c_char {
    let take = |text: &str| whole_number(text, least, most).map(|number| place.store(number, Ordering::Relaxed));
    let allowed = || format!("is not a whole number of {unit} from {least} to {most}");
    // SAFETY: as the caller promises.
    unsafe { set_with(cmd, value, take, allowed) }
}

/// Gives the value of a directive for the whole server to `take`, or says where it must not stand or what is `allowed`.
///
/// # Safety
/// `cmd` and `value` are httpd's arguments of a directive.
unsafe fn set_with(
    cmd: *mut cmd_parms,
    value: *const c_char,
    take: impl FnOnce(&str) -> Option<()>,
    allowed: impl FnOnce() -> String,
) -> *const c_char {
    guard(c"rust_esauth: internal error".as_ptr(), || {
        // SAFETY: as the caller promises.
        unsafe {
            let elsewhere = ap_check_cmd_context(cmd, ESAUTH_GLOBAL_ONLY as _);
            if !elsewhere.is_null() {
                return elsewhere;
            }
            let given = c_str(value).unwrap_or(c"");
            if given.to_str().ok().and_then(take).is_some() {
                return null();
            }
            let directive = c_str((*(*cmd).cmd).name).unwrap_or(c"").to_bytes();
            refuse(cmd, &[directive, b": '", given.to_bytes(), b"' ", allowed().as_bytes()])
        }
    })
}

/// `text` as a number from `least` to `most`: digits only.
fn whole_number(text: &str, least: usize, most: usize) -> Option<usize> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number))?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)
}
