//! A credentials file (`user: Scheme token`, `@group: …`, `*: …`) as an immutable snapshot: what a back end gets as
//! `Authorization`, by the user that was let in.
//!
//! One fault makes the whole file unusable: a line that was meant for somebody must not leave them with another's rights.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fmt;
use std::ops::Range;

use memchr::memchr;
use zeroize::{Zeroize, Zeroizing};

use super::groups::Memberships;
use super::identity::ReadError;
use super::lines::LineRules;
use super::source::Parse;

/// Schemes of `Authorization` (RFC 9110) that Elasticsearch and OpenSearch know, as they write them.
const SCHEMES: [&str; 3] = ["ApiKey", "Basic", "Bearer"];

/// A credentials file, well-formed or not.
pub struct CredentialsFile(Result<Credentials, Vec<CredentialsFault>>);

/// The credentials of a well-formed file. Wiped when they are dropped.
pub struct Credentials {
    /// The file's bytes; every credential ends with a NUL.
    text: Zeroizing<Vec<u8>>,
    /// Where the credentials of users and of groups are in the text, each with its NUL.
    users: HashMap<Box<[u8]>, Range<usize>>,
    /// In the order of the file.
    groups: Vec<(Box<[u8]>, Range<usize>)>,
    everyone: Option<Range<usize>>,
}

/// A fault in a credentials file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsFault {
    /// Number of the line, from 1.
    pub line: usize,
    /// The fault, and what is allowed. Shows nothing of a credential.
    pub text: String,
}

impl fmt::Display for CredentialsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl CredentialsFile {
    /// The content, or what is wrong with it.
    pub fn credentials(&self) -> Result<&Credentials, &[CredentialsFault]> {
        self.0.as_ref().map_err(Vec::as_slice)
    }
}

impl Credentials {
    /// The credential of the user's own line.
    pub fn of_user(&self, user: &[u8]) -> Option<&CStr> {
        self.users.get(user).and_then(|range| self.credential(range))
    }

    /// True if a line is for a group.
    pub fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// The credential of the first line for a group that the user is in.
    pub fn of_groups(&self, memberships: Memberships<'_>) -> Option<&CStr> {
        let (_, range) = self.groups.iter().find(|(group, _)| memberships.contains(group))?;
        self.credential(range)
    }

    /// The credential of the line `*`.
    pub fn of_everyone(&self) -> Option<&CStr> {
        self.everyone.as_ref().and_then(|range| self.credential(range))
    }

    /// Number of lines for users and for groups.
    pub fn counts(&self) -> (usize, usize) {
        (self.users.len(), self.groups.len())
    }

    fn credential(&self, range: &Range<usize>) -> Option<&CStr> {
        CStr::from_bytes_with_nul(self.text.get(range.clone())?).ok()
    }
}

impl Parse for CredentialsFile {
    fn parse(mut text: Vec<u8>, _: LineRules) -> Result<Self, ReadError> {
        // In a buffer that need not grow, which would leave a copy behind.
        let mut ended = Zeroizing::new(Vec::new());
        let reserved = ended.try_reserve_exact(text.len() + 1);
        ended.extend_from_slice(&text[..if reserved.is_ok() { text.len() } else { 0 }]);
        text.zeroize();
        reserved?;
        Ok(CredentialsFile(parse(ended)))
    }

    fn stock_stops_at(&self) -> Option<usize> {
        None
    }
}

