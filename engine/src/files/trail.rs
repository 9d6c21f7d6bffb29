//! The way to a file: every folder that its path leads through, watched.
//!
//! Where all of them are watched, and so is the file, nothing can take the file's place unheard: whatever does must first
//! rename or delete one of them (or be mounted over one, see `watch`).

use std::ffi::{CStr, CString};

use rustix::fs::{FileType, StatFs, lstat, statfs};
use rustix::io::Errno;

use super::watch::{Watch, Watcher};

/// File systems (`f_type` of statfs(2), from linux/magic.h) that report whatever happens to a file to everyone on this
/// machine, since it can only happen here: unlike NFS and others that another machine or program may change.
const REPORTING: [u64; 7] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0xf2f5_2010, // F2FS
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x794c_7630, // overlayfs
];

/// The watches on the folders of one path. To be given back with [`Trail::unwatch`].
#[derive(Default)]
pub(crate) struct Trail(Vec<Watch>);

impl Trail {
    /// Watches the folders on the way to the file at `path`. `None` where that does not tell everything: on other file
    /// systems, for a path that is not absolute or leads through a symbolic link, and where there can be no more watches.
    pub(crate) fn watch(path: &CStr, watcher: &Watcher) -> Option<Trail> {
        let mut trail = Trail::default();
        match trail.extend(path, watcher) {
            Ok(true) => Some(trail),
            Ok(false) | Err(_) => {
                trail.unwatch(watcher);
                None
            }
        }
    }

    pub(crate) fn unwatch(self, watcher: &Watcher) {
        for watch in self.0 {
            watcher.unwatch(watch);
        }
    }

    fn extend(&mut self, path: &CStr, watcher: &Watcher) -> Result<bool, Errno> {
        let Some(folders) = folders(path) else { return Ok(false) };
        for folder in folders {
            // From the root on, so that a folder is found by way of those that are watched already.
            self.0.push(watcher.watch_folder(&folder)?);
            if !reports(&statfs(&folder)?) {
                return Ok(false);
            }
        }
        let is_link = FileType::from_raw_mode(lstat(path)?.st_mode) == FileType::Symlink;
        Ok(!is_link && reports(&statfs(path)?))
    }
}

#[allow(clippy::unnecessary_cast, reason = "the field's type differs between architectures")]
fn reports(file_system: &StatFs) -> bool {
    REPORTING.contains(&(file_system.f_type as u32 as u64))
}

/// The folders that an absolute path leads through, from the root on. `None` where they are not plain to see.
fn folders(path: &CStr) -> Option<Vec<CString>> {
    let path = path.to_bytes();
    let names = path.strip_prefix(b"/")?;
    if names.split(|&byte| byte == b'/').any(|name| matches!(name, b"" | b"." | b"..")) {
        return None;
    }
    let ends = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(end, _)| end.max(1));
    ends.map(|end| CString::new(&path[..end]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_of_a_path_begin_at_the_root_and_end_before_the_file() {
        assert_eq!(folders(c"/etc/httpd/users"), Some(vec![c"/".into(), c"/etc".into(), c"/etc/httpd".into()]));
        assert_eq!(folders(c"/users"), Some(vec![c"/".into()]));
        for path in [c"users", c"", c"/etc//users", c"/etc/./users", c"/etc/../users", c"/etc/"] {
            assert_eq!(folders(path), None, "{path:?}");
        }
    }
}
