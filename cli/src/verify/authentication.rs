//! Admitted and refused requests.

use zeroize::Zeroizing;

use super::report::{Check, Id, Report};
use crate::server::front::Advice;
use crate::server::http::{Answer, Client, Request};
use crate::server::secrets::Credentials;
use crate::server::tls::Asked;
use crate::text::printable;

/// The passwords that were given.
pub(super) struct Passwords<'a> {
    pub(super) user: Option<&'a Credentials>,
    pub(super) outsider: Option<&'a Credentials>,
    /// False if the server must not be sent a password.
    pub(super) may_be_sent: bool,
}

const NOT_SENT: &str = "the password is not sent to an untrusted server (--insecure sends it)";

impl<'a> Passwords<'a> {
    /// The user's, if given and allowed to be sent; otherwise the reason.
    pub(super) fn of_user(&self) -> Result<&'a Credentials, &'static str> {
        self.usable(self.user, "name a user with --user")
    }

    fn of_outsider(&self) -> Result<&'a Credentials, &'static str> {
        self.usable(self.outsider, "name a user who must be refused with --outsider")
    }

    fn usable(&self, given: Option<&'a Credentials>, missing: &'static str) -> Result<&'a Credentials, &'static str> {
        match given {
            None => Err(missing),
            Some(_) if !self.may_be_sent => Err(NOT_SENT),
            Some(credentials) => Ok(credentials),
        }
    }
}

pub(super) fn check(client: &Client<'_>, passwords: &Passwords<'_>, report: &mut Report) {
    report.add(without_credentials(client));
    report.add(wrong_password(client, passwords.user));
    report.add(match passwords.of_user() {
        Ok(user) => right_password(client, user),
        Err(why) => Check::skipped(Id::RightPassword, why),
    });
    report.add(match passwords.of_outsider() {
        Ok(outsider) => refused_outsider(client, outsider),
        Err(why) => Check::skipped(Id::Outsider, why),
    });
    report.add(options(client));
}

const LOADED: Advice = Advice::each(
    "Is rust_esauth (or auth_basic) loaded, and does a Require stand in the section that applies here? One inside \
     <LimitExcept OPTIONS> leaves only OPTIONS open.",
    "Does an esauth (or auth_basic) apply to the location of this path? One inside limit_except OPTIONS leaves only OPTIONS \
     open. return and rewrite answer before anybody is asked.",
);

fn without_credentials(client: &Client<'_>) -> Check {
    let id = Id::NoCredentials;
    let answer = match client.get(&client.path, None) {
        Ok(answer) => answer,
        Err(error) => return no_answer(id, client, &error),
    };
    match answer.status {
        401 => match answer.values("WWW-Authenticate").find_map(realm) {
            Some(realm) => Check::passed(id, format!("401, realm \"{}\"", printable(realm.as_bytes()))),
            None => Check::failed(
                id,
                "401, but no realm: clients are not asked for a password",
                Advice::each(
                    "Something takes WWW-Authenticate: Basic out of the answer (Header unset, a proxy in between), or \
                     AuthType is another one.",
                    "Something takes WWW-Authenticate: Basic out of the answer (a proxy in between), or the answer is the \
                     back end's, and neither esauth nor auth_basic applies here.",
                ),
            ),
        },
        200..=299 => Check::failed(id, format!("{}: anyone is admitted", answer.status), LOADED),
        _ => unexpected(id, client, &answer),
    }
}

/// The realm of a challenge for Basic.
fn realm(challenge: &str) -> Option<&str> {
    let (scheme, rest) = challenge.split_once(' ')?;
    let (_, value) = rest.split_once("realm=")?;
    let value = value.strip_prefix('"').map_or(value, |quoted| quoted.split('"').next().unwrap_or(""));
    (scheme.eq_ignore_ascii_case("Basic") && !value.is_empty()).then_some(value)
}

fn wrong_password(client: &Client<'_>, user: Option<&Credentials>) -> Check {
    let id = Id::WrongPassword;
    let name = user.map_or("esauth-verify", |user| &user.name);
    let password = Zeroizing::new(format!("wrong-{:x}", unguessable()));
    let credentials = Credentials { name: name.to_owned(), password };
    match client.get(&client.path, Some(&credentials)) {
        Ok(answer) => match answer.status {
            401 => Check::passed(id, format!("401 for {name}")),
            429 => Check::passed(id, format!("429 for {name}: too many failures from here")),
            200..=299 => Check::failed(id, format!("{}: {name} is admitted with any password", answer.status), LOADED),
            _ => unexpected(id, client, &answer),
        },
        Err(error) => no_answer(id, client, &error),
    }
}

