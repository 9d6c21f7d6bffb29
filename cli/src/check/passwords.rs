//! Faults in a password file.

use std::collections::HashMap;

use esauth_engine::hash::{Description, Family, describe};
use esauth_engine::{Listed, Listing};

use super::disguise;
use super::findings::{Content, Findings};
use super::lines::{File, NamedFile, check_lines, check_spelling};
use super::rotations;
use super::spelling::{is_deceptive, is_plain, look, unseen};
use super::timing::{Kind, Timer};
use crate::finding::Code;
use crate::terminal::count;
use crate::text::{is_invisible, printable};

/// Judges every line.
pub(super) fn check(
    file: &NamedFile<'_>,
    min_bcrypt_cost: u32,
    timer: &mut Timer,
    findings: &mut Findings<'_>,
) -> Content {
    let NamedFile { file: File { listing, .. }, numbers, names, are_compared } = *file;
    // A backslash is useless here: a line has one user.
    check_lines(file, findings, |_, _| false);
    check_lengths(listing, findings);
    check_kind(listing, findings);

    // By the user's number; 0 if there is none yet.
    let mut first_lines = vec![0; names.count()];
    let mut kinds: HashMap<Kind<'_>, usize> = HashMap::new();
    let mut can_log_in = 0;
    let mut deceptive = Vec::new();
    for (line, &number) in listing.lines().zip(numbers) {
        let first = first_lines[number];
        if first != 0 {
            findings.add(Code::DuplicateUser, line.number(), line.name(), || {
                format!("is ignored: line {first} already has this user, and the first line counts")
            });
            continue;
        }
        first_lines[number] = line.number();
        let is_plain = is_plain(line.name());
        if !is_plain {
            if !check_spelling(file, line, findings) {
                continue;
            }
            deceptive.extend(is_deceptive(line.name()).then_some(line));
        }
        let mut find = |kind, message: &dyn Fn() -> String| findings.add(kind, line.number(), line.name(), message);
        let told = describe(line.stored_hash());
        if told.usable {
            // Nobody can type invisible characters.
            can_log_in += usize::from(is_plain || !has_invisible(line.name()));
            if let Some(least) = weakness(told, min_bcrypt_cost) {
                find(Code::WeakHash, &|| weak(told, &least, min_bcrypt_cost));
            }
        } else {
            let kind = fault(line, told);
            find(kind, &|| explain(kind, line, told));
        }
        *kinds.entry(Kind::of(told, line.stored_hash())).or_default() += 1;
        check_name(line, &mut find);
        if are_compared && !names.is_member(number) {
            find(Code::NoGroup, &|| "is not in any group".to_owned());
        }
    }
    check_looks(listing, &deceptive, findings);
    let users = kinds.values().sum();
    let mut hashes: Vec<_> = kinds.into_iter().collect();
    hashes.sort_by(|(a, users), (b, others)| others.cmp(users).then_with(|| a.cmp(b)));
    let rotations = rotations::check(listing, findings);
    Content::Passwords { users, can_log_in, hashes: timer.measure(hashes), rotations }
}

/// The fault of a line with which nobody can log in, whatever the password.
fn fault(line: Listed<'_>, told: Description<'_>) -> Code {
    let rest = line.rest();
    if rest.len() == 32 && rest.iter().all(u8::is_ascii_hexdigit) {
        return Code::DigestLine;
    }
    match told.family {
        Family::Empty => Code::NoHash,
        _ if disguise::of(line.stored_hash()).is_some() => Code::AlteredHash,
        Family::Plain => Code::PlainText,
        Family::Unknown => Code::UnknownHash,
        _ => Code::MalformedHash,
    }
}

fn explain(fault: Code, line: Listed<'_>, told: Description<'_>) -> String {
    match fault {
        Code::DigestLine => "is a line from htdigest (user:realm:hash), which HTTP Basic cannot use".to_owned(),
        Code::NoHash if !line.has_colon() => match disguise::instead_of_colon(line.name()) {
            Some(' ') => "has a blank where the colon should be, and so no hash: nobody can log in".to_owned(),
            Some(sign) if is_invisible(sign) => {
                format!("has {} where the colon should be, and so no hash: nobody can log in", unseen(sign))
            }
            Some(sign) => format!("has {sign} where the colon should be, and so no hash: nobody can log in"),
            None => "has no colon and so no hash: nobody can log in".to_owned(),
        },
        Code::NoHash => "has no hash: nobody can log in, not even without a password".to_owned(),
        Code::AlteredHash => disguise::of(line.stored_hash()).map_or_else(String::new, |disguise| {
            format!("has a hash of {} with {}: nobody can log in", disguise.family.name(), disguise.added)
        }),
        Code::PlainText => {
            "has a plain-text password instead of a hash: nobody can log in, and anyone who reads the file knows it"
                .to_owned()
        }
        Code::UnknownHash => "has a hash that httpd does not know: nobody can log in".to_owned(),
        _ => format!("has a damaged {} hash: nobody can log in", told.family.name()),
    }
}

