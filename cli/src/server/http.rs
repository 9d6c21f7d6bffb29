//! Requests, each on a connection of its own, to one address, and over TLS to one certificate.
//!
//! A request is sent exactly as given: no client library normalizes its path or refuses its method.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::front::Front;
use super::secrets::Credentials;
use super::target::Target;
use super::tls::{self, Asked, Dialler};

/// The rest of a longer body is not read. In bytes.
const LARGEST_BODY: u64 = 1024 * 1024;

/// A longer head of an answer is an error. In bytes.
const LARGEST_HEAD: u64 = 64 * 1024;

/// More header fields in an answer are an error.
const MOST_FIELDS: usize = 128;

pub(crate) struct Client<'a> {
    address: SocketAddr,
    /// TLS parameters: the host and the certificate to expect.
    encryption: Option<(&'a Dialler, String, CertificateDer<'static>)>,
    timeout: Duration,
    /// Scheme, host and port.
    pub(crate) origin: String,
    /// The path of the URL, with a `/` at its end.
    pub(crate) path: String,
    /// The kind of server, once an answer has said it.
    front: Cell<Option<Front>>,
}

/// A request.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    /// The text behind the method: a path, or the URL for a proxy.
    pub(crate) target: &'a str,
    /// The header field Host, if it is not the URL's.
    pub(crate) host: Option<&'a str>,
    pub(crate) credentials: Option<&'a Credentials>,
    /// Text behind the credentials' header field.
    pub(crate) behind: &'a str,
    /// Another header field; empty: none. May have several lines.
    pub(crate) header: &'a str,
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: &'a str, target: &'a str) -> Self {
        Request { method, target, host: None, credentials: None, behind: "", header: "" }
    }

    /// True if the answer has no body, whatever its header says.
    fn has_bare_answer(&self, status: u16) -> bool {
        let opens_tunnel = self.method == "CONNECT" && (200..300).contains(&status);
        self.method == "HEAD" || opens_tunnel || matches!(status, 100..=199 | 204 | 304)
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The values of a header field.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let same = self.fields.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str())
    }

    /// The kind of server that sent it, if it says so.
    pub(crate) fn front(&self) -> Option<Front> {
        Front::named(self.values("Server").next()?)
    }

    /// Where a redirect leads.
    pub(crate) fn location(&self) -> Option<&str> {
        self.values("Location").next()
    }
}

impl<'a> Client<'a> {
    /// For the address to verify. `certificate` is the server's own, if it speaks TLS.
    pub(crate) fn new(
        target: &Target,
        address: SocketAddr,
        dialler: &'a Dialler,
        certificate: Option<CertificateDer<'static>>,
    ) -> Self {
        Client {
            address,
            encryption: certificate.map(|certificate| (dialler, target.host.clone(), certificate)),
            timeout: dialler.timeout,
            origin: target.origin.clone(),
            path: target.path.clone(),
            front: Cell::new(None),
        }
    }

    /// For plain HTTP to `address`, with this `Host`.
    pub(crate) fn plain(host: &str, address: SocketAddr, timeout: Duration) -> Self {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let origin = format!("http://{host}:{}", address.port());
        Client { address, encryption: None, timeout, origin, path: "/".to_owned(), front: Cell::new(None) }
    }

    /// Whether the server asked for a client certificate.
    pub(crate) fn certificate_asked_for(&self) -> Asked {
        self.encryption.as_ref().map_or(Asked::No, |(dialler, ..)| dialler.certificate_asked_for())
    }

    /// The kind of server, by its first answer that says it.
    pub(crate) fn front(&self) -> Option<Front> {
        self.front.get()
    }

    /// The answer to GET for a path of the server.
    pub(crate) fn get(&self, path: &str, credentials: Option<&Credentials>) -> Result<Answer, String> {
        self.ask(Request { credentials, ..Request::new("GET", path) })
    }

