//! Everything registered with httpd, and when.

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::transmute;
use std::ptr::{from_ref, null};

use esauth_engine::verification::{Settings, Unprotected};

use crate::authn::{basic, provider};
#[cfg(httpd = "2.4")]
use crate::authn::{challenge, fake};
use crate::authz::limits;
#[cfg(httpd = "2.2")]
use crate::authz::v22 as authz;
#[cfg(httpd = "2.4")]
use crate::authz::v24 as authz;
#[cfg(httpd = "2.4")]
use crate::backend::handover;
use crate::checks::{self, Occasion};
#[cfg(httpd = "2.4")]
use crate::config::section::DirConfig;
use crate::config::server::{ServerConfig, named_files};
use crate::control;
#[cfg(httpd = "2.4")]
use crate::httpd::answer_filter;
#[cfg(httpd = "2.2")]
use crate::httpd::bindings::ap_hook_auth_checker;
use crate::httpd::bindings::{
    APR_HOOK_FIRST, APR_HOOK_MIDDLE, APR_HOOK_REALLY_FIRST, HTTP_INTERNAL_SERVER_ERROR, OK, ap_hook_child_init,
    ap_hook_handler, ap_hook_log_transaction, ap_hook_post_config, ap_hook_pre_config, ap_hook_pre_mpm,
    ap_hook_test_config, ap_hook_type_checker, ap_scoreboard_e, apr_optional_hook_add, server_rec,
};
#[cfg(httpd = "2.4")]
use crate::httpd::bindings::{
    APR_HOOK_LAST, DECLINED, ap_hook_fixups, ap_hook_note_auth_failure, ap_hook_optional_fn_retrieve, apr_port_t,
};
#[cfg(httpd = "2.4")]
use crate::httpd::body::register_filter;
use crate::httpd::boundary::guard;
use crate::httpd::generation::{self, register_provider};
#[cfg(httpd = "2.4")]
use crate::httpd::hook::OnFailure;
use crate::httpd::hook::{
    Callback, Modules, OnChildInit, OnPostConfig, OnPreConfig, OnPreMpm, OnRequest, OnStatus, OnTestConfig, raw,
};
#[cfg(httpd = "2.4")]
use crate::httpd::late;
use crate::httpd::loaded;
use crate::httpd::log::{Level, here, log_server};
use crate::httpd::module::VERSION;
use crate::httpd::pool::{ConfigurationPool, Pool, ProcessPool};
use crate::httpd::provider::{AUTHN, AUTHN_VERSION};
#[cfg(httpd = "2.4")]
use crate::httpd::proxy::{Call, Opaque, hook_fixups, hook_scheme_handler};
#[cfg(httpd = "2.4")]
use crate::httpd::request::Request;
use crate::httpd::server::{is_rehearsal, process_pool, workers};
#[cfg(httpd = "2.4")]
use crate::httpd::text::Text;
use crate::metrics::{prometheus, status};
#[cfg(httpd = "2.4")]
use crate::roles::gate;
#[cfg(httpd = "2.4")]
use crate::state::outcomes::guard_request;
use crate::state::{files, fleet, outcomes, verdicts};

