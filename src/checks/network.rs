//! Exposure to the network: passwords sent in the clear, and back ends that ask for none.

use std::net::{IpAddr, Ipv4Addr};

use super::check::Check;
use super::findings::Findings;
use super::route::{Route, balancer, members, proxies};
use super::sections::{Guarded, MAIN, Number, Sections};
use super::tree::Directive;

pub(super) fn check(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>]) {
    plain_http(findings, guarded);
    public_backends(findings, guarded);
}

const PLAIN_ADVICE: &str = "turn on TLS (SSLEngine On), or listen on 127.0.0.1 only";

fn plain_http(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>]) {
    let sections = findings.sections;
    // mod_tls is configured with addresses for the whole server.
    if sections.named("TLSEngine").next().is_some() {
        return;
    }
    let listeners: Vec<_> =
        sections.named("Listen").filter_map(|(_, listen)| Listener::parse(&listen.words())).collect();
    let is_plain = |host| is_plain_and_public(sections, &listeners, host);
    // A directive outside every virtual host applies to each: which of them needs it is known only if all are alike.
    let mut hosts: Vec<_> = sections.virtual_hosts().collect();
    if hosts.is_empty() {
        hosts.push(MAIN);
    }
    let all_plain = hosts.iter().all(|&host| is_plain(host));
    for guard in guarded {
        let host = sections.get(guard.section).host;
        let directive = match sections.get(host).opening {
            Some(virtual_host) if is_plain(host) => virtual_host,
            None if all_plain => guard.requirements[0].directive,
            _ => continue,
        };
        let text = directive.text();
        let what = format!("{text} asks for passwords over plain HTTP, where others on the network can read them");
        findings.add(Check::PlainHttp, directive, &[guard.section], &what, PLAIN_ADVICE);
    }
}

/// An address httpd listens on: `Listen [ADDRESS:]PORT [PROTOCOL]`.
struct Listener {
    address: Address,
    port: u16,
    /// `https`, if the directive names a protocol.
    is_https: bool,
}

impl Listener {
    fn parse(words: &[&[u8]]) -> Option<Listener> {
        let text = std::str::from_utf8(words.first()?).ok()?;
        let (host, port) = text.rsplit_once(':').unwrap_or(("*", text));
        let is_https = words.get(1).is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"https"));
        Some(Listener { address: Address::parse(host), port: port.parse().ok()?, is_https })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Address {
    Any,
    Ip(IpAddr),
    /// A name that would have to be resolved.
    Unknown,
}

impl Address {
    fn parse(host: &str) -> Address {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host == "*" || host.eq_ignore_ascii_case("_default_") {
            Address::Any
        } else if host.eq_ignore_ascii_case("localhost") {
            Address::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST))
        } else {
            match host.parse() {
                Ok(ip) if is_unspecified(ip) => Address::Any,
                Ok(ip) => Address::Ip(ip),
                Err(_) => Address::Unknown,
            }
        }
    }

    fn is_loopback(self) -> bool {
        matches!(self, Address::Ip(ip) if ip.to_canonical().is_loopback())
    }
}

fn is_unspecified(ip: IpAddr) -> bool {
    ip.to_canonical().is_unspecified()
}

/// Whether others can reach a virtual host, or the main server, without TLS, and it does more than redirect them to
/// `https`.
fn is_plain_and_public(sections: &Sections<'_>, listeners: &[Listener], host: Number) -> bool {
    let tls = tls(sections, host);
    if tls == Some(true) || is_behind_tls(sections, host) || redirects_to_https(sections, host) {
        return false;
    }
    let addresses = match sections.get(host).opening {
        Some(virtual_host) => virtual_host.words().into_iter().filter_map(virtual_host_address).collect(),
        None => vec![(Address::Any, None)],
    };
    addresses.into_iter().any(|(address, port)| {
        let reaches = |listener: &&Listener| {
            let same = address == listener.address || address == Address::Any || listener.address == Address::Any;
            port.is_none_or(|port| port == listener.port) && same
        };
        listeners.iter().filter(reaches).any(|listener| {
            // Without SSLEngine, mod_ssl of 2.4 follows the listener's protocol, which port 443 implies.
            let is_tls = tls.is_none() && (listener.is_https || listener.port == 443);
            !is_tls && !address.is_loopback() && !listener.address.is_loopback()
        })
    })
}

