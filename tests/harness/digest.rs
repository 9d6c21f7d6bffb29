//! Digest authentication as a client does it.

use super::client::Request;
use super::md5;

/// The Authorization header for a Digest challenge.
pub(crate) fn answer(request: &Request, challenge: &str, user: &str, password: &str) -> String {
    let field = |name: &str| {
        let start = challenge
            .find(&format!("{name}=\""))
            .map(|at| at + name.len() + 2)
            .unwrap_or_else(|| panic!("no {name} in {challenge:?}"));
        challenge[start..].split('"').next().unwrap_or("").to_owned()
    };
    let (realm, nonce) = (field("realm"), field("nonce"));
    let secret = md5::hex(format!("{user}:{realm}:{password}").as_bytes());
    let target = md5::hex(format!("{}:{}", request.method, request.target).as_bytes());
    let response = md5::hex(format!("{secret}:{nonce}:00000001:cnonce:auth:{target}").as_bytes());
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{}\", algorithm=MD5, \
         response=\"{response}\", qop=auth, nc=00000001, cnonce=\"cnonce\"",
        request.target
    )
}