/// Registers all hooks.
pub(crate) fn register() {
    let (first, middle) = (APR_HOOK_FIRST as c_int, APR_HOOK_MIDDLE as c_int);
    // SAFETY: httpd's registration functions, at the time intended for them, with functions of the right types and
    // names that stay. mod_status, if loaded, runs its hook and casts it back to its type here.
    unsafe {
        ap_hook_pre_config(Some(raw::<OnPreConfig>(pre_config)), null(), null(), middle);
        ap_hook_post_config(Some(raw::<OnPostConfig>(post_config)), null(), null(), middle);
        ap_hook_test_config(Some(raw::<OnTestConfig>(test_config)), null(), null(), middle);
        ap_hook_pre_mpm(Some(raw::<OnPreMpm>(pre_mpm)), null(), null(), middle);
        ap_hook_child_init(Some(raw::<OnChildInit>(child_init)), null(), null(), middle);

        register_access_hooks();
        generation::hook_before_authorization(limits::check_limit);
        #[cfg(httpd = "2.4")]
        {
            register_filter();
            answer_filter::register();
            late::register();
            hook_fixups(handover::fixups);
        }
        // The first hook for an admitted request.
        ap_hook_type_checker(Some(raw::<OnRequest>(outcomes::let_in)), null(), null(), APR_HOOK_REALLY_FIRST as c_int);
        // Before mod_log_config, which shows the notes.
        ap_hook_log_transaction(Some(raw::<OnRequest>(outcomes::log_transaction)), null(), null(), first);

        ap_hook_handler(Some(raw::<OnRequest>(prometheus::handler)), null(), null(), middle);
        let status_hook =
            transmute::<<OnStatus as Callback>::Raw, unsafe extern "C" fn()>(raw::<OnStatus>(status::status_hook));
        apr_optional_hook_add(c"status_hook".as_ptr(), Some(status_hook), null(), null(), middle);
    }
}

/// Ours runs before mod_auth_basic, and leaves it the requests that it must answer.
static MOD_AUTH_BASIC: Modules<2> = Modules([c"mod_auth_basic.c".as_ptr(), null()]);

/// # Safety
///
/// As for httpd's registration functions.
#[cfg(httpd = "2.4")]
unsafe fn register_access_hooks() {
    let (middle, last) = (APR_HOOK_MIDDLE as c_int, APR_HOOK_LAST as c_int);
    // SAFETY: as the caller promises; functions of the right types, and names that stay.
    unsafe {
        generation::hook_authentication(basic::check_authn, MOD_AUTH_BASIC.0.as_ptr());
        ap_hook_note_auth_failure(
            Some(raw::<OnFailure>(challenge::note_auth_failure)),
            null(),
            MOD_AUTH_BASIC.0.as_ptr(),
            middle,
        );
        ap_hook_fixups(Some(raw::<OnRequest>(fake::fake_authorization)), null(), null(), last);
        ap_hook_optional_fn_retrieve(Some(authz::retrieve_optional_functions), null(), null(), middle);
    }
}

/// # Safety
///
/// As for httpd's registration functions.
#[cfg(httpd = "2.2")]
unsafe fn register_access_hooks() {
    static OWNER: Modules<2> = Modules([c"mod_authz_owner.c".as_ptr(), null()]);
    static OWNER_AND_USERS: Modules<3> = Modules([c"mod_authz_owner.c".as_ptr(), c"mod_authz_user.c".as_ptr(), null()]);
    static GROUPS: Modules<2> = Modules([c"mod_authz_groupfile.c".as_ptr(), null()]);
    static GROUPS_AND_USERS: Modules<3> =
        Modules([c"mod_authz_groupfile.c".as_ptr(), c"mod_authz_user.c".as_ptr(), null()]);
    let middle = APR_HOOK_MIDDLE as c_int;

    // SAFETY: as the caller promises; functions of the right types, and names that stay. mod_authz_owner leaves the
    // note that `Require file-group` needs, and so comes first. Whether groups are asked for before or after
    // mod_authz_user is known only when all modules are loaded, so there is a hook on each side.
    unsafe {
        generation::hook_authentication(basic::check_authn, MOD_AUTH_BASIC.0.as_ptr());
        let (before, after) = (OWNER.0.as_ptr(), GROUPS_AND_USERS.0.as_ptr());
        ap_hook_auth_checker(Some(raw::<OnRequest>(authz::check_groups_before_users)), before, after, middle);
        let (before, after) = (OWNER_AND_USERS.0.as_ptr(), GROUPS.0.as_ptr());
        ap_hook_auth_checker(Some(raw::<OnRequest>(authz::check_groups_after_users)), before, after, middle);
    }
}

