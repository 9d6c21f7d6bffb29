//! Identity of a file: whether it is still the one that was read, unchanged; and reading all of it.

use std::collections::TryReserveError;
use std::ffi::CStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, StatFs, Statx, StatxFlags};
use rustix::io::Errno;
use rustix::mm::{Advice, madvise};
use zeroize::Zeroizing;

/// Offsets into a snapshot are 32 bits wide, and a NUL is added after the text.
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
    /// Larger than the limit for its origin ([`crate::Source::with_limit`]). Both in bytes.
    OverLimit {
        /// The file's size.
        size: u64,
        /// The limit.
        limit: u64,
    },
}

impl ReadError {
    /// Out of memory.
    pub const NO_MEMORY: ReadError = ReadError::Os(libc::ENOMEM);

    /// True if the process or the machine lacks descriptors or memory, for any file.
    pub(crate) fn is_shortage(self) -> bool {
        matches!(self, ReadError::Os(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
    }
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
            ReadError::OverLimit { size, limit } => write!(f, "{size} bytes, more than the limit of {limit}"),
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

/// How to check whether a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// `stat`: one system call.
    Stat,
    /// `open` and a forced query of the file system: three system calls, plus the answer of a network server. Some file
    /// systems answer `stat` from a cache up to a minute old, but revalidate it when a file is opened.
    Open,
}

/// File systems (`f_type` of statfs(2), from linux/magic.h) whose `stat` is always current, since only this machine's
/// kernel changes them. Overlays are not among them: they may lie over a network file system.
const EXACT: [u64; 8] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
    0xca45_1a4e, // bcachefs
    0x2fc1_2fc1, // ZFS
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
];

/// True if only this machine's kernel changes the file system.
#[allow(clippy::unnecessary_cast, reason = "the field's type differs between architectures")]
pub(super) fn is_exact(system: &StatFs) -> bool {
    EXACT.contains(&(system.f_type as u32 as u64))
}

impl Look {
    /// The check that an open file's file system needs.
    fn for_file(file: &File) -> Look {
        if rustix::fs::fstatfs(file).is_ok_and(|system| is_exact(&system)) { Look::Stat } else { Look::Open }
    }

    /// The file at `path` as it is now. Allocates nothing on the heap.
    pub(crate) fn at(self, path: &CStr) -> Result<Identity, ReadError> {
        match self {
            Look::Stat => Ok(Identity::from(&rustix::fs::stat(path)?)),
            Look::Open => self.of_file(&open(path)?),
        }
    }

    /// The same for an open file.
    fn of_file(self, file: &File) -> Result<Identity, ReadError> {
        if self == Look::Open {
            let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
            if let Ok(statx) = rustix::fs::statx(file, c"", flags, StatxFlags::BASIC_STATS) {
                return Ok(Identity::from(&statx));
            }
        }
        Ok(Identity::from(&rustix::fs::fstat(file)?))
    }
}

/// Identifies a file and its current content. Two equal identities mean equal content, provided that the clock had
/// moved on from the file's last change when the first was taken ([`Identity::settled_at`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Identity {
    /// How far apart two changes must be to get different times. Kernels stamp files with the time of the last clock
    /// tick (at most 10 ms); a change time without a fraction suggests a file system that stores whole or even seconds.
    pub(crate) fn granularity(&self) -> Duration {
        if self.changed.1 == 0 { Duration::from_secs(2) } else { Duration::from_millis(20) }
    }

    /// True if both are of the same file, changed or not.
    pub(crate) fn is_same_file(&self, other: &Identity) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    pub(crate) fn is_of_empty_file(&self) -> bool {
        self.size == 0
    }

    /// The file's size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Time since the content was changed, by the clock. `None` if that is in the future.
    pub(crate) fn age_of_content(&self, now: SystemTime) -> Option<Duration> {
        now.duration_since(time(self.modified)?).ok()
    }

    /// True if, by the clock, the file's last change is so long before `read_began` that a later one would show.
    pub(crate) fn settled_at(&self, read_began: SystemTime) -> bool {
        let Some(last_change) = time(self.changed.max(self.modified)) else { return false };
        read_began.duration_since(last_change).is_ok_and(|age| age >= self.granularity())
    }
}

