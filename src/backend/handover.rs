//! mod_proxy's hooks: the identity is found when a request is about to be passed on, put into the headers that are sent, and
//! an answer that says it is refused there does not reach the client.

use std::ffi::{CStr, c_int};

use esauth_engine::verification::FileKind;
use once_cell::unsync::OnceCell;

use crate::backend::headers::tells_identity;
use crate::backend::identity::{Identity, Names, Refused};
use crate::config::backend::BackendCredentials;
use crate::config::files::file_directive;
use crate::config::section::DirConfig;
use crate::httpd::answer_filter::{self, Replacement};
use crate::httpd::bindings::{
    DECLINED, HTTP_BAD_GATEWAY, HTTP_FORBIDDEN, HTTP_INTERNAL_SERVER_ERROR, HTTP_UNAUTHORIZED, OK,
};
use crate::httpd::boundary::guard;
use crate::httpd::log::{Level, log_request};
use crate::httpd::per_request::kept;
use crate::httpd::proxy::Call;
use crate::httpd::request::Request;
use crate::httpd::table::Table;
use crate::state::answer::{self, security_exception};

/// The identity of a request's user, from the first time it is passed on: another back end of a balancer gets the same.
type Found = OnceCell<Identity>;

fn found<'r>(request: Request<'r>) -> &'r Found {
    kept(request)
}

/// Passes the request on by `send`, which says DECLINED where it leaves that to the caller.
pub(crate) fn hand_over(call: Call<'_>, config: &DirConfig<'_>, send: impl FnOnce() -> c_int) -> c_int {
    if !config.backend.is_in_use() {
        return send();
    }
    let request = call.request;
    if !call.keeps_headers_private() {
        let text = b"rust_esauth: EsAuthBackendCredentials and EsAuthBackendUser are for back ends of http, https, ws and wss, \
                     and over plain HTTP not through ProxyRemote. The request is refused";
        log_request!(request, Level::Error, 0, text);
        return refuse(request, HTTP_INTERNAL_SERVER_ERROR);
    }
    let identity = found(request).get_or_try_init(|| match request.user_let_in() {
        Some(user) => Identity::of(request, config, user),
        None => Ok(Identity::default()),
    });
    match identity {
        Ok(_) => {}
        Err(Refused::Nobody) => return refuse(request, HTTP_FORBIDDEN),
        Err(Refused::Unknown) => return refuse(request, HTTP_INTERNAL_SERVER_ERROR),
    }
    if config.backend.credentials() == BackendCredentials::Client {
        return send();
    }
    if answer_filter::attach(request, replace_challenge).is_none() {
        return refuse(request, HTTP_INTERNAL_SERVER_ERROR);
    }
    let status = match send() {
        DECLINED => call.send().unwrap_or(HTTP_INTERNAL_SERVER_ERROR as c_int),
        status => status,
    };
    // ProxyErrorOverride has an answer of httpd's in place of the back end's.
    if status == HTTP_UNAUTHORIZED as c_int {
        drop_challenge(request);
        return HTTP_BAD_GATEWAY as c_int;
    }
    status
}

fn refuse(request: Request<'_>, status: u32) -> c_int {
    let reason = if status == HTTP_FORBIDDEN {
        "the user has no credential for the back end"
    } else {
        "requests cannot be passed on now"
    };
    answer::refuse(request, status as u16, reason);
    OK as c_int
}

/// mod_proxy's hook `fixups`: the request's headers are now a copy, which is what will be sent.
pub(crate) extern "C" fn fixups(request: Option<Request<'_>>) -> c_int {
    guard((), || {
        let Some(request) = request else { return };
        let config = DirConfig::of(request);
        if config.backend.is_in_use() {
            let headers = request.headers_in();
            take_identities(headers, config.backend.credentials() != BackendCredentials::Client);
            if let Some(identity) = found(request).get() {
                tell(identity, headers);
            }
        }
    });
    OK as c_int
}

/// Takes away what the client says of an identity.
fn take_identities(headers: Table<'_>, with_authorization: bool) {
    let is_taken =
        |name: &[u8]| tells_identity(name) || with_authorization && name.eq_ignore_ascii_case(b"Authorization");
    let taken: Vec<&CStr> = headers.names().filter(|name| is_taken(name.to_bytes())).collect();
    taken.into_iter().for_each(|name| headers.unset(name));
    // Older versions of mod_proxy drop, after this hook, what the client's Connection names.
    let connection = headers.get(c"Connection").map(CStr::to_bytes).unwrap_or_default();
    let mut dropped = connection.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    if dropped.any(|name| tells_identity(name) || name.eq_ignore_ascii_case(b"Authorization")) {
        headers.unset(c"Connection");
    }
}

fn tell<'r>(identity: &'r Identity, headers: Table<'r>) {
    if let Some(credential) = identity.credential() {
        headers.set(c"Authorization", credential);
    }
    match &identity.names {
        Names::None => {}
        Names::RunAs(user) => headers.set(c"es-security-runas-user", user),
        Names::Proxy(user, roles) => {
            headers.set(c"x-proxy-user", user);
            if let Some(roles) = roles {
                headers.set(c"x-proxy-roles", roles);
            }
        }
    }
}

/// A back end's 401 is about its own credential. To a client it would look like ours, and make it drop a password that is
/// right.
fn replace_challenge(request: Request<'_>) -> Option<Replacement> {
    let is_refused = request.status() == HTTP_UNAUTHORIZED as c_int;
    if is_refused {
        drop_challenge(request);
    }
    request.headers_out().unset(c"WWW-Authenticate");
    is_refused.then(|| Replacement {
        status: HTTP_BAD_GATEWAY as u16,
        content_type: answer::JSON,
        body: security_exception(HTTP_BAD_GATEWAY as u16, "the back end refuses the credential that it was given"),
    })
}

fn drop_challenge(request: Request<'_>) {
    for headers in [request.headers_out(), request.err_headers_out()] {
        headers.unset(c"WWW-Authenticate");
    }
    let user = request.user().unwrap_or(c"").to_bytes();
    match (DirConfig::of(request).backend.credentials(), found(request).get().and_then(Identity::line)) {
        (BackendCredentials::File(path), Some(line)) => {
            let (name, path, line) =
                (file_directive(FileKind::Credentials).as_bytes(), path.to_bytes(), line.to_string());
            let end = b", with 401. The client gets 502; correct the credential";
            log_request!(
                request,
                Level::Error,
                0,
                b"rust_esauth: the back end refuses the credential that ",
                name,
                b" ",
                path,
                b" has for user ",
                user,
                b", from ",
                line.as_bytes(),
                end
            );
        }
        _ => {
            let text =
                b"rust_esauth: the back end asks for credentials, with 401, and was given none. The client gets 502";
            log_request!(request, Level::Error, 0, text);
        }
    }
}
