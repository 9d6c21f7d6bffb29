//! A password file (`htpasswd`: `user:hash`, `htdigest`: `user:realm:hash`) as an immutable snapshot.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use memchr::memchr2;
use once_cell::sync::OnceCell;

use super::identity::ReadError;
use super::lines::{Line, LineCutter, LineRules};
use super::rotation::Rotation;
use super::source::Parse;
use crate::clock::wall_seconds;
use crate::hash::describe;

/// Stock httpd reads lines into a buffer of this size, its NUL included, and stops reading at a longer line.
const STOCK_LINE_BUFFER: usize = 8192;

/// Lines of this many bytes are too long for stock httpd.
pub(crate) const TOO_LONG_LINE: usize = STOCK_LINE_BUFFER - 1;

/// Maximum number of users that stand in for unknown ones.
const MOST_DECOYS: usize = 256;

/// The users of one password file, found in constant time.
///
/// Holds the file's bytes and slightly more than four bytes for each user. The first line of a user counts, as in
/// httpd.
pub struct Passwords {
    text: Box<[u8]>,
    keys: RandomState,
    /// Offsets of the first line of each user.
    by_user: HashTable<u32>,
    /// Offsets of further lines of the same users: Basic ignores them, but each may be another realm of Digest.
    repeated: Vec<u32>,
    /// Offsets of the first line of each user and realm; built when Digest first asks.
    by_user_and_realm: OnceCell<HashTable<u32>>,
    /// Offsets of lines from all over the file, for [`Passwords::decoy`].
    decoys: Vec<u32>,
    /// The users with two passwords, in the order of their lines' offsets.
    rotations: Vec<Rotating>,
    stock_stops_at: Option<usize>,
}

/// A user with two passwords.
struct Rotating {
    /// Offset of the user's line.
    user: u32,
    until: u64,
    /// Range of `new:old`, and where `old` starts.
    both: (u32, u32),
    old: u32,
}

/// What a user's password is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// The password field of the user's line; while two passwords are valid, both hashes, separated by a colon.
    pub stored: &'a [u8],
    /// When the second one ends, in seconds of Unix time.
    pub until: Option<u64>,
}

