//! The client's credentials: the `Authorization` header, parsed like in mod_auth_basic.

use std::ffi::CStr;

use zeroize::Zeroize;

use crate::authn::header;
use crate::httpd::encoding::base64_decode;
use crate::httpd::request::Request;
use crate::state::outcomes::Outcome;

/// The header that holds credentials.
pub(crate) fn authorization(request: Request<'_>) -> Option<&CStr> {
    let name = if request.is_forward_proxy() { c"Proxy-Authorization" } else { c"Authorization" };
    request.headers_in().get(name)
}

/// User name and password as the client sent them. The password is wiped on drop.
pub(crate) struct Credentials<'r> {
    /// The header that held them.
    pub(crate) header: &'r CStr,
    /// Lives as long as the request.
    pub(crate) user: &'r CStr,
    /// The bytes behind the user's NUL: the password up to a NUL, and any decoded bytes behind that.
    rest: &'r mut [u8],
}

/// Reasons for a lack of credentials.
#[derive(PartialEq, Eq)]
pub(crate) enum Missing {
    Header,
    OtherScheme,
}

impl Missing {
    /// The outcome to count for a request without credentials for this module.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Missing::Header => Outcome::NoCredentials,
            Missing::OtherScheme => Outcome::OtherScheme,
        }
    }
}

impl<'r> Credentials<'r> {
    pub(crate) fn of(request: Request<'r>, header: Option<&'r CStr>) -> Result<Self, Missing> {
        let header = header.ok_or(Missing::Header)?;
        let encoded = header::encoded(header).ok_or(Missing::OtherScheme)?;
        let (user, rest) = header::split(base64_decode(request.pool(), encoded));
        Ok(Credentials { header, user, rest })
    }

    pub(crate) fn password(&self) -> &CStr {
        header::password(self.rest)
    }
}

impl Drop for Credentials<'_> {
    fn drop(&mut self) {
        self.rest.zeroize();
        esauth_engine::wipe_registers();
    }
}
