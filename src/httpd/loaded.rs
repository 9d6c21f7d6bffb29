//! Which of the stock modules are loaded beside this one. Found out before a configuration is read.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::httpd::bindings::ap_find_linked_module;

static MOD_AUTH_BASIC: AtomicBool = AtomicBool::new(false);
#[cfg(httpd = "2.2")]
static MOD_AUTHZ_GROUPFILE: AtomicBool = AtomicBool::new(false);

/// Looks at httpd's list of modules, once it is complete.
pub(crate) fn look() {
    MOD_AUTH_BASIC.store(is_linked(c"mod_auth_basic.c"), Ordering::Relaxed);
    #[cfg(httpd = "2.2")]
    MOD_AUTHZ_GROUPFILE.store(is_linked(c"mod_authz_groupfile.c"), Ordering::Relaxed);
}

pub(crate) fn mod_auth_basic() -> bool {
    MOD_AUTH_BASIC.load(Ordering::Relaxed)
}

#[cfg(httpd = "2.2")]
pub(crate) fn mod_authz_groupfile() -> bool {
    MOD_AUTHZ_GROUPFILE.load(Ordering::Relaxed)
}

fn is_linked(name: &CStr) -> bool {
    // SAFETY: a C string, which is only compared.
    !unsafe { ap_find_linked_module(name.as_ptr()) }.is_null()
}
