//! The socket of a server, on which operators speak to it.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{geteuid, getpid, umask};

use super::message::{Command, LONGEST_COMMAND, Reply};

/// Longest wait for a client, which is `esauth`.
const PATIENCE: Duration = Duration::from_secs(5);

/// A listening socket with a name in the file system.
#[derive(Debug)]
pub struct Socket {
    /// Of this process, until it lets go of it.
    listener: Mutex<Option<Listener>>,
    path: PathBuf,
    inode: u64,
}

/// A process's own descriptor of a [`Socket`].
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    /// Who may connect, besides root: the user that has opened it.
    owner: u32,
}

impl Socket {
    /// Opens it under its name, in place of a predecessor's. Only root and the user of this process can connect.
    pub fn open(path: &Path) -> io::Result<Socket> {
        if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else of that name"));
        }
        // Replaced in one step, so that there is one at every instant.
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}", getpid().as_raw_pid()));
        let new = PathBuf::from(new);
        let _ = fs::remove_file(&new);
        let before = umask(Mode::from_raw_mode(0o177));
        let socket = UnixListener::bind(&new);
        umask(before);
        let (socket, inode) = (socket?, fs::symlink_metadata(&new)?.ino());
        if let Err(error) = fs::rename(&new, path) {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        let listener = Listener { socket, owner: geteuid().as_raw() };
        Ok(Socket { listener: Mutex::new(Some(listener)), path: path.to_owned(), inode })
    }

    /// This process's descriptor, to be used or closed. `None`: it was taken before.
    pub fn take(&self) -> Option<Listener> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Removes the name, unless it is another socket's by now.
    pub fn remove(&self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// Calls `each` for each client, one after the other, as long as the process lives.
    pub fn serve(&self, each: impl Fn(UnixStream)) {
        loop {
            match self.socket.accept() {
                Ok((client, _)) => each(client),
                Err(_) => sleep(Duration::from_millis(100)),
            }
        }
    }

    /// Reads a client's command, and sends what `run` returns for it and for the number of the client's user.
    pub fn answer(&self, mut client: UnixStream, run: impl FnOnce(u32, &Command) -> Reply) -> io::Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        client.set_write_timeout(Some(PATIENCE))?;
        // The mode of the socket says the same, unless somebody changes it.
        let user = socket_peercred(&client)?.uid.as_raw();
        if user != 0 && user != self.owner {
            return Ok(());
        }
        let mut text = Vec::new();
        Read::by_ref(&mut client).take(LONGEST_COMMAND as u64).read_to_end(&mut text)?;
        let reply = match Command::parse(&text) {
            Ok(command) => run(user, &command),
            Err(why) => Reply::Refused(why),
        };
        client.write_all(&reply.encode())
    }
}
