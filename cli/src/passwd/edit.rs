//! The new text of a password file. Bytes that have nothing to do with the change stay as they are.

use std::ops::Range;

use esauth_engine::hash::{describe, verify};
use esauth_engine::{LineRules, Listed, Listing, Moment, Rotation};

use crate::terminal::count;
use crate::text::{BYTE_ORDER_MARK, is_invisible, printable, wide};

/// The longest name that `htpasswd` takes, in bytes.
const LONGEST_NAME: usize = 255;

/// What is to be done about a user.
pub(super) enum Change<'a> {
    /// Give the user this hash of this password.
    Set {
        hash: &'a str,
        password: &'a [u8],
        /// When the old password ends, if it is kept, in seconds of Unix time.
        until: Option<u64>,
    },
    /// Find out whether [`Change::Set`] is possible.
    Check { keeps_old: bool },
    /// Remove all lines of the user.
    Delete,
    /// Remove the old password that is kept.
    DropOld,
}

/// The result of a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// The file's new text; `None` if it need not change.
    pub(super) text: Option<Vec<u8>>,
    /// What was done.
    pub(super) done: String,
    /// What a person should know besides.
    pub(super) notes: Vec<String>,
}

/// Why a file or a change of it is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: Option<usize>,
    pub(super) why: String,
}

impl Fault {
    fn new(why: impl Into<String>) -> Self {
        Fault { line: None, why: why.into() }
    }

    fn at(line: usize, why: impl Into<String>) -> Self {
        Fault { line: Some(line), why: why.into() }
    }
}

/// Refuses a name that a new entry cannot have, or that no client sends.
pub(super) fn check_name(user: &str) -> Result<(), String> {
    let why = if user.is_empty() {
        "is empty".to_owned()
    } else if user.len() > LONGEST_NAME {
        format!("has {} bytes, more than {LONGEST_NAME}", user.len())
    } else if user.contains(':') {
        "has a colon, which ends the name in the file and in what clients send".to_owned()
    } else if user.starts_with('#') {
        "begins with #, as comments do".to_owned()
    } else if user.trim() != user {
        "begins or ends with a blank".to_owned()
    } else if let Some(character) = user.chars().find(|&character| is_invisible(character)) {
        format!("has the invisible character U+{:04X}", u32::from(character))
    } else {
        return Ok(());
    };
    Err(format!("the name {} {why}", printable(user.as_bytes())))
}

/// Makes a change of `user` in `text`, a password file.
pub(super) fn edit(text: &[u8], user: &str, change: &Change<'_>) -> Result<Edit, Fault> {
    check_bytes(text)?;
    let listing = Listing::of_passwords(text.to_vec(), LineRules::Httpd24);
    check_kind(&listing, user)?;
    let file = File::new(text, &listing, user);
    let (edit, hash) = match *change {
        Change::Set { hash, password, until } => (file.set(hash, password, until)?, Some(hash.as_bytes())),
        Change::Check { keeps_old } => (file.check(keeps_old)?, None),
        Change::Delete => (file.delete()?, None),
        Change::DropOld => (file.drop_old()?, file.own.first().map(|line| line.stored_hash())),
    };
    if let Some(new) = &edit.text {
        check_joins(text, new, user.as_bytes(), hash)?;
    }
    Ok(edit)
}

/// Refuses a change without the wanted effect, or with one on other users, because backslashes join lines: httpd 2.4 and 2.2
/// join them by different rules.
fn check_joins(old: &[u8], new: &[u8], user: &[u8], hash: Option<&[u8]>) -> Result<(), Fault> {
    let mut joining = old.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| ends_in_backslash(line));
    let Some((first, _)) = joining.next() else { return Ok(()) };
    for rules in [LineRules::Httpd24, LineRules::Httpd22] {
        let [old, new] = [old, new].map(|text| Listing::of_passwords(text.to_vec(), rules));
        let [others, others_now] = [&old, &new].map(|listing| {
            let others = listing.lines().filter(|line| line.name() != user);
            others.map(|line| (line.name(), line.stored_hash(), line.rest()))
        });
        let now = new.lines().find(|line| line.name() == user).map(|line| line.stored_hash());
        if now != hash || !others.eq(others_now) {
            let why = "ends in a backslash, which joins lines in a way that this change cannot have its effect";
            return Err(Fault::at(first + 1, why));
        }
    }
    Ok(())
}

/// Refuses what httpd would not read as it is meant.
fn check_bytes(text: &[u8]) -> Result<(), Fault> {
    if let Some(encoding) = wide(text) {
        return Err(Fault::at(1, format!("the file is in {encoding}, which httpd cannot read: save it as UTF-8")));
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        let why = "the file begins with a byte order mark, which httpd takes for a part of the first line: remove its first three bytes";
        return Err(Fault::at(1, why));
    }
    if let Some(at) = text.iter().position(|&byte| byte == 0) {
        let line = 1 + text[..at].iter().filter(|&&byte| byte == b'\n').count();
        return Err(Fault::at(line, "has a NUL byte: this is no password file"));
    }
    Ok(())
}

