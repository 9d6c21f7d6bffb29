//! Lines in nginx's error log.

use super::bindings::{
    self, NGX_LOG_CRIT, NGX_LOG_EMERG, NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_NOTICE, NGX_LOG_WARN, ngx_log_t, ngx_uint_t,
};
use super::text::borrowed;

/// The levels of lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Emergency,
    Critical,
    Error,
    Warning,
    Notice,
    Info,
}

impl Level {
    pub(crate) fn raw(self) -> ngx_uint_t {
        let raw = match self {
            Level::Emergency => NGX_LOG_EMERG,
            Level::Critical => NGX_LOG_CRIT,
            Level::Error => NGX_LOG_ERR,
            Level::Warning => NGX_LOG_WARN,
            Level::Notice => NGX_LOG_NOTICE,
            Level::Info => NGX_LOG_INFO,
        };
        raw as ngx_uint_t
    }
}

/// A log of nginx's, valid for `'l`.
#[derive(Clone, Copy)]
pub(crate) struct Log<'l>(&'l ngx_log_t);

impl<'l> Log<'l> {
    /// # Safety
    ///
    /// The log is valid during `'l`, and this is the thread of the event loop.
    pub(crate) unsafe fn new(raw: *mut ngx_log_t) -> Option<Log<'l>> {
        // SAFETY: as the caller promises.
        unsafe { raw.as_ref() }.map(Log)
    }

    /// The log of the process.
    pub(crate) fn of_process() -> Option<Log<'static>> {
        // SAFETY: nginx sets its cycle before it calls any module, and changes it in this thread only.
        unsafe { bindings::ngx_cycle.as_ref().and_then(|cycle| Log::new(cycle.log)) }
    }

    /// Writes a line made of `parts`. Control characters, which could forge lines, are written as `\xNN`. An `error`
    /// number other than 0 is explained behind it.
    pub(crate) fn write(self, level: Level, error: i32, parts: &[&[u8]]) {
        if self.0.log_level >= level.raw() {
            let line = line(parts);
            // SAFETY: a valid log, and a string for the time of the call.
            unsafe {
                bindings::esauth_log(std::ptr::from_ref(self.0).cast_mut(), level.raw(), error, &borrowed(&line))
            };
        }
    }
}

fn line(parts: &[&[u8]]) -> Vec<u8> {
    let mut line = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    for &byte in parts.iter().copied().flatten() {
        if byte.is_ascii_control() {
            line.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
        } else {
            line.push(byte);
        }
    }
    line
}

/// Writes a line to a [`Log`]: [`Level`], error number (0: none), then the parts of the text, as bytes.
macro_rules! log {
    ($log:expr, $level:expr, $error:expr, $($part:expr),+ $(,)?) => {
        $log.write($level, $error, &[$(&$part[..]),+])
    };
}
pub(crate) use log;
