//! The kinds of findings of `esauth check`, which its options name too.

use clap::ValueEnum;
use serde::Serialize;

/// The kinds of findings. Their names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    /// The user has a line further up, which is the one that counts.
    DuplicateUser,
    /// No colon, or nothing behind it: nobody can log in.
    NoHash,
    /// What should be a hash is plain text: nobody can log in.
    PlainText,
    /// A hash of no family that httpd knows: nobody can log in.
    UnknownHash,
    /// A hash that no password has, such as one that was cut off: nobody can log in.
    MalformedHash,
    /// A line that htdigest made: of no use to Basic.
    DigestLine,
    /// A hash that is quickly guessed once the file is stolen.
    WeakHash,
    /// Who gives no name is let in with this line's password.
    EmptyName,
    /// A blank before the colon is part of the user's name.
    BlankInName,
    /// A backslash joins lines.
    JoinedLines,
    /// The stock modules stop reading the file here.
    LineTooLong,
    /// The file has the look of the other kind.
    WrongKind,
    /// A line of a group file without a colon.
    NoColon,
    /// A group that nobody is in.
    EmptyGroup,
    /// A member who has no line in a password file.
    UnknownMember,
    /// A user who is in no group.
    NoGroup,
    /// A roles file that cannot be enforced: all is refused.
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
