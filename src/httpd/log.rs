//! Lines in httpd's error log.
//!
//! Lines of the stock modules are reproduced with their `AH` numbers, since fail2ban and alerts match them. Our own
//! lines have no number and say what to do.

use std::ffi::{CStr, CString, c_int};
use std::ptr::null;

use crate::httpd::bindings::{self, apr_status_t, esauth_log_server, server_rec};
use crate::httpd::module;
use crate::httpd::pool::Pool;

/// The httpd log levels used here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Level {
    pub(crate) fn raw(self) -> c_int {
        let raw = match self {
            Level::Error => bindings::ESAUTH_ERROR,
            Level::Warning => bindings::ESAUTH_WARNING,
            Level::Notice => bindings::ESAUTH_NOTICE,
            Level::Info => bindings::ESAUTH_INFO,
            Level::Debug => bindings::ESAUTH_DEBUG,
        };
        raw as c_int
    }
}

/// The source position of a line; httpd shows it at level debug.
#[derive(Clone, Copy)]
pub(crate) struct Location {
    pub(crate) file: &'static CStr,
    pub(crate) line: c_int,
}

/// The [`Location`] of the call.
macro_rules! here {
    () => {
        $crate::httpd::log::Location {
            file: const {
                match ::std::ffi::CStr::from_bytes_with_nul(concat!(file!(), "\0").as_bytes()) {
                    Ok(file) => file,
                    Err(_) => c"",
                }
            },
            line: line!() as ::std::ffi::c_int,
        }
    };
}
pub(crate) use here;

/// Writes a line for `request`: [`Level`], APR status (0: none), then the parts of the text, as bytes.
macro_rules! log_request {
    ($request:expr, $level:expr, $status:expr, $($part:expr),+ $(,)?) => {
        $request.log($crate::httpd::log::here!(), $level, $status, &[$(&$part[..]),+])
    };
}
pub(crate) use log_request;

/// Writes a line that belongs to no request; without a server, to the main server's log.
pub(crate) fn log_server(
    location: Location,
    level: Level,
    status: apr_status_t,
    server: Option<&server_rec>,
    pool: Pool<'_>,
    parts: &[&[u8]],
) {
    let message = pool.join(parts);
    let server = server.map_or(null(), |server| server as *const server_rec);
    // SAFETY: C strings that outlive the call, and a server that is null or valid.
    unsafe {
        esauth_log_server(
            location.file.as_ptr(),
            location.line,
            module::index(),
            level.raw(),
            status,
            server,
            message.as_ptr(),
        );
    }
}

/// The same for any thread, to the main server's log. A NUL in a part ends the line.
pub(crate) fn log_process(location: Location, level: Level, parts: &[&[u8]]) {
    let mut text = parts.concat();
    text.truncate(text.iter().position(|&byte| byte == 0).unwrap_or(text.len()));
    let Ok(message) = CString::new(text) else { return };
    let (file, line) = (location.file.as_ptr(), location.line);
    // SAFETY: C strings that outlive the call; without a server the main log is meant, to which any thread may write.
    unsafe { esauth_log_server(file, line, module::index(), level.raw(), 0, null(), message.as_ptr()) };
}
