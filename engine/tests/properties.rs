//! About any file, the engine answers like the plain implementation of the line rules in `plain`.
//!
//! The files are the same in every run. PROPTEST_RNG_SEED makes others, PROPTEST_CASES sets how many of each kind.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails while a test is set up fails the test")]

mod plain;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use esauth_engine::{LineRules, Parse, Passwords};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

/// Material for names, fields and members: few, so that they repeat.
const NAMES: &[&[u8]] =
    &[b"alice", b"Alice", b"bob", b"a b", b"", b"\xc3\xa4", b"\xc3\x84", b"\xff", b"$2y$04$x.y/z", b"x"];

/// Bytes with a meaning in the middle of a line.
const MARKS: &[&[u8]] = &[
    b":", b"::", b" ", b"\t", b"\x0b", b"\r", b"\\", b"\\\\", b"\"", b"'", b"\\\"", b"\\'", b"#", b"\0", b"\\\0",
    b"\0\\",
];

/// Ends and continuations of lines.
const ENDS: &[&[u8]] = &[
    b"\n",
    b"\n",
    b"\r\n",
    b"\\\n",
    b"\\\r\n",
    b"\\\\\n",
    b"\\\\\r\n",
    b"\\\\\\\n",
    b"\\\r\\\n",
    b"\\ \n",
    b"\n\n",
    b"\0\n",
    b"",
];

/// Line lengths around the one that is too long for stock httpd.
const AROUND_THE_LIMIT: std::ops::Range<usize> = plain::TOO_LONG_FOR_PASSWORDS - 4..plain::TOO_LONG_FOR_PASSWORDS + 4;

/// Hashes of "secret" in the families of crypt(3).
const HASHES: &[&str] = &[
    "$sha1$24$saltsalt$aNLkYyGxS/Hq4c22pfI//j7u/bg0",
    "$md5,rounds=5$saltsalt$$kIhAWBZFPt2pe8bQG4hiG.",
    "$md5$saltsalt$$htFYkfcXgVn6XJq7JYvMH/",
    "$3$$878d8014606cda29677a44efa1353fc7",
    "$gy$j75$saltsalt$lKLXtt/QvsyxW9ILYZt1u1hNXyI7ZoBnbdUTsPBwSi5",
    "$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
    "$y$j75$saltsalt$0gBD67sgmJgRX3RZ6wHHO7sHimQEWGCWN85o4Twogh2",
    "$7$6U..../....saltsalt$X5U8SQsYxdKoV4YFGbCO2to1JJbjQrcIM4GkaM41m96",
    "$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2",
    "$6$rounds=1000$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/",
    "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu",
    "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "_J9..rasmz0.F/jqjWck",
    "abNANd1rDfiNc",
];

fn some_of(texts: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    select(texts).prop_map(<[u8]>::to_vec)
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => some_of(NAMES), 5 => some_of(MARKS), 1 => vec(any::<u8>(), 1..3)]
}

fn joined(pieces: impl Strategy<Value = Vec<Vec<u8>>>) -> impl Strategy<Value = Vec<u8>> {
    pieces.prop_map(|pieces| pieces.concat())
}

/// Random bytes, which may hold the ends of several lines.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    joined((joined(vec(piece(), 0..8)), some_of(ENDS)).prop_map(|(text, end)| vec![text, end]))
}

/// A line as a person would write it.
fn password_line() -> impl Strategy<Value = Vec<u8>> {
    (vec(some_of(NAMES), 1..4), some_of(ENDS)).prop_map(|(words, end)| [words.join(&b':'), end].concat())
}

fn group_line() -> impl Strategy<Value = Vec<u8>> {
    let member =
        (some_of(&[b"", b"\"", b"'"]), some_of(NAMES)).prop_map(|(quote, name)| [&quote[..], &name, &quote].concat());
    (some_of(NAMES), vec(member, 0..5), some_of(ENDS))
        .prop_map(|(group, members, end)| [group, b": ".to_vec(), members.join(&b' '), end].concat())
}

