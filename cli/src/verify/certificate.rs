//! The certificate, and the versions of TLS.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::hello::{self, Old};
use super::report::{Check, Id, Report};
use crate::server::front::Advice;
use crate::server::target::Target;
use crate::server::tls::{Asked, Dialler, Trust};
use crate::terminal::count;
use crate::text::printable;

/// The judged certificate, for later requests.
pub(super) struct Judged {
    /// The server's own certificate.
    pub(super) leaf: Option<CertificateDer<'static>>,
    /// True if the server may be sent a password.
    pub(super) is_trusted: bool,
    /// True if requests can be sent at all.
    pub(super) can_talk: bool,
}

const DAY: u64 = 24 * 3600;

pub(super) fn check(
    target: &Target,
    address: SocketAddr,
    trust: &Trust,
    min_days: u32,
    dialler: &Dialler,
    report: &mut Report,
) -> Judged {
    check_versions(target, address, dialler, report);
    let chain = match dialler.chain(address, &target.host) {
        Ok(chain) if !chain.is_empty() => chain,
        result => {
            let why = result.err().map_or_else(|| "no certificate was shown".to_owned(), |error| error.to_string());
            for id in [Id::Chain, Id::Name, Id::Validity] {
                report.add(Check::skipped(id, format!("no TLS connection: {why}")));
            }
            return Judged { leaf: None, is_trusted: false, can_talk: false };
        }
    };
    let checks = judge(&chain, &target.host, trust, min_days);
    // One that expires soon is still valid now.
    let is_trusted = !judge(&chain, &target.host, trust, 0).iter().any(Check::has_failed);
    checks.into_iter().for_each(|check| report.add(check));
    Judged { leaf: Some(chain[0].clone()), is_trusted, can_talk: true }
}

/// Whether the server asked for a client certificate. If it did not, there is no check.
pub(super) fn check_clients(dialler: &Dialler, report: &mut Report) {
    let id = Id::ClientCertificate;
    match dialler.certificate_asked_for() {
        Asked::No => {}
        // If it insists on one, the requests have failed.
        Asked::ButNoneGiven => {
            report.add(Check::skipped(id, "the server asks for one: present it with --cert and --key"))
        }
        Asked::AndGiven => report.add(Check::passed(id, "the server asked for one and got that of --cert")),
    }
}

/// The certificate of a server that may be sent a password; of any server, if everything is trusted.
pub(crate) fn trusted(
    target: &Target,
    address: SocketAddr,
    trust: &Trust,
    is_anyone_trusted: bool,
    dialler: &Dialler,
) -> Result<CertificateDer<'static>, String> {
    let chain = dialler.chain(address, &target.host).map_err(|error| error.to_string())?;
    let failed = judge(&chain, &target.host, trust, 0).into_iter().find(Check::has_failed);
    match failed {
        Some(check) if !is_anyone_trusted => Err(format!("the certificate is not trusted: {}", check.found)),
        _ => chain.into_iter().next().ok_or_else(|| "no certificate was shown".to_owned()),
    }
}

/// Checks the signer of the chain, its host name and its validity.
fn judge(chain: &[CertificateDer<'static>], host: &str, trust: &Trust, min_days: u32) -> Vec<Check> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match chain.first().map(Facts::of) {
        Some(Ok(facts)) => vec![
            check_chain(chain, &facts, trust, now),
            check_name(&chain[0], host),
            check_validity(&facts, now, min_days),
        ],
        Some(Err(why)) => vec![Check::failed(Id::Chain, format!("cannot be read: {why}"), "Get a new one.")],
        None => vec![Check::failed(Id::Chain, "none was shown", "SSLCertificateFile names one.")],
    }
}

/// Facts stated in a certificate.
struct Facts {
    subject: String,
    issuer: String,
    not_before: Duration,
    not_after: Duration,
    /// The end date.
    ends: String,
}

impl Facts {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let certificate = Certificate::from_der(certificate).map_err(|error| error.to_string())?;
        let content = certificate.tbs_certificate();
        let validity = content.validity();
        let date = validity.not_after.to_date_time();
        Ok(Facts {
            subject: printable(content.subject().to_string().as_bytes()),
            issuer: printable(content.issuer().to_string().as_bytes()),
            not_before: validity.not_before.to_unix_duration(),
            not_after: validity.not_after.to_unix_duration(),
            ends: format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
        })
    }

    fn is_valid_at(&self, now: Duration) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