/// A number that differs each time. The standard library's keys for hash tables are random.
pub(super) fn unguessable() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::time::SystemTime::now())
}

fn right_password(client: &Client<'_>, user: &Credentials) -> Check {
    let id = Id::RightPassword;
    let answer = match client.get(&client.path, Some(user)) {
        Ok(answer) => answer,
        Err(error) => return no_answer(id, client, &error),
    };
    match answer.status {
        401 if answer.values("WWW-Authenticate").find_map(realm) != realm_of_the_door(client).as_deref() => {
            Check::failed(
                id,
                "401 with another realm than without credentials: it is the back end's own",
                Advice::each(
                    "The back end asks for a user of its own: name a credential for it in EsAuthBackendCredentials.",
                    "The back end asks for a user of its own: send it one with proxy_set_header Authorization \"ApiKey …\".",
                ),
            )
        }
        401 => Check::failed(
            id,
            format!("401: {} is refused", user.name),
            Advice::each(
                "httpd's error log says why: AH01617 (wrong password), AH01618 (no such user), AH01666 or AH01667 (not in \
                 the group). esauth check looks at the files.",
                "nginx's error log says why: the password does not match, the user was not found, or is not among those \
                 that esauth_require names. esauth check looks at the files.",
            ),
        ),
        403 => Check::failed(
            id,
            format!("403: {} is known, but not admitted", user.name),
            Advice::each(
                "Is the user in the required group, and has a line in the file of EsAuthBackendCredentials, if there is \
                 one? httpd's error log says which.",
                REFUSED_BY_NGINX,
            ),
        ),
        429 => Check::failed(id, "429: too many failures from this address", "Wait, and try again."),
        // A server with nothing at / may still have a cluster.
        200..=299 | 400 | 404 | 405 => match cluster(&answer.body).or_else(|| health(client, user)) {
            Some(cluster) => Check::passed(id, format!("200 for {}: {cluster}", user.name)),
            None => Check::failed(
                id,
                format!("{}, and not Elasticsearch's answer", answer.status),
                Advice::each(
                    "Is ProxyPass in this virtual host, with Elasticsearch's address?",
                    "Is proxy_pass in this location, with Elasticsearch's address?",
                ),
            ),
        },
        _ => unexpected(id, client, &answer),
    }
}

/// The realm of a challenge to a request without credentials.
fn realm_of_the_door(client: &Client<'_>) -> Option<String> {
    let answer = client.get(&client.path, None).ok()?;
    answer.values("WWW-Authenticate").find_map(realm).map(str::to_owned)
}

/// Name and version as Elasticsearch or OpenSearch reports them.
fn cluster(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let name = answer.get("cluster_name")?.as_str()?;
    let version = answer.get("version");
    let text = |key: &str| version.and_then(|version| version.get(key)).and_then(|value| value.as_str());
    let product = if text("distribution") == Some("opensearch") { "OpenSearch" } else { "Elasticsearch" };
    let version = text("number").map_or_else(|| "of unknown version".to_owned(), str::to_owned);
    Some(printable(format!("{product} {version}, cluster {name}").as_bytes()))
}

fn health(client: &Client<'_>, user: &Credentials) -> Option<String> {
    let answer = client.get(&format!("{}_cluster/health", client.path), Some(user)).ok()?;
    (answer.status == 200).then(|| cluster(&answer.body)).flatten()
}

fn refused_outsider(client: &Client<'_>, outsider: &Credentials) -> Check {
    let id = Id::Outsider;
    match client.get(&client.path, Some(outsider)) {
        Ok(answer) => match answer.status {
            401 | 403 => Check::passed(id, format!("{} for {}", answer.status, outsider.name)),
            200..=299 => Check::failed(
                id,
                format!("{}: {} is admitted", answer.status, outsider.name),
                Advice::each(
                    "Is it Require group, not Require valid-user, that applies, and is the user really outside the group?",
                    "Is it esauth_require group, not esauth_require valid-user, that applies (auth_basic has no groups), \
                     and is the user really outside the group?",
                ),
            ),
            _ => unexpected(id, client, &answer),
        },
        Err(error) => no_answer(id, client, &error),
    }
}

