//! Requests, each on a connection of its own, to one address, and over TLS to one certificate.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use ureq::http::{Method, Request};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use ureq::{Agent, Error};

use super::secrets::Credentials;
use super::target::Target;
use super::tls;

/// Of a body, as much is read.
const LARGEST_BODY: u64 = 1024 * 1024;

pub(crate) struct Client {
    agent: Agent,
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// Of the URL, with a `/` at its end.
    pub(crate) path: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The values of WWW-Authenticate.
    pub(crate) challenges: Vec<String>,
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// For the address to verify.
    pub(crate) fn new(
        target: &Target,
        address: SocketAddr,
        certificate: Option<CertificateDer<'static>>,
        timeout: Duration,
    ) -> Self {
        let host = target.host.clone();
        Client {
            agent: agent(Dialler { address, certificate: certificate.map(|it| (host, it)), timeout }),
            origin: target.origin.clone(),
            path: target.path.clone(),
        }
    }

    /// For plain HTTP to `address`, with this `Host`.
    pub(crate) fn plain(host: &str, address: SocketAddr, timeout: Duration) -> Self {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        Client {
            agent: agent(Dialler { address, certificate: None, timeout }),
            origin: format!("http://{host}:{}", address.port()),
            path: "/".to_owned(),
        }
    }

    /// The answer to a request for a path of the server. Redirects are not followed.
    pub(crate) fn ask(&self, method: Method, path: &str, credentials: Option<&Credentials>) -> Result<Answer, String> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.origin));
        let header = credentials.map(Credentials::header);
        if let Some(header) = &header {
            request = request.header("Authorization", header.as_str());
        }
        let request = request.body(()).map_err(|error| error.to_string())?;
        let mut answer = self.agent.run(request).map_err(|error| error.to_string())?;
        let values = |name| {
            let values = answer.headers().get_all(name).iter();
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect::<Vec<_>>()
        };
        let (challenges, location) = (values("WWW-Authenticate"), values("Location").pop());
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        answer.body_mut().as_reader().take(LARGEST_BODY).read_to_end(&mut body).map_err(|error| error.to_string())?;
        Ok(Answer { status, challenges, location, body })
    }
}

fn agent(dialler: Dialler) -> Agent {
    let timeout = dialler.timeout;
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .allow_non_standard_methods(true)
        .proxy(None)
        .timeout_global(Some(timeout))
        .user_agent(concat!("esauth/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, dialler, AlreadyResolved)
}

/// The address is known: `Dialler` has it.
#[derive(Debug)]
struct AlreadyResolved;

impl Resolver for AlreadyResolved {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(([0, 0, 0, 0], 0).into());
        Ok(addresses)
    }
}

/// Connects to one address; over TLS where a certificate is expected there.
#[derive(Debug)]
struct Dialler {
    address: SocketAddr,
    /// Host name for SNI, and the certificate.
    certificate: Option<(String, CertificateDer<'static>)>,
    timeout: Duration,
}

impl Connector for Dialler {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Connection>, Error> {
        let ends = Instant::now() + self.timeout;
        let stream = match &self.certificate {
            Some((host, expected)) => Stream::Tls(tls::connect(self.address, host, expected, self.timeout)?.into()),
            None => Stream::Plain(TcpStream::connect_timeout(&self.address, self.timeout)?),
        };
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Connection { stream, buffers, ends }))
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<tls::Stream>),
}

/// One request's connection, which is given up when its time is over.
struct Connection {
    stream: Stream,
    buffers: LazyBuffers,
    ends: Instant,
}

impl Connection {
    fn prepare(&mut self) -> io::Result<()> {
        let left = self.ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let socket = match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        };
        socket.set_read_timeout(Some(left))?;
        socket.set_write_timeout(Some(left))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        self.prepare()?;
        let output = &self.buffers.output()[..amount];
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(output)?,
            Stream::Tls(stream) => stream.write_all(output)?,
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        self.prepare()?;
        let input = self.buffers.input_append_buf();
        let amount = match &mut self.stream {
            Stream::Plain(stream) => stream.read(input)?,
            Stream::Tls(stream) => stream.read(input)?,
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }

    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}