fn check_chain(chain: &[CertificateDer<'static>], facts: &Facts, trust: &Trust, now: Duration) -> Check {
    let from = format!("{}, signed by {}", facts.subject, facts.issuer);
    if trust.names(&chain[0]) {
        return Check::passed(Id::Chain, format!("{}: itself among {}", facts.subject, trust.source));
    }
    // An expired certificate is reported separately from its signer.
    let at = if facts.is_valid_at(now) { now } else { facts.not_after };
    let provider = rustls::crypto::ring::default_provider();
    let judged = ParsedCertificate::try_from(&chain[0]).and_then(|leaf| {
        verify_server_cert_signed_by_trust_anchor(
            &leaf,
            &trust.roots,
            &chain[1..],
            UnixTime::since_unix_epoch(at),
            provider.signature_verification_algorithms.all,
        )
    });
    match judged {
        Ok(()) => Check::passed(Id::Chain, format!("{from}, trusted by {}", trust.source)),
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Check::failed(
            Id::Chain,
            format!("{from}, which is not trusted by {}", trust.source),
            "If a CA of your own signed it, name that with --ca. If the CA is a public one, the server leaves out the \
             certificates between: SSLCertificateFile takes them all, the server's first.",
        ),
        Err(error) => Check::failed(
            Id::Chain,
            format!("{from}: {}", reason(&error)),
            "Get a certificate for this server from a CA that clients trust, or name the certificate itself with --ca.",
        ),
    }
}

fn reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "a certificate above it has expired".to_owned()
        }
        error => error.to_string(),
    }
}

fn check_name(leaf: &CertificateDer<'_>, host: &str) -> Check {
    let judged = ServerName::try_from(host.to_owned())
        .map_err(|error| Error::General(error.to_string()))
        .and_then(|name| ParsedCertificate::try_from(leaf).and_then(|leaf| verify_server_name(&leaf, &name)));
    let advice = "Get a certificate that includes this name (subjectAltName), or use a name that it includes.";
    match judged {
        Ok(()) => Check::passed(Id::Name, host),
        Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })) => {
            let names = if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") };
            Check::failed(Id::Name, format!("made for {}, not for {host}", printable(names.as_bytes())), advice)
        }
        Err(error) => Check::failed(Id::Name, format!("not made for {host}: {error}"), advice),
    }
}

fn check_validity(facts: &Facts, now: Duration, min_days: u32) -> Check {
    let advice = "Renew it, and reload the server: it reads certificates only when it starts or is reloaded.";
    let ends = &facts.ends;
    if now < facts.not_before {
        return Check::failed(Id::Validity, "not valid yet", "Are the clocks right, here and where it was issued?");
    }
    let Some(left) = facts.not_after.checked_sub(now) else {
        let days = (now - facts.not_after).as_secs() / DAY;
        return Check::failed(Id::Validity, format!("expired {} ago, on {ends}", count(days as usize, "day")), advice);
    };
    let days = left.as_secs() / DAY;
    let found = format!("{} left, until {ends}", count(days as usize, "day"));
    if days < u64::from(min_days) {
        return Check::failed(Id::Validity, format!("{found} (wanted: {min_days})"), advice);
    }
    Check::passed(Id::Validity, found)
}

fn check_versions(target: &Target, address: SocketAddr, dialler: &Dialler, report: &mut Report) {
    let mut offered = Vec::new();
    let mut unknown = Vec::new();
    for version in Old::ALL {
        match hello::is_spoken(address, &target.host, version, dialler.timeout) {
            Ok(true) => offered.push(version.name()),
            Ok(false) => {}
            Err(error) => unknown.push(format!("{} ({error})", version.name())),
        }
    }
    let has_old = !offered.is_empty();
    for (version, name) in [(&rustls::version::TLS12, "1.2"), (&rustls::version::TLS13, "1.3")] {
        if dialler.is_spoken(address, &target.host, version).unwrap_or(false) {
            offered.push(name);
        }
    }
    let advice = Advice::each("SSLProtocol -all +TLSv1.2 +TLSv1.3", "ssl_protocols TLSv1.2 TLSv1.3;");
    let found = format!("offered: {}", if offered.is_empty() { "none".to_owned() } else { offered.join(", ") });
    report.add(if has_old {
        Check::failed(Id::Versions, format!("{found}; 1.0 and 1.1 are broken"), advice)
    } else if offered.is_empty() {
        let advice =
            "Does this port use TLS (SSLEngine On, listen … ssl), and does it have a certificate? Try: openssl s_client -connect";
        Check::failed(Id::Versions, found, advice)
    } else if unknown.is_empty() {
        Check::passed(Id::Versions, found)
    } else {
        Check::passed(Id::Versions, format!("{found}; undetermined: {}", unknown.join(", ")))
    });
}
