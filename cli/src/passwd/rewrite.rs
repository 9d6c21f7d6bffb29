//! Replaces a file in one step: whoever reads it, at any moment and after any crash, finds the old text or the new one.

use std::ffi::{CStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, XattrFlags, fgetxattr, flistxattr, flock, fremovexattr, fsetxattr};
use rustix::io::Errno;

use super::edit::Edit;

/// Owner and group may read a new file, and nobody else.
const NEW_FILE: u32 = 0o640;

/// Larger files have no offsets of 32 bits, in which the module reads them.
const TOO_LARGE: u64 = u32::MAX as u64 - 1;

/// The file's text; empty if it is missing and may be created.
pub(super) fn look(path: &Path, create: bool) -> Result<Vec<u8>, String> {
    let failed = |error| in_words(path, error);
    match target(path, create)? {
        Target::Present(real) => read(&mut open(&real).map_err(failed)?).map_err(failed),
        Target::Missing(_) => Ok(Vec::new()),
    }
}

/// Replaces the file's text by that of an edit of it. Two of these at the same time wait for each other; if another program
/// changes the file meanwhile, the edit is made again.
pub(super) fn rewrite(path: &Path, create: bool, edit: impl Fn(&[u8]) -> Result<Edit, String>) -> Result<Edit, String> {
    let failed = |error| in_words(path, error);
    loop {
        let (real, is_new) = match target(path, create)? {
            Target::Present(real) => (real, false),
            Target::Missing(real) => (real.clone(), make(&real).map_err(failed)?),
        };
        let made = rewrite_once(&real, &edit, failed);
        match made {
            Ok(None) => {}
            Ok(Some(mut edit)) => {
                if is_new {
                    edit.notes.push(
                        "this is a new file, with mode 640. The server must be able to read it: chgrp www-data (Debian), \
                         chgrp apache or nginx (Red Hat)"
                            .to_owned(),
                    );
                }
                return Ok(edit);
            }
            Err(message) => {
                if is_new {
                    remove_if_empty(&real);
                }
                return Err(message);
            }
        }
    }
}

/// Where the file is, at the end of all symbolic links: replacing a link would leave the file as it was.
enum Target {
    Present(PathBuf),
    Missing(PathBuf),
}

fn target(path: &Path, create: bool) -> Result<Target, String> {
    let failed = |error| in_words(path, error);
    match fs::canonicalize(path) {
        Ok(real) => Ok(Target::Present(real)),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
        Err(error) => {
            if path.is_symlink() {
                return Err(format!("{}: a symbolic link to a file that does not exist", path.display()));
            }
            if !create {
                return Err(format!("{}; --create makes it", failed(error)));
            }
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = path.file_name().ok_or_else(|| failed(error))?;
            Ok(Target::Missing(fs::canonicalize(folder).map_err(failed)?.join(name)))
        }
    }
}

/// Creates an empty file. False if there is one meanwhile.
fn make(path: &Path) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file.set_permissions(Permissions::from_mode(NEW_FILE)).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Another run may have written to the new file in the meantime.
fn remove_if_empty(path: &Path) {
    if let Ok(Some(_locked)) = lock(path) {
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0) {
            // The message is about the first failure.
            let _ = fs::remove_file(path);
        }
    }
}

/// `None` if another program has changed the file meanwhile.
fn rewrite_once(
    real: &Path,
    edit: impl Fn(&[u8]) -> Result<Edit, String>,
    failed: impl Fn(io::Error) -> String,
) -> Result<Option<Edit>, String> {
    let Some(mut old) = lock(real).map_err(&failed)? else { return Ok(None) };
    let before = old.metadata().map_err(&failed)?;
    if before.nlink() > 1 {
        return Err(format!("{}: has {} hard links; only one of them would change", real.display(), before.nlink()));
    }
    let text = read(&mut old).map_err(&failed)?;
    let edited = edit(&text)?;
    let Some(text) = &edited.text else { return Ok(Some(edited)) };
    let draft = Draft::make(real).map_err(|error| beside(real, &error))?;
    draft.fill(text, &old, &before).map_err(|error| beside(real, &error))?;
    if !is_unchanged(real, &before) {
        return Ok(None);
    }
    draft.replace(real).map_err(failed)?;
    Ok(Some(edited))
}

