//! nginx's own auth_basic and this module beside it, in one nginx.

use crate::harness::client::{Answer, Connection, Request};
use crate::server::{FAST, Nginx, Setup};

/// Two servers with the same `site`, the first with auth_basic, the second with this module. Directives are written as
/// auth_basic's.
pub(crate) struct Pair(pub(crate) Nginx);

const INDEX: &[(&str, &str)] = &[
    ("html/index.html", "index"),
    ("html/page", "page"),
    ("html/in/page", "inner page"),
    ("html/denied.html", "denied"),
    ("html/ssi.shtml", "<!--#include virtual=\"/in/page\" -->"),
    ("groups", "admins: alice\n"),
];

impl Pair {
    pub(crate) fn new(site: &str) -> Pair {
        Pair::with_files(site, &[])
    }

    pub(crate) fn with_files(site: &str, more: &[(&str, &str)]) -> Pair {
        let users = format!("# comment\nalice:{FAST}\nbob:{FAST}\n");
        let others = format!("carol:{FAST}\n");
        let files = [INDEX, &[("users", &users), ("others", &others)], more].concat();
        let ours = site.replace("auth_basic", "esauth");
        let server = |port: &str, site: &str| {
            format!(
                "    server {{\n        listen {port};\n        server_name localhost;\n        root FOLDER/html;\n{site}\n    }}\n"
            )
        };
        let http = server("PORT0", site) + &server("PORT1", &ours);
        Pair(Nginx::start(&Setup { ports: 2, workers: 1, http: &http, files: &files }))
    }

    /// The answer that both give, and what both log at level error and above.
    pub(crate) fn ask(&self, request: &Request) -> (Answer, Vec<String>) {
        let [(stock, stock_log), (ours, our_log)] = [0, 1].map(|server| {
            let before = self.0.log().len();
            let answer = Connection::open(self.0.ports()[server]).and_then(|mut connection| connection.ask(request));
            (answer.expect("nginx answers"), lines(&self.0.log()[before..], self.0.ports()[server]))
        });
        let shown = |answer: &Answer, server: usize| {
            let headers = answer.headers.iter().filter(|(name, _)| name != "date");
            let port = self.0.ports()[server].to_string();
            let headers: Vec<_> = headers.map(|(name, value)| (name.clone(), value.replace(&port, "PORT"))).collect();
            (answer.status, headers, String::from_utf8_lossy(&answer.body).into_owned())
        };
        let request = String::from_utf8_lossy(&request.bytes()).into_owned();
        assert_eq!(shown(&ours, 1), shown(&stock, 0), "{request}");
        // A request that is redirected inside nginx is judged once by each file.
        let (mut our_lines, mut stock_lines) = (our_log.clone(), intended(stock_log));
        our_lines.dedup();
        stock_lines.dedup();
        assert_eq!(our_lines, stock_lines, "{request}");
        (ours, our_log)
    }

    pub(crate) fn status(&self, request: &Request) -> u16 {
        self.ask(request).0.status
    }
}

/// The lines of a log about requests, without those of level info, times, numbers and the server's port.
fn lines(log: &str, port: u16) -> Vec<String> {
    let requests = log.lines().filter(|line| line.contains(", client: ") && !line.contains(" [info] "));
    requests
        .map(|line| {
            let level = line.split_once(" [").map_or("", |(_, rest)| rest.split(']').next().unwrap_or(""));
            let text = line.split_once(": *").and_then(|(_, rest)| rest.split_once(' ')).map_or("", |(_, text)| text);
            format!("{level} {}", text.replace(&port.to_string(), "PORT"))
        })
        .collect()
}

/// What this module logs where auth_basic logs `lines`. The differences are intended.
fn intended(mut lines: Vec<String>) -> Vec<String> {
    for line in &mut lines {
        // Control characters could forge lines.
        *line = line.replace('\0', "\\x00");
        // Folders and devices are refused before they are read.
        if let Some(start) = line.strip_prefix("crit pread()") {
            let start = start.replace(" failed (21: Is a directory)", " failed: not a regular file");
            *line = format!("crit open(){start}");
        }
    }
    lines
}
