//! Reading a whole file, and telling cheaply whether it has changed since.

use std::ffi::CStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// Offsets into a snapshot are 32 bits wide, and a NUL is added behind the text.
const LARGEST_FILE: u64 = u32::MAX as u64 - 1;

/// How often a file that changes while it is read is read again before the last reading is taken as it is.
const READ_ATTEMPTS: usize = 3;

/// Why a file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The system call's error number: missing, no permission, an I/O error, out of descriptors or memory.
    Os(i32),
    /// A directory, FIFO, socket or device. `/dev/null`, by that name, is an empty file, as in httpd.
    NotRegular,
    /// 4 GiB or more.
    TooLarge,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Os(number) => std::io::Error::from_raw_os_error(*number).fmt(f),
            ReadError::NotRegular => f.write_str("not a regular file"),
            ReadError::TooLarge => f.write_str("4 GiB or larger"),
        }
    }
}

impl From<Errno> for ReadError {
    fn from(error: Errno) -> Self {
        ReadError::Os(error.raw_os_error())
    }
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        ReadError::Os(error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()))
    }
}

/// What a `stat` tells of a file's identity and content. Two equal stamps mean the same content, provided that the
/// first was taken when the clock had moved on since the file's last change ([`Stamp::settled_at`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Stamp {
    /// Of the file at `path` now.
    ///
    /// No heap: this is the one system call of a request that finds everything else in memory.
    pub(crate) fn of_path(path: &CStr) -> Result<Stamp, ReadError> {
        Ok(Stamp::from(&rustix::fs::stat(path)?))
    }

    /// How far apart two changes must be for the file system to give them different times. Kernels stamp files with the
    /// time of the last clock tick (at most 10 ms); a change time without a fraction betrays a file system that keeps
    /// whole seconds, or two of them.
    pub(crate) fn granularity(&self) -> Duration {
        if self.changed.1 == 0 { Duration::from_secs(2) } else { Duration::from_millis(20) }
    }

    /// True where, by the clock, the file's last change lies so far before `read_began` that a later one would show.
    pub(crate) fn settled_at(&self, read_began: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.changed.max(self.modified);
        let Ok(seconds) = u64::try_from(seconds) else { return true };
        let last_change = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds);
        read_began.duration_since(last_change).is_ok_and(|age| age >= self.granularity())
    }
}

#[allow(clippy::unnecessary_cast, reason = "the fields' types differ between architectures")]
impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Self {
        Stamp {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }
}

/// A file's bytes and the stamp they belong to.
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stamp: Stamp,
}

/// Reads the file at `path`.
///
/// Nothing here can hang: a FIFO without a writer is opened without waiting and then refused, as any file that is not
/// a regular one is.
pub(crate) fn read(path: &CStr) -> Result<Content, ReadError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut attempt = 1;
    loop {
        let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let before = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(before.st_mode) != FileType::RegularFile && path != c"/dev/null" {
            return Err(ReadError::NotRegular);
        }
        let before = Stamp::from(&before);
        let bytes = read_all(&mut file, before.size)?;
        let after = Stamp::from(&rustix::fs::fstat(&file)?);
        if before == after || attempt == READ_ATTEMPTS {
            // A file that keeps changing keeps this stamp from matching, so the next request reads again.
            return Ok(Content { bytes, stamp: before });
        }
        attempt += 1;
    }
}

fn read_all(file: &mut File, expected: u64) -> Result<Vec<u8>, ReadError> {
    if expected > LARGEST_FILE {
        return Err(ReadError::TooLarge);
    }
    let mut bytes = Vec::new();
    // Room for the text, the end-of-file probe of `read_to_end` and the NUL that the parser adds, without growing twice.
    bytes.try_reserve_exact(expected as usize + 33).map_err(|_| ReadError::from(Errno::NOMEM))?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE { Err(ReadError::TooLarge) } else { Ok(bytes) }
}
