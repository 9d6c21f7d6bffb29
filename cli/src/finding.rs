//! The kinds of findings of `esauth check`, which its options name, too.

use clap::ValueEnum;
use serde::Serialize;

/// The kinds of findings. Their names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    /// An earlier line is this user's, and that one counts.
    DuplicateUser,
    /// No colon, or nothing behind it: nobody can log in.
    NoHash,
    /// A plain-text password instead of a hash: nobody can log in.
    PlainText,
    /// A hash of no known family: nobody can log in.
    UnknownHash,
    /// A hash that no password matches, such as one that was cut off: nobody can log in.
    MalformedHash,
    /// A hash with something added, such as a blank in front of it: nobody can log in.
    AlteredHash,
    /// A line made by htdigest, for Digest only.
    DigestLine,
    /// A hash that can be guessed quickly once the file is stolen.
    WeakHash,
    /// A client that sends no name logs in with this line's password.
    EmptyName,
    /// A blank before the colon is part of the user's name.
    BlankInName,
    /// An invisible character is part of a name.
    InvisibleInName,
    /// A name that clients send in other bytes than the file contains.
    NameEncoding,
    /// Two different names look alike.
    LookAlike,
    /// The first name of the file begins with a byte order mark.
    ByteOrderMark,
    /// The file is in UTF-16 or UTF-32.
    WideEncoding,
    /// A NUL ends a line's text.
    NulByte,
    /// A carriage return without a line feed ends no line.
    LoneReturn,
    /// A backslash joins lines.
    JoinedLines,
    /// The stock modules stop reading the file here.
    LineTooLong,
    /// A comment that should keep an old password (#esauth-also) and cannot be read.
    MalformedRotation,
    /// A comment that kept an old password, whose time is over.
    EndedRotation,
    /// A comment that should keep an old password, beside no line that it fits.
    UnusedRotation,
    /// The file looks like one of the other kind.
    WrongKind,
    /// A line of a group file without a colon.
    NoColon,
    /// A group without members.
    EmptyGroup,
    /// A member who has no line in a password file.
    UnknownMember,
    /// A comma is part of a member's name.
    CommaInMember,
    /// The words of a comment behind a group's members are members, too.
    TrailingComment,
    /// A user who is in no group.
    NoGroup,
    /// A roles file that cannot be enforced: every request is refused.
    RolesFault,
    /// A role that nobody has.
    UnusedRole,
    /// A group without a role of its name.
    NoRole,
    /// Patterns of two roles share names.
    OverlappingPatterns,
}

impl Code {
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
