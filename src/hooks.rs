//! What is registered with httpd, and when.

use std::ffi::c_int;
use std::io;
use std::ptr::{NonNull, null};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::checks::{self, Occasion};
use crate::config;
use crate::httpd::bindings::{
    APR_HOOK_MIDDLE, HTTP_INTERNAL_SERVER_ERROR, OK, ap_find_linked_module, ap_hook_child_init, ap_hook_post_config,
    ap_hook_pre_config, ap_hook_pre_mpm, ap_hook_test_config, ap_scoreboard_e, apr_pool_t, esauth_is_rehearsal,
    server_rec,
};
use crate::httpd::boundary::guard;
use crate::httpd::generation;
use crate::httpd::log::{Level, here, log_server};
use crate::httpd::pool::Pool;
use crate::state::{files, verdicts};
use crate::{VERSION, metrics};

/// httpd's call when the module is loaded.
pub(crate) unsafe extern "C" fn register_hooks(pool: *mut apr_pool_t) {
    guard((), || {
        let middle = APR_HOOK_MIDDLE as c_int;
        // SAFETY: httpd's registration functions, at the time they are meant for, with functions of the right types.
        unsafe {
            ap_hook_pre_config(Some(pre_config), null(), null(), middle);
            ap_hook_post_config(Some(post_config), null(), null(), middle);
            ap_hook_test_config(Some(test_config), null(), null(), middle);
            ap_hook_pre_mpm(Some(pre_mpm), null(), null(), middle);
            ap_hook_child_init(Some(child_init), null(), null(), middle);
            generation::register_hooks(pool);
            metrics::register_hooks();
        }
    });
}

/// True where mod_auth_basic is loaded as well.
pub(crate) fn mod_auth_basic_is_loaded() -> bool {
    MOD_AUTH_BASIC.load(Ordering::Relaxed)
}

static MOD_AUTH_BASIC: AtomicBool = AtomicBool::new(false);

/// After every module has been loaded and before any directive that looks for a provider is read: only now can ours take
/// the stock names, whatever the order of loading.
unsafe extern "C" fn pre_config(pool: *mut apr_pool_t, _log: *mut apr_pool_t, _temporary: *mut apr_pool_t) -> c_int {
    guard(HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        config::forget_named_files();
        verdicts::reset();
        // SAFETY: a C string; httpd's list of modules is complete.
        let found = unsafe { ap_find_linked_module(c"mod_auth_basic.c".as_ptr()) };
        MOD_AUTH_BASIC.store(!found.is_null(), Ordering::Relaxed);
        // SAFETY: the configuration's pool, at the time of registrations.
        unsafe { generation::register_providers(pool) };
        OK as c_int
    })
}

/// When the configuration is complete: makes the verified cache and says that the module is at work.
unsafe extern "C" fn post_config(
    pool: *mut apr_pool_t,
    _log: *mut apr_pool_t,
    temporary: *mut apr_pool_t,
    server: *mut server_rec,
) -> c_int {
    guard(HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        // SAFETY: httpd's main server and the configuration's pool, in its single thread.
        let (main, pool) = unsafe { (server.as_ref(), NonNull::new(pool).map(|pool| Pool::new(pool))) };
        let (Some(main), Some(pool)) = (main, pool) else { return OK as c_int };
        // SAFETY: the main server.
        if unsafe { esauth_is_rehearsal(server) } == 0 {
            // SAFETY: the process's pool and the configuration's, in the parent's only thread.
            if let Err(error) = unsafe { verdicts::establish((*(*server).process).pool, pool) } {
                no_memory(Some(main), pool, &error);
                return HTTP_INTERNAL_SERVER_ERROR as c_int;
            }
            let how: &[u8] = if mod_auth_basic_is_loaded() { b"beside" } else { b"in place of" };
            let text: [&[u8]; 5] = [
                b"rust_esauth/",
                VERSION.as_bytes(),
                b" answers for HTTP Basic authentication, ",
                how,
                b" mod_auth_basic",
            ];
            log_server(here!(), Level::Info, 0, Some(main), pool, &text);
            if let Some(temporary) = NonNull::new(temporary) {
                // SAFETY: the configuration is complete; its tree and the pool for reading it last for this call.
                unsafe { checks::report(Occasion::Start, main, Pool::new(temporary)) };
            }
        }
        OK as c_int
    })
}

/// `httpd -t`: the configuration is complete, and what is wrong with it is wanted on the terminal.
unsafe extern "C" fn test_config(pool: *mut apr_pool_t, server: *mut server_rec) {
    guard((), || {
        // SAFETY: httpd's main server and the configuration's pool, in its single thread.
        let (main, pool) = unsafe { (server.as_ref(), NonNull::new(pool).map(|pool| Pool::new(pool))) };
        let (Some(main), Some(pool)) = (main, pool) else { return };
        if generation::is_configuration_test() {
            // SAFETY: as at the start.
            unsafe { checks::report(Occasion::Test, main, pool) };
        }
    });
}

/// httpd calls this after the configuration is complete, unless it restarts gracefully: then what is remembered stays.
unsafe extern "C" fn pre_mpm(process: *mut apr_pool_t, _scoreboard: ap_scoreboard_e) -> c_int {
    guard(HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        // SAFETY: the process's pool, in the parent's only thread.
        match unsafe { verdicts::start_afresh(process) } {
            Ok(()) => OK as c_int,
            Err(error) => {
                // SAFETY: as above.
                if let Some(pool) = NonNull::new(process).map(|pool| unsafe { Pool::new(pool) }) {
                    no_memory(None, pool, &error);
                }
                HTTP_INTERNAL_SERVER_ERROR as c_int
            }
        }
    })
}

fn no_memory(server: Option<&server_rec>, pool: Pool<'_>, error: &io::Error) {
    let reason = error.to_string();
    let what = b"rust_esauth: the memory for the verified cache cannot be had: ";
    let advice = b"; give httpd more, or lower EsAuthCacheSize";
    log_server(here!(), Level::Error, 0, server, pool, &[what, reason.as_bytes(), advice]);
}

/// Reads the configured files when a child starts, with its rights, so that its first request need not.
unsafe extern "C" fn child_init(_pool: *mut apr_pool_t, _server: *mut server_rec) {
    guard((), || {
        for (kind, path) in config::named_files() {
            files::preload(kind, path);
        }
    });
}
