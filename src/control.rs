//! EsAuthControl: a socket on which operators list and end lockouts, and make the server forget verdicts.
//!
//! A process of its own serves it ([`Helper`]), with the rights of httpd's children: what it reads in the shared memory
//! may have been written by a child that was taken over, and is no business of the parent's, which is root. Requests never
//! come near it. Only root may connect, and the user that starts httpd.

use std::ffi::{CStr, OsStr};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::ptr::{from_mut, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use esauth_engine::control::{Command, LONGEST_COMMAND, Reply};
use rustix::fs::Mode;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{geteuid, getpid, umask};

use crate::config::server::ServerConfig;
use crate::httpd::bindings::server_rec;
use crate::httpd::boundary::guard;
use crate::httpd::helper::Helper;
use crate::httpd::log::{Level, here, log_server};
use crate::httpd::pool::Pool;
use crate::state::{fleet, verdicts};

/// Longest wait for a client, which is `esauth`.
const PATIENCE: Duration = Duration::from_secs(5);

/// The socket, in the pool of the configuration.
struct Control<'p> {
    socket: &'p Socket,
    main: &'p server_rec,
    pool: Pool<'p>,
    helper: *mut Helper,
}

/// Null while there is none.
static CONTROL: AtomicPtr<Control<'static>> = AtomicPtr::new(null_mut());

/// Called when the configuration is about to be replaced.
pub(crate) fn forget() {
    CONTROL.store(null_mut(), Ordering::Relaxed);
}

/// Opens the socket that the configuration names, and starts the process that serves it.
///
/// Without it the server runs as well, so a failure is only logged: a reload must not end the server.
///
/// # Safety
///
/// `configuration` is the configuration's pool, the shared memory is established, and this is the parent's only thread.
pub(crate) unsafe fn start<'p>(configuration: Pool<'p>, main: &'p server_rec) {
    let Some(path) = ServerConfig::of(main).control.and_then(|place| place.path(configuration)) else { return };
    let socket = match Socket::open(path) {
        // SAFETY: the pool, which keeps it, lives for `'p`.
        Ok(socket) => unsafe { configuration.keep(socket).as_ref() },
        Err(error) => {
            let reason = error.to_string();
            let what = b"rust_esauth: EsAuthControl: cannot make the socket ";
            let effect = b". Without it, esauth lockouts, unlock and forget do not work";
            let parts: [&[u8]; 5] = [what, path.to_bytes(), b": ", reason.as_bytes(), effect];
            log_server(here!(), Level::Error, 0, Some(main), configuration, &parts);
            return;
        }
    };
    let control = from_mut(configuration.value(Control { socket, main, pool: configuration, helper: null_mut() }));
    CONTROL.store(control.cast(), Ordering::Release);
    // SAFETY: as the caller promises; the process has its own copy of the value, without the pointer.
    unsafe { (*control).helper = Helper::start(configuration, c"esauth-control", serve) };
}

/// Starts the process again, if there is one, with the shared memory of now.
///
/// # Safety
///
/// As for [`start`].
pub(crate) unsafe fn start_again() {
    // SAFETY: null or in the configuration's pool, which lives; the rest as the caller promises.
    unsafe {
        if let Some(control) = CONTROL.load(Ordering::Acquire).as_ref() {
            Helper::start_again(control.helper);
        }
    }
}

/// For a child about to answer requests.
pub(crate) fn leave() {
    // SAFETY: null or in the configuration's pool, which lives.
    if let Some(control) = unsafe { CONTROL.load(Ordering::Acquire).as_ref() } {
        control.socket.take();
    }
}

/// A listening socket with a name in the file system.
struct Socket {
    /// The parent's until the server ends. Children let go of it: they have no business with operators.
    listener: Mutex<Option<UnixListener>>,
    path: PathBuf,
    inode: u64,
    /// Who may connect, besides root: the user that starts httpd.
    owner: u32,
    /// The process that removes the name.
    parent: i32,
}

