//! Runs the whole table against one server.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{ffi::CString, fs, thread};

use super::case::{Ask, Case, Oddity};
use super::variant::Variant;
use crate::harness::backend::Backend;
use crate::harness::client::{self, Answer, Request};
use crate::harness::digest;
use crate::harness::httpd::{Httpd, Setup, Site};
use crate::harness::installation::{Generation, Installation, group_name};
use crate::harness::log::{self, Line};
use crate::harness::md5;
use crate::harness::scratch::Scratch;

/// The files of all cases, shared by all servers: none of them writes.
pub(crate) struct Files {
    folder: Scratch,
    group: String,
}

impl Files {
    pub(crate) fn write(table: &[Case]) -> Self {
        let folder = Scratch::new();
        let probe = folder.write("probe", "").metadata().unwrap();
        let group = group_name(probe.gid()).expect("the group that owns new files has a name");
        let files = Files { folder, group };
        for case in table {
            files.write_case(case);
        }
        files
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn case_folder(&self, case: &Case) -> String {
        format!("{}/{}", self.folder.path().display(), case.name)
    }

    fn write_case(&self, case: &Case) {
        let place = |name: &str| format!("{}/{name}", case.name);
        self.folder.write(&place("htdocs/index.html"), "index\n");
        self.folder.write(&place("htdocs/file.txt"), "file\n");
        for (name, content) in &case.files {
            // Text may refer to its own path; other bytes stay unchanged.
            match std::str::from_utf8(content) {
                Ok(text) => self.folder.write(&place(name), self.fill_in(case, text)),
                Err(_) => self.folder.write(&place(name), content),
            };
        }
        for (name, oddity) in &case.oddities {
            make_odd(&self.folder.path().join(place(name)), *oddity);
        }
    }

    fn fill_in(&self, case: &Case, text: &str) -> String {
        if !text.contains('@') {
            return text.to_owned();
        }
        let mut text = text.replace("@DIR@", &self.case_folder(case)).replace("@GROUP@", &self.group);
        while let Some(start) = text.find("@HA1:") {
            let end = start + 5 + text[start + 5..].find('@').expect("@HA1:user:realm:password@");
            let digest = md5::hex(&text.as_bytes()[start + 5..end]);
            text.replace_range(start..=end, &digest);
        }
        text
    }
}

fn make_odd(path: &Path, oddity: Oddity) {
    match oddity {
        Oddity::Folder => fs::create_dir(path).unwrap(),
        Oddity::Fifo => {
            let path = CString::new(path.to_str().unwrap()).unwrap();
            // SAFETY: a C string.
            assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o644) }, 0, "cannot make a FIFO");
        }
        Oddity::Unreadable => fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap(),
        Oddity::DanglingLink => symlink("nothing", path).unwrap(),
        Oddity::Link => symlink("target", path).unwrap(),
        Oddity::Dbm => {
            for (flags, user) in [("-cbs", "alice"), ("-bs", "dana")] {
                let mut htdbm = Command::new(Installation::get().program("htdbm"));
                let output = htdbm.arg(flags).arg(path).args([user, "dbmsecret"]).output();
                let output = output.unwrap_or_else(|error| panic!("cannot run htdbm: {error}"));
                assert!(output.status.success(), "htdbm: {}", String::from_utf8_lossy(&output.stderr));
            }
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        }
    }
}

/// The result of one request, as far as two servers must agree on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) status: u16,
    pub(crate) challenges: Vec<String>,
    /// REMOTE_USER and AUTH_TYPE as the server sees them when it answers.
    pub(crate) user: Option<String>,
    pub(crate) auth_type: Option<String>,
    pub(crate) body: String,
    /// Status and user in the access log, of the first request and the one that an internal redirect led to.
    pub(crate) accessed: Vec<String>,
    pub(crate) logged: Vec<String>,
}

/// By the tag of the request: the case's name and the number of the request in it.
pub(crate) type Observations = HashMap<String, Observed>;

pub(crate) fn tag(case: &Case, number: usize) -> String {
    format!("{}/{number}", case.name)
}

