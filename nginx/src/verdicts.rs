//! The memory shared by the workers: created before they are forked, and kept at a reload.

use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use esauth_engine::verification::{Unprotected, Verifier};

use crate::config::server::MainConfig;
use crate::nginx::log::{Level, Log, log};
use crate::nginx::process;
use crate::nginx::status::Status;

/// The memory of the configuration before, for the next one to take over. (Reloaded from the same file, a module stays in
/// memory.)
static MEMORY: AtomicPtr<u8> = AtomicPtr::new(null_mut());

/// Creates the memory of a configuration, or takes over that of the configuration before, if its size is the same.
/// `connections`: of all workers.
pub(crate) fn establish(main: &mut MainConfig, connections: usize) -> Status {
    let settings = main.settings(connections);
    let before = NonNull::new(MEMORY.load(Ordering::Relaxed));
    // SAFETY: stored below, in this process.
    let kept = before.and_then(|memory| unsafe { Verifier::adopt(memory, settings) });
    let verifier = match kept {
        Some(verifier) => verifier,
        None => match Verifier::create(settings) {
            Ok((verifier, unprotected)) => {
                unprotected.into_iter().for_each(|(what, error)| warn(what, &error));
                verifier
            }
            Err(error) => {
                let reason = error.to_string();
                if let Some(log) = Log::of_process() {
                    let what = b"esauth: cannot create the shared memory for verdicts: ";
                    log!(log, Level::Emergency, 0, what, reason.as_bytes());
                }
                return Status::ERROR;
            }
        },
    };
    MEMORY.store(verifier.memory().as_ptr(), Ordering::Relaxed);
    if let Some(memory) = before.filter(|_| kept.is_none() && process::is_master()) {
        // SAFETY: the master answers no requests, so nothing in it uses the memory of the configuration before.
        unsafe { Verifier::release(memory) };
    }
    verifier.name_files(main.files().into_iter());
    main.verifier = Some(verifier);
    Status::OK
}

fn warn(what: Unprotected, error: &std::io::Error) {
    let Some(log) = Log::of_process() else { return };
    let may: &[u8] = match what {
        Unprotected::CoreDumps => b"core dumps may contain the memory of verdicts: ",
        Unprotected::Swap => b"the keys of the memory of verdicts may be swapped out: ",
    };
    log!(log, Level::Warning, error.raw_os_error().unwrap_or(0), b"esauth: ", may);
}
