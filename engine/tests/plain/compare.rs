//! Asks the engine and the plain implementation the same questions about a file.

use std::collections::BTreeSet;

use esauth_engine::hash::describe;
use esauth_engine::{Groups, LineRules, Listing, Parse, Passwords};

use super::{GroupFile, PasswordFile, TOO_LONG_FOR_PASSWORDS};

const BOTH_RULES: [LineRules; 2] = [LineRules::Httpd24, LineRules::Httpd22];

/// Maximum of names asked for that may not be in the file.
const MOST_STRANGERS: usize = 40;

/// In a fuzzed file this byte stands for so many letters that few changes reach the limit of a line.
const FOLDED: u8 = 1;
const UNFOLDED: usize = TOO_LONG_FOR_PASSWORDS - 8;

/// The file encoded by a fuzzer's input.
pub fn unfold(input: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut unfolded = 0;
    for &byte in input {
        if byte == FOLDED && unfolded < 3 {
            file.resize(file.len() + UNFOLDED, b'x');
            unfolded += 1;
        } else {
            file.push(byte);
        }
    }
    file
}

/// Fails if the two differ about a password file.
pub fn compare_passwords(file: &[u8]) {
    for rules in BOTH_RULES {
        let plain = PasswordFile::read(file, rules);
        let engine = Passwords::parse(file.to_vec(), rules).expect("there is memory for it");
        let users = plain.users();
        assert_eq!(engine.len(), users.len(), "{rules:?}: users");
        assert_eq!(engine.is_empty(), users.is_empty(), "{rules:?}");
        assert_eq!(engine.stock_stops_at(), plain.too_long, "{rules:?}: line too long for stock httpd");
        let strangers = strangers(file);
        for user in users.iter().copied().chain(strangers.iter().map(Vec::as_slice)) {
            assert_eq!(engine.stored_hash(user), plain.stored_hash(user), "{rules:?}: {}", user.escape_ascii());
        }
        let in_file = plain.lines.iter().map(|[user, realm, _]| (&user[..], &realm[..]));
        let others =
            users.iter().take(8).flat_map(|&user| strangers.iter().take(20).map(move |realm| (user, &realm[..])));
        for (user, realm) in in_file.chain(others).chain([(&b""[..], &b""[..])]) {
            let names = || format!("{rules:?}: {} in {}", user.escape_ascii(), realm.escape_ascii());
            assert_eq!(engine.realm_hash(user, realm), Ok(plain.realm_hash(user, realm)), "{}", names());
        }
        compare_decoys(file, rules, &plain, &engine);
        let listing = Listing::of_passwords(file.to_vec(), rules);
        let listed: Vec<_> = listing.lines().map(|line| (line.name(), line.stored_hash())).collect();
        let expected: Vec<_> = plain.lines.iter().map(|[user, hash, _]| (&user[..], &hash[..])).collect();
        assert_eq!(listed, expected, "{rules:?}: listing");
        assert_eq!(listing.stock_stops_at(), plain.too_long, "{rules:?}: listing");
        compare_numbers(file, &listing);
    }
}

/// The physical lines of a listing are consecutive, and as many as in the file.
fn compare_numbers(file: &[u8], listing: &Listing) {
    let mut last = 0;
    for line in listing.lines() {
        assert!(last < line.number() && line.number() <= line.last_number(), "line {}", line.number());
        last = line.last_number();
    }
    assert!(last <= file.iter().filter(|&&byte| byte == b'\n').count() + 1, "line {last}");
}

fn compare_decoys(file: &[u8], rules: LineRules, plain: &PasswordFile, engine: &Passwords) {
    let hashes: BTreeSet<Option<&[u8]>> = plain.lines.iter().map(|[_, hash, _]| Some(&hash[..])).collect();
    let of_another_process = Passwords::parse(file.to_vec(), rules).expect("there is memory for it");
    for number in [0, 1, 2, 254, 255, 256, 1 << 32, u64::MAX] {
        let decoy = engine.decoy(number);
        let is_usable = |hash: &Option<&[u8]>| hash.is_some_and(|hash| describe(hash).usable);
        // Of a longer file only some lines are examined.
        let has_none = !hashes.iter().any(is_usable) || plain.lines.len() >= 256;
        let expected = if decoy.is_none() { has_none } else { hashes.contains(&decoy) && is_usable(&decoy) };
        assert!(expected, "{rules:?}: decoy {number} is {decoy:?}");
        assert_eq!(decoy, of_another_process.decoy(number), "{rules:?}: decoy {number} in another process");
    }
}

/// Fails if the two differ about a group file.
pub fn compare_groups(file: &[u8]) {
    for rules in BOTH_RULES {
        let plain = GroupFile::read(file, rules);
        let engine = Groups::parse(file.to_vec(), rules).expect("there is memory for it");
        let members = plain.members();
        assert_eq!(engine.members(), members.len(), "{rules:?}: members");
        assert_eq!(engine.stock_stops_at(), plain.too_long, "{rules:?}: line too long for stock httpd");
        let listing = Listing::of_groups(file.to_vec(), rules);
        let listed: Vec<(Vec<u8>, Vec<&[u8]>)> =
            listing.lines().map(|line| (line.name().to_ascii_lowercase(), line.members().collect())).collect();
        let expected: Vec<(Vec<u8>, Vec<&[u8]>)> = plain
            .lines
            .iter()
            .map(|(group, members)| (group.to_ascii_lowercase(), members.iter().map(Vec::as_slice).collect()))
            .collect();
        assert_eq!(listed, expected, "{rules:?}: listing");
        compare_numbers(file, &listing);
        let strangers = strangers(file);
        let mut groups: BTreeSet<&[u8]> = plain.lines.iter().map(|(group, _)| &group[..]).collect();
        groups.extend(strangers.iter().take(MOST_STRANGERS / 4).map(Vec::as_slice));
        let groups: Vec<(&[u8], Vec<u8>)> = groups.iter().map(|group| (*group, group.to_ascii_lowercase())).collect();
        for user in members.iter().copied().chain(strangers.iter().map(Vec::as_slice)) {
            let expected = plain.groups_of(user);
            let memberships = engine.of(user);
            assert_eq!(memberships.is_some(), !expected.is_empty(), "{rules:?}: {}", user.escape_ascii());
            for (group, small_letters) in &groups {
                let is_member = memberships.is_some_and(|memberships| memberships.contains(group));
                let names = || format!("{rules:?}: {} in {}", user.escape_ascii(), group.escape_ascii());
                assert_eq!(is_member, expected.contains(small_letters), "{}", names());
            }
        }
    }
}

/// Names that a wrong reading of the file could find: its pieces, and those in the other letter case.
fn strangers(file: &[u8]) -> BTreeSet<Vec<u8>> {
    let separators = b":\n\r \t\\\"'#\0";
    let pieces: BTreeSet<&[u8]> = file.split(|byte| separators.contains(byte)).take(MOST_STRANGERS / 4).collect();
    let lines = file.split(|&byte| byte == b'\n' || byte == 0).take(MOST_STRANGERS / 4);
    let upper = pieces.iter().map(|piece| piece.to_ascii_uppercase());
    let cut = pieces.iter().map(|piece| piece[..piece.len().saturating_sub(1)].to_vec());
    let whole = pieces.iter().copied().chain(lines).map(<[u8]>::to_vec);
    whole.chain(upper).chain(cut).collect()
}