fn options(client: &Client<'_>) -> Check {
    let id = Id::Options;
    match client.ask(Request::new("OPTIONS", &client.path)) {
        Ok(answer) => match answer.status {
            401 | 403 | 407 => Check::failed(
                id,
                format!("{}: browsers' preflight requests are refused", answer.status),
                Advice::each(
                    "Require must stand inside <LimitExcept OPTIONS> and nowhere else: an empty <LimitExcept OPTIONS> \
                     opens nothing.",
                    "esauth (or auth_basic) must stand inside limit_except OPTIONS, and nowhere around it.",
                ),
            ),
            500.. => unexpected(id, client, &answer),
            status => Check::passed(id, format!("{status} without credentials")),
        },
        Err(error) => no_answer(id, client, &error),
    }
}

/// Advice if a server ends the connection, or refuses, because it wants a certificate.
const ASKED_BUT_NONE_GIVEN: Advice = Advice::each(
    "The server asks for a certificate of the client (SSLVerifyClient): name one with --cert FILE, and its key with --key \
     FILE.",
    "The server asks for a certificate of the client (ssl_verify_client): name one with --cert FILE, and its key with --key \
     FILE.",
);

const REFUSED_BY_NGINX: &str = "Something other than the password refuses: a deny for this address, or the password file is \
                                missing. nginx's error log says which.";

fn no_answer(id: Id, client: &Client<'_>, error: &str) -> Check {
    let advice = match client.certificate_asked_for() {
        Asked::ButNoneGiven => ASKED_BUT_NONE_GIVEN,
        Asked::AndGiven => {
            "The server asked for a certificate, got the one of --cert, and may have refused it: is it from a CA that \
             SSLCACertificateFile names, made for clients, and valid today? httpd's error log says why."
                .into()
        }
        Asked::No => "Is it an HTTP server, and is --timeout long enough?".into(),
    };
    Check::failed(id, format!("no answer: {error}"), advice)
}

/// Explains an unexpected status.
fn unexpected(id: Id, client: &Client<'_>, answer: &Answer) -> Check {
    let advice = match answer.status {
        // nginx answers so where httpd ends the connection.
        400 if client.certificate_asked_for() == Asked::ButNoneGiven => ASKED_BUT_NONE_GIVEN,
        400 if client.certificate_asked_for() == Asked::AndGiven => Advice::each(
            "httpd's error log says more.",
            "nginx may have refused the certificate of --cert: is it from a CA that ssl_client_certificate names, made for \
             clients, and valid today? nginx's error log says why, at level info.",
        ),
        500 => Advice::each(
            "httpd's error log says why: AH01615 (no AuthName), AH01619 (no AuthUserFile), AH01620 (the password file \
             cannot be opened), or a file of EsAuthRoles or EsAuthBackendCredentials that cannot be used.",
            "nginx's error log says why: no esauth_user_file is set here, or the password or the group file cannot be read.",
        ),
        403 => Advice::each(
            "Something other than the password refuses: a Require that leaves out this address, or SSLVerifyClient in a \
             <Location>, which demands a certificate that cannot be shown from here. httpd's error log says which.",
            REFUSED_BY_NGINX,
        ),
        502 | 504 => Advice::each(
            "httpd does not reach the back end (does Elasticsearch run where ProxyPass says, with a certificate that \
             SSLProxyCACertificateFile trusts?), or the back end refuses its credential (EsAuthBackendCredentials): httpd's \
             error log says which.",
            "nginx does not reach the back end: does Elasticsearch run where proxy_pass says, with a certificate that \
             proxy_ssl_trusted_certificate trusts? nginx's error log says which.",
        ),
        503 => Advice::each(
            "Either the back end does not answer (does Elasticsearch run where ProxyPass says?), or the queue for password \
             hashes is full: httpd's error log says which.",
            "Either the queue for password hashes is full, or limit_req or limit_conn refuses: nginx's error log says which.",
        ),
        300..=399 => "This address redirects; verify the one that it redirects to.".into(),
        _ => "The server's error log says more.".into(),
    };
    let to = answer.location().map_or_else(String::new, |to| format!(" to {}", printable(to.as_bytes())));
    Check::failed(id, format!("{}{to}", answer.status), advice)
}
