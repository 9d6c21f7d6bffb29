//! The challenge to a refused client: which realm asks for a password.

use std::ffi::CStr;
#[cfg(httpd = "2.4")]
use std::ffi::c_int;

use crate::config::section::DirConfig;
#[cfg(httpd = "2.4")]
use crate::httpd::bindings::{DECLINED, OK};
use crate::httpd::request::Request;
#[cfg(httpd = "2.4")]
use crate::httpd::text::Text;
#[cfg(httpd = "2.4")]
use crate::state::outcomes::guard_request;

/// Whether an `AuthType` is the one that this module answers.
pub(crate) fn is_basic(auth_type: &CStr) -> bool {
    auth_type.to_bytes().eq_ignore_ascii_case(b"Basic")
}

/// Sets the challenge of the answer.
pub(crate) fn challenge(request: Request<'_>) {
    let name = if request.is_forward_proxy() { c"Proxy-Authenticate" } else { c"WWW-Authenticate" };
    let charset: &[u8] = if DirConfig::of(request).names_charset() { b", charset=\"UTF-8\"" } else { b"" };
    let value = match request.auth_name() {
        Some(realm) => request.pool().join(&[b"Basic realm=\"", realm.to_bytes(), b"\"", charset]),
        None => c"Basic realm=\"",
    };
    request.err_headers_out().set(name, value);
}

/// Called for the header of a refusal by another module, such as that of a `Require`. 2.2 sets the header by itself.
#[cfg(httpd = "2.4")]
pub(crate) extern "C" fn note_auth_failure(request: Option<Request<'_>>, auth_type: Option<Text<'_>>) -> c_int {
    let (Some(request), Some(auth_type)) = (request, auth_type) else { return DECLINED };
    guard_request(request, DECLINED, || {
        if !is_basic(auth_type.c_str()) {
            return DECLINED;
        }
        challenge(request);
        OK as c_int
    })
}
