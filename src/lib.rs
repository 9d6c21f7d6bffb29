//! `rust_esauth_module`: HTTP Basic authentication and group authorization from files, for Apache httpd 2.4 and 2.2.
//!
//! Stands in for mod_auth_basic, mod_authn_file and mod_authz_groupfile, loaded beside them or instead of them. What a
//! file says is kept in memory by the engine (`engine/`); this crate is the side that faces httpd:
//!
//! * [`hooks`]: what is registered with httpd, and when;
//! * [`authn`]: the authentication hook, the providers `esauth` and `file`, what a connection remembers;
//! * [`authz`]: `Require group` and `Require file-group`;
//! * [`checks`]: what is wrong with a configuration, said when the server starts or its configuration is tested;
//! * [`metrics`]: the pages that show an operator what was counted;
//! * [`state`]: the files of a child process, the verdicts of the server, the counting of outcomes;
//! * [`config`]: what directives say, of a section and of the server;
//! * [`httpd`]: httpd's objects made safe to use from here, and what differs between 2.4 and 2.2.
//!
//! Each uses only those below it.

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

use config::section::DirConfig;
use config::server::ServerConfig;
use httpd::bindings::{self, apr_pool_t, command_rec, module};
use httpd::boundary::guard;
use httpd::command::{Commands, count};
use httpd::configuration::{create_dir_config, create_server_config, merge_dir_config};

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
    create_dir_config: Some(create_dir_config::<DirConfig<'static>>),
    merge_dir_config: Some(merge_dir_config::<DirConfig<'static>>),
    create_server_config: Some(create_server_config::<ServerConfig<'static>>),
    cmds: COMMANDS.as_ptr(),
    register_hooks: Some(register_hooks),
    // SAFETY: plain C data; every other member (pointers, optional functions, flags) is right as zero.
    ..unsafe { zeroed() }
};

/// The directives, of which each part has its own.
const PARTS: &[&[command_rec]] = &[config::section::COMMANDS, config::server::COMMANDS, checks::COMMANDS];
static COMMANDS: Commands<{ count(PARTS) }> = Commands::of(PARTS);

/// httpd's call when the module is loaded.
unsafe extern "C" fn register_hooks(_pool: *mut apr_pool_t) {
    guard((), || {
        // SAFETY: written by httpd just before, in its only thread.
        httpd::module::set_index(unsafe { (&raw const rust_esauth_module.module_index).read() });
        hooks::register();
    });
}
