//! EsAuthControl: a socket on which operators list and end lockouts, and make the server forget verdicts.
//!
//! A process of its own serves it ([`Helper`]), with the rights of httpd's children: what it reads in the shared memory
//! may have been written by a child that was taken over, and is no business of the parent's, which is root. Requests never
//! come near it. Only root may connect, and the user that starts httpd.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{from_ref, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use esauth_engine::control::{Command, Reply, Socket};

use crate::config::server::ServerConfig;
use crate::httpd::bindings::server_rec;
use crate::httpd::boundary::guard;
use crate::httpd::helper::Helper;
use crate::httpd::log::{Level, here, log_server};
use crate::httpd::pool::{ConfigurationPool, Pool, ProcessPool};
use crate::state::{fleet, verdicts};

/// The socket, in the pool of the configuration.
struct Control<'p> {
    named: &'p Named,
    main: &'p server_rec,
    pool: Pool<'p>,
    helper: OnceCell<&'p Helper<'p>>,
}

/// Null while there is none.
static CONTROL: AtomicPtr<Control<'static>> = AtomicPtr::new(null_mut());

fn control() -> Option<&'static Control<'static>> {
    // SAFETY: null, or in the configuration's pool, which lives; the processes that share it have copies.
    unsafe { CONTROL.load(Ordering::Acquire).as_ref() }
}

/// Called when the configuration is about to be replaced.
pub(crate) fn forget() {
    CONTROL.store(null_mut(), Ordering::Relaxed);
}

/// Opens the socket that the configuration names, and starts the process that serves it.
///
/// Without it the server runs as well, so a failure is only logged: a reload must not end the server.
pub(crate) fn start<'p>(configuration: ConfigurationPool<'p>, main: &'p server_rec) {
    let Some(path) = ServerConfig::of(main).control.and_then(|place| place.path(*configuration)) else { return };
    let named = match Socket::open(Path::new(OsStr::from_bytes(path.to_bytes()))) {
        Ok(socket) => configuration.keep(Named { socket, opened_by: std::process::id() }),
        Err(error) => {
            let reason = error.to_string();
            let what = b"rust_esauth: EsAuthControl: cannot make the socket ";
            let effect = b". Without it, esauth lockouts, unlock and forget do not work";
            let parts: [&[u8]; 5] = [what, path.to_bytes(), b": ", reason.as_bytes(), effect];
            log_server(here!(), Level::Error, 0, Some(main), *configuration, &parts);
            return;
        }
    };
    let control: &Control<'p> =
        configuration.value(Control { named, main, pool: *configuration, helper: OnceCell::new() });
    // The process that is started reads it.
    CONTROL.store(from_ref(control).cast_mut().cast(), Ordering::Release);
    let _ = control.helper.set(Helper::start(configuration, c"esauth-control", serve));
}

/// Starts the process again, if there is one, with the shared memory of now.
pub(crate) fn start_again(process: ProcessPool<'_>) {
    if let Some(helper) = control().and_then(|control| control.helper.get()) {
        helper.start_again(process);
    }
}

/// For a child about to answer requests.
pub(crate) fn leave() {
    if let Some(control) = control() {
        control.named.socket.take();
    }
}

/// The socket, whose name ends with the process that has opened it.
struct Named {
    socket: Socket,
    opened_by: u32,
}

impl Drop for Named {
    fn drop(&mut self) {
        if self.opened_by == std::process::id() {
            self.socket.remove();
        }
    }
}

/// The work of the process.
fn serve() {
    let Some(control) = control() else { return };
    if let Err(error) = verdicts::open() {
        let what = b"rust_esauth: EsAuthControl: cannot open the shared cache: ";
        log_server(here!(), Level::Error, 0, Some(control.main), control.pool, &[what, error.to_string().as_bytes()]);
        return;
    }
    let Some(listener) = control.named.socket.take() else { return };
    // A client that goes away, or is none, is no event.
    listener.serve(|client| {
        guard((), || drop(listener.answer(client, |user, command| control.run(user, command))));
    });
}

impl Control<'_> {
    fn run(&self, user: u32, command: &Command) -> Reply {
        let Some(verifier) = verdicts::verifier() else { return Reply::Refused("the server is not ready".to_owned()) };
        // First there: otherwise the next attempt would learn of the lockout again.
        let failed = self.among_all(command);
        let reply = command.run(verifier, "EsAuthMaxFailures");
        if let Some(line) = reply.report(user, command) {
            log_server(here!(), Level::Notice, 0, Some(self.main), self.pool, &[b"rust_esauth: ", &line]);
        }
        failed.unwrap_or(reply)
    }

    /// Does the same for all servers of a fleet as far as they count together. A reply if that fails.
    fn among_all(&self, command: &Command) -> Option<Reply> {
        let Command::Unlock { user, client } = command else { return None };
        let why = fleet::forgive(&ServerConfig::of(self.main), user.as_deref(), client.as_deref())?.err()?;
        Some(Reply::Refused(format!("lockouts have ended on this server, but not at EsAuthFleet ({why}); try again")))
    }
}