fn file(line: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    joined(vec(prop_oneof![line, any_line()], 0..24))
}

/// A file with a line, joined from pieces, that is about as long as stock httpd reads.
fn file_with_a_long_line() -> impl Strategy<Value = Vec<u8>> {
    let start = some_of(&[b"alice:", b"# ", b" ", b"\n", b"\xff"]);
    let joins = vec((0..9000_usize, some_of(&[b"\\\n", b"\\\r\n", b"\\\\\n", b"\0", b"\r"])), 0..4);
    (file(password_line()), start, AROUND_THE_LIMIT, joins, some_of(ENDS), file(password_line())).prop_map(
        |(before, start, length, joins, end, after)| {
            let mut line = start;
            line.resize(length, b'x');
            for (place, join) in joins {
                let place = place.min(line.len());
                line.splice(place..place, join);
            }
            [before, line, end, after].concat()
        },
    )
}

/// The environment takes precedence.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn any_password_file_is_read_by_the_line_rules(file in file(password_line())) {
        plain::compare_passwords(&file);
    }

    #[test]
    fn any_group_file_is_read_by_the_line_rules(file in file(group_line())) {
        plain::compare_groups(&file);
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn lines_around_the_length_that_stock_httpd_reads_are_read_and_the_first_too_long_is_named(
        file in file_with_a_long_line()
    ) {
        plain::compare_passwords(&file);
        plain::compare_groups(&file);
    }

    #[test]
    fn a_hash_with_a_change_is_called_usable_only_where_crypt_could_have_made_it(
        hash in select(HASHES),
        place in any::<prop::sample::Index>(),
        change in prop_oneof![select(&b"./09AZaz$:!*\\ _,="[..]), 1..=u8::MAX],
        is_added in any::<bool>(),
    ) {
        let mut changed = hash.as_bytes().to_vec();
        let place = place.index(changed.len());
        if is_added {
            changed.insert(place, change);
        } else {
            changed[place] = change;
        }
        changed.extend_from_slice(b"\nsecret");
        plain::compare_verdicts(&changed);
    }

    #[test]
    fn crypts_output_for_any_password_is_its_hash(
        setting in select(vec!["$2y$04$abcdefghijklmnopqrstuu", "$2a$04$abcdefghijklmnopqrstuu", "$1$salt", "_J9..rasm", "ab"]),
        password in vec(1..=u8::MAX, 0..90),
    ) {
        plain::compare_verdicts(&[setting.as_bytes(), b"\n", &password].concat());
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn decoys_come_from_all_over_a_file_of_many_users(numbers in vec(0..2000_u32, 200..1200)) {
        let file: String = numbers.iter().map(|number| format!("user{number}:{number:012}.\n")).collect();
        plain::compare_passwords(file.as_bytes());
        let passwords = Passwords::parse(file.into_bytes(), LineRules::Httpd24).unwrap();
        let decoys: BTreeSet<&[u8]> = (0..1024).filter_map(|number| passwords.decoy(number)).collect();
        for part in numbers.chunks(numbers.len().div_ceil(10)) {
            let found = part.iter().any(|number| decoys.contains(format!("{number:012}.").as_bytes()));
            prop_assert!(found);
        }
    }
}

#[test]
fn the_corpus_of_fuzzing_is_answered_alike() {
    type Compare = fn(&[u8]);
    let targets: [(&str, Compare); 3] = [
        ("password_file", |input| plain::compare_passwords(&plain::unfold(input))),
        ("group_file", plain::compare_groups),
        ("stored_hash", plain::compare_verdicts),
    ];
    for (target, compare) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let mut files = 0;
        for file in fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            println!("{}", path.display()); // Seen where the comparison fails.
            compare(&fs::read(&path).unwrap());
            files += 1;
        }
        assert!(files > 0, "{}", folder.display());
    }
}
