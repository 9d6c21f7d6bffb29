//! Files: passwords, groups, and served files.

use std::sync::OnceLock;

use super::model::{Edit, File, Role};
use super::random::Random;
use crate::harness::crypt;

/// Users that may be in the files, with their passwords in a usual file.
pub(crate) const USERS: &[(&str, &str)] = &[
    ("alice", "secret"),
    ("bob", "secret"),
    ("carol", "other"),
    ("erin", "secret"),
    ("alice smith", "other"),
    ("Alice", "secret"),
    ("al#ice", "secret"),
    ("B\u{fc}ro", "secret"),
    ("dom\\alice", "other"),
    ("", "secret"),
];

/// The files of a configuration, `.htaccess` apart.
pub(crate) fn of(random: &mut Random) -> Vec<File> {
    let other = |path, text: &str| File { path, role: Role::Other, lines: split(text.as_bytes()) };
    let mut files = vec![
        File { path: "users", role: Role::Passwords, lines: passwords(random, true) },
        File { path: "groups", role: Role::Groups, lines: groups(random) },
        File { path: "others", role: Role::Passwords, lines: passwords(random, false) },
        File { path: "teams", role: Role::Groups, lines: groups(random) },
        File { path: "digests", role: Role::Passwords, lines: split(DIGESTS.as_bytes()) },
        File { path: "folder", role: Role::Folder, lines: Vec::new() },
        File { path: "locked", role: Role::Locked, lines: passwords(random, false) },
    ];
    files.extend(SERVED.iter().map(|(path, text)| other(path, text)));
    files
}

const SERVED: &[(&str, &str)] = &[
    ("htdocs/index.html", "index\n"),
    ("htdocs/file.txt", "file\n"),
    ("htdocs/in/file.txt", "inner\n"),
    ("htdocs/in/deep/file.txt", "deep\n"),
    ("htdocs/list/a.txt", "a\n"),
    ("htdocs/list/in/b.txt", "b\n"),
    ("htdocs/list/c.shtml", "<!--#include virtual=\"/in/file.txt\" -->"),
    (
        "htdocs/page.shtml",
        "<!--#include virtual=\"/file.txt\" -->|<!--#include virtual=\"/in/file.txt\" -->|\
         <!--#echo var=\"REMOTE_USER\" -->|<!--#echo var=\"AUTH_TYPE\" -->|<!--#fsize virtual=\"/in/deep/file.txt\" -->\n",
    ),
];

/// As written by htdigest.
const DIGESTS: &str = "\
alice:Elasticsearch server:@HA1:alice:Elasticsearch server:secret@
bob:elsewhere:@HA1:bob:elsewhere:secret@
carol:Elasticsearch server
erin:elsewhere:00000000000000000000000000000000
erin:Elasticsearch server:@HA1:erin:Elasticsearch server:secret@:more
";

fn split(text: &[u8]) -> Vec<Vec<u8>> {
    text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// New content for one of the files in use.
pub(crate) fn edit(random: &mut Random) -> Edit {
    let file = match random.below(4) {
        0 => File { path: "groups", role: Role::Groups, lines: groups(random) },
        1 => File { path: "others", role: Role::Passwords, lines: passwords(random, false) },
        _ => File { path: "users", role: Role::Passwords, lines: passwords(random, false) },
    };
    Edit { file, by_rename: random.chance(50) }
}

/// Hashes of `secret` and `other`, in every family that is not slow.
fn hash(random: &mut Random, password: &str) -> &'static str {
    static HASHES: OnceLock<[Vec<String>; 2]> = OnceLock::new();
    let hashes = HASHES.get_or_init(|| [all_hashes("secret", &BY_HTPASSWD[0]), all_hashes("other", &BY_HTPASSWD[1])]);
    let hashes = &hashes[usize::from(password == "other")];
    // {SHA} comes first.
    let place = if random.chance(60) { 0 } else { random.below(hashes.len()) };
    &hashes[place]
}