/// Refuses a file of another kind. The user's own line may lack its colon.
fn check_kind(listing: &Listing, user: &str) -> Result<(), Fault> {
    if let Some(line) = listing.lines().find(|line| !line.has_colon() && line.name() != user.as_bytes()) {
        return Err(Fault::at(line.number(), "has no colon: this is no line of a password file"));
    }
    let is_of_list = |line: Listed<'_>| line.stored_hash().first().is_some_and(u8::is_ascii_whitespace);
    let is_without = |line: Listed<'_>| line.stored_hash().is_empty() || is_of_list(line);
    if let Some(line) = listing.lines().find(|&line| is_of_list(line)).filter(|_| listing.lines().all(is_without)) {
        return Err(Fault::at(line.number(), "has a blank behind the colon, as in a group or credentials file"));
    }
    Ok(())
}

/// A password file and what it has about a user.
struct File<'a> {
    text: &'a [u8],
    listing: &'a Listing,
    name: String,
    user: &'a [u8],
    /// Offsets at which physical lines begin.
    starts: Vec<usize>,
    /// The user's lines; the first one counts.
    own: Vec<Listed<'a>>,
    /// First and last physical lines of the comments that keep an old password of the user.
    rotations: Vec<(usize, usize, Rotation<'a>)>,
}

impl<'a> File<'a> {
    fn new(text: &'a [u8], listing: &'a Listing, user: &'a str) -> Self {
        let name = printable(user.as_bytes());
        let user = user.as_bytes();
        let ends = text.iter().enumerate().filter(|&(_, &byte)| byte == b'\n').map(|(at, _)| at + 1);
        let rotations =
            listing.rotations().filter_map(|(first, last, read)| read.map(|rotation| (first, last, rotation)));
        File {
            text,
            listing,
            name,
            user,
            starts: std::iter::once(0).chain(ends).collect(),
            own: listing.lines().filter(|line| line.name() == user).collect(),
            rotations: rotations.filter(|(.., rotation)| rotation.user == user).collect(),
        }
    }

    /// The bytes of physical lines, with the line ends.
    fn lines(&self, first: usize, last: usize) -> Range<usize> {
        self.starts[first - 1]..self.starts.get(last).copied().unwrap_or(self.text.len())
    }

    fn check(&self, keeps_old: bool) -> Result<Edit, Fault> {
        match self.own.first() {
            Some(&line) => {
                self.hash_position(line)?;
                if keeps_old {
                    self.check_old(line)?;
                }
            }
            None if keeps_old => return Err(self.unknown()),
            None => self.check_end()?,
        }
        Ok(Edit { text: None, done: String::new(), notes: Vec::new() })
    }

    fn unknown(&self) -> Fault {
        Fault::new(format!("has no user {}", self.name))
    }

    /// Where the user's hash is, if it can be replaced by itself.
    fn hash_position(&self, line: Listed<'_>) -> Result<Range<usize>, Fault> {
        let rest = line.rest();
        if rest.len() == 32 && rest.iter().all(u8::is_ascii_hexdigit) {
            let why = format!("{} has a line of htdigest (user:realm:hash), which HTTP Basic cannot use", self.name);
            return Err(Fault::at(line.number(), why));
        }
        let joined = || Fault::at(line.number(), format!("the line of {} ends in a backslash", self.name));
        let ends_in_backslash = ends_in_backslash(&self.text[self.lines(line.number(), line.number())]);
        line.hash_position().filter(|_| !ends_in_backslash).ok_or_else(joined)
    }

    fn check_old(&self, line: Listed<'_>) -> Result<(), Fault> {
        if describe(line.stored_hash()).usable {
            return Ok(());
        }
        Err(Fault::at(line.number(), format!("{} has no password that works, and so none to keep", self.name)))
    }

    /// Refuses an end that would take in a new line.
    fn check_end(&self) -> Result<(), Fault> {
        let last =
            self.starts.len() - usize::from(self.starts.last() == Some(&self.text.len()) && !self.text.is_empty());
        match ends_in_backslash(&self.text[self.lines(last, last)]) {
            true => Err(Fault::at(last, "ends in a backslash, which would join a new line with this one")),
            false => Ok(()),
        }
    }

    fn set(&self, hash: &str, password: &[u8], until: Option<u64>) -> Result<Edit, Fault> {
        self.check(until.is_some())?;
        let Some(&line) = self.own.first() else { return Ok(self.add(hash)) };
        let at = self.hash_position(line)?;
        let mut notes = self.duplicates();
        let mut pieces = Pieces::default();
        let colon = if line.has_colon() { "" } else { ":" };
        pieces.put(at, format!("{colon}{hash}").into_bytes());
        self.remove_rotations(&mut pieces);
        let mut done = format!("changed the password of {}", self.name);
        if let Some(until) = until {
            let old = line.stored_hash();
            if verify(password, old) {
                return Err(Fault::new(format!("{} has this password already", self.name)));
            }
            let end = self.lines(line.number(), line.number()).end;
            pieces.put(end..end, self.rotation(line, Rotation::line(until, self.user, hash.as_bytes(), old)));
            done = format!("{done}; the old password of {} is valid, too, until {}", self.name, Moment(until));
        }
        if self.current_rotation(line).is_some() {
            notes.push(format!("the password that {} had before these ends now", self.name));
        }
        Ok(Edit { text: Some(pieces.applied_to(self.text)), done, notes })
    }

