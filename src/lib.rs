//! `rust_esauth_module`: HTTP Basic authentication and group authorization from files, for Apache httpd 2.4 and 2.2.
//!
//! Stands in for mod_auth_basic, mod_authn_file and mod_authz_groupfile, loaded beside them or instead of them. What a
//! file says is kept in memory by the engine (`engine/`); this crate is the side that faces httpd:
//!
//! * [`hooks`]: what is registered with httpd, and when;
//! * [`authn`]: the authentication hook, the providers `esauth` and `file`, what a connection remembers;
//! * [`authz`]: `Require group` and `Require file-group`;
//! * [`checks`]: what is wrong with a configuration, said when the server starts or its configuration is tested;
//! * [`metrics`]: what an operator sees: counts, the pages that show them, notes for the access log;
//! * [`state`]: the files of a child process, the verified cache of all of them;
//! * [`config`]: the directives, and what they say about a folder;
//! * [`httpd`]: httpd's objects made safe to use from here, and what differs between 2.4 and 2.2.

mod authn;
mod authz;
mod checks;
mod config;
mod hooks;
mod httpd;
mod metrics;
mod state;

use std::ffi::c_int;
use std::mem::zeroed;

use httpd::bindings::{self, module};

/// This module's version, as the start-up line tells it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The symbol that `LoadModule rust_esauth_module` looks up. httpd writes its index and handle into it, before there is
/// any other thread.
// SAFETY (no_mangle): the name is httpd's convention for exactly this object, and no other library defines it.
#[unsafe(no_mangle)]
pub static mut rust_esauth_module: module = module {
    version: bindings::MODULE_MAGIC_NUMBER_MAJOR as c_int,
    minor_version: bindings::MODULE_MAGIC_NUMBER_MINOR as c_int,
    module_index: -1,
    name: c"mod_rust_esauth.c".as_ptr(),
    magic: bindings::MODULE_MAGIC_COOKIE as _,
    create_dir_config: Some(config::create_dir_config),
    merge_dir_config: Some(config::merge_dir_config),
    cmds: config::COMMANDS.as_ptr(),
    register_hooks: Some(hooks::register_hooks),
    // SAFETY: plain C data; every other member (pointers, optional functions, flags) is right as zero.
    ..unsafe { zeroed() }
};

/// Where httpd keeps this module's part of a configuration vector.
fn module_index() -> c_int {
    // SAFETY: written by httpd while the module is loaded, before any other code of it runs, and only read since.
    unsafe { (&raw const rust_esauth_module.module_index).read() }
}
