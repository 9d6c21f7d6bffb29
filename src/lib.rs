//! `rust_esauth_module`: HTTP Basic authentication and group authorization from files, for Apache httpd 2.4 and 2.2.
//!
//! Replaces mod_auth_basic, mod_authn_file and mod_authz_groupfile, loaded beside them or instead of them. The engine
//! (`engine/`) keeps the content of files in memory; this crate is the side that faces httpd:
//!
//! * [`hooks`]: everything registered with httpd, and when;
//! * [`authn`]: the authentication hook, the providers `esauth` and `file`, the memory of connections;
//! * [`authz`]: `Require group` and `Require file-group`;
//! * [`checks`]: faults of the configuration, reported when the server starts or the configuration is tested;
//! * `roles`: what users may do on which index (2.4);
//! * `backend`: what a back end is told about the user (2.4);
//! * [`control`]: the socket on which operators end lockouts;
//! * [`metrics`]: the pages that show the counters;
//! * [`state`]: the files of a child process, the verdicts of the server, the outcomes of requests;
//! * [`config`]: the directives of a section and of the server;
//! * [`httpd`]: safe wrappers of httpd's objects, and the differences between 2.4 and 2.2.
//!
//! Each uses only those below it.

mod authn;
mod authz;
#[cfg(httpd = "2.4")]
mod backend;
mod checks;
mod config;
mod control;
mod hooks;
mod httpd;
mod metrics;
#[cfg(httpd = "2.4")]
mod roles;
mod state;

use std::ffi::c_int;
use std::mem::zeroed;

use config::section::DirConfig;
use config::server::ServerConfig;
use httpd::bindings::{self, apr_pool_t, command_rec, module};
use httpd::boundary::guard;
use httpd::command::{Commands, count};
use httpd::configuration::{create_dir_config, create_server_config, merge_dir_config};

/// The symbol that `LoadModule rust_esauth_module` looks up. httpd writes its index and handle into it before any other
/// thread exists.
// SAFETY (no_mangle): the name is httpd's convention for exactly this object, and no other library defines it.
#[unsafe(no_mangle)]
pub static mut rust_esauth_module: module = module {
    version: bindings::MODULE_MAGIC_NUMBER_MAJOR as c_int,
    minor_version: bindings::MODULE_MAGIC_NUMBER_MINOR as c_int,
    module_index: -1,
    name: c"mod_rust_esauth.c".as_ptr(),
    magic: bindings::MODULE_MAGIC_COOKIE as _,
    create_dir_config: Some(create_dir_config::<DirConfig<'static>>),
    merge_dir_config: Some(merge_dir_config::<DirConfig<'static>>),
    create_server_config: Some(create_server_config::<ServerConfig<'static>>),
    cmds: COMMANDS.as_ptr(),
    register_hooks: Some(register_hooks),
    // SAFETY: plain C data; zero is valid for every other member (pointers, optional functions, flags).
    ..unsafe { zeroed() }
};

/// The directives; each part has its own.
const PARTS: &[&[command_rec]] = &[config::section::COMMANDS, config::server::COMMANDS, checks::COMMANDS];
static COMMANDS: Commands<{ count(PARTS) }> = Commands::of(PARTS);

/// Called when the module is loaded.
unsafe extern "C" fn register_hooks(_pool: *mut apr_pool_t) {
    guard((), || {
        // SAFETY: written by httpd just before, in its only thread.
        httpd::module::set_index(unsafe { (&raw const rust_esauth_module.module_index).read() });
        hooks::register();
    });
}