/// For a hash that an attacker with the file can guess quickly: the cost that it should have, or nothing if its family
/// is weak at any cost.
fn weakness(told: Description<'_>, min_bcrypt_cost: u32) -> Option<String> {
    let cost = || told.cost.trim_start_matches("rounds=").parse::<u32>().ok();
    match told.family {
        Family::Bcrypt if cost()? < min_bcrypt_cost => Some(min_bcrypt_cost.to_string()),
        Family::Sha256Crypt | Family::Sha512Crypt if cost()? < 5000 => Some("rounds=5000".to_owned()),
        Family::Apr1
        | Family::Md5Crypt
        | Family::Sha1
        | Family::Sha1Crypt
        | Family::SunMd5
        | Family::Nt
        | Family::Des
        | Family::ExtendedDes
        | Family::BcryptFaulty => Some(String::new()),
        _ => None,
    }
}

fn weak(told: Description<'_>, least: &str, min_bcrypt_cost: u32) -> String {
    let name = told.family.name();
    let what = match least {
        "" => name.to_owned(),
        least if told.family == Family::Bcrypt => {
            format!("{name} with cost {} (wanted: at least {least})", told.cost)
        }
        least => format!("{name} with {} (wanted: at least {least})", told.cost),
    };
    format!("has {what}, quickly guessed once the file is stolen; htpasswd -B -C {min_bcrypt_cost} makes a better one")
}

fn has_invisible(name: &[u8]) -> bool {
    String::from_utf8_lossy(name).contains(is_invisible)
}

/// Users whose names look alike. At least one of two such names is deceptive.
fn check_looks(listing: &Listing, deceptive: &[Listed<'_>], findings: &mut Findings<'_>) {
    if deceptive.is_empty() {
        return;
    }
    // For the appearance of each deceptive name, the first line that has it.
    let mut seen: HashMap<String, Option<Listed<'_>>> =
        deceptive.iter().map(|line| (look(line.name()), None)).collect();
    for line in listing.lines() {
        let Some(first) = seen.get_mut(&look(line.name())) else { continue };
        match first {
            None => *first = Some(line),
            Some(first) if first.name() != line.name() => {
                findings.add(Code::LookAlike, line.number(), line.name(), || {
                    format!("looks like {} in line {}, and is another user", printable(first.name()), first.number())
                });
            }
            Some(_) => {}
        }
    }
}

fn check_name(line: Listed<'_>, find: &mut impl FnMut(Code, &dyn Fn() -> String)) {
    if line.name().is_empty() {
        find(Code::EmptyName, &|| {
            "has an empty user name: a client that sends no name logs in with this line".to_owned()
        });
    } else if line.name().last().is_some_and(u8::is_ascii_whitespace) {
        find(Code::BlankInName, &|| "has a blank before the colon; the blank is part of the name".to_owned());
    }
}

fn check_lengths(listing: &Listing, findings: &mut Findings<'_>) {
    let Some(stops_at) = listing.stock_stops_at() else { return };
    findings.add(Code::LineTooLong, stops_at, b"", || {
        let lost = listing.lines().filter(|line| line.number() >= stops_at).count();
        let lost = count(lost, "line");
        format!("has 8191 bytes or more: the stock modules stop reading here and lose {lost}; rust_esauth reads on")
    });
}

/// A group file, `name: user user`, given as a password file.
fn check_kind(listing: &Listing, findings: &mut Findings<'_>) {
    let is_of_groups = |line: Listed<'_>| {
        let field = line.stored_hash();
        field.first().is_some_and(u8::is_ascii_whitespace) && !describe(field.trim_ascii()).usable
    };
    if listing.lines().next().is_some() && listing.lines().all(is_of_groups) {
        findings.add(Code::WrongKind, 1, b"", || "looks like a group file: pass it with --groups".to_owned());
    }
}