/// Opens the file and waits until no other run works on it. `None` if it was replaced meanwhile.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let mut file = match open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => {
            anstream::eprintln!("{}: waiting for another program that has it locked", path.display());
            flock(&file, FlockOperation::LockExclusive)?;
        }
        // NFS locks a file for writing only where it is open for writing.
        Err(Errno::BADF) => {
            file = OpenOptions::new().read(true).write(true).open(path)?;
            flock(&file, FlockOperation::LockExclusive)?;
        }
        locked => locked?,
    }
    let is_current = fs::metadata(path).is_ok_and(|now| is_same_file(&now, &file));
    Ok(is_current.then_some(file))
}

fn is_same_file(now: &Metadata, file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == (now.dev(), now.ino()))
}

fn is_unchanged(path: &Path, before: &Metadata) -> bool {
    let identity = |metadata: &Metadata| {
        let times = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec());
        (metadata.dev(), metadata.ino(), metadata.len(), times)
    };
    fs::metadata(path).is_ok_and(|now| identity(&now) == identity(before))
}

/// Opens it without waiting for the other side of a FIFO.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.len() >= TOO_LARGE {
        return Err(io::Error::other("4 GiB or larger"));
    }
    Ok(file)
}

fn read(file: &mut File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(text)
}

/// The new file beside the old one. Removed unless it takes its place.
struct Draft {
    path: PathBuf,
    file: File,
    is_done: bool,
}

impl Draft {
    /// Removes drafts of runs that were killed, too.
    fn make(real: &Path) -> io::Result<Draft> {
        let mut start = OsString::from(".");
        start.push(real.file_name().unwrap_or_default());
        start.push(".esauth-");
        let folder = real.parent().unwrap_or(Path::new("/"));
        for entry in fs::read_dir(folder)?.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(start.as_encoded_bytes()) {
                remove_abandoned(&entry.path());
            }
        }
        let mut name = start;
        name.push(std::process::id().to_string());
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        // Dropped if the lock fails.
        let draft = Draft { path, file, is_done: false };
        flock(&draft.file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(draft)
    }

    /// Writes the text, to the disk; owner, group, mode and the attributes are those of the old file.
    fn fill(&self, text: &[u8], old: &File, before: &Metadata) -> io::Result<()> {
        let mine = self.file.metadata()?;
        if (mine.uid(), mine.gid()) != (before.uid(), before.gid()) {
            fchown(&self.file, Some(before.uid()), Some(before.gid()))?;
        }
        copy_attributes(old, &self.file)?;
        self.file.set_permissions(Permissions::from_mode(before.mode() & 0o7777))?;
        (&self.file).write_all(text)?;
        self.file.sync_all()
    }

    fn replace(mut self, real: &Path) -> io::Result<()> {
        fs::rename(&self.path, real)?;
        self.is_done = true;
        // After a loss of power, too, it is the new one.
        File::open(real.parent().unwrap_or(Path::new("/")))?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_done {
            // It is not the file that httpd reads; the next run removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a draft, unless its run lives and has it locked.
fn remove_abandoned(path: &Path) {
    let opened =
        OpenOptions::new().read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits() as i32).open(path);
    if opened.is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()) {
        let _ = fs::remove_file(path);
    }
}

/// An access control list. A new file may have one from its folder.
const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// Copies access control lists, the SELinux context and the like.
fn copy_attributes(from: &File, to: &File) -> io::Result<()> {
    let (mut names, mut old, mut new) = (vec![0; 1 << 16], vec![0; 1 << 16], vec![0; 1 << 16]);
    let length = match flistxattr(from, &mut names) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
        length => length?,
    };
    let names: Vec<_> = names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty()).collect();
    if !names.contains(&ACCESS_LIST.to_bytes()) {
        match fremovexattr(to, ACCESS_LIST) {
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            removed => removed?,
        }
    }
    // These are signatures of the content.
    for name in names.into_iter().filter(|name| !matches!(*name, b"security.ima" | b"security.evm")) {
        let length = fgetxattr(from, name, &mut old)?;
        let is_there = fgetxattr(to, name, &mut new).is_ok_and(|has| new[..has] == old[..length]);
        if !is_there {
            fsetxattr(to, name, &old[..length], XattrFlags::empty())?;
        }
    }
    Ok(())
}

fn in_words(path: &Path, error: io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// About the new file, which has the folder and the disk of the old one.
fn beside(real: &Path, error: &io::Error) -> String {
    format!("{}: cannot write a new file in its place, so it stays as it is: {error}", real.display())
}