/// Registers the providers: of authentication under both names, in 2.4 those of authorization, too.
fn register_providers(configuration: ConfigurationPool<'_>) {
    let authn = from_ref(&provider::PROVIDER).cast::<c_void>();
    // SAFETY: the configuration's pool, while registrations are allowed; names and providers of the right types that
    // stay as long as this library is loaded.
    unsafe {
        register_provider(*configuration, AUTHN, c"esauth", AUTHN_VERSION, authn);
        register_provider(*configuration, AUTHN, c"file", AUTHN_VERSION, authn);
        #[cfg(httpd = "2.4")]
        for (name, provider) in [(c"group", &authz::GROUP_PROVIDER), (c"file-group", &authz::FILE_GROUP_PROVIDER)] {
            register_provider(*configuration, authz::GROUP, name, authz::VERSION, from_ref(provider).cast());
        }
    }
}

/// Runs after every module has been loaded and before any directive looks up a provider: only now can ours take the
/// stock names, in any order of loading.
extern "C" fn pre_config(
    configuration: Option<ConfigurationPool<'_>>,
    _log: Option<Pool<'_>>,
    _temporary: Option<Pool<'_>>,
) -> c_int {
    guard(HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        let Some(configuration) = configuration else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
        verdicts::forget();
        control::forget();
        loaded::look();
        register_providers(configuration);
        #[cfg(httpd = "2.4")]
        hook_scheme_handler(configuration, scheme_handler);
        OK as c_int
    })
}

/// Runs when the configuration is complete: creates the verified cache and logs that the module is at work.
extern "C" fn post_config<'p>(
    configuration: Option<ConfigurationPool<'p>>,
    _log: Option<Pool<'p>>,
    temporary: Option<Pool<'p>>,
    main: Option<&'p server_rec>,
) -> c_int {
    guard(HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        let (Some(main), Some(configuration)) = (main, configuration) else { return OK as c_int };
        let Some(process) = process_pool(configuration, main) else { return OK as c_int };
        let pool = *configuration;
        let fleet = ServerConfig::of(main).fleet;
        if !fleet.addresses.is_empty() && fleet.key_file.is_none() {
            let text = b"rust_esauth: EsAuthFleet needs EsAuthFleetKey: 'esauth fleet-key FILE' makes a key";
            log_server(here!(), Level::Error, 0, Some(main), pool, &[text]);
            return HTTP_INTERNAL_SERVER_ERROR as c_int;
        }
        if !is_rehearsal(main) {
            let config = ServerConfig::of(main);
            let settings = Settings { workers: workers(), ..config.settings };
            match verdicts::establish(process, configuration, settings, &named_files(main), config.exempt) {
                Ok(missing) => {
                    report_unprotected(Some(main), pool, &missing);
                    control::start(configuration, main);
                }
                Err(error) => {
                    no_memory(Some(main), pool, &error);
                    return HTTP_INTERNAL_SERVER_ERROR as c_int;
                }
            }
            let how: &[u8] = if loaded::mod_auth_basic() { b"beside" } else { b"in place of" };
            let text: [&[u8]; 5] = [
                b"rust_esauth/",
                VERSION.as_bytes(),
                b" answers for HTTP Basic authentication, ",
                how,
                b" mod_auth_basic",
            ];
            log_server(here!(), Level::Info, 0, Some(main), pool, &text);
            if let Some(temporary) = temporary {
                checks::report(Occasion::Start, configuration, main, temporary);
            }
        }
        OK as c_int
    })
}

/// `httpd -t`: the configuration is complete, and its faults are to be printed on the terminal.
extern "C" fn test_config<'p>(configuration: Option<ConfigurationPool<'p>>, main: Option<&'p server_rec>) {
    guard((), || {
        let (Some(main), Some(configuration)) = (main, configuration) else { return };
        if generation::is_configuration_test() {
            checks::report(Occasion::Test, configuration, main, *configuration);
        }
    });
}

