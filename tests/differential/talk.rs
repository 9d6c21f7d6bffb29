//! Sends the requests of a talk to one server, and collects the answers.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::model::{Ask, Header, How, Talk};
use crate::harness::client::{self, Answer, Connection, Request};
use crate::harness::digest;
use crate::harness::scratch::Scratch;

/// One server, as reached by a configuration's requests.
pub(crate) struct Target<'a> {
    pub(crate) name: &'a str,
    pub(crate) port: u16,
    pub(crate) backend: u16,
}

/// An answer, or the reason why there is none.
pub(crate) type Answered = Result<Answer, &'static str>;

/// Whether a connection ends or is reset depends on the bytes still in transit.
fn closed(_: std::io::Error) -> &'static str {
    "closed"
}

impl Target<'_> {
    /// The answers to the talk's requests, in their order.
    pub(crate) fn hold(&self, talk: &Talk) -> Vec<Answered> {
        match talk.how {
            How::KeptAlive => self.one_by_one(&talk.asks),
            How::Pipelined => self.all_at_once(&talk.asks),
            How::Http2 => self.by_curl(&talk.asks),
        }
    }

    /// Over one connection as long as the server keeps it open.
    fn one_by_one(&self, asks: &[Ask]) -> Vec<Answered> {
        let mut open = None;
        let ask = |ask: &Ask| {
            let bytes = self.bytes(ask);
            let mut connection = match open.take() {
                Some(connection) => connection,
                None => Connection::open(self.port).map_err(closed)?,
            };
            connection.send(&bytes).map_err(closed)?;
            let answer = connection.read_answer(ask.method == "HEAD").map_err(closed)?;
            let said = answer.all("connection").join(",");
            let closes = said.split(',').any(|word| word.trim().eq_ignore_ascii_case("close"));
            open = (!closes && ask.version == "HTTP/1.1").then_some(connection);
            Ok(answer)
        };
        asks.iter().map(ask).collect()
    }

    /// All on one connection; requests left unanswered when the server closes it go to another one.
    fn all_at_once(&self, asks: &[Ask]) -> Vec<Answered> {
        let mut answers = Vec::new();
        while answers.len() < asks.len() {
            let left = &asks[answers.len()..];
            let before = answers.len();
            let bytes: Vec<u8> = left.iter().flat_map(|ask| self.bytes(ask)).collect();
            let opened = Connection::open(self.port);
            if let Ok(mut connection) = opened.and_then(|mut opened| opened.send(&bytes).map(|()| opened)) {
                let read = |ask: &Ask| connection.read_answer(ask.method == "HEAD").ok();
                answers.extend(left.iter().map_while(read).map(Ok));
            }
            if answers.len() == before {
                answers.push(Err("closed"));
            }
        }
        answers
    }

    fn fill_in(&self, text: &str) -> String {
        text.replace("@BACKEND@", &self.backend.to_string()).replace("@NAME@", self.name)
    }

    /// The X-Case header comes first, so that it is in the log whatever the others are.
    fn bytes(&self, ask: &Ask) -> Vec<u8> {
        let target = self.fill_in(&ask.target);
        let mut bytes = format!("{} {target} {}\r\n", ask.method, ask.version).into_bytes();
        bytes.extend_from_slice(format!("X-Case: {}\r\nHost: {}.test\r\n", self.tag(ask), self.name).as_bytes());
        for header in &ask.headers {
            match header {
                Header::Line(line) => bytes.extend_from_slice(line),
                Header::Digest { user, password } => {
                    bytes.extend_from_slice(self.digest(ask, &target, user, password).as_bytes());
                }
            }
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(ask.body.as_bytes());
        bytes
    }

    pub(crate) fn tag(&self, ask: &Ask) -> String {
        tag(self.name, ask.number)
    }

    /// The nonce comes from a separate request, which leaves nothing in the compared logs.
    fn digest(&self, ask: &Ask, target: &str, user: &str, password: &str) -> String {
        let probe = Request::get(target).header(format!("Host: {}.test", self.name));
        let challenge = client::ask(self.port, &probe).ok();
        let challenge = challenge.as_ref().and_then(|answer| answer.header("www-authenticate")).unwrap_or("");
        let request = Request::new(ask.method, target);
        digest::authorization(&request, challenge, user, password)
            .unwrap_or_else(|| format!("Authorization: Digest username=\"{user}\""))
    }

    /// One curl, one request after the other. Each has its own connection, by its own host name: some versions of curl
    /// send nothing on a connection that is known to be HTTP/2 without an upgrade.
    fn by_curl(&self, asks: &[Ask]) -> Vec<Answered> {
        let folder = Scratch::new();
        let output = |place: usize| folder.path().join(place.to_string());
        let transfer = |(place, ask): (usize, &Ask)| {
            let mut options = vec![
                "http2-prior-knowledge\ngloboff\npath-as-is\nsilent\ninclude\nmax-time = 30".to_owned(),
                format!("url = {}", quoted(&format!("http://h{place}.test:{}{}", self.port, ask.target))),
                "connect-to = \"::127.0.0.1:\"".to_owned(),
                format!("output = {}", quoted(&output(place).display().to_string())),
                format!("request = {}", quoted(ask.method)),
            ];
            let own = [format!("X-Case: {}", self.tag(ask)), format!("Host: {}.test", self.name)];
            let not_curls = ["User-Agent:", "Accept:"].map(str::to_owned);
            options.extend(own.iter().chain(&not_curls).map(|header| format!("header = {}", quoted(header))));
            for header in &ask.headers {
                if let Header::Line(line) = header {
                    let line = String::from_utf8_lossy(line);
                    // This is how curl takes an empty header.
                    let line = line.strip_suffix(':').map_or(line.to_string(), |name| format!("{name};"));
                    options.push(format!("header = {}", quoted(&line)));
                }
            }
            options.join("\n") + "\n"
        };
        let text = asks.iter().enumerate().map(transfer).collect::<Vec<_>>().join("next\n");
        let curl = Command::new("curl").args(["--disable", "-K", "-"]).stdin(Stdio::piped()).spawn();
        let mut curl = curl.unwrap_or_else(|error| panic!("cannot run curl: {error}"));
        curl.stdin.take().expect("a pipe").write_all(text.as_bytes()).unwrap();
        curl.wait().unwrap();
        (0..asks.len()).map(|place| http2_answer(&fs::read(output(place)).unwrap_or_default())).collect()
    }
}

/// True if curl supports HTTP/2.
pub(crate) fn curl_speaks_http2() -> bool {
    static SPEAKS: OnceLock<bool> = OnceLock::new();
    *SPEAKS.get_or_init(|| {
        let output = Command::new("curl").arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("HTTP2"))
    })
}

/// The tag of a request's lines in the logs.
pub(crate) fn tag(name: &str, number: usize) -> String {
    format!("{name}/{number}")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Parses the output of `curl --include`.
fn http2_answer(written: &[u8]) -> Answered {
    let end = written.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no answer over HTTP/2")?;
    let head: String = written[..end].iter().copied().map(char::from).collect();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/2 ")?.trim().parse().ok());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Ok(Answer { status: status.ok_or("not HTTP/2")?, headers, body: written[end + 4..].to_vec() })
}
