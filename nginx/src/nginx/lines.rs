//! Lines of other threads for the error log, which the event loop alone may write to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::log::{Level, Log, log};
use super::timer::{Repeated, repeat};

/// The lines that wait for the event loop.
static LINES: Mutex<Vec<(Level, Vec<u8>)>> = Mutex::new(Vec::new());

/// Most lines that wait: they come at changes of state, and at an operator's commands.
const MOST: usize = 64;

/// Milliseconds after which they are written at the latest.
const PAUSE: usize = 500;

/// Takes a line of any thread.
pub(crate) fn keep(level: Level, line: &[u8]) {
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() < MOST {
        lines.push((level, line.to_owned()));
    }
}

/// Has the event loop write them from now on. For the start of a worker.
pub(crate) fn start() {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if !STARTED.swap(true, Ordering::Relaxed) {
        repeat::<Write>(PAUSE);
    }
}

/// Writes the lines that are there.
pub(crate) fn write() {
    let lines = std::mem::take(&mut *LINES.lock().unwrap_or_else(PoisonError::into_inner));
    let Some(log) = Log::of_process() else { return };
    for (level, line) in lines {
        log!(log, level, 0, b"esauth: ", line);
    }
}

struct Write;

impl Repeated for Write {
    fn work() {
        write();
    }
}
