//! A back end with users of its own: who it takes the user for, and what a client can do about that.

use std::fmt;

use serde_json::Value;

use super::authentication::Passwords;
use super::report::{Check, Id, Report};
use crate::server::front::Advice;
use crate::server::http::{Answer, Client, Request};
use crate::server::secrets::Credentials;
use crate::text::printable;

/// Where Elasticsearch and OpenSearch tell who asks.
const WHO: [&str; 2] = ["_security/_authenticate", "_plugins/_security/authinfo"];

/// Headers by which a client might claim to be somebody else.
const CLAIMS: [&str; 6] = [
    "es-security-runas-user: esauth-verify",
    "es-secondary-authorization: Basic ZXNhdXRoLXZlcmlmeTp4",
    "x-proxy-user: esauth-verify\r\nx-proxy-roles: all_access,admin",
    "x-forwarded-user: esauth-verify",
    "x-opensearch-user: esauth-verify",
    "Connection: authorization, close",
];

/// Reports nothing where the back end does not tell who asks, since most have no users of their own.
pub(super) fn check(client: &Client<'_>, passwords: &Passwords<'_>, report: &mut Report) {
    let Ok(user) = passwords.of_user() else { return };
    if let Some(asked) = Asked::of(client, user) {
        report.add(asked.password(client, user));
        report.add(asked.claims(client, user));
        report.add(asked.rights());
    }
}

/// The back end's answer about the user.
struct Asked {
    path: String,
    identity: Identity,
}

/// Who the back end takes the user for.
#[derive(PartialEq, Eq)]
struct Identity {
    name: String,
    roles: Vec<String>,
    /// Of an API key.
    key: Option<String>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.name.as_bytes()))?;
        self.key.as_ref().map_or(Ok(()), |key| write!(f, ", by the API key {}", printable(key.as_bytes())))
    }
}

impl Identity {
    fn read(answer: &Answer) -> Option<Identity> {
        let read: Value = serde_json::from_slice(&answer.body).ok().filter(|_| answer.status == 200)?;
        let text = |value: Option<&Value>| Some(value?.as_str()?.to_owned());
        let name = text(read.get("username")).or_else(|| text(read.get("user_name")))?;
        let roles = read.get("roles").and_then(Value::as_array).into_iter().flatten();
        let roles = roles.filter_map(|role| role.as_str().map(str::to_owned)).collect();
        Some(Identity { name, roles, key: text(read.get("api_key").and_then(|key| key.get("name"))) })
    }
}

impl Asked {
    fn of(client: &Client<'_>, user: &Credentials) -> Option<Asked> {
        WHO.iter().find_map(|path| {
            let path = format!("{}{path}", client.path);
            let identity = Identity::read(&client.get(&path, Some(user)).ok()?)?;
            Some(Asked { path, identity })
        })
    }

    /// httpd and nginx stop reading Basic's base64 at a `=`; Elasticsearch refuses what is behind it. So this header is right for
    /// the server, and wrong for a back end that it reaches.
    fn password(&self, client: &Client<'_>, user: &Credentials) -> Check {
        let id = Id::Identity;
        let request = Request { credentials: Some(user), behind: "=!", ..Request::new("GET", &self.path) };
        match client.ask(request) {
            Ok(answer) if Identity::read(&answer).as_ref() == Some(&self.identity) => Check::passed(
                id,
                format!("{} is {} to the back end, which gets no password of a client's", user.name, self.identity),
            ),
            Ok(_) => Check::failed(
                id,
                format!("the password of {} reaches the back end, where it is {}'s", user.name, self.identity),
                Advice::each(
                    "Name the back end's own credential: EsAuthBackendCredentials PATH.",
                    "Send the back end's own credential: proxy_set_header Authorization \"ApiKey …\".",
                ),
            ),
            Err(error) => Check::failed(id, format!("no answer: {error}"), ""),
        }
    }

    fn claims(&self, client: &Client<'_>, user: &Credentials) -> Check {
        let id = Id::Claims;
        for claim in CLAIMS {
            let request = Request { credentials: Some(user), header: claim, ..Request::new("GET", &self.path) };
            let name = claim.split('\r').next().unwrap_or(claim);
            match client.ask(request) {
                Ok(answer) if Identity::read(&answer).as_ref() == Some(&self.identity) => {}
                Ok(answer) => {
                    let effect = match Identity::read(&answer) {
                        Some(other) => format!("makes the user {other}"),
                        None => format!("has an effect ({})", answer.status),
                    };
                    return Check::failed(
                        id,
                        format!("a client's \"{name}\" {effect}"),
                        Advice::each(
                            "Such headers must not reach the back end: EsAuthBackendCredentials or EsAuthBackendUser \
                             removes them all, and RequestHeader unset NAME removes one.",
                            "Such headers must not reach the back end: proxy_set_header NAME \"\" removes one.",
                        ),
                    );
                }
                Err(error) => return Check::failed(id, format!("no answer to a request with \"{name}\": {error}"), ""),
            }
        }
        Check::passed(id, format!("no header of a client's changes that ({} tried)", CLAIMS.len()))
    }

    /// Roles that may do everything, also to the back end's users.
    fn rights(&self) -> Check {
        const ALL: [&str; 3] = ["superuser", "all_access", "admin"];
        let id = Id::Rights;
        match self.identity.roles.iter().find(|role| ALL.contains(&role.as_str())) {
            Some(role) => Check::failed(
                id,
                format!(
                    "{} has the role {role}: users may do anything, also to the back end's own users",
                    self.identity
                ),
                "Give the credential no more rights than the users need (an API key with role_descriptors, a role).",
            ),
            None => Check::passed(id, "no role that may do everything"),
        }
    }
}
