//! Authentication providers: modules' functions for checking a user's password.

use std::ffi::CStr;
use std::ptr::null_mut;

use crate::httpd::bindings::{AUTH_GENERAL_ERROR, ap_lookup_provider, authn_provider, authn_status};
use crate::httpd::hook::{CheckPassword, GetRealmHash, raw};
use crate::httpd::request::Request;
use crate::httpd::text::c_str;

/// The provider group of authentication (`AUTHN_PROVIDER_GROUP`).
pub(crate) const AUTHN: &CStr = c"authn";
/// The version of its interface (`AUTHN_PROVIDER_VERSION`).
pub(crate) const AUTHN_VERSION: &CStr = c"0";
/// The note with the name that a provider is called by (`AUTHN_PROVIDER_NAME_NOTE`).
pub(crate) const NAME_NOTE: &CStr = c"authn_provider_name";

/// An authentication provider of these functions.
pub(crate) const fn authn_provider_of(check_password: CheckPassword, get_realm_hash: GetRealmHash) -> authn_provider {
    authn_provider { check_password: Some(raw(check_password)), get_realm_hash: Some(raw(get_realm_hash)) }
}

/// The provider that a module registered under this name, valid while the configuration being read lasts.
pub(crate) fn look_up(name: &CStr) -> Option<&'static authn_provider> {
    // SAFETY: C strings, which are only compared; the result is null or an authentication provider.
    unsafe {
        ap_lookup_provider(AUTHN.as_ptr(), name.as_ptr(), AUTHN_VERSION.as_ptr()).cast::<authn_provider>().as_ref()
    }
}

/// Asks a provider whether the password is the user's.
pub(crate) fn check_password(
    provider: &authn_provider,
    request: Request<'_>,
    user: &CStr,
    password: &CStr,
) -> authn_status {
    let Some(check_password) = provider.check_password else { return AUTH_GENERAL_ERROR };
    // SAFETY: a registered provider's function, called according to its type: a live request and two C strings.
    unsafe { check_password(request.as_ptr(), user.as_ptr(), password.as_ptr()) }
}

/// Asks a provider for the hash of `user:realm:password`, which is valid if the status says so. `None`: it has no such
/// function.
pub(crate) fn realm_hash<'r>(
    provider: &authn_provider,
    request: Request<'r>,
    user: &CStr,
    realm: &CStr,
) -> Option<(authn_status, Option<&'r CStr>)> {
    let get_realm_hash = provider.get_realm_hash?;
    let mut hash = null_mut();
    // SAFETY: as for the password; a result in `hash` is a C string that lives as long as the request.
    unsafe {
        let status = get_realm_hash(request.as_ptr(), user.as_ptr(), realm.as_ptr(), &raw mut hash);
        Some((status, c_str(hash)))
    }
}
