//! What a worker process keeps: its files, and the requests that wait for a file or a hash.
//!
//! * [`recent`]: credentials granted a moment ago;
//! * [`files`]: the password and group files, read in the thread pool;
//! * [`hashing`]: the queue for hashes, which are computed in the thread pool;
//! * [`waiting`]: the requests that wait;
//! * [`visit`]: what is known about a request so far.
//!
//! Each uses only those below it. All of it belongs to the event loop. Tasks in the thread pool own what they work on, and
//! know a waiting request only by its number; it may end before they do.

pub(crate) mod files;
pub(crate) mod hashing;
pub(crate) mod recent;
pub(crate) mod visit;
mod waiting;

use esauth_engine::verification::wait_briefly;

use crate::config::server::MainConfig;
use crate::fleet;

/// Prepares the thread of the event loop, and reads the files named in the configuration ahead of the first request.
pub(crate) fn start(main: &MainConfig) {
    if main.used {
        wait_briefly();
        files::preload(&main.files(), main.verifier);
        fleet::start(main);
    }
}

/// Frees the memory, at the end of the process.
pub(crate) fn end() {
    recent::end();
    hashing::end();
    files::end();
    waiting::end();
    fleet::end();
}