    /// A comment to put behind the user's line.
    fn rotation(&self, line: Listed<'_>, comment: Vec<u8>) -> Vec<u8> {
        match &self.text[self.lines(line.number(), line.number())] {
            before if before.ends_with(b"\r\n") => [&comment[..], b"\r\n"].concat(),
            before if before.ends_with(b"\n") => [&comment[..], b"\n"].concat(),
            _ => [self.line_end(), &comment].concat(),
        }
    }

    /// The rotation that counts with the user's line.
    fn current_rotation(&self, line: Listed<'_>) -> Option<&Rotation<'a>> {
        let fitting = self.rotations.iter().map(|(.., rotation)| rotation);
        fitting.into_iter().find(|rotation| rotation.new == line.stored_hash()).filter(|rotation| !rotation.has_ended())
    }

    fn duplicates(&self) -> Vec<String> {
        let others: Vec<_> = self.own.iter().skip(1).map(|line| line.number().to_string()).collect();
        match others.is_empty() {
            true => Vec::new(),
            false => {
                let lines = if others.len() == 1 { "line" } else { "lines" };
                let others = others.join(", ");
                vec![format!("{lines} {others} also have {}; httpd takes the first, which was changed", self.name)]
            }
        }
    }

    /// The file with another line at its end.
    fn add(&self, hash: &str) -> Edit {
        let mut notes = Vec::new();
        if let Some(line) = self.listing.stock_stops_at() {
            notes.push(format!(
                "stock httpd stops reading at line {line}, which is too long, and does not see {}",
                self.name
            ));
        }
        // Comments of a user of this name who is gone.
        let mut pieces = Pieces::default();
        self.remove_rotations(&mut pieces);
        let mut text = pieces.applied_to(self.text);
        let end = self.line_end();
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.extend_from_slice(end);
        }
        text.extend([self.user, b":", hash.as_bytes(), end].concat());
        Edit { text: Some(text), done: format!("added {}", self.name), notes }
    }

    /// How the file ends its lines.
    fn line_end(&self) -> &'static [u8] {
        if self.text[self.lines(1, 1)].ends_with(b"\r\n") { b"\r\n" } else { b"\n" }
    }

    fn remove_rotations(&self, pieces: &mut Pieces) {
        for &(first, last, _) in &self.rotations {
            pieces.put(self.lines(first, last), Vec::new());
        }
    }

    fn delete(&self) -> Result<Edit, Fault> {
        if self.own.is_empty() {
            return Err(self.unknown());
        }
        let mut pieces = Pieces::default();
        for line in &self.own {
            if line.last_number() > line.number() {
                let why = format!("the line of {} ends in a backslash and has the next line in it", self.name);
                return Err(Fault::at(line.number(), why));
            }
            pieces.put(self.lines(line.number(), line.number()), Vec::new());
        }
        self.remove_rotations(&mut pieces);
        let notes = match self.own.len() {
            1 => Vec::new(),
            several => vec![format!(
                "{} of {} are gone, since the next one would have counted",
                count(several, "line"),
                self.name
            )],
        };
        Ok(Edit { text: Some(pieces.applied_to(self.text)), done: format!("deleted {}", self.name), notes })
    }

    fn drop_old(&self) -> Result<Edit, Fault> {
        if self.rotations.is_empty() {
            if self.own.is_empty() {
                return Err(self.unknown());
            }
            let done = format!("{} has no old password; nothing changed", self.name);
            return Ok(Edit { text: None, done, notes: Vec::new() });
        }
        let mut pieces = Pieces::default();
        self.remove_rotations(&mut pieces);
        let done = format!("the old password of {} is no longer valid", self.name);
        Ok(Edit { text: Some(pieces.applied_to(self.text)), done, notes: Vec::new() })
    }
}

/// True if httpd would join the line with the next one. Blanks behind a backslash keep it from joining.
fn ends_in_backslash(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line).ends_with(b"\\")
}

/// Replacements of ranges of a text, which do not overlap.
#[derive(Default)]
struct Pieces(Vec<(Range<usize>, Vec<u8>)>);

impl Pieces {
    fn put(&mut self, at: Range<usize>, with: Vec<u8>) {
        self.0.push((at, with));
    }

    fn applied_to(mut self, text: &[u8]) -> Vec<u8> {
        // An insertion comes before what begins at the same offset.
        self.0.sort_by_key(|(at, _)| (at.start, at.end));
        let mut result = Vec::with_capacity(text.len() + 512);
        let mut from = 0;
        for (at, with) in self.0 {
            result.extend_from_slice(&text[from..at.start]);
            result.extend_from_slice(&with);
            from = at.end;
        }
        result.extend_from_slice(&text[from..]);
        result
    }
}

#[cfg(test)]
mod tests;
