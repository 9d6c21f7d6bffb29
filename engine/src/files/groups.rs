//! A group file (`group: user user …`) as an immutable snapshot.

use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use memchr::memchr;

use super::identity::ReadError;
use super::lines::{Line, LineCutter, LineRules, is_space};
use super::source::Parse;

/// httpd 2.4 stops reading a group file at a line of this many bytes before its LF (`VARBUF_MAX_LEN` of
/// mod_authz_groupfile, which counts the LF too).
pub(crate) const TOO_LONG_LINE: usize = 16 * 1024 * 1024;

/// Reserve room for at most this many members in advance: a large file may contain few.
const MOST_RESERVED: usize = 4 * 1024 * 1024;

/// The groups of one group file. Whether a user is in a group is answered in constant time for any number of groups and
/// members (logarithmic in the number of the user's own groups).
pub struct Groups {
    /// The file's bytes; every name in use ends with a NUL.
    text: Box<[u8]>,
    keys: RandomState,
    group_names: Names,
    member_names: Names,
    /// Start of each member's groups in `group_ids`; one more element, so that each has an end.
    starts: Box<[u32]>,
    /// Group numbers of all members, one member after the other, each member's in ascending order.
    group_ids: Box<[u32]>,
    stopped_at: Option<usize>,
}

/// The groups of one user: at least one.
#[derive(Clone, Copy)]
pub struct Memberships<'a> {
    groups: &'a Groups,
    ids: &'a [u32],
}

impl Groups {
    /// The groups of `user` (compared by exact bytes), or `None` if the user is in none.
    pub fn of(&self, user: &[u8]) -> Option<Memberships<'_>> {
        let hash = self.keys.hash_one(user);
        let id = self.member_names.find(hash, |offset| c_string(&self.text, offset) == user)? as usize;
        let ids = &self.group_ids[self.starts[id] as usize..self.starts[id + 1] as usize];
        Some(Memberships { groups: self, ids })
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        let words = self.starts.len() + self.group_ids.len();
        self.text.len() + words * size_of::<u32>() + self.group_names.memory() + self.member_names.memory()
    }

    /// Number of groups with at least one member.
    pub fn groups(&self) -> usize {
        self.group_names.offsets.len()
    }

    /// Number of users in at least one group.
    pub fn members(&self) -> usize {
        self.member_names.offsets.len()
    }
}

impl Memberships<'_> {
    /// True if one of the groups is called `group`. Group names are keys of an APR table in httpd, so their comparison
    /// ignores ASCII case.
    pub fn contains(&self, group: &[u8]) -> bool {
        let Groups { text, keys, group_names, .. } = self.groups;
        let same = |offset| c_string(text, offset).eq_ignore_ascii_case(group);
        group_names.find(hash_folded(keys, group), same).is_some_and(|id| self.ids.binary_search(&id).is_ok())
    }

    /// The groups' names, each in its first spelling.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        let Groups { text, group_names, .. } = self.groups;
        self.ids.iter().map(|&id| c_string(text, group_names.offsets[id as usize]))
    }
}

impl Parse for Groups {
    fn parse(text: Vec<u8>, rules: LineRules) -> Result<Self, ReadError> {
        let keys = RandomState::new();
        let mut group_names = Names::default();
        let mut member_names = Names::default();
        // Pairs of member and group as single numbers, which sort faster than pairs.
        let mut memberships: Vec<u64> = Vec::new();
        // At least the number of words; the excess is returned later. Growing would hash all names again and again.
        let most_members = text.iter().filter(|&&byte| is_space(byte)).count().min(MOST_RESERVED);
        member_names.reserve(most_members)?;
        memberships.try_reserve(most_members)?;
        let mut cutter = LineCutter::new(text, rules, TOO_LONG_LINE);
        while let Some(line) = cutter.next_content() {
            if cutter.too_long().is_some() {
                break;
            }
            let mut words = MemberWords::new(cutter.text_mut(), line);
            let Some(mut member) = words.next(cutter.text_mut()) else { continue };
            let group = words.group;
            let hash = hash_folded(&keys, c_string(cutter.text(), group));
            let group = group_names.intern(
                group,
                hash,
                |a, b| c_string(cutter.text(), a).eq_ignore_ascii_case(c_string(cutter.text(), b)),
                |offset| hash_folded(&keys, c_string(cutter.text(), offset)),
            )?;
            loop {
                let hash = keys.hash_one(c_string(cutter.text(), member));
                let id = member_names.intern(
                    member,
                    hash,
                    |a, b| c_string(cutter.text(), a) == c_string(cutter.text(), b),
                    |offset| keys.hash_one(c_string(cutter.text(), offset)),
                )?;
                memberships.try_reserve(1)?;
                memberships.push(u64::from(id) << 32 | u64::from(group));
                match words.next(cutter.text_mut()) {
                    Some(next) => member = next,
                    None => break,
                }
            }
        }
        let stopped_at = cutter.too_long();
        member_names.shrink(|offset| keys.hash_one(c_string(cutter.text(), offset)));
        memberships.sort_unstable();
        memberships.dedup();
        let starts = starts_of_members(&memberships, member_names.offsets.len())?;
        let mut group_ids = Vec::new();
        group_ids.try_reserve_exact(memberships.len())?;
        group_ids.extend(memberships.iter().map(|&pair| pair as u32));
        let group_ids = group_ids.into_boxed_slice();
        Ok(Groups { text: cutter.into_text(), keys, group_names, member_names, starts, group_ids, stopped_at })
    }

