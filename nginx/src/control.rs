//! `esauth_control`: a socket on which operators list and end lockouts, and make the server forget verdicts.
//!
//! The master opens it: only its user may connect, and root. A thread of the first worker serves it, with a worker's rights,
//! since what it reads in the shared memory may have been written by a worker that was taken over. Requests never come near
//! it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::Builder;

use esauth_engine::control::{Command, Listener, Reply, Socket};
use esauth_engine::threads::{stay_loaded, without_signals};
use esauth_engine::verification::Verifier;
use esauth_fleet::Options;

use crate::config::server::MainConfig;
use crate::fleet;
use crate::nginx::boundary::guard;
use crate::nginx::lines;
use crate::nginx::log::{Level, Log, log};
use crate::nginx::pool::{Kept, Pool};
use crate::nginx::process;

/// Size of the thread's stack in bytes.
const STACK: usize = 512 * 1024;

/// The socket, whose name ends with its configuration.
struct Named(Socket);

// SAFETY: the only such type in the pool of a configuration.
unsafe impl Kept for Named {}

impl Drop for Named {
    fn drop(&mut self) {
        if !process::is_worker() {
            self.0.remove();
        }
    }
}

/// Opens the socket that the configuration names.
///
/// Without it the server runs as well, so a failure is only logged: a reload must not end the server.
pub(crate) fn open(main: &MainConfig, pool: Pool<'_>) {
    let Some(path) = main.control().filter(|_| !process::is_test()) else { return };
    let opened = Socket::open(Path::new(OsStr::from_bytes(path)));
    if let (Err(error), Some(log)) = (opened.map(|socket| pool.keep(Named(socket))), Log::of_process()) {
        let reason = error.to_string();
        let effect = b". Without it, esauth lockouts, unlock and forget do not work";
        log!(
            log,
            Level::Error,
            0,
            b"esauth: esauth_control: cannot make the socket ",
            path,
            b": ",
            reason.as_bytes(),
            effect
        );
    }
}

/// Has the first worker serve the socket; the others let go of it.
pub(crate) fn serve(main: &MainConfig, pool: Pool<'_>) {
    let Some(listener) = pool.kept::<Named>().and_then(|named| named.0.take()) else { return };
    let Some(verifier) = main.verifier.filter(|_| process::is_first_worker()) else { return };
    let control = Control { listener, verifier, fleet: fleet::options(main) };
    lines::start();
    stay_loaded();
    let thread = Builder::new().name("esauth-control".into()).stack_size(STACK);
    if let Err(error) = without_signals(|| thread.spawn(move || control.serve())) {
        lines::keep(Level::Error, format!("esauth_control: cannot start its thread: {error}").as_bytes());
    }
}

/// What the thread has.
struct Control {
    listener: Listener,
    verifier: Verifier,
    /// `None`: the server counts alone.
    fleet: Option<Options>,
}

impl Control {
    fn serve(&self) {
        // A client that goes away, or is none, is no event.
        self.listener.serve(|client| {
            guard((), || drop(self.listener.answer(client, |user, command| self.run(user, command))));
        });
    }

    fn run(&self, user: u32, command: &Command) -> Reply {
        // First there: otherwise the next attempt would learn of the lockout again.
        let failed = self.among_all(command);
        let reply = command.run(&self.verifier, "esauth_max_failures");
        if let Some(line) = reply.report(user, command) {
            lines::keep(Level::Notice, &line);
        }
        failed.unwrap_or(reply)
    }

    /// Does the same for all servers of a fleet as far as they count together. A reply if that fails.
    fn among_all(&self, command: &Command) -> Option<Reply> {
        let (Some(options), Command::Unlock { user, client }) = (&self.fleet, command) else { return None };
        let why = esauth_fleet::forgive(options, user.as_deref(), client.as_deref()).err()?;
        Some(Reply::Refused(format!("lockouts have ended on this server, but not at esauth_fleet ({why}); try again")))
    }
}