fn parse(mut text: Zeroizing<Vec<u8>>) -> Result<Credentials, Vec<CredentialsFault>> {
    let mut read =
        Credentials { text: Zeroizing::new(Vec::new()), users: HashMap::new(), groups: Vec::new(), everyone: None };
    let mut faults = Vec::new();
    let (mut start, mut number) = (0, 0);
    text.push(b'\n');
    while start < text.len() {
        let end = start + memchr(b'\n', &text[start..]).unwrap_or(text.len() - start);
        number += 1;
        match Entry::parse(&text, start..end) {
            Ok(None) => {}
            Ok(Some(Entry { name, value })) => {
                if !read.insert(&text[name.clone()], value.start..value.end + 1) {
                    let name = text[name].escape_ascii();
                    let text = format!("a second line for '{name}'; one is allowed");
                    faults.push(CredentialsFault { line: number, text });
                }
                // At the latest the line's end, which is no part of another line.
                text[value.end] = 0;
            }
            Err(fault) => faults.push(CredentialsFault { line: number, text: fault }),
        }
        start = end + 1;
    }
    read.text = text;
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

impl Credentials {
    /// False if the name has a line already.
    fn insert(&mut self, name: &[u8], credential: Range<usize>) -> bool {
        match name {
            b"*" => self.everyone.replace(credential).is_none(),
            [b'@', group @ ..] => {
                // Like the names in group files, whose comparison ignores ASCII case.
                let is_new = self.groups.iter().all(|(known, _)| !known.eq_ignore_ascii_case(group));
                self.groups.push((group.into(), credential));
                is_new
            }
            user => self.users.insert(user.into(), credential).is_none(),
        }
    }
}

/// Where the parts of a line are.
struct Entry {
    name: Range<usize>,
    value: Range<usize>,
}

impl Entry {
    /// `None` for an empty line and for a comment.
    fn parse(text: &[u8], line: Range<usize>) -> Result<Option<Entry>, String> {
        const FORM: &str = "'USER: ApiKey TOKEN', with '@GROUP' or '*' in place of USER, and Basic or Bearer of ApiKey";
        let line = trim(text, line);
        if line.is_empty() || text[line.start] == b'#' {
            return Ok(None);
        }
        let Some(colon) = memchr(b':', &text[line.clone()]) else { return Err(format!("no colon; expected {FORM}")) };
        let name = trim(text, line.start..line.start + colon);
        if name.is_empty() || text[name.clone()] == *b"@" {
            return Err(format!("no name before the colon; expected {FORM}"));
        }
        if let Some(byte) = text[name.clone()].iter().find(|&&byte| byte.is_ascii_control()) {
            return Err(format!("a control character (0x{byte:02x}) in the name"));
        }
        let value = trim(text, line.start + colon + 1..line.end);
        let credential = &text[value.clone()];
        let (scheme, token) = credential.split_at(memchr(b' ', credential).unwrap_or(credential.len()));
        let scheme = SCHEMES.into_iter().find(|known| known.as_bytes().eq_ignore_ascii_case(scheme));
        let Some(scheme) = scheme else { return Err(format!("no known scheme behind the name; expected {FORM}")) };
        let token = token.trim_ascii();
        if token.is_empty() || !token.iter().all(|&byte| is_of_token(byte)) {
            let allowed = "letters, digits, '-', '.', '_', '~', '+', '/' and '='";
            return Err(format!("the token behind {scheme} is empty or has other characters than {allowed}"));
        }
        // Users write the two parts themselves rather than their base64.
        if scheme != "Bearer" && (token.len() % 4 == 1 || !token.iter().all(|&byte| is_of_base64(byte))) {
            return Err(format!(
                "the token behind {scheme} is not base64 (of 'id:key' for ApiKey, 'user:password' for Basic)"
            ));
        }
        Ok(Some(Entry { name, value }))
    }
}

fn trim(text: &[u8], range: Range<usize>) -> Range<usize> {
    let part = &text[range.clone()];
    let start = range.start + (part.len() - part.trim_ascii_start().len());
    start..start + part.trim_ascii().len()
}

/// The characters of a token68 (RFC 9110).
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

fn is_of_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Groups;

    fn file(text: &str) -> CredentialsFile {
        CredentialsFile::parse(text.as_bytes().to_vec(), LineRules::Httpd24).unwrap_or_else(|_| unreachable!())
    }

    fn fault(text: &str) -> String {
        match file(text).credentials() {
            Ok(_) => String::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        }
    }

    #[test]
    fn a_user_gets_its_own_line_then_its_first_group_in_the_order_of_the_file_then_the_line_for_all() {
        let file = file("# keys\r\n alice : ApiKey YTpi \n@b: Basic Yjpi\n@A: Basic YTph\n\n*: Bearer AAE-_~.x\n");
        let credentials = file.credentials().unwrap_or_else(|_| unreachable!());
        let groups = Groups::parse(b"a: bob\nb: bob\nc: carol\n".to_vec(), LineRules::Httpd24);
        let groups = groups.unwrap_or_else(|_| unreachable!());
        let of_groups = |user: &[u8]| groups.of(user).and_then(|memberships| credentials.of_groups(memberships));
        assert_eq!(credentials.of_user(b"alice"), Some(c"ApiKey YTpi"));
        assert_eq!(credentials.of_user(b"@b"), None);
        assert_eq!(credentials.of_user(b"*"), None);
        assert_eq!(of_groups(b"bob"), Some(c"Basic Yjpi"));
        assert_eq!(of_groups(b"carol"), None);
        assert_eq!(credentials.of_everyone(), Some(c"Bearer AAE-_~.x"));
    }

    #[test]
    fn a_last_line_without_its_end_counts() {
        let file = file("alice: apikey YTpi");
        let credentials = file.credentials().unwrap_or_else(|_| unreachable!());
        assert_eq!(credentials.of_user(b"alice"), Some(c"apikey YTpi"));
    }

    #[test]
    fn every_fault_names_its_line_and_shows_nothing_of_the_credential() {
        let cases = [
            ("alice", "line 1: no colon"),
            ("\n: ApiKey YTpi", "line 2: no name"),
            ("@: ApiKey YTpi", "no name"),
            ("a\tb: ApiKey YTpi", "control character (0x09)"),
            ("alice: SECRET", "no known scheme"),
            ("alice: ApiKeySECRET", "no known scheme"),
            ("alice: Digest SECRET", "no known scheme"),
            ("alice: ApiKey", "empty"),
            ("alice: ApiKey SEC RET", "other characters"),
            ("alice: Basic SECRET:SECRET", "other characters"),
            ("alice: Basic SECRET_1", "is not base64"),
            ("alice: ApiKey SECRE", "is not base64"),
            ("a: ApiKey YTpi\na: ApiKey YTpi", "line 2: a second line for 'a'"),
            ("*: ApiKey YTpi\n*: ApiKey YTpi", "line 2: a second line for '*'"),
            ("@a: ApiKey YTpi\n@A: ApiKey YTpi", "line 2: a second line for '@A'"),
            ("\u{feff}alice\u{0}: ApiKey YTpi", "control character"),
        ];
        for (text, expected) in cases {
            let fault = fault(text);
            assert!(fault.contains(expected), "{text:?}: {fault}");
            assert!(!fault.contains("SEC"), "{text:?}: {fault}");
        }
    }
}