/// mod_proxy's hook for a request that is about to be sent to a back end.
#[cfg(httpd = "2.4")]
extern "C" fn scheme_handler<'r>(
    request: Option<Request<'r>>,
    worker: Opaque<'r>,
    config: Opaque<'r>,
    url: Option<Text<'r>>,
    proxy_host: Option<Text<'r>>,
    proxy_port: apr_port_t,
) -> c_int {
    let Some(call) = Call::new(request, worker, config, url, proxy_host, proxy_port) else {
        return HTTP_INTERNAL_SERVER_ERROR as c_int;
    };
    guard_request(call.request, HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        let config = DirConfig::of(call.request);
        if config.roles_file.is_none() && !config.backend.is_in_use() || call.is_being_sent() {
            return DECLINED;
        }
        handover::hand_over(call, config, || gate::judge_and_send(call, config))
    })
}

/// Called after the configuration is complete, except at a graceful restart, which keeps the verdicts.
extern "C" fn pre_mpm(process: Option<ProcessPool<'_>>, _scoreboard: ap_scoreboard_e) -> c_int {
    guard(HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        let Some(process) = process else { return HTTP_INTERNAL_SERVER_ERROR as c_int };
        match verdicts::start_afresh(process) {
            Ok(None) => OK as c_int,
            Ok(Some(missing)) => {
                report_unprotected(None, *process, &missing);
                control::start_again(process);
                OK as c_int
            }
            Err(error) => {
                no_memory(None, *process, &error);
                HTTP_INTERNAL_SERVER_ERROR as c_int
            }
        }
    })
}

fn no_memory(server: Option<&server_rec>, pool: Pool<'_>, error: &io::Error) {
    let reason = error.to_string();
    let what = b"rust_esauth: cannot allocate the shared cache: ";
    let advice = b"; give httpd more memory, or lower EsAuthCacheSize";
    log_server(here!(), Level::Error, 0, server, pool, &[what, reason.as_bytes(), advice]);
}

/// A sandbox may refuse the protection of the cache; the server starts anyway.
fn report_unprotected(server: Option<&server_rec>, pool: Pool<'_>, missing: &verdicts::Missing) {
    for (what, error) in missing {
        let reason = error.to_string();
        let (effect, advice): (&[u8], &[u8]) = match what {
            Unprotected::CoreDumps => (
                b"core dumps may contain the shared cache, because madvise failed: ",
                b" (a seccomp filter?); allow madvise, or turn off core dumps for httpd (CoreDumpDirectory, ulimit -c 0)",
            ),
            Unprotected::Swap => (
                b"the key of the shared cache may be swapped out, because mlock failed: ",
                b"; raise the limit on locked memory (ulimit -l, LimitMEMLOCK), or encrypt the swap",
            ),
        };
        log_server(here!(), Level::Warning, 0, server, pool, &[b"rust_esauth: ", effect, reason.as_bytes(), advice]);
    }
}

/// Opens the shared cache in a new child, and reads the configured files with its rights, so that its first request
/// need not.
extern "C" fn child_init<'p>(pool: Option<Pool<'p>>, main: Option<&'p server_rec>) {
    guard((), || {
        let (Some(main), Some(pool)) = (main, pool) else { return };
        control::leave();
        #[cfg(httpd = "2.4")]
        late::send_all_with(pool);
        match verdicts::open() {
            Ok(()) => {
                let config = ServerConfig::of(main);
                files::start(config.htaccess_file_limit);
                fleet::start(pool, &config);
            }
            Err(error) => {
                verdicts::forget();
                let what = b"rust_esauth: cannot open the shared cache, every login is refused: ";
                log_server(here!(), Level::Error, 0, Some(main), pool, &[what, error.to_string().as_bytes()]);
            }
        }
    });
}