/// Asks for large pages for a large file's buffer, which makes filling and searching it faster.
fn prefer_large_pages(bytes: &mut Vec<u8>) {
    const WORTH_IT: usize = 4 * 1024 * 1024;
    /// A multiple of any page size.
    const ALIGNMENT: usize = 64 * 1024;
    let room = bytes.spare_capacity_mut();
    let skipped = room.as_ptr().align_offset(ALIGNMENT);
    if room.len() < WORTH_IT || skipped > room.len() {
        return;
    }
    let room = &mut room[skipped..];
    let length = room.len() / ALIGNMENT * ALIGNMENT;
    // SAFETY: the vector's own memory, whose content this advice does not change. If it fails, everything works as
    // well.
    let _ = unsafe { madvise(room.as_mut_ptr().cast(), length, Advice::LinuxHugepage) };
}

/// Seconds and nanoseconds since 1970 as a time. `None` if outside the clock's range.
fn time((seconds, nanoseconds): (i64, u64)) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    time?.checked_add(Duration::from_nanos(nanoseconds))
}

#[allow(clippy::unnecessary_cast, reason = "the fields' types differ between architectures")]
impl From<&Stat> for Identity {
    fn from(stat: &Stat) -> Self {
        Identity {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }
}

impl From<&Statx> for Identity {
    fn from(statx: &Statx) -> Self {
        Identity {
            device: rustix::fs::makedev(statx.stx_dev_major, statx.stx_dev_minor),
            inode: statx.stx_ino,
            size: statx.stx_size,
            modified: (statx.stx_mtime.tv_sec, statx.stx_mtime.tv_nsec.into()),
            changed: (statx.stx_ctime.tv_sec, statx.stx_ctime.tv_nsec.into()),
        }
    }
}

/// Never blocks: a FIFO without a writer is opened without waiting.
fn open(path: &CStr) -> Result<File, ReadError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// A regular file, open for reading.
pub(crate) struct Opened {
    file: File,
    /// The check that its file system needs.
    pub(crate) look: Look,
    /// The file's identity when it was opened.
    pub(crate) identity: Identity,
}

impl Opened {
    /// Opens the file at `path`. Refuses a file that is not regular.
    pub(crate) fn open(path: &CStr) -> Result<Opened, ReadError> {
        let file = open(path)?;
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile && path != c"/dev/null" {
            return Err(ReadError::NotRegular);
        }
        let look = Look::for_file(&file);
        let identity = look.of_file(&file)?;
        Ok(Opened { file, look, identity })
    }

    /// All bytes of the file, up to the size limit.
    pub(crate) fn read(&mut self, limit: Option<u64>) -> Result<Vec<u8>, ReadError> {
        let (most, too_large) = match limit {
            Some(limit) if limit < LARGEST_FILE => (limit, ReadError::OverLimit { size: self.identity.size, limit }),
            _ => (LARGEST_FILE, ReadError::TooLarge),
        };
        if self.identity.size > most {
            return Err(too_large);
        }
        let mut bytes = Vec::new();
        // Room for the text, the end-of-file probe of `read_to_end` and the NUL that the parser adds, without growing
        // twice.
        bytes.try_reserve_exact(self.identity.size as usize + 33)?;
        prefer_large_pages(&mut bytes);
        Read::by_ref(&mut self.file).take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most { Err(too_large) } else { Ok(bytes) }
    }

    /// A digest of the file's bytes, as [`digest`] computes it over all of them.
    pub(crate) fn digest(&mut self) -> Result<Digest, ReadError> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = Zeroizing::new(vec![0; 64 * 1024]);
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(*hasher.finalize().as_bytes()),
                length => hasher.update(&buffer[..length]),
            };
        }
    }

    /// True if the open file has not changed since it was opened.
    pub(crate) fn is_unchanged(&self) -> Result<bool, ReadError> {
        Ok(self.look.of_file(&self.file)? == self.identity)
    }
}

/// Digest of a file's content.
pub(crate) type Digest = [u8; 32];

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    *blake3::hash(bytes).as_bytes()
}
