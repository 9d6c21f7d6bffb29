//! `AuthBasicFake`, in httpd 2.4 only. Ours takes effect if mod_auth_basic is not loaded.

use std::ffi::{CStr, c_int};

use crate::config::section::DirConfig;
use crate::httpd::bindings::{DECLINED, HTTP_INTERNAL_SERVER_ERROR, OK};
use crate::httpd::encoding::base64_encode;
use crate::httpd::expression::Expression;
use crate::httpd::loaded;
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::state::outcomes::guard_request;

/// `AuthBasicFake`: an Authorization header for the back end.
pub(crate) extern "C" fn fake_authorization(request: Option<Request<'_>>) -> c_int {
    let Some(request) = request else { return DECLINED };
    guard_request(request, HTTP_INTERNAL_SERVER_ERROR as c_int, || {
        let Some((user, password)) = DirConfig::of(request).fake().filter(|_| !loaded::mod_auth_basic()) else {
            return DECLINED;
        };
        let user = match evaluate(request, user, &USER_LINES) {
            Ok(user) => user,
            Err(status) => return status,
        };
        let password = match evaluate(request, password, &PASSWORD_LINES) {
            Ok(password) => password,
            Err(status) => return status,
        };
        let pair = request.pool().join(&[user.to_bytes(), b":", password.to_bytes()]);
        let header = request.pool().join(&[b"Basic ", base64_encode(request.pool(), pair).to_bytes()]);
        request.headers_in().set(c"Authorization", header);
        // The stock line AH02457 shows the header, password and all; ours does not.
        log_request!(request, Level::Info, 0, b"AH02457: AuthBasicFake: \"Authorization: Basic ...\"");
        OK as c_int
    })
}

/// The stock module's log lines about one of the two expressions.
struct FakeLines {
    cannot_evaluate: [&'static [u8]; 2],
    is_empty: [&'static [u8]; 2],
}

const USER_LINES: FakeLines =
    FakeLines { cannot_evaluate: [b"AH02455: ", b"user"], is_empty: [b"AH02458: ", b"username"] };

const PASSWORD_LINES: FakeLines =
    FakeLines { cannot_evaluate: [b"AH02456: ", b"password"], is_empty: [b"AH02459: ", b"password"] };

/// The value of an expression for this request, or the status to answer with.
fn evaluate<'r>(request: Request<'r>, expression: Expression<'_>, lines: &FakeLines) -> Result<&'r CStr, c_int> {
    let uri = request.uri().to_bytes();
    let value = match expression.evaluate(request) {
        Ok(value) => value,
        Err(error) => {
            let [tag, what] = lines.cannot_evaluate;
            let (before, after) = (b"AuthBasicFake: could not evaluate ", b" expression for URI '");
            log_request!(request, Level::Error, 0, tag, before, what, after, uri, b"': ", error.to_bytes());
            return Err(HTTP_INTERNAL_SERVER_ERROR as c_int);
        }
    };
    match value.filter(|value| !value.is_empty()) {
        Some(value) => Ok(value),
        None => {
            let [tag, what] = lines.is_empty;
            let after = b" expression for URI '";
            log_request!(request, Level::Info, 0, tag, b"AuthBasicFake: empty ", what, after, uri, b"', ignoring");
            request.headers_in().unset(c"Authorization");
            Err(DECLINED)
        }
    }
}
