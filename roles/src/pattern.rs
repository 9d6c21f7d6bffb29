//! Patterns of index names, and sets of them that are searched fast.

use hashbrown::HashSet;

/// True if every name that matches `asked` also matches `granted`.
///
/// In `asked`, a `*` matches any characters, and all else itself. In `granted`, a `?` also matches any one character. A
/// true result is certain; a containment that results only from several `*` together may be missed.
pub(crate) fn is_within(asked: &str, granted: &str) -> bool {
    let (asked, granted) = (asked.as_bytes(), granted.as_bytes());
    let (mut a, mut g) = (0, 0);
    // Position of the last `*` of `granted`, and how much of `asked` it has consumed.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let meets = match (granted.get(g), asked.get(a)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((g, a));
                g += 1;
                continue;
            }
            (Some(b'?'), Some(&letter)) => letter.is_ascii() && letter != b'*',
            (Some(wanted), Some(letter)) => wanted == letter && *letter != b'*',
            _ => false,
        };
        if meets {
            a += 1;
            g += 1;
        } else if let Some((at, taken)) = star.filter(|(_, taken)| *taken < asked.len()) {
            star = Some((at, taken + 1));
            a = taken + 1;
            g = at + 1;
        } else {
            return false;
        }
    }
}

/// True if an index name could match both patterns (with `*` and `?`). If in doubt, true.
pub fn may_overlap(one: &str, other: &str) -> bool {
    fn ends(pattern: &str) -> (&str, &str, bool) {
        match (pattern.find(['*', '?']), pattern.rfind(['*', '?'])) {
            (Some(first), Some(last)) => (&pattern[..first], &pattern[last + 1..], true),
            _ => (pattern, pattern, false),
        }
    }
    let (start, end, is_open) = ends(one);
    let (other_start, other_end, other_is_open) = ends(other);
    match (is_open, other_is_open) {
        (false, false) => one == other,
        (false, true) => is_within(one, other),
        (true, false) => is_within(other, one),
        (true, true) => {
            (start.starts_with(other_start) || other_start.starts_with(start))
                && (end.ends_with(other_end) || other_end.ends_with(end))
        }
    }
}

/// A set of patterns. Whether one of them contains a name or a pattern is answered in time logarithmic in their number,
/// except for patterns with a wildcard elsewhere than at one end.
#[derive(Default)]
pub(crate) struct Patterns {
    /// Names without a wildcard.
    names: HashSet<Box<str>>,
    /// The texts before a `*` at the end; sorted, and none begins with another.
    prefixes: Box<[Box<str>]>,
    /// The texts after a `*` at the beginning, reversed; sorted, and none begins with another.
    suffixes: Box<[Box<[u8]>]>,
    others: Box<[Box<str>]>,
    /// All of them, except those that others contain. For narrowing.
    widest: Box<[Box<str>]>,
}

