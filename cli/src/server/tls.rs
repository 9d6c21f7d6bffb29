//! TLS connections that report the server's certificates and requests, and the trusted certificates.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned, SupportedProtocolVersion,
};

use crate::arguments::Access;

/// The trusted certificates.
pub(crate) struct Trust {
    pub(crate) roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
    /// Their origin, for people.
    pub(crate) source: String,
}

impl Trust {
    /// The certificates of a file, or the system's.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, String> {
        let (certificates, source) = match file {
            Some(path) => {
                let failed = |error| format!("{}: {error}", path.display());
                let iterator = CertificateDer::pem_file_iter(path).map_err(failed)?;
                (iterator.collect::<Result<Vec<_>, _>>().map_err(failed)?, path.display().to_string())
            }
            None => (rustls_native_certs::load_native_certs().certs, "the system's certificates".to_owned()),
        };
        if file.is_some() && certificates.is_empty() {
            return Err(format!("{source}: holds no certificate in PEM form"));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        Ok(Trust { roots, certificates, source })
    }

    /// True if the certificate itself is trusted.
    pub(crate) fn names(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.contains(certificate)
    }
}

/// Records the server's certificate chain, or holds the server to one recorded before. In either case the server proves
/// that it has the key.
#[derive(Debug)]
struct Witness {
    expected: Option<CertificateDer<'static>>,
    seen: Mutex<Vec<CertificateDer<'static>>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.expected.as_ref().is_some_and(|expected| expected != leaf) {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        }
        let chain = std::iter::once(leaf).chain(others).map(|certificate| certificate.clone().into_owned());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = chain.collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Presents the client's certificate, if there is one, and notes that the server asked for it.
#[derive(Debug)]
struct Presenter {
    identity: Option<Arc<CertifiedKey>>,
    was_asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for Presenter {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_asked.store(true, Ordering::Relaxed);
        self.identity.clone()
    }

    fn has_certs(&self) -> bool {
        self.identity.is_some()
    }
}

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Whether a server asked for a client certificate, and got one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    No,
    ButNoneGiven,
    AndGiven,
}

/// Opens TLS connections.
pub(crate) struct Dialler {
    pub(crate) timeout: Duration,
    identity: Option<Arc<CertifiedKey>>,
    was_asked: Arc<AtomicBool>,
}

impl Dialler {
    /// With the certificate named in the options, in case the server asks for one.
    pub(crate) fn new(access: &Access) -> Result<Self, String> {
        let identity = match &access.cert {
            Some(certificate) => Some(identity(certificate, access.key.as_ref().unwrap_or(certificate))?),
            None => None,
        };
        Ok(Dialler { timeout: Duration::from_secs(access.timeout), identity, was_asked: Arc::default() })
    }

    /// Whether the server asked for a client certificate.
    pub(crate) fn certificate_asked_for(&self) -> Asked {
        match (self.was_asked.load(Ordering::Relaxed), self.identity.is_some()) {
            (false, _) => Asked::No,
            (true, false) => Asked::ButNoneGiven,
            (true, true) => Asked::AndGiven,
        }
    }

    /// The certificates presented by a server, its own first, even if it then ends the handshake because it wants one
    /// of the client.
    pub(crate) fn chain(&self, address: SocketAddr, host: &str) -> io::Result<Vec<CertificateDer<'static>>> {
        let attempt = self.handshake(address, host, rustls::ALL_VERSIONS, None)?;
        match attempt.ended {
            Err(error) if attempt.chain.is_empty() => Err(error),
            _ => Ok(attempt.chain),
        }
    }

    /// True if the server accepts this version.
    pub(crate) fn is_spoken(
        &self,
        address: SocketAddr,
        host: &str,
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<bool> {
        let attempt = self.handshake(address, host, &[version], None)?;
        Ok(attempt.ended.is_ok() || attempt.stream.conn.protocol_version() == Some(version.version))
    }

    /// A connection to the server with this certificate, and to no other.
    pub(crate) fn connect(
        &self,
        address: SocketAddr,
        host: &str,
        expected: CertificateDer<'static>,
    ) -> io::Result<Stream> {
        let attempt = self.handshake(address, host, rustls::ALL_VERSIONS, Some(expected))?;
        attempt.ended.map(|()| attempt.stream)
    }

    /// An error occurred before the handshake; the attempt has the handshake's result.
    fn handshake(
        &self,
        address: SocketAddr,
        host: &str,
        versions: &[&'static SupportedProtocolVersion],
        expected: Option<CertificateDer<'static>>,
    ) -> io::Result<Attempt> {
        let provider = Arc::new(ring::default_provider());
        let witness = Arc::new(Witness { expected, seen: Mutex::default(), provider: Arc::clone(&provider) });
        let verifier = Arc::clone(&witness) as Arc<dyn ServerCertVerifier>;
        let presenter = Presenter { identity: self.identity.clone(), was_asked: Arc::clone(&self.was_asked) };
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(presenter));
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut socket = TcpStream::connect_timeout(&address, self.timeout)?;
        socket.set_read_timeout(Some(self.timeout))?;
        socket.set_write_timeout(Some(self.timeout))?;
        let mut ended = Ok(());
        while ended.is_ok() && session.is_handshaking() {
            ended = session.complete_io(&mut socket).map(drop);
        }
        let chain = witness.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Attempt { stream: StreamOwned::new(session, socket), chain, ended })
    }
}

/// A handshake, and its progress.
struct Attempt {
    stream: Stream,
    /// The server's certificates.
    chain: Vec<CertificateDer<'static>>,
    ended: io::Result<()>,
}

/// A certificate with those between it and its CA, and its key.
fn identity(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, String> {
    let in_certificate = |why: String| format!("--cert {}: {why}", certificate.display());
    let in_key = |why: String| format!("--key {}: {why}", key.display());
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| in_certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(in_certificate("holds no certificate in PEM form".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        in_key(match error {
            pem::Error::NoItemsFound => "holds no unencrypted private key in PEM form".to_owned(),
            error => error.to_string(),
        })
    })?;
    let identity = CertifiedKey::from_der(chain, key, &ring::default_provider());
    identity.map(Arc::new).map_err(|error| in_certificate(format!("does not fit its key: {error}")))
}
