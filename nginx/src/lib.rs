//! `ngx_http_esauth_module`: HTTP Basic authentication and groups from files, for nginx.
//!
//! The engine (`engine/`) keeps the content of files in memory, and verdicts in memory shared by all workers. This
//! crate is the side that faces nginx:
//!
//! * [`access`]: the handler of the access phase, which decides about a request;
//! * [`outcomes`], [`metrics`]: counts, variables for the access log, and a page for Prometheus;
//! * [`worker`]: what a worker process keeps, and the requests that wait for a file or a hash in the thread pool;
//! * [`control`]: the socket for operators;
//! * [`verdicts`]: the memory shared by the workers, kept at a reload; [`fleet`]: what is shared with other servers;
//! * [`config`]: the directives;
//! * [`nginx`]: safe wrappers of nginx's objects.
//!
//! Each uses only those below it.

// Without nginx's headers, there is no module.
#![cfg(nginx)]

mod access;
mod config;
mod control;
mod fleet;
mod metrics;
mod nginx;
mod outcomes;
mod verdicts;
mod worker;

use std::ffi::{c_char, c_void};
use std::mem::zeroed;
use std::ptr::{null, null_mut};

use access::Decided;
use config::{location, server};
use esauth_engine::refusal::MEDIA_TYPE;
use nginx::bindings::{
    self, NGX_HTTP_MODULE, esauth_signature, nginx_version, ngx_command_t, ngx_conf_t, ngx_cycle_t, ngx_http_module_t,
    ngx_http_request_t, ngx_int_t, ngx_module_t, ngx_uint_t,
};
use nginx::boundary::guard;
use nginx::configuration::{LAST, Phase, Reading};
use nginx::module::index;
use nginx::pool::Pool;
use nginx::request::Request;
use nginx::status::Status;

/// The directives; each part has its own.
static mut COMMANDS: [ngx_command_t; 18] = table();

const fn table<const N: usize>() -> [ngx_command_t; N] {
    let parts: [&[ngx_command_t]; 3] = [&location::COMMANDS, &server::COMMANDS, &[metrics::COMMAND]];
    let mut table = [LAST; N];
    let (mut row, mut part) = (0, 0);
    while part < parts.len() {
        let mut number = 0;
        while number < parts[part].len() {
            table[row] = parts[part][number];
            row += 1;
            number += 1;
        }
        part += 1;
    }
    // Fails to compile for any other size.
    assert!(row + 1 == N);
    table
}

static mut CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(before_configuration),
    postconfiguration: Some(after_configuration),
    create_main_conf: Some(create::<server::MainConfig>),
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: Some(create::<location::LocationConfig>),
    merge_loc_conf: Some(merge_location),
};

/// The module; nginx writes its index into it when it loads it.
// SAFETY (no_mangle): a name that nobody else defines.
#[unsafe(no_mangle)]
pub static mut ngx_http_esauth_module: ngx_module_t = ngx_module_t {
    ctx_index: ngx_uint_t::MAX,
    index: ngx_uint_t::MAX,
    version: nginx_version as ngx_uint_t,
    signature: (&raw const esauth_signature).cast(),
    ctx: (&raw mut CONTEXT).cast(),
    commands: (&raw mut COMMANDS).cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    init_module: Some(before_workers),
    init_process: Some(start_worker),
    exit_process: Some(end_worker),
    // SAFETY: plain C data; zero is valid for every other member.
    ..unsafe { zeroed() }
};

/// A list of pointers as nginx looks them up in a module's file.
#[repr(transparent)]
pub struct List<T, const N: usize>([*const T; N]);

// SAFETY: pointers to statics.
unsafe impl<T, const N: usize> Sync for List<T, N> {}

/// The modules in this file.
// SAFETY (no_mangle): the name that nginx looks up.
#[unsafe(no_mangle)]
pub static ngx_modules: List<ngx_module_t, 2> = List([&raw const ngx_http_esauth_module, null()]);

/// Their names.
// SAFETY (no_mangle): as above.
#[unsafe(no_mangle)]
pub static ngx_module_names: List<c_char, 2> = List([NAME, null()]);

/// Where nginx puts the module among its own: before auth_basic, so that it is asked behind it, and behind `allow` and
/// `deny`.
// SAFETY (no_mangle): as above.
#[unsafe(no_mangle)]
pub static ngx_module_order: List<c_char, 3> = List([NAME, c"ngx_http_auth_basic_module".as_ptr(), null()]);

const NAME: *const c_char = c"ngx_http_esauth_module".as_ptr();

unsafe extern "C" fn create<T: Default>(raw: *mut ngx_conf_t) -> *mut c_void {
    guard(null_mut(), || {
        // SAFETY: the configuration being read, which the value lives as long as.
        let pool = unsafe { Reading::new(raw) }.and_then(Reading::pool);
        pool.and_then(|pool| pool.value(T::default())).map_or(null_mut(), |value| (&raw mut *value).cast())
    })
}

