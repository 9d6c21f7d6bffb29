//! Just enough of HTTP/1.1 to send any request line there is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub(crate) struct Client {
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

pub(crate) struct Sent<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a [u8],
    pub(crate) user: Option<&'a str>,
    pub(crate) headers: &'a [(&'a str, String)],
    pub(crate) body: Option<&'a [u8]>,
}

impl Client {
    pub(crate) fn new(address: &str) -> Client {
        Client { address: address.into(), connection: None }
    }

    /// The answer; a connection that was closed meanwhile is opened anew.
    pub(crate) fn send(&mut self, request: &Sent<'_>) -> Answer {
        for _ in 0..3 {
            match self.attempt(request) {
                Ok(answer) => return answer,
                Err(_) => self.connection = None,
            }
        }
        Answer { status: 0, body: String::new() }
    }

    fn attempt(&mut self, request: &Sent<'_>) -> std::io::Result<Answer> {
        if self.connection.is_none() {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(40)))?;
            stream.set_nodelay(true)?;
            self.connection = Some(BufReader::new(stream));
        }
        let connection = self.connection.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
        let mut head = Vec::new();
        head.extend_from_slice(request.method.as_bytes());
        head.push(b' ');
        head.extend_from_slice(request.target);
        // "root:secret".
        head.extend_from_slice(b" HTTP/1.1\r\nHost: oracle\r\nAuthorization: Basic cm9vdDpzZWNyZXQ=\r\n");
        if let Some(user) = request.user {
            head.extend_from_slice(format!("es-security-runas-user: {user}\r\n").as_bytes());
        }
        for (name, value) in request.headers {
            head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let body = request.body.unwrap_or_default();
        if request.body.is_some() {
            head.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(body);
        connection.get_mut().write_all(&head)?;
        read_answer(connection, request.method == "HEAD")
    }
}

fn read_answer(connection: &mut BufReader<TcpStream>, is_head: bool) -> std::io::Result<Answer> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
    let (mut length, mut is_chunked) = (0, false);
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        let header = line.trim().to_ascii_lowercase();
        match header.split_once(':') {
            None => break,
            Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0),
            Some(("transfer-encoding", value)) => is_chunked = value.contains("chunked"),
            Some(_) => {}
        }
    }
    let mut body = Vec::new();
    if is_head {
        return Ok(Answer { status, body: String::new() });
    }
    loop {
        if is_chunked {
            line.clear();
            connection.read_line(&mut line)?;
            length = usize::from_str_radix(line.trim(), 16).map_err(|_| std::io::ErrorKind::InvalidData)?;
        }
        let start = body.len();
        body.resize(start + length, 0);
        connection.read_exact(&mut body[start..])?;
        if is_chunked {
            line.clear();
            connection.read_line(&mut line)?;
        }
        if !is_chunked || length == 0 {
            break;
        }
    }
    Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
}
