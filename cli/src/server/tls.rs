//! TLS connections that tell what the server showed, and whom to trust.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned, SupportedProtocolVersion,
};

/// Who may sign for a server.
pub(crate) struct Trust {
    pub(crate) roots: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
    /// Where they are from, for people.
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

    /// True where the very certificate is one of the trusted ones.
    pub(crate) fn names(&self, certificate: &CertificateDer<'_>) -> bool {
        self.certificates.contains(certificate)
    }
}

/// Takes the chain that a server shows down, or holds the server to one shown before. That the server has the key is
/// proved in either case.
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

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// The certificates that a server shows, its own one first, on a connection with one of these versions.
pub(crate) fn chain(
    address: SocketAddr,
    host: &str,
    versions: &[&'static SupportedProtocolVersion],
    timeout: Duration,
) -> io::Result<Vec<CertificateDer<'static>>> {
    let (_, chain) = handshake(address, host, versions, None, timeout)?;
    Ok(chain)
}

/// A connection to the server that has this certificate, and to no other.
pub(crate) fn connect(
    address: SocketAddr,
    host: &str,
    expected: &CertificateDer<'static>,
    timeout: Duration,
) -> io::Result<Stream> {
    let (stream, _) = handshake(address, host, rustls::ALL_VERSIONS, Some(expected.clone()), timeout)?;
    Ok(stream)
}

fn handshake(
    address: SocketAddr,
    host: &str,
    versions: &[&'static SupportedProtocolVersion],
    expected: Option<CertificateDer<'static>>,
    timeout: Duration,
) -> io::Result<(Stream, Vec<CertificateDer<'static>>)> {
    let provider = Arc::new(ring::default_provider());
    let witness = Arc::new(Witness { expected, seen: Mutex::default(), provider: Arc::clone(&provider) });
    let verifier = Arc::clone(&witness) as Arc<dyn ServerCertVerifier>;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut socket = TcpStream::connect_timeout(&address, timeout)?;
    socket.set_read_timeout(Some(timeout))?;
    socket.set_write_timeout(Some(timeout))?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    let chain = witness.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((StreamOwned::new(session, socket), chain))
}
