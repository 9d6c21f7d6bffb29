//! Ways around the server's authentication.

use std::net::{IpAddr, SocketAddr, SocketAddrV6, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use esauth_engine::hash::describe;
use esauth_engine::{LineRules, Listing};

use super::authentication::Passwords;
use super::report::{Check, Id, Report};
use crate::server::front::Advice;
use crate::server::http::Client;
use crate::server::target::Target;
use crate::terminal::count;

/// The port for plain HTTP must be closed to others, or redirect them to TLS.
pub(super) fn check_plain_http(
    target: &Target,
    address: SocketAddr,
    port: u16,
    timeout: Duration,
    report: &mut Report,
) {
    if !target.is_encrypted {
        return;
    }
    // Only this machine can use a port on the loopback address.
    let is_local = address.ip().is_loopback();
    let addresses = if is_local { others_reach(port) } else { vec![SocketAddr::new(address.ip(), port)] };
    let mut redirected = false;
    for address in addresses {
        if TcpStream::connect_timeout(&address, timeout).is_err() {
            continue;
        }
        match Client::plain(&target.host, address, timeout).get("/", None) {
            Ok(answer) if answer.location().is_some_and(|to| to.starts_with("https://")) => redirected = true,
            Ok(answer) => {
                report.add(Check::failed(
                    Id::PlainHttp,
                    format!("{} on {address}, unencrypted: passwords sent there can be read on the way", answer.status),
                    Advice::each(
                        "Let the port answer with nothing but Redirect permanent / https://…, or have it listen on \
                         127.0.0.1 only.",
                        "Let the port answer with nothing but return 301 https://…, or have it listen on 127.0.0.1 only.",
                    ),
                ));
                return;
            }
            // It speaks another protocol than HTTP.
            Err(_) => {}
        }
    }
    let found = match (redirected, is_local) {
        (true, _) => format!("port {port} redirects to https"),
        (false, true) => format!("port {port} is closed to other machines"),
        (false, false) => format!("port {port} is closed"),
    };
    report.add(Check::passed(Id::PlainHttp, found));
}

/// Only the server may get answers from the back end.
pub(super) fn check_backend(backend: Option<&str>, timeout: Duration, report: &mut Report) -> Result<(), String> {
    let Some(backend) = backend else {
        report.add(Check::skipped(Id::Backend, "name its address with --backend"));
        return Ok(());
    };
    let given: Vec<SocketAddr> = backend
        .to_socket_addrs()
        .map_err(|error| format!("--backend {backend}: {error}; it should look like 127.0.0.1:9200"))?
        .collect();
    let mut addresses: Vec<_> = given.iter().copied().filter(|address| !address.ip().is_loopback()).collect();
    let port = given.first().map_or(0, SocketAddr::port);
    addresses.extend(others_reach(port).into_iter().filter(|address| !given.contains(address)));
    let mut guarded = Vec::new();
    for &address in &addresses {
        let Ok(answer) = Client::plain(&address.ip().to_string(), address, timeout).get("/", None) else {
            continue;
        };
        if !matches!(answer.status, 401 | 403) {
            report.add(Check::failed(
                Id::Backend,
                format!(
                    "{} on {address}, without credentials: anyone who reaches it bypasses authentication",
                    answer.status
                ),
                "Bind Elasticsearch to the loopback address (network.host: 127.0.0.1, http.host), or let the firewall \
                 admit this server only.",
            ));
            return Ok(());
        }
        guarded.push(address.to_string());
    }
    report.add(Check::passed(
        Id::Backend,
        match guarded.is_empty() {
            true => {
                format!("port {port} does not answer on the {} addresses that other machines reach", addresses.len())
            }
            false => format!("asks for credentials on {}", guarded.join(", ")),
        },
    ));
    Ok(())
}

/// The addresses of this machine that other machines can reach.
fn others_reach(port: u16) -> Vec<SocketAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let reachable = interfaces.into_iter().filter(|interface| !interface.is_loopback());
    reachable
        .map(|interface| match interface.ip() {
            // A link-local address needs its scope.
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, interface.index.unwrap_or(0)).into(),
            ip => SocketAddr::new(ip, port),
        })
        .collect()
}

/// The password file must not be served.
pub(super) fn check_auth_user_file(
    client: &Client<'_>,
    path: Option<&Path>,
    passwords: &Passwords<'_>,
    report: &mut Report,
) {
    let id = Id::PasswordFile;
    let Some(path) = path else {
        report.add(Check::skipped(id, "name its path with --auth-user-file"));
        return;
    };
    let places = places(path, &client.path);
    let mut answers = 0;
    for place in &places {
        for credentials in [None, passwords.of_user().ok()] {
            let Ok(answer) = client.get(place, credentials) else { continue };
            answers += 1;
            if answer.status == 200 && is_password_file(answer.body) {
                report.add(Check::failed(
                    id,
                    format!("{}{place} shows the hashes to {}", client.origin, who(credentials.is_some())),
                    Advice::each(
                        "Move the password file out of every DocumentRoot, change AuthUserFile, and have all passwords \
                         changed.",
                        "Move the password file out of every root and alias, change esauth_user_file (or \
                         auth_basic_user_file), and have all passwords changed.",
                    ),
                ));
                return;
            }
        }
    }
    report.add(match answers {
        0 => Check::skipped(id, "no request for it was answered"),
        _ => Check::passed(id, format!("not found under {}", count(places.len(), "path"))),
    });
}

fn who(is_user: bool) -> &'static str {
    if is_user { "users" } else { "everybody" }
}

/// The paths of a file if any of its folders were the DocumentRoot, also below the URL's path.
fn places(path: &Path, base: &str) -> Vec<String> {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).filter(|part| part != "/").collect();
    let mut places = Vec::new();
    for first in (0..parts.len()).rev() {
        let rest: Vec<String> = parts[first..].iter().map(|part| escaped(part)).collect();
        for base in ["/", base] {
            let place = format!("{base}{}", rest.join("/"));
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

/// Escaped for a URL's path (RFC 3986).
fn escaped(part: &str) -> String {
    let mut text = String::new();
    for byte in part.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

fn is_password_file(body: Vec<u8>) -> bool {
    Listing::of_passwords(body, LineRules::Httpd24).lines().any(|line| describe(line.stored_hash()).usable)
}