/// htpasswd's hashes of `secret` and of `other`.
const BY_HTPASSWD: [[&str; 3]; 2] = [
    [
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "$apr1$dx.1jzro$sXhYxOYfLGkGIHvJ4YjjJ.",
        "$2y$04$S9Lgi0bkiuxIrLdwCezss.eyLe05qyLcYfBo9fNHpp5cqQ47T0hcy",
    ],
    [
        "{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=",
        "$apr1$ox.IY/9S$sdErjvWeLc93rzKN32mKH1",
        "$2y$04$wdkqCh9FUWMY1yZ279A.8.yne6ax.IRQn8d.T2wPEnGHuGgH1WYke",
    ],
];

fn all_hashes(password: &str, by_htpasswd: &[&str]) -> Vec<String> {
    let mut hashes: Vec<String> = by_htpasswd.iter().map(|&hash| hash.to_owned()).collect();
    for setting in ["$1$saltsalt", "$5$rounds=1000$salt", "$6$rounds=1000$salt", "ab", "$2b$04$abcdefghijklmnopqrstuu"]
    {
        hashes.extend(crypt::hash(password.as_bytes(), setting));
    }
    hashes
}

/// Texts that are no password's hash.
const NO_HASHES: &[&str] =
    &["", "x", "secret", "$2y$04$short", "{SHA}", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ", "$9$a$b", "*", "!"];

fn passwords(random: &mut Random, usual: bool) -> Vec<Vec<u8>> {
    let oddness = random.pick(&[0, 0, 5, 30]);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for (user, password) in USERS {
        if !random.chance(if usual { 85 } else { 50 }) {
            continue;
        }
        let password = if usual || random.chance(50) { *password } else { random.pick(&["secret", "other"]) };
        let mut text = format!("{user}:{}", hash(random, password)).into_bytes();
        if random.chance(oddness) {
            text = odd_password_line(random, user, &text);
        }
        lines.push(text);
    }
    if oddness > 0 {
        for _ in 0..random.below(4) {
            let odd = random.pick(ODD_LINES);
            lines.insert(random.below(lines.len() + 1), odd.to_vec());
        }
    }
    let ends: &[u8] = if random.chance(10) { b"\r\n" } else { b"\n" };
    let mut lines: Vec<Vec<u8>> = lines.into_iter().map(|line| [&line, ends].concat()).collect();
    if random.chance(3) {
        let length = random.pick(&[8188, 8189, 8190, 8191, 8192, 9000]);
        let (front, back) = random.pick(&[("long:", ""), ("# ", ""), ("alice:", ":more"), ("", ":secret")]);
        let long = format!("{front}{}{back}\n", "x".repeat(length - front.len() - back.len()));
        lines.insert(random.below(lines.len() + 1), long.into_bytes());
    }
    cut_last_end(random, &mut lines);
    spoil(random, &mut lines);
    lines
}

/// Puts a few bytes into some files that a person would not write.
fn spoil(random: &mut Random, lines: &mut [Vec<u8>]) {
    if !random.chance(15) || lines.is_empty() {
        return;
    }
    for _ in 0..random.between(1, 4) {
        let chosen = random.below(lines.len());
        let line = &mut lines[chosen];
        let place = random.below(line.len() + 1);
        match random.below(3) {
            0 if place < line.len() => drop(line.remove(place)),
            1 if place < line.len() => line[place] = random.pick(SPECIAL),
            _ => line.insert(place, random.pick(SPECIAL)),
        }
    }
}

/// Bytes with a meaning in one of the files, and some without.
const SPECIAL: &[u8] = b"\\\n\r\t \0:\"'#$,x\x0b\xa0\xff";

/// Some files lack the last line's end.
fn cut_last_end(random: &mut Random, lines: &mut [Vec<u8>]) {
    if let Some(last) = lines.last_mut().filter(|_| random.chance(10)) {
        last.pop();
    }
}

fn odd_password_line(random: &mut Random, user: &str, plain: &[u8]) -> Vec<u8> {
    let text = |parts: &[&[u8]]| parts.concat();
    let cut = random.below(plain.len());
    match random.below(12) {
        0 => text(&[b" \t", plain]),
        1 => text(&[plain, b" \t "]),
        2 => text(&[plain, b":more:fields"]),
        3 => text(&[plain, b" # the boss"]),
        4 => text(&[user.as_bytes(), b"::", &plain[user.len() + 1..]]),
        5 => text(&[user.as_bytes(), b": ", &plain[user.len() + 1..]]),
        6 => text(&[user.as_bytes(), b":", random.pick(NO_HASHES).as_bytes()]),
        7 => user.as_bytes().to_vec(),
        8 => text(&[&plain[..cut], b"\\\n", &plain[cut..]]),
        9 => text(&[&plain[..cut], b"\0", &plain[cut..]]),
        10 => text(&[plain, b"\n", user.as_bytes(), b":", random.pick(NO_HASHES).as_bytes()]),
        _ => text(&[user.as_bytes(), b":", random.pick(NO_HASHES).as_bytes(), b"\n", plain]),
    }
}

const ODD_LINES: &[&[u8]] = &[
    b"",
    b"  \t",
    b"# a comment",
    b"   # an indented comment",
    b"# a comment that swallows \\",
    b"# alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    b"\\",
    b"\\\\",
    b":",
    b"::",
    b"alice",
    b"alice:",
    b"mallory:*",
    b"\xe4lice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    b"\xef\xbb\xbfbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    b"\0alice:x",
    b"bob\\\r",
    b"\x0b\x0ccarol:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=",
];

fn groups(random: &mut Random) -> Vec<Vec<u8>> {
    let oddness = random.pick(&[0, 5, 30]);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for name in ["staff", "admins", "banned", "the team", "STAFF", "file", "alice", "@GROUP@"] {
        if !random.chance(if name == "staff" { 85 } else { 45 }) {
            continue;
        }
        let mut members = Vec::new();
        for (user, _) in USERS {
            if random.chance(if name == "staff" { 50 } else { 25 }) {
                members.push(if user.is_empty() || user.contains(' ') {
                    format!("\"{user}\"")
                } else {
                    (*user).to_owned()
                });
            }
        }
        let mut text = format!("{name}: {}", members.join(" ")).into_bytes();
        if random.chance(oddness) {
            let cut = random.below(text.len());
            text = match random.below(8) {
                0 => [&text[..cut], b"\\\n", &text[cut..]].concat(),
                1 => [&text[..cut], b"\0", &text[cut..]].concat(),
                2 => [&text[..cut], b"\"", &text[cut..]].concat(),
                3 => [&text[..cut], b"'", &text[cut..]].concat(),
                4 => [&text[..cut], b"\t", &text[cut..]].concat(),
                5 => [&text[..cut], b":", &text[cut..]].concat(),
                6 => [b" \t", &text[..], b" "].concat(),
                _ => [&text[..], b"\\"].concat(),
            };
        }
        lines.push(text);
    }
    if random.chance(oddness) {
        let odd = random.pick(ODD_GROUP_LINES);
        lines.insert(random.below(lines.len() + 1), odd.to_vec());
    }
    let ends: &[u8] = if random.chance(10) { b"\r\n" } else { b"\n" };
    let mut lines: Vec<Vec<u8>> = lines.into_iter().map(|line| [&line, ends].concat()).collect();
    if random.chance(8) {
        let length = random.pick(&[517, 518, 518, 518, 519, 1558, 1558, 8191, 9000]);
        let (front, back) = (random.pick(&["staff: ", "admins: "]), " bob");
        let long = format!("{front}{}{back}", "x".repeat(length - front.len() - back.len()));
        let end: &[u8] = if random.chance(30) { b"\n" } else { b"" };
        lines.push([long.as_bytes(), end].concat());
    } else {
        cut_last_end(random, &mut lines);
        spoil(random, &mut lines);
    }
    lines
}

const ODD_GROUP_LINES: &[&[u8]] = &[
    b"",
    b"# staff: carol",
    b"# swallows \\",
    b"staff carol",
    b"staff:: carol",
    b"staff : carol",
    b": alice bob",
    b"staff:\xe4lice \"alice",
    b"staff: alice,bob",
    b"staff:",
    b"staff: carol # bob",
    b"\\",
];