    fn stock_stops_at(&self) -> Option<usize> {
        self.stopped_at
    }
}

fn starts_of_members(memberships: &[u64], members: usize) -> Result<Box<[u32]>, ReadError> {
    let mut starts = Vec::new();
    starts.try_reserve_exact(members + 1)?;
    for (index, pair) in memberships.iter().enumerate() {
        if starts.len() as u64 == pair >> 32 {
            starts.push(index as u32);
        }
    }
    starts.push(memberships.len() as u32);
    Ok(starts.into_boxed_slice())
}

/// Distinct names, numbered in the order of their first appearance.
#[derive(Default)]
struct Names {
    /// Where the name of each number starts in the text.
    offsets: Vec<u32>,
    numbers: HashTable<u32>,
}

impl Names {
    fn memory(&self) -> usize {
        self.offsets.capacity() * size_of::<u32>() + self.numbers.allocation_size()
    }

    fn reserve(&mut self, count: usize) -> Result<(), ReadError> {
        self.offsets.try_reserve(count)?;
        // The table is still empty, so nothing is hashed.
        self.numbers.try_reserve(count, |_| 0).map_err(|_| ReadError::NO_MEMORY)
    }

    /// Returns the excess if far more names were reserved than exist.
    fn shrink(&mut self, hash_at: impl Fn(u32) -> u64) {
        let Names { offsets, numbers } = self;
        offsets.shrink_to_fit();
        if numbers.len() < numbers.capacity() / 4 {
            numbers.shrink_to_fit(|&number| hash_at(offsets[number as usize]));
        }
    }

    fn find(&self, hash: u64, is_name: impl Fn(u32) -> bool) -> Option<u32> {
        self.numbers.find(hash, |&number| is_name(self.offsets[number as usize])).copied()
    }

    /// The number of the name at `offset`: a new one if no earlier name is the `same`.
    fn intern(
        &mut self,
        offset: u32,
        hash: u64,
        same: impl Fn(u32, u32) -> bool,
        hash_at: impl Fn(u32) -> u64,
    ) -> Result<u32, ReadError> {
        let Names { offsets, numbers } = self;
        offsets.try_reserve(1)?;
        numbers.try_reserve(1, |&number| hash_at(offsets[number as usize])).map_err(|_| ReadError::NO_MEMORY)?;
        let known = |&number: &u32| same(offsets[number as usize], offset);
        Ok(match numbers.entry(hash, known, |&number| hash_at(offsets[number as usize])) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let number = offsets.len() as u32;
                entry.insert(number);
                offsets.push(offset);
                number
            }
        })
    }
}

/// The members of a line, split like words of httpd's configuration (`ap_getword_conf` in server/util.c): at white
/// space, with `"…"`, `'…'` and backslash escapes. Each word is unescaped in place.
pub(crate) struct MemberWords {
    /// Offset of the group's name.
    pub(crate) group: u32,
    position: usize,
    end: usize,
}

impl MemberWords {
    pub(crate) fn new(text: &mut [u8], line: Line) -> Self {
        let colon = memchr(b':', &text[line.start..line.end]).map_or(line.end, |distance| line.start + distance);
        let mut position = colon;
        while position < line.end && text[position] == b':' {
            position += 1;
        }
        let mut name_end = colon;
        while name_end > line.start && is_space(text[name_end - 1]) {
            name_end -= 1;
        }
        text[name_end] = 0;
        MemberWords { group: line.start as u32, position, end: line.end }
    }

    /// Offset of the next member's name.
    pub(crate) fn next(&mut self, text: &mut [u8]) -> Option<u32> {
        while self.position < self.end && is_space(text[self.position]) {
            self.position += 1;
        }
        let quote = match text[self.position] {
            _ if self.position == self.end => return None,
            quote @ (b'"' | b'\'') => Some(quote),
            _ => None,
        };
        let start = self.position + usize::from(quote.is_some());
        let mut from = start;
        let mut to = start;
        while from < self.end {
            let byte = text[from];
            let ends_word = quote.map_or_else(|| is_space(byte), |quote| byte == quote);
            if ends_word {
                break;
            }
            // The last byte of the line is followed by a NUL, so the next byte is always in bounds.
            let next = text[from + 1];
            if byte == b'\\' && (next == b'\\' || quote == Some(next)) {
                from += 1;
            }
            text[to] = text[from];
            to += 1;
            from += 1;
        }
        // Skip the quote or white space that ended the word; the NUL replaces it if nothing was escaped.
        self.position = (from + 1).min(self.end);
        text[to] = 0;
        Some(start as u32)
    }
}

