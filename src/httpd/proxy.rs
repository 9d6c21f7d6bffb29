//! mod_proxy: its hooks for a request that is about to be sent to a back end.
//!
//! mod_proxy need not be loaded, so its functions are looked up by name.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::mem::transmute;
use std::ptr::{NonNull, null, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::httpd::bindings::{APR_HOOK_LAST, APR_HOOK_REALLY_FIRST, apr_optional_hook_add, apr_port_t, esauth_target};
use crate::httpd::hook::{Callback, OnRequest, raw};
use crate::httpd::per_request::{data, data_if_any};
use crate::httpd::pool::ConfigurationPool;
use crate::httpd::request::Request;
use crate::httpd::text::{Text, c_str};

/// mod_proxy's hook `scheme_handler`: the worker, its configuration, the back end's URL, and the host and port of a proxy
/// on the way (`ProxyRemote`).
pub(crate) type SchemeHandler = for<'r> extern "C" fn(
    Option<Request<'r>>,
    Opaque<'r>,
    Opaque<'r>,
    Option<Text<'r>>,
    Option<Text<'r>>,
    apr_port_t,
) -> c_int;

/// An argument that goes back to mod_proxy as it came.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(crate) struct Opaque<'r>(*mut c_void, PhantomData<&'r ()>);

type HookSchemeHandler = unsafe extern "C" fn(SchemeHandler, *const *const c_char, *const *const c_char, c_int);

/// mod_proxy's function that runs the hook, since the configuration was read: a look-up by name takes longer than the rest of
/// a hand-over. Null without mod_proxy.
static RUN: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Has `handler` called before all others, where mod_proxy is loaded. For the time when all modules are, and hooks are not
/// sorted yet.
pub(crate) fn hook_scheme_handler(_configuration: ConfigurationPool<'_>, handler: SchemeHandler) {
    RUN.store(function(c"proxy_run_scheme_handler").map_or(null_mut(), NonNull::as_ptr), Ordering::Relaxed);
    let Some(hook) = function(c"proxy_hook_scheme_handler") else { return };
    // SAFETY: mod_proxy declares the function with this type; this is the parent's only thread.
    unsafe {
        let hook = transmute::<NonNull<c_void>, HookSchemeHandler>(hook);
        hook(handler, null(), null(), APR_HOOK_REALLY_FIRST as c_int);
    }
}

/// Has `fixups` called with the request's headers as they are about to be sent, which are a copy. For the time when a module
/// registers its hooks.
///
/// # Safety
///
/// This is that time, in httpd's only thread.
pub(crate) unsafe fn hook_fixups(fixups: OnRequest) {
    // SAFETY: mod_proxy, if loaded, runs its hook of this name and casts it back to its type.
    unsafe {
        let fixups = transmute::<<OnRequest as Callback>::Raw, unsafe extern "C" fn()>(raw::<OnRequest>(fixups));
        apr_optional_hook_add(c"fixups".as_ptr(), Some(fixups), null(), null(), APR_HOOK_LAST as c_int);
    }
}

fn function(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: a C string. httpd makes the symbols of its modules known to all.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

/// A call of the hook.
#[derive(Clone, Copy)]
pub(crate) struct Call<'r> {
    pub(crate) request: Request<'r>,
    worker: Opaque<'r>,
    config: Opaque<'r>,
    url: &'r CStr,
    proxy_host: Option<Text<'r>>,
    proxy_port: apr_port_t,
}

impl<'r> Call<'r> {
    /// A call with these arguments.
    pub(crate) fn new(
        request: Option<Request<'r>>,
        worker: Opaque<'r>,
        config: Opaque<'r>,
        url: Option<Text<'r>>,
        proxy_host: Option<Text<'r>>,
        proxy_port: apr_port_t,
    ) -> Option<Self> {
        Some(Call { request: request?, worker, config, url: url?.c_str(), proxy_host, proxy_port })
    }

    /// Whether this is called while one of this module's functions sends the request.
    pub(crate) fn is_being_sent(self) -> bool {
        data_if_any(self.request).is_some_and(|data| data.is_being_sent.get())
    }

    /// Whether headers go to the back end by mod_proxy's hook for them, and no other proxy can read them.
    pub(crate) fn keeps_headers_private(self) -> bool {
        self.has_scheme(&["https", "wss"]) || self.proxy_host.is_none() && self.has_scheme(&["http", "ws"])
    }

    fn has_scheme(self, schemes: &[&str]) -> bool {
        let url = self.url.to_bytes();
        let end = url.windows(3).position(|part| part == b"://");
        end.is_some_and(|end| schemes.iter().any(|scheme| url[..end].eq_ignore_ascii_case(scheme.as_bytes())))
    }

    /// Path and query as mod_proxy_http sends them. `None` for another scheme than http and https, for a URL that it would
    /// refuse, and where another proxy is on the way.
    pub(crate) fn target(self) -> Option<&'r CStr> {
        if !self.has_scheme(&["http", "https"]) || self.proxy_host.is_some() {
            return None;
        }
        // SAFETY: a live request and a C string; the answer is null or in the request's pool.
        unsafe { c_str(esauth_target(self.request.as_ptr(), self.url.as_ptr())) }
    }

    /// The same call for another target. `None` if that cannot be expressed.
    pub(crate) fn with_target(self, target: &[u8]) -> Option<Self> {
        let url = self.url.to_bytes();
        let host = url.windows(3).position(|part| part == b"://")? + 3;
        let path = host + url[host..].iter().position(|&byte| byte == b'/')?;
        let call = Call { url: self.request.pool().join(&[&url[..path], target]), ..self };
        call.target().filter(|sent| sent.to_bytes() == target).map(|_| call)
    }

    /// Sends the request: runs mod_proxy's hook, in which ours declines this time.
    pub(crate) fn send(self) -> Option<c_int> {
        let run = NonNull::new(RUN.load(Ordering::Relaxed))?;
        // SAFETY: mod_proxy, which stays as long as the configuration, declares the function with this type. It is called with the arguments that mod_proxy called us
        // with, but for the URL, which is one as well, in the request's pool. (It is not written to.)
        let run = unsafe { transmute::<NonNull<c_void>, SchemeHandler>(run) };
        let url = Text::new(self.url);
        data(self.request).is_being_sent.set(true);
        let status = run(Some(self.request), self.worker, self.config, Some(url), self.proxy_host, self.proxy_port);
        data(self.request).is_being_sent.set(false);
        Some(status)
    }
}
