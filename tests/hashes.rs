//! Every hash that stock httpd accepts is accepted, and every other refused: hashes made by the real htpasswd and by
//! the system's crypt(3), and broken ones, compared with the stock modules through HTTP.

// A test that cannot go on should stop, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;
#[path = "hashes/samples.rs"]
mod samples;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use harness::client::{Connection, Request};
use harness::httpd::{Httpd, Mpm, Setup, Site};
use harness::installation::Installation;
use harness::memcheck;
use harness::scratch::Scratch;
use samples::{Sample, by_crypt, by_htpasswd, malformed};

/// A password tried with a sample's hash.
struct Try {
    sample: usize,
    password: Vec<u8>,
    /// None: the stock modules decide. They know which changes of a password a hash does not notice.
    expected: Option<u16>,
}

#[test]
fn hashes_of_htpasswd_and_crypt_are_verified_as_stock_httpd_does() {
    let samples: Vec<Sample> = by_htpasswd().into_iter().chain(by_crypt()).collect();
    let families: HashSet<&str> = samples.iter().map(|sample| sample.family).collect();
    for needed in ["apr1", "{SHA}", "DES", "bcrypt 2y", "bcrypt 2b", "MD5", "SHA-256", "SHA-512", "yescrypt", "scrypt"]
    {
        assert!(families.contains(needed), "no sample of {needed}: {families:?}");
    }
    let mut tries = Vec::new();
    for (sample, Sample { password, .. }) in samples.iter().enumerate() {
        let mut other = password.clone();
        match other.first_mut() {
            Some(first) => *first ^= 1,
            None => other.push(b'x'),
        }
        tries.push(Try { sample, password: password.clone(), expected: Some(200) });
        tries.push(Try { sample, password: other, expected: Some(401) });
        // One byte more, one less, and the highest bit of the last: DES and bcrypt do not notice all of them.
        tries.push(Try { sample, password: [password, b"x".as_slice()].concat(), expected: None });
        if let Some((last, rest)) = password.split_last() {
            tries.push(Try { sample, password: rest.to_vec(), expected: None });
            tries.push(Try { sample, password: [rest, &[last ^ 0x80]].concat(), expected: None });
            tries.push(Try { sample, password: [rest, &[last ^ 1]].concat(), expected: None });
        }
        tries.push(Try { sample, password: [password, b"x".repeat(600).as_slice()].concat(), expected: None });
    }
    compare(&samples, &tries);
}

#[test]
fn malformed_hashes_are_mismatches_and_never_errors() {
    let samples = malformed();
    assert!(samples.len() > 300, "only {} malformed hashes", samples.len());
    let passwords = [b"secret".as_slice(), b""];
    let tries: Vec<Try> = (0..samples.len())
        .flat_map(|sample| passwords.map(|password| Try { sample, password: password.to_vec(), expected: Some(401) }))
        .collect();
    compare(&samples, &tries);
}

/// Asks both servers everything, and reports every try in which they disagree, with each other or with the table.
fn compare(samples: &[Sample], tries: &[Try]) {
    // Hashing is slow under Valgrind: run enough tries to cover every kind in every way.
    let tries: Vec<&Try> = tries.iter().step_by(if memcheck::is_wanted() { 7 } else { 1 }).collect();
    let folder = Scratch::new();
    let lines: Vec<u8> = samples
        .iter()
        .enumerate()
        .flat_map(|(number, sample)| [format!("u{number}:").as_bytes(), &sample.hash, b"\n"].concat())
        .collect();
    let users = folder.write("users", lines);
    folder.write("htdocs/file.txt", "file\n");
    let load = |modules: &[&str]| Installation::get().load_core() + &Installation::get().load(modules);
    let configuration = |_: &Site<'_>| {
        format!(
            "DocumentRoot {}/htdocs\nMaxKeepAliveRequests 0\nLimitRequestFieldSize 8190\n<Location />\nAuthType Basic\n\
             AuthName hashes\nAuthUserFile {}\nRequire valid-user\n</Location>\n",
            folder.path().display(),
            users.display()
        )
    };
    let start =
        |load: String| Httpd::start(&Setup { mpm: Mpm::usual(), load, ports: 1, configuration: &configuration });
    let stock = start(load(&["auth_basic", "authn_file"]));
    let ours = start(load(&[]) + &Installation::get().load_ours());
    let (stock_says, ours_says) = thread::scope(|scope| {
        let stock = scope.spawn(|| ask_all(&stock, &tries));
        let ours = ask_all(&ours, &tries);
        (stock.join().unwrap(), ours)
    });

    let mut wrong = String::new();
    let mut count = 0;
    for (number, tried) in tries.iter().enumerate() {
        let (stock, ours) = (stock_says[&number], ours_says[&number]);
        if stock != ours || tried.expected.is_some_and(|expected| expected != ours) {
            let Sample { family, hash, password } = &samples[tried.sample];
            let (hash, password, tried_with) =
                (hash.escape_ascii(), password.escape_ascii(), tried.password.escape_ascii());
            let _ = writeln!(
                wrong,
                "{family}: hash {hash} of \"{password}\" tried with \"{tried_with}\": \
                 stock {stock}, ours {ours}, expected {:?}",
                tried.expected
            );
            count += 1;
        }
    }
    Installation::get().say(&format!("{} hashes, {} tries", samples.len(), tries.len()));
    assert!(count == 0, "{count} wrong verdicts:\n{wrong}");
}

fn ask_all(server: &Httpd, tries: &[&Try]) -> BTreeMap<usize, u16> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| ask_some(server.port(), tries, &next))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

fn ask_some(port: u16, tries: &[&Try], next: &AtomicUsize) -> BTreeMap<usize, u16> {
    let mut statuses = BTreeMap::new();
    let mut connection = Connection::open(port).unwrap();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(tried) = tries.get(number) else { return statuses };
        let request =
            Request::get("/file.txt").header("Host: localhost").basic(format!("u{}", tried.sample), &tried.password);
        statuses
            .insert(number, connection.ask(&request).unwrap_or_else(|error| panic!("try {number}: {error}")).status);
    }
}
