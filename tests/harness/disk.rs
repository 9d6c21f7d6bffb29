//! A disk that is soon full.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A file system of 64 KiB.
pub(crate) struct SmallDisk(CString);

impl SmallDisk {
    /// `None` if it may not be mounted.
    pub(crate) fn mount(folder: &Path) -> Option<Self> {
        let target = CString::new(folder.as_os_str().as_bytes()).unwrap();
        // SAFETY: C strings that outlive the call.
        let result = unsafe {
            libc::mount(c"none".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), 0, c"size=64k,mode=755".as_ptr().cast())
        };
        (result == 0).then_some(SmallDisk(target))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // SAFETY: a C string; the file system is the one mounted by `mount`.
        unsafe { libc::umount2(self.0.as_ptr(), libc::MNT_DETACH) };
    }
}
