//! The roles file.

use std::fmt;

use esauth_engine::{LineRules, Parse, ReadError};

/// What is wrong in a roles file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong there, and what is allowed. Has no control characters.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// What each role of a roles file may do.
#[derive(Default)]
pub struct Roles {}

impl Roles {
    /// The roles of a file with these bytes, or everything that is wrong in it: at least one fault, in the order of lines.
    pub fn parse(text: &[u8]) -> Result<Roles, Vec<Fault>> {
        let _ = text;
        Err(vec![Fault { line: 1, text: "roles files cannot be read yet".into() }])
    }
}

/// A roles file as the engine's `Source` keeps it: readable, or with the reasons why not. A file with faults gives no rights
/// to anybody.
pub struct RolesFile {
    roles: Result<Roles, Vec<Fault>>,
}

impl RolesFile {
    /// The roles, or what is wrong in the file.
    pub fn roles(&self) -> Result<&Roles, &[Fault]> {
        self.roles.as_ref().map_err(Vec::as_slice)
    }
}

impl Parse for RolesFile {
    fn parse(text: Vec<u8>, _: LineRules) -> Result<Self, ReadError> {
        Ok(RolesFile { roles: Roles::parse(&text) })
    }

    fn stock_stops_at(&self) -> Option<usize> {
        None
    }
}