    /// The answer to a request. Redirects are not followed.
    pub(crate) fn ask(&self, request: Request<'_>) -> Result<Answer, String> {
        let answer = self.exchange(request).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".to_owned(),
            _ => error.to_string(),
        })?;
        self.front.set(self.front.get().or_else(|| answer.front()));
        Ok(answer)
    }

    fn exchange(&self, request: Request<'_>) -> io::Result<Answer> {
        let mut connection = Connection { ends: Instant::now() + self.timeout, stream: self.connect()? };
        connection.write_all(self.text(request).as_bytes())?;
        let mut input = BufReader::new(connection);
        let (status, fields) = loop {
            let (status, fields) = read_head(&mut input)?;
            // Interim responses, such as 103 Early Hints.
            if !(100..200).contains(&status) || status == 101 {
                break (status, fields);
            }
        };
        let mut answer = Answer { status, fields, body: Vec::new() };
        if !request.has_bare_answer(status) {
            answer.body = read_body(&mut input, &answer)?;
        }
        Ok(answer)
    }

    fn connect(&self) -> io::Result<Stream> {
        Ok(match &self.encryption {
            Some((dialler, host, certificate)) => {
                Stream::Tls(dialler.connect(self.address, host, certificate.clone())?.into())
            }
            None => Stream::Plain(TcpStream::connect_timeout(&self.address, self.timeout)?),
        })
    }

    /// The request as sent.
    fn text(&self, request: Request<'_>) -> Zeroizing<String> {
        let host = request.host.or_else(|| self.origin.split_once("://").map(|(_, host)| host)).unwrap_or_default();
        let mut text = Zeroizing::new(String::with_capacity(4096));
        for part in [request.method, " ", request.target, " HTTP/1.1\r\nHost: ", host] {
            text.push_str(part);
        }
        text.push_str("\r\nUser-Agent: esauth/");
        text.push_str(env!("CARGO_PKG_VERSION"));
        text.push_str("\r\nAccept: */*\r\nConnection: close\r\n");
        if let Some(credentials) = request.credentials {
            text.push_str("Authorization: ");
            text.push_str(&credentials.header());
            text.push_str(request.behind);
            text.push_str("\r\n");
        }
        if !request.header.is_empty() {
            text.push_str(request.header);
            text.push_str("\r\n");
        }
        if matches!(request.method, "POST" | "PUT" | "PATCH") {
            text.push_str("Content-Length: 0\r\n");
        }
        text.push_str("\r\n");
        text
    }
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn ends_too_early() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the answer ends too early")
}

type Fields = Vec<(String, String)>;

/// Status and header fields.
fn read_head(input: &mut impl BufRead) -> io::Result<(u16, Fields)> {
    let mut head = Vec::new();
    let mut input = input.take(LARGEST_HEAD);
    while !head.ends_with(b"\n\r\n") && !head.ends_with(b"\n\n") {
        if input.read_until(b'\n', &mut head)? == 0 {
            return Err(match (head.is_empty(), input.limit()) {
                (true, _) => io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"),
                (false, 0) => wrong("the head of the answer is too long"),
                (false, _) => ends_too_early(),
            });
        }
    }
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut answer = httparse::Response::new(&mut fields);
    let parsed = answer.parse(&head).map_err(|error| wrong(&format!("is not HTTP: {error}")))?;
    let status = answer.code.filter(|_| parsed.is_complete()).ok_or_else(|| wrong("is not HTTP"))?;
    let owned =
        |field: &httparse::Header<'_>| (field.name.to_owned(), String::from_utf8_lossy(field.value).trim().to_owned());
    Ok((status, answer.headers.iter().map(owned).collect()))
}

fn read_body(input: &mut impl BufRead, answer: &Answer) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if answer.values("Transfer-Encoding").any(|coding| coding.to_ascii_lowercase().ends_with("chunked")) {
        read_chunks(input, &mut body)?;
    } else if let Some(length) = answer.values("Content-Length").next() {
        let length: u64 = length.parse().map_err(|_| wrong("the answer's Content-Length is no number"))?;
        let length = length.min(LARGEST_BODY);
        if (input.take(length).read_to_end(&mut body)? as u64) < length {
            return Err(ends_too_early());
        }
    } else {
        match input.take(LARGEST_BODY).read_to_end(&mut body) {
            // Many servers end a TLS connection without announcing it.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
            _ => {}
        }
    }
    Ok(body)
}

/// A body in chunks (RFC 9112, 7.1).
fn read_chunks(input: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        input.take(LARGEST_HEAD).read_until(b'\n', &mut line)?;
        let size = match httparse::parse_chunk_size(&line) {
            Ok(httparse::Status::Complete((_, size))) => size,
            Ok(httparse::Status::Partial) => return Err(ends_too_early()),
            Err(_) => return Err(wrong("a chunk of the answer has no length")),
        };
        let room = LARGEST_BODY - body.len() as u64;
        if size == 0 || room == 0 {
            return Ok(());
        }
        let wanted = size.min(room);
        if (input.take(wanted).read_to_end(body)? as u64) < wanted {
            return Err(ends_too_early());
        }
        if wanted == size {
            // The end of the line after the chunk.
            input.take(LARGEST_HEAD).read_until(b'\n', &mut Vec::new())?;
        }
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<tls::Stream>),
}

/// One request's connection, closed when its time is over.
struct Connection {
    stream: Stream,
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

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.prepare()?;
        match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.prepare()?;
        match &mut self.stream {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_of(text: &str) -> io::Result<String> {
        let mut input = text.as_bytes();
        let (status, fields) = read_head(&mut input)?;
        let answer = Answer { status, fields, body: Vec::new() };
        read_body(&mut input, &answer).map(|body| String::from_utf8_lossy(&body).into_owned())
    }

    #[test]
    fn a_body_ends_by_its_length_its_last_chunk_or_the_connection() {
        assert_eq!(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcde").unwrap(), "abc");
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(body_of(chunked).unwrap(), "abcde");
        assert_eq!(body_of("HTTP/1.0 200 OK\n\nabc").unwrap(), "abc");
    }

    #[test]
    fn an_answer_that_is_cut_off_or_no_http_is_an_error() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\nServer",
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        ] {
            assert!(body_of(text).is_err(), "{text:?}");
        }
    }
}