/// Starts a server of this variant, sends all requests of the table, and reads its logs when it has ended.
pub(crate) fn run(variant: &Variant, table: &[Case], files: &Files, backend: &Backend) -> Observations {
    let own: Vec<&Case> = table.iter().filter(|case| case.own_port).collect();
    let configuration = |site: &Site<'_>| configuration(variant, table, files, backend, site);
    let setup = Setup { mpm: variant.mpm, load: variant.load(), ports: 1 + own.len(), configuration: &configuration };
    let mut server = Httpd::start(&setup);
    let port = |case: &Case| {
        own.iter().position(|other| other.name == case.name).map_or(server.port(), |at| server.ports()[1 + at])
    };

    let observations = Mutex::new(Observations::new());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = table.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let port = port(case);
                    for (number, ask) in case.asks.iter().enumerate() {
                        if !variant.is_ours()
                            && ask.answers().ours.as_ref().is_some_and(|difference| difference.only_ours)
                        {
                            continue;
                        }
                        let tag = tag(case, number);
                        let observed = observed(&send(&tag, case, ask, port, backend), port);
                        observations.lock().unwrap().insert(tag, observed);
                    }
                }
            });
        }
    });

    let mut observations = observations.into_inner().unwrap();
    wait_for_the_access_log(&server, &observations);
    let ended = server.stop();
    assert!(ended.success(), "{}: httpd ended with {ended}", variant.name);
    read_logs(&server, files, &mut observations);
    observations
}

fn configuration(variant: &Variant, table: &[Case], files: &Files, backend: &Backend, site: &Site<'_>) -> String {
    let folder = site.folder.display();
    let mut text = variant.log_level();
    let _ = write!(
        text,
        "{}LogFormat \"%{{X-Case}}i|%<s %<u %>s %>u\" parity\nCustomLog {folder}/access.log parity\n\
         TypesConfig /dev/null\nAddType text/plain .txt\nDirectoryIndex index.html\n\
         <Directory />\nAllowOverride None\n</Directory>\n",
        log::format()
    );
    text.push_str(&match Installation::get().generation {
        Generation::V24 => {
            "Header always set X-Seen-User \"expr=%{REMOTE_USER}\" \"expr=! %{REMOTE_USER} =~ /[[:cntrl:]]/\"\n\
             Header always set X-Seen-Type \"expr=%{AUTH_TYPE}\"\nAuthnCacheEnable\n"
                .to_owned()
        }
        // Its headers accept no expressions, and an address has only one virtual host unless configured otherwise.
        Generation::V22 => format!("NameVirtualHost 127.0.0.1:{}\n", site.ports[0]),
    });
    let mut own_ports = site.ports[1..].iter();
    for case in table {
        let port = if case.own_port { own_ports.next().unwrap() } else { &site.ports[0] };
        let fill_in = |text: &str| {
            files
                .fill_in(case, text)
                .replace("@BACKEND@", &backend.port().to_string())
                .replace("@PORT@", &port.to_string())
        };
        let _ = write!(
            text,
            "{}<VirtualHost 127.0.0.1:{port}>\nServerName {}.test\nDocumentRoot {}/htdocs\n{}\n</VirtualHost>\n",
            fill_in(&case.global),
            case.name,
            files.case_folder(case),
            fill_in(&case.conf),
        );
    }
    text
}

fn send(tag: &str, case: &Case, ask: &Ask, port: u16, backend: &Backend) -> Answer {
    let mut request =
        Request::new(&ask.request.method, &ask.request.target.replace("@BACKEND@", &backend.port().to_string()));
    request = request.header(format!("Host: {}.test", case.name)).header(format!("X-Case: {tag}"));
    if Installation::get().is_22() {
        request = request.header(log::tag(tag));
    }
    for header in &ask.request.headers {
        request = match header.strip_prefix(b"@DIGEST:") {
            Some(credentials) => {
                let credentials = String::from_utf8_lossy(credentials);
                let mut fields = credentials.trim_end_matches('@').split(':');
                let (user, password) = (fields.next().unwrap(), fields.next().unwrap());
                // The nonce comes from a separate request, which leaves nothing in the compared logs.
                let probe = Request::get(&ask.request.target).header(format!("Host: {}.test", case.name));
                let probe = client::ask(port, &probe).unwrap();
                let mut challenge = probe.header("www-authenticate").unwrap_or("").to_owned();
                if let Some(realm) = fields.next() {
                    challenge = challenge.replace("realm=\"Elasticsearch server\"", &format!("realm=\"{realm}\""));
                }
                let header = digest::authorization(&ask.request, &challenge, user, password);
                request.header(header.unwrap_or_else(|| panic!("{tag}: no Digest challenge: {challenge:?}")))
            }
            None => request.header(header),
        };
    }
    client::ask(port, &request).unwrap_or_else(|error| panic!("{tag}: {error}"))
}

