//! Functions that httpd calls: hooks, and those of providers.
//!
//! They are written with safe types ([`Request`], [`Pool`], [`Text`] …), each of which is a pointer to C, and converted to
//! httpd's own function types where they are registered. httpd keeps the promises of these types: what it passes to a
//! hook is null or alive during the call, and belongs to the thread that makes it.

#[cfg(httpd = "2.4")]
use std::ffi::c_void;
use std::ffi::{c_char, c_int};
use std::mem::{MaybeUninit, transmute_copy};

use crate::httpd::bindings::{ap_scoreboard_e, apr_pool_t, authn_status, request_rec, server_rec};
#[cfg(httpd = "2.4")]
use crate::httpd::bindings::{authz_status, cmd_parms};
#[cfg(httpd = "2.4")]
use crate::httpd::command::Command;
#[cfg(httpd = "2.4")]
use crate::httpd::expression::Expression;
use crate::httpd::pool::{ConfigurationPool, Pool, ProcessPool};
use crate::httpd::request::Request;
use crate::httpd::text::Text;

/// A function with safe types, which httpd can call.
///
/// # Safety
///
/// `Raw` is the same function type but for the types of pointers, and httpd's calls keep the promises of this type's.
pub(crate) unsafe trait Callback: Copy {
    /// The type in httpd's declarations.
    type Raw: Copy;
}

/// The function for httpd.
pub(crate) const fn raw<C: Callback>(callback: C) -> C::Raw {
    // SAFETY: two types of function pointers with the same ABI, as the implementation of `Callback` promises.
    unsafe { transmute_copy(&callback) }
}

macro_rules! callbacks {
    ($($(#[$attribute:meta])* $name:ident = $safe:ty => $raw:ty;)+) => {$(
        $(#[$attribute])*
        pub(crate) type $name = $safe;
        $(#[$attribute])*
        // SAFETY: pointers in the place of pointers; the promises are in this file's first comment.
        unsafe impl Callback for $name {
            type Raw = $raw;
        }
    )+};
}

callbacks! {
    /// A hook for a request.
    OnRequest = for<'r> extern "C" fn(Option<Request<'r>>) -> c_int
        => unsafe extern "C" fn(*mut request_rec) -> c_int;
    /// mod_status's hook.
    OnStatus = for<'r> extern "C" fn(Option<Request<'r>>, c_int) -> c_int
        => unsafe extern "C" fn(*mut request_rec, c_int) -> c_int;
    /// `note_auth_failure`, with the `AuthType`.
    #[cfg(httpd = "2.4")]
    OnFailure = for<'r> extern "C" fn(Option<Request<'r>>, Option<Text<'r>>) -> c_int
        => unsafe extern "C" fn(*mut request_rec, *const c_char) -> c_int;

    /// `pre_config`: the pools of the configuration, for logs, and for this time only.
    OnPreConfig = extern "C" fn(Option<ConfigurationPool<'_>>, Option<Pool<'_>>, Option<Pool<'_>>) -> c_int
        => unsafe extern "C" fn(*mut apr_pool_t, *mut apr_pool_t, *mut apr_pool_t) -> c_int;
    /// `post_config`: the same, and the main server.
    OnPostConfig = for<'p> extern "C" fn(
            Option<ConfigurationPool<'p>>,
            Option<Pool<'p>>,
            Option<Pool<'p>>,
            Option<&'p server_rec>,
        ) -> c_int
        => unsafe extern "C" fn(*mut apr_pool_t, *mut apr_pool_t, *mut apr_pool_t, *mut server_rec) -> c_int;
    /// `test_config`: the pool of the configuration, and the main server.
    OnTestConfig = for<'p> extern "C" fn(Option<ConfigurationPool<'p>>, Option<&'p server_rec>) -> ()
        => unsafe extern "C" fn(*mut apr_pool_t, *mut server_rec);
    /// `child_init`: the pool of the child, and the main server.
    OnChildInit = for<'p> extern "C" fn(Option<Pool<'p>>, Option<&'p server_rec>) -> ()
        => unsafe extern "C" fn(*mut apr_pool_t, *mut server_rec);
    /// `pre_mpm`: the process's pool.
    OnPreMpm = extern "C" fn(Option<ProcessPool<'_>>, ap_scoreboard_e) -> c_int
        => unsafe extern "C" fn(*mut apr_pool_t, ap_scoreboard_e) -> c_int;

    /// An authentication provider's answer to user and password.
    CheckPassword = for<'r> extern "C" fn(Option<Request<'r>>, Option<Text<'r>>, Option<Text<'r>>) -> authn_status
        => unsafe extern "C" fn(*mut request_rec, *const c_char, *const c_char) -> authn_status;
    /// An authentication provider's answer to user and realm: the hash.
    GetRealmHash = for<'r> extern "C" fn(
            Option<Request<'r>>,
            Option<Text<'r>>,
            Option<Text<'r>>,
            Option<&mut MaybeUninit<*mut c_char>>,
        ) -> authn_status
        => unsafe extern "C" fn(*mut request_rec, *const c_char, *const c_char, *mut *mut c_char) -> authn_status;

    /// An authorization provider's answer, for a requirement that was parsed by [`ParseExpression`].
    #[cfg(httpd = "2.4")]
    CheckExpression = for<'r> extern "C" fn(Option<Request<'r>>, Option<Text<'r>>, Option<Expression<'r>>) -> authz_status
        => unsafe extern "C" fn(*mut request_rec, *const c_char, *const c_void) -> authz_status;
    #[cfg(httpd = "2.4")]
    ParseExpression =
        for<'p> extern "C" fn(Option<Command<'p>>, Option<Text<'p>>, Option<&mut Option<Expression<'p>>>) -> *const c_char
        => unsafe extern "C" fn(*mut cmd_parms, *const c_char, *mut *const c_void) -> *const c_char;
    /// The same, for one that was parsed by [`ParseMark`].
    #[cfg(httpd = "2.4")]
    CheckMark = for<'r> extern "C" fn(Option<Request<'r>>, Option<Text<'r>>, *const c_void) -> authz_status
        => unsafe extern "C" fn(*mut request_rec, *const c_char, *const c_void) -> authz_status;
    #[cfg(httpd = "2.4")]
    ParseMark =
        for<'p> extern "C" fn(Option<Command<'p>>, Option<Text<'p>>, Option<&mut *const c_void>) -> *const c_char
        => unsafe extern "C" fn(*mut cmd_parms, *const c_char, *mut *const c_void) -> *const c_char;
}

/// Names of modules, ended by null: a hook is called before or after theirs.
pub(crate) struct Modules<const N: usize>(pub(crate) [*const c_char; N]);

// SAFETY: constants that point to constants; httpd only reads them.
unsafe impl<const N: usize> Sync for Modules<N> {}
