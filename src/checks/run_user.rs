//! The user of httpd's children, and its rights on a file by the mode.

use std::ffi::{CStr, CString};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::getxattr;
use rustix::process::{Gid, getegid, geteuid, getgroups};

use crate::httpd::generation;

/// The occasion of a check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The start of the server.
    Start,
    /// `httpd -t`, possibly run by another user.
    Test,
}

pub(super) const READ: u32 = 0o4;
pub(super) const WRITE: u32 = 0o2;
/// Of a folder: to open its entries by name.
pub(super) const ENTER: u32 = 0o1;

/// The user that httpd's children run as.
pub(super) struct RunUser {
    id: u32,
    groups: Vec<u32>,
    /// For messages.
    pub(super) name: String,
    pub(super) group: String,
    /// It is also the user that starts httpd, and usually owns the files.
    pub(super) starts_httpd: bool,
}

impl RunUser {
    /// None if rights do not matter (root), or httpd has no configured user.
    pub(super) fn find(occasion: Occasion) -> Option<RunUser> {
        let own = geteuid().as_raw();
        let (id, group) = generation::run_user();
        let is_told = id != 0 && id != u32::MAX;
        // Only root can become another user; but another user may test the configuration that root will start.
        if own == 0 || occasion == Occasion::Test && is_told && id != own {
            return is_told.then(|| {
                let name = user_name(id);
                let groups = groups_of(&name, group);
                let name = name.to_string_lossy().into_owned();
                RunUser { id, groups, name, group: group_name(group), starts_httpd: false }
            });
        }
        let group = getegid().as_raw();
        let groups = own_groups(group);
        let name = user_name(own).to_string_lossy().into_owned();
        Some(RunUser { id: own, groups, name, group: group_name(group), starts_httpd: true })
    }

    /// Whether the mode of a file or folder grants this user the right. An access control list can grant more.
    pub(super) fn may(&self, right: u32, file: &Metadata) -> bool {
        let of = if file.uid() == self.id {
            6
        } else if self.groups.contains(&file.gid()) {
            3
        } else {
            0
        };
        file.mode() >> of & right == right
    }
}

/// Whether a file has rights beyond its mode.
pub(super) fn has_access_list(path: &Path) -> bool {
    // Without a buffer, only the value's length is requested.
    getxattr(path, c"system.posix_acl_access", &mut [0u8; 0][..]).is_ok_and(|length| length > 0)
}

/// The primary and supplementary groups of a user, which httpd gives its children.
fn groups_of(name: &CStr, group: u32) -> Vec<u32> {
    let mut groups = vec![group; 256];
    let mut count = 256;
    // SAFETY: a C string, and room for the stated number of groups.
    let filled = unsafe { libc::getgrouplist(name.as_ptr(), group, groups.as_mut_ptr(), &raw mut count) };
    groups.truncate(if filled < 0 { groups.len() } else { count.unsigned_abs() as usize });
    groups
}

fn own_groups(group: u32) -> Vec<u32> {
    let supplementary = getgroups().unwrap_or_default();
    supplementary.into_iter().map(Gid::as_raw).chain([group]).collect()
}

/// The name of a user, or its number if it has none.
fn user_name(id: u32) -> CString {
    // SAFETY: the parent's only thread; null or an entry that stays until the next call.
    let name = unsafe { libc::getpwuid(id).as_ref().map(|user| CStr::from_ptr(user.pw_name).to_owned()) };
    name.unwrap_or_else(|| CString::new(id.to_string()).unwrap_or_default())
}

fn group_name(id: u32) -> String {
    // SAFETY: the parent's only thread; null or an entry that stays until the next call.
    let name = unsafe { libc::getgrgid(id).as_ref().map(|group| CStr::from_ptr(group.gr_name).to_string_lossy()) };
    name.map_or_else(|| id.to_string(), |name| name.into_owned())
}