impl Socket {
    /// Opens it under its name, in place of a predecessor's. Only root and the user of this process can connect.
    fn open(path: &CStr) -> io::Result<Socket> {
        let path = Path::new(OsStr::from_bytes(path.to_bytes()));
        if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else of that name"));
        }
        let parent = getpid().as_raw_pid();
        // Replaced in one step, so that there is one at every instant.
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{parent}"));
        let new = PathBuf::from(new);
        let _ = fs::remove_file(&new);
        let before = umask(Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(&new);
        umask(before);
        let (listener, inode) = (listener?, fs::symlink_metadata(&new)?.ino());
        if let Err(error) = fs::rename(&new, path) {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        let listener = Mutex::new(Some(listener));
        Ok(Socket { listener, path: path.to_owned(), inode, owner: geteuid().as_raw(), parent })
    }
}

impl Socket {
    /// This process's descriptor.
    fn take(&self) -> Option<UnixListener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let is_ours = || fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if self.parent == getpid().as_raw_pid() && is_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The work of the process.
fn serve() {
    // SAFETY: null, or complete and not changed any more in this process.
    let Some(control) = (unsafe { CONTROL.load(Ordering::Acquire).as_ref() }) else { return };
    if let Err(error) = verdicts::open() {
        let what = b"rust_esauth: EsAuthControl: cannot open the shared cache: ";
        log_server(here!(), Level::Error, 0, Some(control.main), control.pool, &[what, error.to_string().as_bytes()]);
        return;
    }
    let Some(listener) = control.socket.take() else { return };
    loop {
        match listener.accept() {
            // A client that goes away, or is none, is no event.
            Ok((client, _)) => guard((), || drop(control.answer(client))),
            Err(_) => sleep(Duration::from_millis(100)),
        }
    }
}

impl Control<'_> {
    fn answer(&self, mut client: UnixStream) -> io::Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        client.set_write_timeout(Some(PATIENCE))?;
        // The mode of the socket says the same, unless somebody changes it.
        let user = socket_peercred(&client)?.uid.as_raw();
        if user != 0 && user != self.socket.owner {
            return Ok(());
        }
        let mut text = Vec::new();
        Read::by_ref(&mut client).take(LONGEST_COMMAND as u64).read_to_end(&mut text)?;
        let reply = match (Command::parse(&text), verdicts::verifier()) {
            (Ok(command), Some(verifier)) => {
                // First there: otherwise the next attempt would learn of the lockout again.
                let failed = self.among_all(&command);
                let reply = command.run(verifier);
                self.log(user, &command, &reply);
                failed.unwrap_or(reply)
            }
            (Err(why), _) => Reply::Refused(why),
            (_, None) => Reply::Refused("the server is not ready".to_owned()),
        };
        client.write_all(&reply.encode())
    }

    /// Does the same for all servers of a fleet as far as they count together. A reply if that fails.
    fn among_all(&self, command: &Command) -> Option<Reply> {
        let Command::Unlock { user, client } = command else { return None };
        let why = fleet::forgive(&ServerConfig::of(self.main), user.as_deref(), client.as_deref())?.err()?;
        Some(Reply::Refused(format!("lockouts have ended on this server, but not at EsAuthFleet ({why}); try again")))
    }

    /// Logs what was changed, and by which user of the system.
    fn log(&self, by: u32, command: &Command, reply: &Reply) {
        let mut of = Vec::new();
        if let Command::Unlock { user, client } = command {
            if let Some(user) = user {
                of.extend([b" of user ", &user[..]].concat());
            }
            if let Some(client) = client {
                of.extend([b" at ", client.as_bytes()].concat());
            }
        }
        let done = match reply {
            Reply::Unlocked(done) => format!("ended {} lockouts and cleared {} counts", done.lockouts, done.counts),
            Reply::Forgotten(done) => format!("forgot {} right and {} wrong credentials", done.grants, done.denials),
            Reply::Lockouts(_) | Reply::Refused(_) => return,
        };
        let by = by.to_string();
        let parts: [&[u8]; 5] =
            [b"rust_esauth: esauth, run by user number ", by.as_bytes(), b", ", done.as_bytes(), &of];
        log_server(here!(), Level::Notice, 0, Some(self.main), self.pool, &parts);
    }
}
