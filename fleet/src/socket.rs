//! A connection's bytes: over TCP, TLS or a Unix socket, none of whose waits outlasts its deadline or the child.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::address::{Address, Place};

/// How often a wait looks whether the process is about to end.
const GLANCE: Duration = Duration::from_millis(50);

/// An open connection.
pub(crate) enum Socket {
    Plain(Timely),
    Tls(Box<StreamOwned<ClientConnection, Timely>>),
}

impl Socket {
    /// Connects before `deadline`, unless `ends` becomes true.
    pub(crate) fn connect(
        address: &Address,
        tls: Option<&Arc<ClientConfig>>,
        deadline: Instant,
        ends: &Arc<AtomicBool>,
    ) -> io::Result<Socket> {
        let timely = |stream| Timely { stream, deadline, ends: Arc::clone(ends) };
        match &address.place {
            Place::Unix(path) => Ok(Socket::Plain(timely(Stream::Unix(UnixStream::connect(path)?)))),
            Place::Tcp { host, port } => Ok(Socket::Plain(timely(tcp(host, *port, deadline)?))),
            Place::Tls { host, port } => {
                let config = tls.ok_or_else(|| io::Error::other("TLS is not set up"))?;
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(connection, timely(tcp(host, *port, deadline)?));
                // The handshake, so that its faults are told as those of the connection.
                while stream.conn.is_handshaking() {
                    stream.conn.complete_io(&mut stream.sock)?;
                }
                Ok(Socket::Tls(Box::new(stream)))
            }
        }
    }

    /// Sets the moment at which every further wait fails.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        match self {
            Socket::Plain(timely) => timely.deadline = deadline,
            Socket::Tls(stream) => stream.sock.deadline = deadline,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(timely) => timely.read(buffer),
            Socket::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(timely) => timely.write(bytes),
            Socket::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(timely) => timely.flush(),
            Socket::Tls(stream) => stream.flush(),
        }
    }
}

fn tcp(host: &str, port: u16, deadline: Instant) -> io::Result<Stream> {
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(Stream::Tcp(stream));
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::TimedOut.into()))
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A stream whose reads and writes end before a deadline, however slowly the other side sends.
pub(crate) struct Timely {
    stream: Stream,
    deadline: Instant,
    ends: Arc<AtomicBool>,
}

impl Timely {
    /// The time for the next wait, if there is any left.
    fn next_wait(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if self.ends.load(Ordering::Relaxed) || left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left.min(GLANCE))
    }

    fn until_deadline<T>(&self, mut attempt: impl FnMut(Duration) -> io::Result<T>) -> io::Result<T> {
        loop {
            match attempt(self.next_wait()?) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl Read for Timely {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.until_deadline(|wait| match &self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(wait)).and_then(|()| (&*stream).read(buffer)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(wait)).and_then(|()| (&*stream).read(buffer)),
        })
    }
}

impl Write for Timely {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_deadline(|wait| match &self.stream {
            Stream::Tcp(stream) => stream.set_write_timeout(Some(wait)).and_then(|()| (&*stream).write(bytes)),
            Stream::Unix(stream) => stream.set_write_timeout(Some(wait)).and_then(|()| (&*stream).write(bytes)),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// TLS that trusts the certificates in `authorities` (PEM), or those of the system.
pub(crate) fn tls(authorities: Option<&[u8]>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}
