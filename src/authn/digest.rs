//! `AuthBasicUseDigestAlgorithm`, in httpd 2.4 only: passwords are checked like in Digest. Left to mod_auth_basic if
//! that is loaded.

use std::ffi::CStr;

use zeroize::Zeroize;

use crate::authn::provider::AuthnStatus;
use crate::httpd::bindings::authn_provider;
use crate::httpd::encoding::md5;
use crate::httpd::log::{Level, log_request};
use crate::httpd::provider::realm_hash;
use crate::httpd::request::Request;

/// Asks a provider for the hash of `user` in `realm` and compares it with the password's.
pub(crate) fn check_password(
    request: Request<'_>,
    provider: &authn_provider,
    user: &CStr,
    realm: &CStr,
    password: &CStr,
) -> AuthnStatus {
    let Some((status, stored)) = realm_hash(provider, request, user, realm) else {
        let text = b"Authn provider does not support AuthBasicUseDigestAlgorithm";
        log_request!(request, Level::Error, 0, b"AH02493: ", text);
        return AuthnStatus::Error;
    };
    let status = AuthnStatus::from_raw(status);
    if status != AuthnStatus::UserFound {
        return status;
    }
    let parts = [user.to_bytes(), b":", realm.to_bytes(), b":", password.to_bytes()];
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let text = request.pool().bytes(length + 1);
    let mut end = 0;
    for part in parts {
        text[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    let computed = CStr::from_bytes_until_nul(text).ok().and_then(|text| md5(request.pool(), text));
    text.zeroize();
    if computed.is_some() && computed == stored { AuthnStatus::Granted } else { AuthnStatus::Denied }
}
