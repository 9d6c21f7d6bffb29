//! Requests: methods, targets, every form of the header, and their order.

use super::files::{self, USERS};
use super::model::{Ask, Header, How, Talk};
use super::random::Random;
use crate::harness::base64::encode;
use crate::harness::client::credentials;

/// Number of requests for a configuration.
const ASKS: usize = 60;

pub(crate) fn talks(random: &mut Random, forward: bool, http2: bool) -> Vec<Talk> {
    let mut talks = Vec::new();
    let mut number = 0;
    // Without HTTP/2, no talk uses it, but everything else stays the same.
    let edits = random.chance(20);
    while number < ASKS {
        let (how, most) =
            random.weighted(&[(60, (How::KeptAlive, 8)), (25, (How::Pipelined, 6)), (10, (How::Http2, 6))]);
        let edit = (edits && !talks.is_empty() && random.chance(25)).then(|| files::edit(random));
        let count = random.between(1, most.min(ASKS - number));
        let mut asks: Vec<Ask> = (number..number + count).map(|number| ask(random, number, forward)).collect();
        number += count;
        let fits = asks.iter().all(fits_http2);
        let how = if how == How::Http2 && !(http2 && fits && !forward) { How::KeptAlive } else { how };
        if how == How::Http2 {
            asks.iter_mut().for_each(|ask| ask.version = "HTTP/2");
        }
        talks.push(Talk { how, edit, asks });
    }
    talks
}

/// Whether HTTP/2 can express it, and its client leaves it unchanged.
fn fits_http2(ask: &Ask) -> bool {
    let plain = |header: &Header| match header {
        Header::Line(line) => line.iter().all(|byte| (b' '..0x7f).contains(byte)) && !line.starts_with(b"Connection"),
        Header::Digest { .. } => false,
    };
    ask.version == "HTTP/1.1"
        && ask.target.starts_with('/')
        && !ask.target.contains("..")
        && ask.target.len() < 1000
        && ask.method != "TRACE"
        // If a filter makes the body, mod_http2 answers or resets the stream at random, with any modules.
        && ask.method != "HEAD"
        // Whether curl has sent a body when the answer comes is random.
        && ask.body.is_empty()
        && ask.headers.iter().all(plain)
}

fn ask(random: &mut Random, number: usize, forward: bool) -> Ask {
    let method = random.weighted(&[
        (70, "GET"),
        (6, "HEAD"),
        (8, "OPTIONS"),
        (5, "POST"),
        (2, "PUT"),
        (2, "DELETE"),
        (1, "TRACE"),
        (1, "PROPFIND"),
        (1, "BREW"),
        (1, "get"),
    ]);
    let mut target = random.weighted(TARGETS).to_owned();
    if forward && random.chance(80) {
        target = format!("http://127.0.0.1:@BACKEND@{target}");
    } else if random.chance(2) {
        target = format!("http://@NAME@.test{target}");
    } else if method == "OPTIONS" && random.chance(10) {
        target = "*".to_owned();
    }
    let body =
        if method == "POST" || random.chance(1) { random.pick(&["", "a=1&b=2", "{\"query\":{}}\n"]) } else { "" };
    let mut headers = Vec::new();
    let name = if forward && random.chance(80) { "Proxy-Authorization" } else { "Authorization" };
    headers.extend(authorization(random, name));
    if random.chance(if forward { 10 } else { 2 }) {
        headers.extend(authorization(random, "Authorization"));
    }
    for (percent, lines) in OTHER_HEADERS {
        if random.chance(*percent) {
            headers.push(Header::Line(random.pick(lines).as_bytes().to_vec()));
        }
    }
    if !body.is_empty() {
        headers.push(Header::Line(format!("Content-Length: {}", body.len()).into_bytes()));
    }
    let version = if random.chance(3) { "HTTP/1.0" } else { "HTTP/1.1" };
    Ask { number, method, target, version, headers, body }
}

const TARGETS: &[(usize, &str)] = &[
    (30, "/file.txt"),
    (30, "/in/file.txt"),
    (8, "/in/deep/file.txt"),
    (10, "/"),
    (6, "/in/"),
    (3, "/in"),
    (10, "/page.shtml"),
    (8, "/p/_cluster/health"),
    (3, "/p/in/x?y=z"),
    (5, "/list/"),
    (2, "/list"),
    (3, "/list/c.shtml"),
    (5, "/old"),
    (3, "/file"),
    (4, "/nowhere"),
    (2, "/open/file.txt"),
    (2, "/file.txt?secret=1"),
    (1, "/file.txt/more"),
    (1, "//in/file.txt"),
    (1, "/in/../file.txt"),
    (1, "/in/%2e%2e/file.txt"),
    (1, "/%69n/file.txt"),
    (1, "/file%2Etxt"),
    (1, "/in%2Ffile.txt"),
    (1, "/IN/file.txt"),
    (1, "/a%20%22b%0a"),
    (1, "/.htaccess"),
    (1, "/../file.txt"),
    (1, "/file.txt%00"),
];

