//! `rust_esauth_module`: HTTP Basic authentication and group authorization from files, for Apache httpd 2.4 and 2.2.
//!
//! Stands in for mod_auth_basic, mod_authn_file and mod_authz_groupfile, loaded beside them or instead of them. What a
//! file says is kept in memory by the engine (`engine/`); this crate is the side that faces httpd:
//!
//! * [`config`]: the directives, and what they say about a folder;
//! * [`hooks`]: what is registered with httpd, and when;
//! * [`basic`]: the authentication hook, from the request's header to a status;
//! * [`connection`]: what a connection remembers of the credentials it brought last;
//! * [`provider`]: the same look-up offered to other modules, as providers `esauth` and `file`;
//! * [`store`]: the files of a child process;
//! * [`verdicts`]: the verified cache of all of them;
//! * [`checks`]: what is wrong with a configuration, said when the server starts or its configuration is tested;
//! * [`metrics`]: what an operator sees: counts, the pages that show them, notes for the access log;
//! * [`generation`]: everything that differs between httpd 2.4 and 2.2, `Require group` among it;
//! * [`request`], [`pool`], [`log`], [`boundary`]: httpd's objects made safe to use from here.

mod basic;
mod bindings;
mod boundary;
mod checks;
mod config;
mod connection;
mod generation;
mod hooks;
mod log;
mod metrics;
mod pool;
mod provider;
mod request;
mod store;
mod verdicts;
mod words;

use std::ffi::c_int;
use std::mem::zeroed;

use bindings::module;

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