fn observed(answer: &Answer, port: u16) -> Observed {
    let challenges = answer.headers.iter().filter(|(name, _)| name.ends_with("-authenticate"));
    let of = |name| answer.header(name).map(str::to_owned);
    Observed {
        status: answer.status,
        challenges: challenges.map(|(name, value)| format!("{name}: {}", without_nonce(value))).collect(),
        user: of("x-seen-user"),
        auth_type: of("x-seen-type"),
        // Two servers listen on different ports.
        body: String::from_utf8_lossy(&answer.body).replace(&port.to_string(), "PORT"),
        ..Observed::default()
    }
}

/// A Digest challenge has a nonce that is different every time.
fn without_nonce(challenge: &str) -> String {
    match challenge.split_once("nonce=\"") {
        Some((before, after)) => format!("{before}nonce=…{}", after.split_once('"').map_or("", |(_, rest)| rest)),
        None => challenge.to_owned(),
    }
}

/// A child logs a request after it has answered; one of 2.2's prefork may end in between.
fn wait_for_the_access_log(server: &Httpd, observations: &Observations) {
    let path = server.folder().join("access.log");
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        let log = fs::read(&path).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let logged: HashSet<&str> = log.lines().filter_map(|line| Some(line.split_once('|')?.0)).collect();
        if observations.keys().all(|tag| logged.contains(tag.as_str())) {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn read_logs(server: &Httpd, files: &Files, observations: &mut Observations) {
    let accessed = fs::read(server.folder().join("access.log")).unwrap();
    for line in String::from_utf8_lossy(&accessed).lines() {
        if let Some((tag, rest)) = line.split_once('|') {
            if let Some(observed) = observations.get_mut(tag) {
                observed.accessed.push(rest.to_owned());
            }
        }
    }
    let server_folder = server.folder().display().to_string();
    for line in log::parse(&server.error_log()) {
        // Our lines without a number have no counterpart, except those that httpd logs in the module's name.
        let by_httpd = line.text.starts_with(EXPRESSION_FAILED);
        if line.module == "rust_esauth" && line.number().is_none() && !by_httpd {
            continue;
        }
        let tag = if line.tag == "-" { first_request_of(&line, files) } else { Some(line.tag.clone()) };
        if let Some(observed) = tag.and_then(|tag| observations.get_mut(&tag)) {
            let text = without_line_number(without_fake_credentials(&line.text)).replace(&server_folder, "SERVER");
            observed.logged.push(format!("[{}] {} {text}", line.level, line.status));
        }
    }
}

const EXPRESSION_FAILED: &str = "Evaluation of expression from ";

/// Different modules take a different number of lines to load.
fn without_line_number(text: &str) -> String {
    match text.strip_prefix(EXPRESSION_FAILED).and_then(|rest| rest.split_once(':')) {
        Some((file, rest)) => {
            format!("{EXPRESSION_FAILED}{file}:LINE{}", rest.trim_start_matches(|byte: char| byte.is_ascii_digit()))
        }
        None => text.to_owned(),
    }
}

/// mod_auth_basic logs the credentials that it made up for the back end; ours does not, on purpose.
fn without_fake_credentials(text: &str) -> &str {
    match text.strip_prefix("AH02457: AuthBasicFake: \"Authorization: Basic ") {
        Some(_) => "AH02457: AuthBasicFake: \"Authorization: Basic …",
        None => text,
    }
}

/// A line outside of any request belongs to the case whose folder it names.
fn first_request_of(line: &Line, files: &Files) -> Option<String> {
    let folder = format!("{}/", files.folder().display());
    let (_, rest) = line.text.split_once(&folder)?;
    Some(format!("{}/0", rest.split('/').next()?))
}