const OTHER_HEADERS: &[(usize, &[&str])] = &[
    (12, &["X-Guard: yes", "X-Guard:"]),
    (
        15,
        &[
            "X-Group: staff",
            "X-Group: admins staff",
            "X-Group: \"the team\"",
            "X-Group: nobody",
            "X-Group: banned 'staff",
            "X-Group:",
        ],
    ),
    (10, &["X-Key: open", "X-Key: shut"]),
    (8, &["X-Type: Basic", "X-Type: Other"]),
    (3, &["Connection: close"]),
    // No Range: httpd's answer depends on how a back end's answer arrives.
    (3, &["If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT", "If-None-Match: *"]),
    (2, &["Accept: text/html", "X-Forwarded-User: root", "Cookie: a=b"]),
];

/// The header or headers with the credentials; often none.
fn authorization(random: &mut Random, name: &str) -> Vec<Header> {
    let one = |line: Vec<u8>| vec![Header::Line(line)];
    match random.below(100) {
        0..18 => Vec::new(),
        18..76 => one(format!("{name}: Basic {}", known(random)).into_bytes()),
        76..88 => {
            let (user, password) = random.pick(UNKNOWN);
            one(format!("{name}: Basic {}", credentials(user, password)).into_bytes())
        }
        88..96 => one(odd_header(random, name)),
        96..98 if name == "Authorization" => {
            let (user, password) =
                random.pick(&[("alice", "secret"), ("alice", "wrong"), ("erin", "secret"), ("mallory", "x")]);
            vec![Header::Digest { user, password }]
        }
        _ => {
            let mut both = one(format!("{name}: Basic {}", known(random)).into_bytes());
            both.push(Header::Line(odd_header(random, name)));
            if random.chance(50) {
                both.swap(0, 1);
            }
            both
        }
    }
}

/// Credentials of a user that may be in the files, mostly the right ones.
fn known(random: &mut Random) -> String {
    let (user, password) = if random.chance(60) { random.pick(&USERS[..3]) } else { random.pick(USERS) };
    let password =
        if random.chance(80) { password } else { random.pick(&["wrong", "", "Secret", "secret:", "other", "secret"]) };
    credentials(user, password)
}

const UNKNOWN: &[(&str, &str)] = &[
    ("mallory", "x"),
    ("dana", "dbmsecret"),
    ("alice", "dbmsecret"),
    ("guest", "a@b.c"),
    ("ALICE", "secret"),
    (" alice", "secret"),
    ("ce", "secret"),
    ("# alice", "secret"),
    ("long", "x"),
    ("root", ""),
    ("a\nb\u{1b}[1m", "x"),
    ("mal\"lory \\ \u{e4}", "x"),
];

/// `NAME: …` in every unusual form.
fn odd_header(random: &mut Random, name: &str) -> Vec<u8> {
    let alice = credentials("alice", "secret");
    if random.chance(20) {
        // The usual form with one byte changed.
        let mut line = format!("{name}: Basic {alice}").into_bytes();
        let place = random.between(name.len(), line.len() - 1);
        line[place] = random.pick(b"\t !\"#%,-:=@_aZ09\x7f\x01\xff\0");
        return line;
    }
    let text = match random.below(30) {
        0 => format!("{}: Basic {alice}", name.to_lowercase()),
        1 => format!("{}: Basic {alice}", name.to_uppercase()),
        2 => format!("{name}: basic {alice}"),
        3 => format!("{name}: BASIC  \t {alice}"),
        4 => format!("{name}:Basic {alice}"),
        5 => format!("{name}: Basic\t{alice}"),
        6 => format!("{name}: Basic {alice} \t"),
        7 => format!("{name}: Basic\r\n {alice}"),
        8 => format!("{name}: Basic"),
        9 => format!("{name}: Basic "),
        10 => format!("{name}:"),
        11 => format!("{name}: Bearer abcdef"),
        12 => format!("{name}: Negotiate TlRMTVNTUAAB"),
        13 => format!("{name}: Basics {alice}"),
        14 => format!("{name}: {alice}"),
        15 => format!("{name}: Basic, {alice}"),
        16 => format!("{name}: Basic {}", alice.trim_end_matches('=')),
        17 => format!("{name}: Basic {alice}====="),
        18 => format!("{name}: Basic {alice} and more"),
        19 => format!("{name}: Basic !{alice}"),
        20 => format!("{name}: Basic {}!{}", &alice[..5], &alice[5..]),
        21 => format!("{name}: Basic {}", &alice[..random.below(alice.len())]),
        22 => format!("{name}: Basic {}", encode(b"alice")),
        23 => format!("{name}: Basic {}", encode(b":")),
        24 => format!("{name}: Basic {}", encode(b"alice\0:secret")),
        25 => format!("{name}: Basic {}", encode(b"alice:secret\0more")),
        26 => format!("{name}: Basic {}", credentials("alice", "x".repeat(random.pick(&[100, 600, 5000])))),
        27 => format!("{name}: Basic {}", credentials("n".repeat(random.pick(&[300, 5000])), "secret")),
        28 => return [format!("{name}: Basic {}", &alice[..8]).as_bytes(), b"\xff", &alice.as_bytes()[8..]].concat(),
        _ => format!("{name}: Basic {}", "A".repeat(random.pick(&[4000, 8100, 9000]))),
    };
    text.into_bytes()
}
