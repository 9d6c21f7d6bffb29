//! The client's side of HTTP Digest authentication.

use super::client::Request;
use super::md5;

/// The Authorization header that answers a Digest challenge; None if there is no challenge.
pub(crate) fn authorization(request: &Request, challenge: &str, user: &str, password: &str) -> Option<String> {
    let field = |name: &str| {
        let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    };
    let (realm, nonce) = (field("realm")?, field("nonce")?);
    let secret = md5::hex(format!("{user}:{realm}:{password}").as_bytes());
    let target = md5::hex(format!("{}:{}", request.method, request.target).as_bytes());
    let response = md5::hex(format!("{secret}:{nonce}:00000001:cnonce:auth:{target}").as_bytes());
    Some(format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{}\", algorithm=MD5, \
         response=\"{response}\", qop=auth, nc=00000001, cnonce=\"cnonce\"",
        request.target
    ))
}