impl Passwords {
    /// What the password of `user` is compared with now. `None` if the file has no such user.
    pub fn accepted(&self, user: &[u8]) -> Option<Accepted<'_>> {
        self.accepted_at(user, wall_seconds)
    }

    fn accepted_at(&self, user: &[u8], now: impl FnOnce() -> u64) -> Option<Accepted<'_>> {
        let hash = self.keys.hash_one(user);
        let offset = *self.by_user.find(hash, |&offset| word(&self.text, offset as usize).0 == user)?;
        if !self.rotations.is_empty() {
            let found = self.rotations.binary_search_by_key(&offset, |rotating| rotating.user);
            let rotating = found.ok().map(|index| &self.rotations[index]).filter(|rotating| now() < rotating.until);
            if let Some(&Rotating { until, both: (start, end), .. }) = rotating {
                return Some(Accepted { stored: &self.text[start as usize..end as usize], until: Some(until) });
            }
        }
        let (_, fields) = word(&self.text, offset as usize);
        Some(Accepted { stored: word(&self.text, fields).0, until: None })
    }

    /// A second hash of some user, always the same one for the same `number`, while any user has two: computed for all
    /// others, it hides which users those are.
    pub fn second_decoy(&self, number: impl FnOnce() -> u64) -> Option<&[u8]> {
        if self.rotations.is_empty() {
            return None;
        }
        let now = wall_seconds();
        let current = || self.rotations.iter().filter(|rotating| now < rotating.until);
        let index = number().checked_rem(current().count() as u64)?;
        let Rotating { both: (_, end), old, .. } = current().nth(index as usize)?;
        Some(&self.text[*old as usize..*end as usize])
    }

    /// The password field of the line of `user`: a hash, or empty if the line has none. `None` if the file has no such
    /// user.
    pub fn stored_hash(&self, user: &[u8]) -> Option<&[u8]> {
        self.accepted_at(user, || u64::MAX).map(|accepted| accepted.stored)
    }

    /// The hash field of `user` in `realm`, from the file's first line for both, as `htdigest` writes it. `None` if the
    /// file has no such line.
    ///
    /// Fails if memory is insufficient for the index, which the first call builds.
    pub fn realm_hash(&self, user: &[u8], realm: &[u8]) -> Result<Option<&[u8]>, ReadError> {
        let table = self.by_user_and_realm.get_or_try_init(|| self.index_by_realm())?;
        let hash = self.keys.hash_one((user, realm));
        let found = table.find(hash, |&offset| user_and_realm(&self.text, offset) == (user, realm));
        Ok(found.map(|&offset| {
            let (_, rest) = word(&self.text, offset as usize);
            let (_, rest) = word(&self.text, rest);
            word(&self.text, rest).0
        }))
    }

    /// A hash of the most common kind, always the same one for the same `number`: verifying a password against it takes
    /// as long as for the file's users. `None` if no line has a usable hash.
    pub fn decoy(&self, number: u64) -> Option<&[u8]> {
        let index = number.checked_rem(self.decoys.len() as u64)?;
        let (_, fields) = word(&self.text, self.decoys[index as usize] as usize);
        Some(word(&self.text, fields).0)
    }

    /// Number of users.
    pub fn len(&self) -> usize {
        self.by_user.len()
    }

    /// True where the file names nobody.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        let rotations = self.rotations.capacity() * size_of::<Rotating>();
        self.text.len() + self.by_user.allocation_size() + self.repeated.capacity() * size_of::<u32>() + rotations
    }

    /// The users whose rotations at `lines` count. Of several for a user, the first counts.
    fn rotating(&self, lines: &[Line]) -> Result<Vec<Rotating>, ReadError> {
        let mut found: Vec<Rotating> = Vec::new();
        found.try_reserve_exact(lines.len())?;
        for line in lines {
            let Some(rotation) = Rotation::parse(&self.text[line.start..line.end]) else { continue };
            let hash = self.keys.hash_one(rotation.user);
            let is_user = |&offset: &u32| word(&self.text, offset as usize).0 == rotation.user;
            let Some(&user) = self.by_user.find(hash, is_user) else { continue };
            let (_, fields) = word(&self.text, user as usize);
            if word(&self.text, fields).0 == rotation.new {
                let start = (line.end - rotation.both.len()) as u32;
                let old = (line.end - rotation.old.len()) as u32;
                found.push(Rotating { user, until: rotation.until, both: (start, line.end as u32), old });
            }
        }
        found.sort_by_key(|rotating| rotating.user);
        found.dedup_by_key(|rotating| rotating.user);
        Ok(found)
    }

    fn index_by_realm(&self) -> Result<HashTable<u32>, ReadError> {
        let mut table = table_for(self.by_user.len() + self.repeated.len())?;
        // Only the order of each user's lines matters: the first one, then the others as in the file.
        for &offset in self.by_user.iter().chain(&self.repeated) {
            let key = user_and_realm(&self.text, offset);
            insert_first(&mut table, self.keys.hash_one(key), offset, |other| user_and_realm(&self.text, other) == key);
        }
        Ok(table)
    }
}

impl Parse for Passwords {
    fn parse(text: Vec<u8>, rules: LineRules) -> Result<Self, ReadError> {
        let keys = RandomState::new();
        let mut lines = Vec::new();
        lines.try_reserve_exact(memchr::memchr_iter(b'\n', &text).count() + 1)?;
        let mut decoys = Decoys { offsets: Vec::new(), offered: 0, stride: 1 };
        let mut cutter = LineCutter::new(text, rules, TOO_LONG_LINE);
        let mut rotations = Vec::new();
        while let Some(line) = cutter.next_line() {
            if cutter.has_content(line) {
                let offset = line.start as u32; // Fits: `file::read` refuses files whose offsets would not.
                lines.push(Hashed { hash: keys.hash_one(word(cutter.text(), line.start).0), offset });
                decoys.offer(offset);
            } else if Rotation::is_meant(&cutter.text()[line.start..line.end]) {
                rotations.try_reserve(1)?;
                rotations.push(line);
            }
        }
        let stock_stops_at = cutter.too_long();
        let text = cutter.into_text();
        // One allocation of the right size avoids a series of doublings that would each move all entries.
        let mut by_user = table_for(lines.len())?;
        let mut repeated = Vec::new();
        for Hashed { hash, offset } in near_by_near(lines, by_user.num_buckets())? {
            let user = |offset| word(&text, offset as usize).0;
            if !insert_first(&mut by_user, hash, offset, |other| user(other) == user(offset)) {
                repeated.try_reserve(1)?;
                repeated.push(offset);
            }
        }
        repeated.shrink_to_fit();
        let decoys = of_commonest_kind(&text, decoys.offsets);
        let by_user_and_realm = OnceCell::new();
        let mut passwords = Passwords {
            text,
            keys,
            by_user,
            repeated,
            by_user_and_realm,
            decoys,
            rotations: Vec::new(),
            stock_stops_at,
        };
        passwords.rotations = passwords.rotating(&rotations)?;
        Ok(passwords)
    }

