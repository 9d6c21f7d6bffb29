//! Does a server speak TLS 1.0 or 1.1? rustls does not, so this sends a ClientHello of these versions (RFC 4346,
//! 7.4.1.2) and reads the first record of the answer. Nothing more is exchanged.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A version that only an old server offers.
#[derive(Clone, Copy)]
pub(super) enum Old {
    Tls10,
    Tls11,
}

impl Old {
    pub(super) const ALL: [Old; 2] = [Old::Tls10, Old::Tls11];

    pub(super) fn name(self) -> &'static str {
        match self {
            Old::Tls10 => "1.0",
            Old::Tls11 => "1.1",
        }
    }

    fn bytes(self) -> [u8; 2] {
        match self {
            Old::Tls10 => [3, 1],
            Old::Tls11 => [3, 2],
        }
    }
}

/// Cipher suites used with these versions: ECDHE, DHE and RSA with AES or 3DES.
const CIPHER_SUITES: [u16; 12] =
    [0xc009, 0xc00a, 0xc013, 0xc014, 0x0033, 0x0039, 0x002f, 0x0035, 0xc008, 0xc012, 0x0016, 0x000a];

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// True if the server answers with a ServerHello of exactly this version. An alert or a closed connection means no; the
/// lack of any answer is an error.
pub(super) fn is_spoken(address: SocketAddr, host: &str, version: Old, timeout: Duration) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&client_hello(host, version))?;
    // Type, version and length of the record; type and length of the message; its version.
    let mut answer = [0; 11];
    match stream.read_exact(&mut answer) {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    Ok(answer[0] == HANDSHAKE && answer[5] == SERVER_HELLO && answer[9..11] == version.bytes())
}

fn client_hello(host: &str, version: Old) -> Vec<u8> {
    let mut body = version.bytes().to_vec();
    // Not a secret: no key is ever derived from it.
    body.extend_from_slice(b"esauth asks which TLS is spoken.");
    body.push(0); // no session
    body.extend(with_length(&CIPHER_SUITES.map(u16::to_be_bytes).concat()));
    body.extend_from_slice(&[1, 0]); // no compression
    body.extend(with_length(&extensions(host)));
    let mut message = vec![CLIENT_HELLO, 0];
    message.extend(with_length(&body));
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend(with_length(&message));
    record
}

fn extensions(host: &str) -> Vec<u8> {
    let mut extensions = Vec::new();
    let mut add = |kind: u16, content: &[u8]| {
        extensions.extend_from_slice(&kind.to_be_bytes());
        extensions.extend(with_length(content));
    };
    if host.parse::<std::net::IpAddr>().is_err() {
        // server_name (RFC 6066): a list with one host name.
        let name = [&[0][..], &with_length(host.as_bytes())].concat();
        add(0, &with_length(&name));
    }
    // supported_groups and ec_point_formats (RFC 8422): P-256, P-384, P-521, X25519; uncompressed.
    add(10, &with_length(&[0, 23, 0, 24, 0, 25, 0, 29]));
    add(11, &[1, 0]);
    extensions
}

/// Preceded by its length in two bytes. Nothing here is longer than a host name and some bytes.
fn with_length(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u16).to_be_bytes()[..], content].concat()
}