/// The name at `offset`, up to its NUL.
pub(crate) fn c_string(text: &[u8], offset: u32) -> &[u8] {
    let from = &text[offset as usize..];
    &from[..memchr(0, from).unwrap_or(from.len())]
}

fn hash_folded(keys: &RandomState, name: &[u8]) -> u64 {
    let mut hasher = keys.build_hasher();
    for byte in name {
        hasher.write_u8(byte.to_ascii_lowercase());
    }
    hasher.finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Groups {
        Groups::parse(text.to_vec(), LineRules::Httpd24).unwrap()
    }

    fn is_in(groups: &Groups, user: &str, group: &str) -> bool {
        groups.of(user.as_bytes()).is_some_and(|memberships| memberships.contains(group.as_bytes()))
    }

    #[test]
    fn members_are_found_in_their_groups_only() {
        let groups = parse(b"admins: alice bob\nreaders: carol\n");
        assert!(
            is_in(&groups, "alice", "admins") && is_in(&groups, "bob", "admins") && is_in(&groups, "carol", "readers")
        );
        assert!(!is_in(&groups, "carol", "admins") && !is_in(&groups, "alice", "readers"));
        assert!(!is_in(&groups, "alice", "nobody") && !is_in(&groups, "dave", "admins"));
        assert!(groups.of(b"dave").is_none());
        assert_eq!(groups.members(), 3);
    }

    #[test]
    fn several_lines_of_a_group_add_up_and_repeated_members_count_once() {
        let groups = parse(b"g: alice alice\nh: bob\nG : bob\ng: alice\n");
        assert!(is_in(&groups, "alice", "g") && is_in(&groups, "bob", "g") && is_in(&groups, "bob", "h"));
        assert!(!is_in(&groups, "alice", "h"));
    }

    #[test]
    fn group_names_ignore_ascii_case_and_user_names_do_not() {
        let groups = parse("Admins: Alice\nÄ: alice\n".as_bytes());
        assert!(is_in(&groups, "Alice", "aDMINS"));
        assert!(!is_in(&groups, "alice", "admins"));
        assert!(is_in(&groups, "alice", "Ä") && !is_in(&groups, "alice", "ä"));
    }

    #[test]
    fn members_may_be_quoted_and_escaped() {
        let groups = parse(br#"g: "two words" 'it\'s' "a\"b" c\\d e\f "" "x"y "open"#);
        for member in ["two words", "it's", "a\"b", "c\\d", "e\\f", "", "x", "y", "open"] {
            assert!(is_in(&groups, member, "g"), "{member}");
        }
        assert_eq!(groups.members(), 9);
    }

    #[test]
    fn an_escaped_quote_at_the_end_of_an_open_word_belongs_to_it() {
        assert!(is_in(&parse(b"g: \"a\\\"\n"), "a\"", "g"));
        assert!(is_in(&parse(b"g: \"a\\\nh: b\n"), "ah: b", "g"));
    }

    #[test]
    fn the_group_name_ends_at_the_first_colon_without_the_white_space_before_it() {
        let groups = parse(b"two words \t: alice\nb::bob\n: carol\nnobody\nnone:\n");
        assert!(is_in(&groups, "alice", "two words") && is_in(&groups, "bob", "b") && is_in(&groups, "carol", ""));
        assert_eq!(groups.members(), 3);
    }

    #[test]
    fn a_member_may_contain_colons() {
        let groups = parse(b"g: a:b ::c\n");
        assert!(is_in(&groups, "a:b", "g") && is_in(&groups, "::c", "g"));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in an interpreter")]
    fn a_line_of_16_mib_ends_the_reading() {
        let file = |length| [b"g: early\nh: ".to_vec(), vec![b'x'; length - 3], b"\ng: late\n".to_vec()].concat();
        let groups = parse(&file(TOO_LONG_LINE));
        assert_eq!(groups.stock_stops_at(), Some(2));
        assert!(is_in(&groups, "early", "g") && !is_in(&groups, "late", "g"));
        let groups = parse(&file(TOO_LONG_LINE - 1));
        assert_eq!(groups.stock_stops_at(), None);
        assert!(is_in(&groups, "late", "g"));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in an interpreter")]
    fn a_user_in_many_groups_is_found_in_each() {
        let text: String = (0..1000).map(|n| format!("g{n}: u{} everyone\n", n % 7)).collect();
        let groups = parse(text.as_bytes());
        for n in 0..1000 {
            assert!(is_in(&groups, "everyone", &format!("g{n}")));
            assert!(is_in(&groups, &format!("u{}", n % 7), &format!("g{n}")));
            assert!(!is_in(&groups, &format!("u{}", (n + 1) % 7), &format!("g{n}")));
        }
    }
}
