//! An HTTP/1.1 client that sends exactly the bytes it is given.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::os::fd::FromRawFd;
use std::time::Duration;

use super::{base64, memcheck};

/// A request, header by header.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<Vec<u8>>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Request { method: method.to_owned(), target: target.to_owned(), headers: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Request::new("GET", target)
    }

    /// Adds a header line, without its CR LF: any bytes.
    pub(crate) fn header(mut self, line: impl AsRef<[u8]>) -> Self {
        self.headers.push(line.as_ref().to_owned());
        self
    }

    pub(crate) fn basic(self, user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> Self {
        self.header(format!("Authorization: Basic {}", credentials(user, password)))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for header in &self.headers {
            bytes.extend_from_slice(header);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

/// base64 of `user:password`.
pub(crate) fn credentials(user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> String {
    base64::encode(&[user.as_ref(), b":", password.as_ref()].concat())
}

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in the order of arrival. Bytes beyond ASCII stand for themselves as Latin-1.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(there, _)| there == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) fn open(port: u16) -> io::Result<Self> {
        Connection::over(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?)
    }

    /// From another address of this machine's own, such as any that begins with 127.
    pub(crate) fn open_from(source: IpAddr, port: u16) -> io::Result<Self> {
        let IpAddr::V4(source) = source else {
            return Connection::over(TcpStream::connect((Ipv6Addr::LOCALHOST, port))?);
        };
        let address = |ip: Ipv4Addr, port: u16| libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from(ip).to_be() },
            sin_zero: [0; 8],
        };
        let (from, to) = (address(source, 0), address(Ipv4Addr::LOCALHOST, port));
        let length = size_of_val(&from) as libc::socklen_t;
        // SAFETY: system calls, with addresses of the length that they are told; the descriptor is the stream's alone.
        let stream = unsafe {
            let descriptor = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            let stream = TcpStream::from_raw_fd(descriptor);
            if libc::bind(descriptor, (&raw const from).cast(), length) < 0
                || libc::connect(descriptor, (&raw const to).cast(), length) < 0
            {
                return Err(io::Error::last_os_error());
            }
            stream
        };
        Connection::over(stream)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(memcheck::patience(Duration::from_secs(30))))?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    /// Sends a request and reads the answer. The connection stays open if the server leaves it so.
    pub(crate) fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        self.send(&request.bytes())?;
        self.read_answer(request.method == "HEAD")
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads the next answer.
    pub(crate) fn read(&mut self) -> io::Result<Answer> {
        self.read_answer(false)
    }

    pub(crate) fn read_answer(&mut self, without_body: bool) -> io::Result<Answer> {
        let status = loop {
            let line = self.read_line()?;
            let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status: u16 = status.ok_or_else(|| invalid(&format!("status line {line:?}")))?;
            if status >= 200 {
                break status;
            }
            while !self.read_line()?.is_empty() {}
        };
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(&format!("header line {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if !without_body && status != 204 && status != 304 {
            answer.body = self.read_body(&answer)?;
        }
        Ok(answer)
    }

    fn read_body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.read_line()?;
                let size = usize::from_str_radix(line.split(';').next().unwrap_or(""), 16);
                let size = size.map_err(|_| invalid(&format!("chunk size {line:?}")))?;
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..])?;
                self.read_line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        } else if let Some(length) = answer.header("content-length") {
            body.resize(length.parse().map_err(|_| invalid(&format!("Content-Length {length:?}")))?, 0);
            self.stream.read_exact(&mut body)?;
        } else {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    /// A line without its end.
    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line.into_iter().map(char::from).collect())
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what}"))
}

/// Asks on a connection of its own.
pub(crate) fn ask(port: u16, request: &Request) -> io::Result<Answer> {
    Connection::open(port)?.ask(&request.clone().header("Connection: close"))
}
