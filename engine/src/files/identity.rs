//! Reading a whole file, and telling cheaply whether it has changed since.

use std::collections::TryReserveError;
use std::ffi::CStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::mm::{Advice, madvise};

/// Offsets into a snapshot are 32 bits wide, and a NUL is added behind the text.
const LARGEST_FILE: u64 = u32::MAX as u64 - 1;

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

impl ReadError {
    /// There is not enough memory.
    pub const NO_MEMORY: ReadError = ReadError::Os(libc::ENOMEM);
}

impl From<TryReserveError> for ReadError {
    fn from(_: TryReserveError) -> Self {
        ReadError::NO_MEMORY
    }
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

    /// True where both are of the same file, whatever has become of it.
    pub(crate) fn is_same_file(&self, other: &Stamp) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    pub(crate) fn is_of_empty_file(&self) -> bool {
        self.size == 0
    }

    /// The file's size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// True where the content of this was changed later than that of the other, which may be a folder.
    pub(crate) fn is_of_later_content_than(&self, other: &Stamp) -> bool {
        self.modified > other.modified
    }

    /// How long ago, by the clock, the content was changed. `None` where the clock says that it is still to come.
    pub(crate) fn age_of_content(&self, now: SystemTime) -> Option<Duration> {
        now.duration_since(time(self.modified)?).ok()
    }

    /// True where, by the clock, the file's last change lies so far before `read_began` that a later one would show.
    pub(crate) fn settled_at(&self, read_began: SystemTime) -> bool {
        let Some(last_change) = time(self.changed.max(self.modified)) else { return false };
        read_began.duration_since(last_change).is_ok_and(|age| age >= self.granularity())
    }
}

/// Asks for large pages for the room of a large file: it is filled in less time, and searched in less.
fn prefer_large_pages(bytes: &mut Vec<u8>) {
    const WORTH_IT: usize = 4 * 1024 * 1024;
    /// A multiple of the page size, whatever that is.
    const ALIGNMENT: usize = 64 * 1024;
    let room = bytes.spare_capacity_mut();
    let skipped = room.as_ptr().align_offset(ALIGNMENT);
    if room.len() < WORTH_IT || skipped > room.len() {
        return;
    }
    let room = &mut room[skipped..];
    let length = room.len() / ALIGNMENT * ALIGNMENT;
    // SAFETY: memory of the vector's own, whose content this advice does not change. Without it, all works as well.
    let _ = unsafe { madvise(room.as_mut_ptr().cast(), length, Advice::LinuxHugepage) };
}

/// Seconds and nanoseconds since 1970 as a time. `None` for one that has no place in the clock's range.
fn time((seconds, nanoseconds): (i64, u64)) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    time?.checked_add(Duration::from_nanos(nanoseconds))
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

/// A file that is open for reading, and is one that can be read.
pub(crate) struct Opened {
    file: File,
    /// Of the file when it was opened.
    pub(crate) stamp: Stamp,
}

impl Opened {
    /// Opens the file at `path`.
    ///
    /// Nothing here can hang: a FIFO without a writer is opened without waiting and then refused, as any file that is
    /// not a regular one is.
    pub(crate) fn open(path: &CStr) -> Result<Opened, ReadError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile && path != c"/dev/null" {
            return Err(ReadError::NotRegular);
        }
        Ok(Opened { file, stamp: Stamp::from(&stat) })
    }

    /// All bytes of the file, up to the largest size that is taken.
    pub(crate) fn read(&mut self) -> Result<Vec<u8>, ReadError> {
        if self.stamp.size > LARGEST_FILE {
            return Err(ReadError::TooLarge);
        }
        let mut bytes = Vec::new();
        // Room for the text, the end-of-file probe of `read_to_end` and the NUL that the parser adds, without growing
        // twice.
        bytes.try_reserve_exact(self.stamp.size as usize + 33)?;
        prefer_large_pages(&mut bytes);
        Read::by_ref(&mut self.file).take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST_FILE { Err(ReadError::TooLarge) } else { Ok(bytes) }
    }

    /// True where the open file is still what it was when it was opened.
    pub(crate) fn is_unchanged(&self) -> Result<bool, ReadError> {
        Ok(Stamp::from(&rustix::fs::fstat(&self.file)?) == self.stamp)
    }
}