    fn stock_stops_at(&self) -> Option<usize> {
        self.stock_stops_at
    }
}

/// A sample of users from all over a file of unknown length, the same in every process that reads it.
struct Decoys {
    offsets: Vec<u32>,
    offered: usize,
    stride: usize,
}

impl Decoys {
    fn offer(&mut self, offset: u32) {
        if self.offered % self.stride == 0 {
            self.offsets.push(offset);
        }
        self.offered += 1;
        if self.offsets.len() == MOST_DECOYS {
            // From now on keep every second one, also of those already kept.
            self.stride *= 2;
            let mut index = 0;
            self.offsets.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }
}

/// Those of the lines at `offsets` whose hashes are of the most common kind (family and cost) and usable.
fn of_commonest_kind(text: &[u8], mut offsets: Vec<u32>) -> Vec<u32> {
    let kind = |offset: &u32| {
        let (_, fields) = word(text, *offset as usize);
        let description = describe(word(text, fields).0);
        description.usable.then_some((description.family, description.cost))
    };
    let mut counts = HashMap::new();
    for kind in offsets.iter().filter_map(kind) {
        *counts.entry(kind).or_insert(0) += 1;
    }
    let commonest = counts.into_iter().max_by_key(|&(kind, count)| (count, kind)).map(|(kind, _)| kind);
    offsets.retain(|offset| commonest.is_some() && kind(offset) == commonest);
    offsets
}

/// An empty table with room for `count` offsets.
fn table_for(count: usize) -> Result<HashTable<u32>, ReadError> {
    let mut table = HashTable::new();
    // The table is still empty, so nothing is hashed.
    table.try_reserve(count, |_| 0).map_err(|_| ReadError::NO_MEMORY)?;
    Ok(table)
}

/// A line and the hash of its user.
#[derive(Clone, Copy, Default)]
struct Hashed {
    hash: u64,
    offset: u32,
}

/// Sorts the lines of a large file so that neighbours fall close together in a table of `buckets`: filling it in the
/// order of the file would wait for memory at every entry. Lines with the same hash keep the order of the file.
fn near_by_near(lines: Vec<Hashed>, buckets: usize) -> Result<Vec<Hashed>, ReadError> {
    const PARTS: usize = 256;
    /// A smaller table is close enough as a whole.
    const WORTH_IT: usize = 32_768;
    if lines.len() < WORTH_IT {
        return Ok(lines);
    }
    // hashbrown derives an entry's bucket from the low bits of its hash.
    let part = |line: &Hashed| (line.hash as usize & (buckets - 1)) / (buckets / PARTS);
    let mut ends = [0; PARTS];
    lines.iter().for_each(|line| ends[part(line)] += 1);
    let mut total = 0;
    for end in &mut ends {
        // For now the start of its part: the end once all of the part is in place.
        (*end, total) = (total, total + *end);
    }
    let mut ordered = Vec::new();
    ordered.try_reserve_exact(lines.len())?;
    ordered.resize(lines.len(), Hashed::default());
    for line in lines {
        let end = &mut ends[part(&line)];
        ordered[*end] = line;
        *end += 1;
    }
    Ok(ordered)
}

/// Adds `offset` with `hash`, unless one that is the `same` exists. True if it was added.
fn insert_first(table: &mut HashTable<u32>, hash: u64, offset: u32, same: impl Fn(u32) -> bool) -> bool {
    if table.find(hash, |&other| same(other)).is_some() {
        return false;
    }
    // Other hashes would be needed only if the table grew, but it was made large enough for all.
    table.insert_unique(hash, offset, |_| 0);
    true
}

/// The word from `from` to the next `:` or the line's end, and where the word after it starts. A run of `:` counts as
/// one (`ap_getword` in httpd's server/util.c).
pub(crate) fn word(text: &[u8], from: usize) -> (&[u8], usize) {
    let length = memchr2(b':', 0, &text[from..]).unwrap_or(text.len() - from);
    let mut next = from + length;
    while text.get(next) == Some(&b':') {
        next += 1;
    }
    (&text[from..from + length], next)
}

fn user_and_realm(text: &[u8], offset: u32) -> (&[u8], &[u8]) {
    let (user, rest) = word(text, offset as usize);
    (user, word(text, rest).0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Passwords {
        Passwords::parse(text.to_vec(), LineRules::Httpd24).unwrap()
    }

    #[test]
    fn a_user_is_found_by_the_exact_bytes_of_the_name() {
        let file = parse(b"alice:h1\nbob:h2\nb\xc3\xa9a:h3\n");
        assert_eq!(file.stored_hash(b"alice"), Some(&b"h1"[..]));
        assert_eq!(file.stored_hash(b"b\xc3\xa9a"), Some(&b"h3"[..]));
        for other in [&b"ALICE"[..], b"alic", b"alice:", b"alice:h1", b"", b"carol", b"b\xe9a"] {
            assert_eq!(file.stored_hash(other), None, "{other:?}");
        }
    }

    #[test]
    fn the_first_of_several_lines_of_a_user_counts() {
        let file = parse(b"alice:first\nalice:second\n");
        assert_eq!(file.stored_hash(b"alice"), Some(&b"first"[..]));
        assert_eq!(file.len(), 1);
    }

    #[test]
    fn runs_of_colons_are_one_and_later_fields_are_ignored() {
        let file = parse(b"bob::h1\ncarol:h2:Carol:more\ndave:::h3::x\n");
        assert_eq!(file.stored_hash(b"bob"), Some(&b"h1"[..]));
        assert_eq!(file.stored_hash(b"carol"), Some(&b"h2"[..]));
        assert_eq!(file.stored_hash(b"dave"), Some(&b"h3"[..]));
    }

    #[test]
    fn a_user_without_a_password_field_has_an_empty_hash() {
        let file = parse(b"alice\nbob:\ncarol");
        for user in [&b"alice"[..], b"bob", b"carol"] {
            assert_eq!(file.stored_hash(user), Some(&b""[..]), "{user:?}");
        }
    }

    #[test]
    fn a_line_that_starts_with_a_colon_is_the_empty_user() {
        assert_eq!(parse(b":hash\n").stored_hash(b""), Some(&b"hash"[..]));
    }

    #[test]
    fn lines_that_stock_httpd_could_not_read_are_read_and_the_first_is_named() {
        let longest = [b"a:".to_vec(), vec![b'x'; STOCK_LINE_BUFFER - 4]].concat();
        let too_long = [b"b:".to_vec(), vec![b'x'; STOCK_LINE_BUFFER - 3]].concat();
        let file = parse(&[&longest[..], &too_long, b"c:y"].join(&b'\n'));
        assert_eq!(file.stock_stops_at(), Some(2));
        assert_eq!(file.stored_hash(b"b").map(<[u8]>::len), Some(STOCK_LINE_BUFFER - 3));
        assert_eq!(file.stored_hash(b"c"), Some(&b"y"[..]));
    }

    #[test]
    fn digest_hashes_are_found_by_user_and_realm() {
        let file = parse(b"alice:one:h1\nalice:two:h2\nalice:two:h3\nbob:two:h4\ncarol:h5\n");
        assert_eq!(file.realm_hash(b"alice", b"one"), Ok(Some(&b"h1"[..])));
        assert_eq!(file.realm_hash(b"alice", b"two"), Ok(Some(&b"h2"[..])));
        assert_eq!(file.realm_hash(b"bob", b"two"), Ok(Some(&b"h4"[..])));
        assert_eq!(file.realm_hash(b"bob", b"one"), Ok(None));
        assert_eq!(file.realm_hash(b"carol", b"h5"), Ok(Some(&b""[..])));
    }

    #[test]
    fn a_decoy_is_a_hash_of_the_kind_that_most_users_have_and_the_same_for_the_same_number() {
        const APR1: &str = "$apr1$w8uZk8oc$UvcCyrDN3Z0SDpLMDzk071";
        const COST_4: [&str; 2] = [
            "$2y$04$Ub9qVQIdR5j2PmraY4inw.hl6PDkZQ4R9.nbiAuCQLBZcEqfzDCiu",
            "$2y$04$lDjxLFAFWw.lNpSEwdDOYev7znbAPsJ6D.5paj1vO7/7ioWjjjdeG",
        ];
        let [first, second] = COST_4;
        let other_cost = first.replace("$04$", "$05$");
        let hashes = ["", "plain", APR1, first, "plain", &other_cost, second, "$2y$04$short", "", ""];
        let lines: String = hashes.iter().enumerate().map(|(user, hash)| format!("user{user}:{hash}\n")).collect();
        let file = parse(lines.as_bytes());
        let decoys: Vec<_> = (0..50).map(|number| file.decoy(number)).collect();
        for decoy in COST_4 {
            assert!(decoys.contains(&Some(decoy.as_bytes())));
        }
        assert!(decoys.iter().all(|decoy| COST_4.map(|hash| Some(hash.as_bytes())).contains(decoy)));
        assert_eq!(file.decoy(7), file.decoy(7));
        assert_eq!((parse(b"").decoy(1), parse(b"alice:plain\n").decoy(1)), (None, None));
    }

    const ROTATION: &str = "#esauth-also until 2026-12-31T00:00:00Z";
    const ENDS: u64 = 1_798_675_200;

    fn accepted(file: &Passwords, user: &str, now: u64) -> Option<String> {
        file.accepted_at(user.as_bytes(), || now).map(|found| String::from_utf8_lossy(found.stored).into_owned())
    }

    #[test]
    fn a_rotation_adds_a_hash_to_its_user_until_its_end() {
        for text in [
            format!("bob:b\nalice:new:Alice\n{ROTATION} alice:new:old\n"),
            format!("  {ROTATION} alice:new:old \r\n\nalice:new\nbob:b"),
        ] {
            let file = parse(text.as_bytes());
            assert_eq!(accepted(&file, "alice", ENDS - 1).as_deref(), Some("new:old"));
            assert_eq!(accepted(&file, "alice", ENDS).as_deref(), Some("new"));
            assert_eq!(accepted(&file, "bob", 0).as_deref(), Some("b"));
            assert_eq!((file.stored_hash(b"alice"), file.len()), (Some(&b"new"[..]), 2));
        }
    }

    #[test]
    fn a_rotation_counts_only_beside_the_line_it_was_made_for() {
        for text in [
            format!("alice:newer\n{ROTATION} alice:new:old\n"),
            format!("alice:!new\n{ROTATION} alice:new:old\n"),
            format!("alice:newer\nalice:new\n{ROTATION} alice:new:old\n"),
            format!("alice:newer\n{ROTATION} bob:newer:old\n"),
            format!("alice:newer\n#{ROTATION} alice:newer:old\n"),
            format!("alice:newer\nx{ROTATION} alice:newer:old\n"),
        ] {
            let found = accepted(&parse(text.as_bytes()), "alice", 0);
            assert!(matches!(found.as_deref(), Some("newer" | "!new")), "{text}");
        }
        let alone = parse(format!("{ROTATION} alice:new:old\n").as_bytes());
        assert_eq!((accepted(&alone, "alice", 0), alone.len()), (None, 0));
    }

    #[test]
    fn of_several_rotations_of_a_user_the_first_counts() {
        let text = format!("{ROTATION} alice:new:first\nalice:new\n{ROTATION} alice:new:second\n");
        assert_eq!(accepted(&parse(text.as_bytes()), "alice", 0).as_deref(), Some("new:first"));
    }

    #[test]
    fn while_a_user_has_two_hashes_there_is_a_second_decoy() {
        let far = "#esauth-also until 9999-12-31T00:00:00Z";
        let over = "#esauth-also until 2000-12-31T00:00:00Z";
        let file = parse(format!("a:1\n{far} a:1:x\nb:2\n{over} b:2:y\nc:3\n{far} c:3:z\n").as_bytes());
        let found: Vec<_> = (0..4).map(|number| file.second_decoy(|| number)).collect();
        assert_eq!(found, [Some(&b"x"[..]), Some(b"z"), Some(b"x"), Some(b"z")]);
        let ended = parse(format!("b:2\n{over} b:2:y\n").as_bytes());
        assert_eq!((ended.second_decoy(|| 0), parse(b"a:1\n").second_decoy(|| 0)), (None, None));
    }

    #[test]
    fn an_empty_file_names_nobody() {
        let file = parse(b"");
        assert!(file.is_empty());
        assert_eq!((file.stored_hash(b""), file.realm_hash(b"", b"")), (None, Ok(None)));
    }
}