impl Patterns {
    pub(crate) fn new<'a>(patterns: impl Iterator<Item = &'a str>) -> Patterns {
        let mut names = HashSet::new();
        let mut prefixes: Vec<&str> = Vec::new();
        let mut suffixes: Vec<Vec<u8>> = Vec::new();
        let mut others: Vec<&str> = Vec::new();
        for pattern in patterns {
            let wildcards = pattern.matches(['*', '?']).count();
            match pattern {
                _ if wildcards == 0 => drop(names.insert(pattern)),
                _ if wildcards == 1 && pattern.ends_with('*') => prefixes.push(&pattern[..pattern.len() - 1]),
                _ if wildcards == 1 && pattern.starts_with('*') => {
                    suffixes.push(pattern.bytes().skip(1).rev().collect())
                }
                _ => others.push(pattern),
            }
        }
        prefixes.sort_unstable();
        prefixes.dedup_by(|next, kept| next.starts_with(&**kept));
        suffixes.sort_unstable();
        suffixes.dedup_by(|next, kept| next.starts_with(kept));
        others.sort_unstable();
        others.dedup();
        let mut set = Patterns {
            names: names.iter().map(|&name| name.into()).collect(),
            prefixes: prefixes.into_iter().map(Into::into).collect(),
            suffixes: suffixes.into_iter().map(Into::into).collect(),
            others: others.into_iter().map(Into::into).collect(),
            widest: Box::default(),
        };
        set.widest = set.find_widest();
        set
    }

    fn find_widest(&self) -> Box<[Box<str>]> {
        let names = self.names.iter().filter(|name| !self.has_wildcard_containing(name)).map(|name| name.to_string());
        let prefixes = self.prefixes.iter().map(|prefix| format!("{prefix}*"));
        let suffixes = self.suffixes.iter().map(|suffix| {
            let forwards: Vec<u8> = suffix.iter().rev().copied().collect();
            format!("*{}", String::from_utf8_lossy(&forwards))
        });
        let others = self.others.iter().map(|other| other.to_string());
        let mut widest: Vec<Box<str>> = names.chain(prefixes).chain(suffixes).chain(others).map(Into::into).collect();
        widest.sort_unstable();
        widest.into()
    }

    /// True if one of them contains `asked`, in the sense of [`is_within`].
    pub(crate) fn contain(&self, asked: &str) -> bool {
        self.names.contains(asked) || self.has_wildcard_containing(asked)
    }

    fn has_wildcard_containing(&self, asked: &str) -> bool {
        let before = self.prefixes.partition_point(|prefix| **prefix <= *asked);
        let by_prefix = before.checked_sub(1).is_some_and(|last| asked.starts_with(&*self.prefixes[last]));
        by_prefix || self.has_suffix_of(asked) || self.others.iter().any(|other| is_within(asked, other))
    }

    fn has_suffix_of(&self, asked: &str) -> bool {
        if self.suffixes.is_empty() {
            return false;
        }
        let backwards = || asked.bytes().rev();
        let before = self.suffixes.partition_point(|suffix| suffix.iter().copied().cmp(backwards()).is_le());
        let last = before.checked_sub(1).map(|last| &self.suffixes[last]);
        last.is_some_and(|last| last.len() <= asked.len() && last.iter().copied().eq(backwards().take(last.len())))
    }

    /// All of them, except those that others contain; sorted.
    pub(crate) fn widest(&self) -> impl ExactSizeIterator<Item = &str> {
        self.widest.iter().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_lies_only_inside_a_wildcard() {
        for (asked, granted, expected) in [
            ("shopa-1", "shopa-*", true),
            ("shopa-", "shopa-*", true),
            ("shopa", "shopa-*", false),
            ("shopa-*", "shopa-*", true),
            ("shopa-*-x", "shopa-*", true),
            ("shop*", "shopa-*", false),
            ("*", "shopa-*", false),
            ("*", "*", true),
            ("shopa-*", "shopa-?", false),
            ("shopa-1", "shopa-?", true),
            ("shopa-12", "shopa-?", false),
            ("*-logs", "*-logs", true),
            ("a*-logs", "*-logs", true),
            ("*logs", "*-logs", false),
            ("a*c", "a*b*c", false),
            ("axbxc", "a*b*c", true),
            ("a*b*c", "a*b*c", true),
            ("a*b*", "a*b", false),
            ("", "*", true),
            ("é", "?", false),
        ] {
            assert_eq!(is_within(asked, granted), expected, "{asked} within {granted}");
            let set = Patterns::new([granted].into_iter());
            assert_eq!(set.contain(asked), expected, "{asked} within the set of {granted}");
        }
    }

    #[test]
    fn a_set_contains_the_names_of_each_of_its_patterns() {
        let patterns = ["shop*", "shopa-*", "shopb", "zeta", "*-logs", "*s", "a*b?c", "shop-x", "sho"];
        let set = Patterns::new(patterns.into_iter());
        let mut asked: Vec<String> = Vec::new();
        for start in ["", "s", "sho", "shop", "shopa-", "a", "ab", "z", "zeta", "x-"] {
            for end in ["", "*", "s", "-logs", "b1c", "*b1c", "x"] {
                asked.push(format!("{start}{end}"));
            }
        }
        for asked in asked {
            let expected = patterns.iter().any(|pattern| is_within(&asked, pattern));
            assert_eq!(set.contain(&asked), expected, "{asked}");
        }
        assert_eq!(set.widest().collect::<Vec<_>>(), ["*s", "a*b?c", "sho", "shop*", "zeta"]);
    }

    #[test]
    fn patterns_that_share_no_name_do_not_overlap() {
        assert!(may_overlap("shop*", "shopa-*") && may_overlap("*-logs", "shop*") && may_overlap("a", "a"));
        assert!(!may_overlap("shopa-*", "shopb-*") && !may_overlap("a", "b") && !may_overlap("*a", "*b"));
        assert!(may_overlap("shopa-1", "shopa-*") && !may_overlap("shopb-1", "shopa-*"));
    }
}