/// Whether only this machine can reach a virtual host, or the main server.
pub(super) fn is_for_this_machine(sections: &Sections<'_>, host: Number) -> bool {
    let listeners: Vec<_> =
        sections.named("Listen").filter_map(|(_, listen)| Listener::parse(&listen.words())).collect();
    let addresses: Vec<_> = match sections.get(host).opening {
        Some(virtual_host) => virtual_host.words().into_iter().filter_map(virtual_host_address).collect(),
        None => Vec::new(),
    };
    let is_loopback = |listener: &Listener| listener.address.is_loopback();
    !listeners.is_empty() && listeners.iter().all(is_loopback)
        || !addresses.is_empty()
            && addresses.iter().all(|(address, port)| {
                let on_port: Vec<_> =
                    listeners.iter().filter(|listener| port.is_none_or(|port| port == listener.port)).collect();
                address.is_loopback() || !on_port.is_empty() && on_port.into_iter().all(is_loopback)
            })
}

/// `ADDRESS[:PORT]` of `<VirtualHost>`, where a port of `*` is any.
fn virtual_host_address(word: &[u8]) -> Option<(Address, Option<u16>)> {
    let text = std::str::from_utf8(word).ok()?;
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (text, None),
    };
    Some((Address::parse(host), port))
}

/// Whether one of the TLS modules is turned on or off; None: no directive for any.
pub(super) fn tls(sections: &Sections<'_>, host: Number) -> Option<bool> {
    let setting = |name| sections.setting_around(host, name);
    let (_, directive) = ["SSLEngine", "GnuTLSEnable", "NSSEngine"].into_iter().find_map(setting)?;
    Some(!directive.word(0).is_some_and(|word| word.eq_ignore_ascii_case(b"off")))
}

/// `ServerName https://…` declares that TLS ends in front of httpd.
pub(super) fn is_behind_tls(sections: &Sections<'_>, host: Number) -> bool {
    sections.setting_around(host, "ServerName").and_then(|(_, name)| name.word(0)).is_some_and(is_https)
}

fn is_https(url: &[u8]) -> bool {
    url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https://"))
}

/// Whether the host redirects its clients to `https` before it asks for a password.
pub(super) fn redirects_to_https(sections: &Sections<'_>, host: Number) -> bool {
    sections.get(host).directives.iter().map(|placed| placed.directive).any(|directive| {
        let words = directive.words();
        let redirects = directive.is("Redirect") || directive.is("RedirectPermanent");
        let matches = directive.is("RedirectMatch") || directive.is("RewriteRule") && !proxies(&words);
        words.iter().copied().any(is_https) && (matches || redirects && words.contains(&&b"/"[..]))
    })
}

fn public_backends(findings: &mut Findings<'_, '_>, guarded: &[Guarded<'_>]) {
    let sections = findings.sections;
    for route in Route::all(sections) {
        let (section, directive) = (route.section, route.directive);
        let guards = guarded.iter().map(|guard| guard.section).filter(|&guard| route.is_guarded_by(sections, guard));
        let mut concerned: Vec<_> = guards.collect();
        if concerned.is_empty() {
            continue;
        }
        concerned.push(section);
        match balancer(route.target) {
            None => backend(findings, directive, route.target, &concerned),
            Some(name) => {
                for (section, member, url) in members(sections, name) {
                    concerned.push(section);
                    backend(findings, member, url, &concerned);
                }
            }
        }
    }
}

fn backend(findings: &mut Findings<'_, '_>, directive: Directive<'_>, url: &[u8], concerned: &[Number]) {
    // A back end with TLS probably has security of its own.
    let is_plain = !["https:", "wss:"].iter().any(|scheme| starts_with_scheme(url, scheme));
    let Some(ip) = host(url).filter(|&ip| is_plain && is_public(ip)) else { return };
    let text = directive.text();
    let what =
        format!("{text} leads to the public address {ip}, where anybody can reach the back end without this server");
    let advice = "bind the back end to a private address, or restrict it to this server with a firewall";
    findings.add(Check::PublicBackend, directive, concerned, &what, advice);
}

pub(super) fn starts_with_scheme(url: &[u8], scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
}

/// The address in a URL. Names are not resolved: that may take long, and the answer can change.
fn host(url: &[u8]) -> Option<IpAddr> {
    host_name(url)?.parse().ok()
}

/// The name or address in a URL.
fn host_name(url: &[u8]) -> Option<&str> {
    let url = std::str::from_utf8(url).ok().filter(|url| !url.starts_with("unix:"))?;
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '*']).next()?;
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    }
}

/// Whether a URL leads to this machine, or may: where it is made of variables.
pub(super) fn names_this_machine(url: &[u8]) -> bool {
    let Some(name) = host_name(url) else { return true };
    match name.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => name.is_empty() || name.contains(['$', '%']) || name.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether an address is neither this machine's own nor in a network outside the Internet (RFC 1918, 3927, 4193, 4291,
/// 6598).
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}