unsafe extern "C" fn merge_location(_: *mut ngx_conf_t, outer: *mut c_void, inner: *mut c_void) -> *mut c_char {
    // SAFETY: both made by `create`.
    let (outer, inner) = unsafe {
        (outer.cast::<location::LocationConfig>().as_ref(), inner.cast::<location::LocationConfig>().as_mut())
    };
    if let (Some(outer), Some(inner)) = (outer, inner) {
        inner.inherit(outer);
    }
    null_mut()
}

/// Called before the configuration is read.
unsafe extern "C" fn before_configuration(raw: *mut ngx_conf_t) -> ngx_int_t {
    guard(Status::ERROR, || {
        // SAFETY: the configuration being read.
        match unsafe { Reading::new(raw) } {
            Some(reading) if outcomes::add_variables(reading) => Status::OK,
            _ => Status::ERROR,
        }
    })
    .0
}

/// Called when the configuration is read.
unsafe extern "C" fn after_configuration(raw: *mut ngx_conf_t) -> ngx_int_t {
    guard(Status::ERROR, || {
        // SAFETY: the configuration being read.
        let Some(reading) = (unsafe { Reading::new(raw) }) else { return Status::ERROR };
        // SAFETY: this module's main configuration, made by `create`.
        let Some(main) = (unsafe { reading.main::<server::MainConfig>(index()) }) else { return Status::ERROR };
        if !main.fleet.is_complete(reading) {
            return Status::ERROR;
        }
        let prepare = || {
            nginx::thread::prepare(reading)
                && reading.add_handler(Phase::Access, handle)
                && reading.add_handler(Phase::Log, outcomes::count)
        };
        if !main.used || prepare() { Status::OK } else { Status::ERROR }
    })
    .0
}

/// Called before the workers are started, and again at each reload.
unsafe extern "C" fn before_workers(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    guard(Status::ERROR, || {
        // SAFETY: the cycle being started; only this thread uses its configuration.
        match unsafe { main_configuration(cycle) } {
            Some(main) if main.used => {
                // SAFETY: as above.
                let established = verdicts::establish(main, unsafe { bindings::esauth_connections(cycle) });
                // SAFETY: as above.
                if let (Status::OK, Some(pool)) = (established, unsafe { Pool::new((*cycle).pool) }) {
                    control::open(main, pool);
                }
                established
            }
            _ => Status::OK,
        }
    })
    .0
}

/// Called in each worker before its first request.
unsafe extern "C" fn start_worker(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    guard(Status::ERROR, || {
        // SAFETY: the worker's cycle; only this thread uses its configuration.
        if let Some(main) = unsafe { main_configuration(cycle) } {
            worker::start(main);
            // SAFETY: as above.
            if let Some(pool) = unsafe { Pool::new((*cycle).pool) } {
                control::serve(main, pool);
            }
        }
        Status::OK
    })
    .0
}

/// Called in each worker when it ends, after its last request.
unsafe extern "C" fn end_worker(_: *mut ngx_cycle_t) {
    guard((), worker::end);
}

/// # Safety
///
/// A complete cycle, whose configuration nobody else uses.
unsafe fn main_configuration<'c>(cycle: *mut ngx_cycle_t) -> Option<&'c mut server::MainConfig> {
    // SAFETY: as the caller promises; without `http`, there is no configuration.
    unsafe {
        let contexts = (*cycle).conf_ctx;
        let http = (*contexts.add((&raw const bindings::ngx_http_module.index).read()))
            .cast::<bindings::ngx_http_conf_ctx_t>();
        (*http.as_ref()?.main_conf.add(index())).cast::<server::MainConfig>().as_mut()
    }
}

/// The handler of the access phase.
unsafe extern "C" fn handle(raw: *mut ngx_http_request_t) -> ngx_int_t {
    guard(Status::INTERNAL_SERVER_ERROR, || {
        // SAFETY: the request for which nginx calls the handler.
        let Some(request) = (unsafe { Request::new(raw) }) else { return Status::INTERNAL_SERVER_ERROR };
        // SAFETY: this module's configurations, made by `create`.
        let (location, main) = unsafe { (request.location(index()), request.main(index())) };
        let (Some(location), Some(main)) = (location, main) else { return Status::INTERNAL_SERVER_ERROR };
        match access::decide(request, location, main) {
            Decided::Status(status) => status,
            Decided::Answer(status, body) => {
                // SAFETY: alive until now, and not used behind this; the body is in the request's pool.
                unsafe { nginx::request::answer(raw, status, MEDIA_TYPE.as_bytes(), body) };
                Status::DONE
            }
        }
    })
    .0
}
