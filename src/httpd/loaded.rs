//! The other modules that are loaded, determined before a configuration is read.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::geteuid;

use crate::httpd::bindings::{self, ap_exists_config_define, ap_find_linked_module};
#[cfg(httpd = "2.2")]
use crate::httpd::module;

static MOD_AUTH_BASIC: AtomicBool = AtomicBool::new(false);
#[cfg(httpd = "2.2")]
static GROUPS_BEFORE_USERS: AtomicBool = AtomicBool::new(true);

/// Reads httpd's list of modules, once it is complete.
pub(crate) fn look() {
    MOD_AUTH_BASIC.store(is_linked(c"mod_auth_basic.c"), Ordering::Relaxed);
    #[cfg(httpd = "2.2")]
    {
        // If mod_authz_groupfile is not loaded, this module's position counts instead.
        let groups = load_position(c"mod_authz_groupfile.c").unwrap_or_else(module::index);
        let before_users = load_position(c"mod_authz_user.c").is_none_or(|users| groups < users);
        GROUPS_BEFORE_USERS.store(before_users, Ordering::Relaxed);
    }
}

pub(crate) fn mod_auth_basic() -> bool {
    MOD_AUTH_BASIC.load(Ordering::Relaxed)
}

#[cfg(httpd = "2.2")]
/// Whether mod_authz_groupfile decides before mod_authz_user or, if it is not loaded, would in this module's position.
pub(crate) fn groups_come_before_users() -> bool {
    GROUPS_BEFORE_USERS.load(Ordering::Relaxed)
}

/// The position of a module in the order of loading.
#[cfg(httpd = "2.2")]
fn load_position(name: &CStr) -> Option<std::ffi::c_int> {
    find(name).map(|found| found.module_index)
}

/// Whether a name is defined for `<IfDefine>`.
pub(crate) fn is_defined(name: &CStr) -> bool {
    // SAFETY: a C string, which is only compared.
    unsafe { ap_exists_config_define(name.as_ptr()) != 0 }
}

/// True if this process answers requests as different users: with mpm_itk, mod_ruid2 and similar modules, or as root.
pub(crate) fn changes_user() -> bool {
    const MODULES: [&CStr; 4] = [c"mpm_itk.c", c"itk.c", c"peruser.c", c"mod_ruid2.c"];
    MODULES.into_iter().any(is_linked) || geteuid().is_root()
}

/// Whether a module is loaded, by its file name: `mod_auth_basic.c`.
pub(crate) fn is_linked(name: &CStr) -> bool {
    find(name).is_some()
}

fn find(name: &CStr) -> Option<&'static bindings::module> {
    // SAFETY: a C string, which is only compared; the result is null or a module, which stays as long as this one is loaded.
    unsafe { ap_find_linked_module(name.as_ptr()).as_ref() }
}
