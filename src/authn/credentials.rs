//! The client's credentials: the `Authorization` header, parsed like in mod_auth_basic.

use std::ffi::CStr;

use zeroize::Zeroize;

use crate::httpd::encoding::base64_decode;
use crate::httpd::request::Request;
use crate::state::outcomes::Outcome;

/// Bytes allowed between the scheme and the credentials.
#[cfg(httpd = "2.4")]
const SPACES: &[u8] = b" \t";
#[cfg(httpd = "2.2")]
const SPACES: &[u8] = b" \t\n\x0b\x0c\r";

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
        let text = header.to_bytes_with_nul();
        // The scheme ends at the first space or at the header's end: `Basic` alone is the empty user.
        let scheme_ends = text.iter().position(|&byte| byte == b' ' || byte == 0).unwrap_or(0);
        let (scheme, rest) = text.split_at(scheme_ends);
        if !scheme.eq_ignore_ascii_case(b"Basic") {
            return Err(Missing::OtherScheme);
        }
        let spaces = rest.iter().take_while(|byte| SPACES.contains(byte)).count();
        let encoded = CStr::from_bytes_until_nul(&rest[spaces..]).unwrap_or(c"");
        Ok(Credentials::decode(request, header, encoded))
    }

    fn decode(request: Request<'r>, header: &'r CStr, encoded: &CStr) -> Self {
        let text = base64_decode(request.pool(), encoded);
        let user_ends = text.iter().position(|&byte| byte == b':' || byte == 0).unwrap_or(0);
        let has_password = text[user_ends] == b':';
        text[user_ends] = 0;
        let (user, rest) = text.split_at_mut(user_ends + 1);
        if !has_password {
            // Bytes behind a NUL do not count.
            rest.zeroize();
        }
        Credentials { header, user: CStr::from_bytes_until_nul(user).unwrap_or(c""), rest }
    }

    pub(crate) fn password(&self) -> &CStr {
        CStr::from_bytes_until_nul(self.rest).unwrap_or(c"")
    }
}

impl Drop for Credentials<'_> {
    fn drop(&mut self) {
        self.rest.zeroize();
        esauth_engine::wipe_registers();
    }
}
