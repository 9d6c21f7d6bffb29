//! httpd with roles in front of a back end that keeps what reaches it.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::harness::client::{self, Answer, Connection, Request};
use crate::harness::httpd::{Httpd, Mpm, Setup, Site};
use crate::harness::installation::Installation;

/// `secret`, as `htpasswd -s` stores it.
const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

pub(crate) const ROLES: &str = "\
shop:
  cluster: [ monitor ]
  indices:
    - names: [ 'shopa-*' ]
      privileges: [ read, write, create_index, view_index_metadata ]
reader:
  indices:
    - names: [ 'logs-*' ]
      privileges: [ read ]
root:
  cluster: [ all ]
  indices:
    - names: [ '*' ]
      privileges: [ all ]
";

/// A request as a back end got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Method and target.
    pub(crate) line: String,
    pub(crate) body_bytes: usize,
    pub(crate) is_complete: bool,
}

/// A back end that keeps what it gets and answers each complete request with 200.
pub(crate) struct Recorder {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Recorder {
    pub(crate) fn start() -> Recorder {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap());
                    while let Ok(Some(request)) = receive(&mut lines) {
                        let is_complete = request.is_complete;
                        kept.lock().unwrap().push(request);
                        if !is_complete
                            || (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err()
                        {
                            return;
                        }
                    }
                });
            }
        });
        Recorder { port, received }
    }

    /// What came since the last call.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.take().into_iter().map(|request| request.line).collect()
    }
}

fn receive(lines: &mut BufReader<TcpStream>) -> io::Result<Option<Received>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let low = head.to_ascii_lowercase();
    let length = low.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<u64>().ok());
    let (mut body_bytes, mut is_complete) = (0, true);
    if low.contains("transfer-encoding: chunked") {
        loop {
            let mut size = String::new();
            lines.read_line(&mut size)?;
            let Ok(size) = u64::from_str_radix(size.trim(), 16) else {
                is_complete = false;
                break;
            };
            let read = io::copy(&mut lines.by_ref().take(size), &mut io::sink())?;
            body_bytes += read as usize;
            lines.read_line(&mut String::new())?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = length {
        body_bytes = io::copy(&mut lines.take(length), &mut io::sink())? as usize;
        is_complete = body_bytes as u64 == length;
    }
    let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    Ok(Some(Received { line, body_bytes, is_complete }))
}

fn load() -> String {
    let installation = Installation::get();
    installation.load_core()
        + &installation.load(&["authz_host", "log_config", "proxy", "proxy_http", "rewrite", "slotmem_shm"])
        + &installation.load(&["proxy_balancer", "lbmethod_byrequests", "http2"])
        + &installation.load_ours()
}

/// A server with `configuration`, in which `@FOLDER@` and `@BACKEND@` are replaced.
pub(crate) fn start(backend: &Recorder, configuration: &str) -> Httpd {
    let text = |site: &Site<'_>| {
        let folder = site.folder.display().to_string();
        fs::write(site.folder.join("users"), ["alice", "bob", "admin"].map(|u| format!("{u}:{SECRET}\n")).concat())
            .unwrap();
        fs::write(site.folder.join("groups"), "shop: alice\nreader: bob\nroot: admin\n").unwrap();
        fs::write(site.folder.join("roles.yml"), ROLES).unwrap();
        format!(
            "DocumentRoot {folder}\nProtocols h2c http/1.1\nLogFormat \"%u|%>s|%{{esauth-action}}n|%{{esauth-indices}}n\" audit\n\
             CustomLog {folder}/audit audit\n<Location /metrics>\nSetHandler rust-esauth-metrics\n</Location>\n{}",
            configuration.replace("@FOLDER@", &folder).replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port))
        )
    };
    Httpd::start(&Setup { mpm: Mpm::usual(), load: load(), ports: 1, configuration: &text })
}

pub(crate) const GUARD: &str = "AuthType Basic\nAuthName realm\nAuthUserFile @FOLDER@/users\nAuthGroupFile @FOLDER@/groups\n\
                     EsAuthRoles @FOLDER@/roles.yml\n<LimitExcept OPTIONS>\nRequire valid-user\n</LimitExcept>\n";

/// Everything but the metrics is passed on, with the roles enforced and these lines in the section.
pub(crate) fn usual(backend: &Recorder, lines: &str) -> Httpd {
    start(
        backend,
        &format!(
            "ProxyPass /metrics !\nProxyPass / http://@BACKEND@/\n<LocationMatch \"^/(?!metrics)\">\n{GUARD}{lines}\n</LocationMatch>\n"
        ),
    )
}

pub(crate) fn request(user: &str, line: &str) -> Request {
    let (method, target) = line.split_once(' ').unwrap();
    Request::new(method, target).header("Host: localhost").basic(user, "secret")
}

pub(crate) fn ask(server: &Httpd, user: &str, line: &str) -> Answer {
    client::ask(server.port(), &request(user, line)).unwrap()
}

pub(crate) fn status(server: &Httpd, user: &str, line: &str) -> u16 {
    ask(server, user, line).status
}

/// Sends a body by its length, or in chunks of 8 KiB.
pub(crate) fn send(server: &Httpd, user: &str, line: &str, content_type: &str, body: &[u8], chunked: bool) -> Answer {
    let framing =
        if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", body.len()) };
    let request = request(user, line).header(format!("Content-Type: {content_type}")).header(framing);
    let mut connection = Connection::open(server.port()).unwrap();
    connection.send(&request.bytes()).unwrap();
    if chunked {
        let pieces =
            body.chunks(8192).map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        let _ = connection.send(&pieces.collect::<Vec<_>>().concat());
        let _ = connection.send(b"0\r\n\r\n");
    } else {
        let _ = connection.send(body);
    }
    connection.read().unwrap()
}

pub(crate) fn skipped() -> bool {
    let is_22 = Installation::get().is_22();
    if is_22 {
        Installation::get().skip_this_test("EsAuthRoles needs httpd 2.4");
    }
    is_22
}
