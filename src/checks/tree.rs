//! The configuration as httpd has read it: a tree of directives, with included files, macros and true conditions
//! expanded, and without the content of false conditions.

use std::borrow::Cow;
use std::ffi::CStr;

use crate::httpd::pool::{ConfigurationPool, Pool};
use crate::httpd::tree::{self, Node};
use crate::httpd::words::words;

/// A directive, or a section with its content.
#[derive(Clone, Copy)]
pub(super) struct Directive<'t> {
    node: Node<'t>,
    pool: Pool<'t>,
}

/// The outermost directives. What is made of their texts is kept in `pool`.
pub(super) fn configuration<'t>(
    configuration: ConfigurationPool<'t>,
    pool: Pool<'t>,
) -> impl Iterator<Item = Directive<'t>> {
    tree::outermost(configuration).map(move |node| Directive { node, pool })
}

impl<'t> Directive<'t> {
    /// Whether it has this name: `Require`, or `<Location` for a section.
    pub(super) fn is(self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// The name as its module spells it.
    pub(super) fn name(self) -> &'t [u8] {
        self.node.name().to_bytes()
    }

    pub(super) fn is_section(self) -> bool {
        self.name().starts_with(b"<")
    }

    /// The text behind the name, as written; without the `>` of a section.
    pub(super) fn arguments(self) -> &'t CStr {
        let text = self.node.arguments();
        let end = text.to_bytes().iter().rposition(|&byte| byte == b'>').filter(|_| self.is_section());
        end.map_or(text, |end| self.pool.join(&[&text.to_bytes()[..end]]))
    }

    /// The arguments, without quotes.
    pub(super) fn words(self) -> Vec<&'t [u8]> {
        words(self.pool, self.arguments()).map(CStr::to_bytes).collect()
    }

    pub(super) fn word(self, index: usize) -> Option<&'t [u8]> {
        self.words().get(index).copied()
    }

    /// The content of a section.
    pub(super) fn inside(self) -> impl Iterator<Item = Directive<'t>> {
        self.node.inside().map(move |node| Directive { node, pool: self.pool })
    }

    /// The directive as in the file: `Require valid-user`, `<Location "/x">`.
    pub(super) fn text(self) -> String {
        let bracket = if self.is_section() { ">" } else { "" };
        format!("{} {}{bracket}", lossy(self.name()), lossy(self.arguments().to_bytes()))
    }

    /// File and line, or the macro and where it is used: `/etc/apache2/apache2.conf:12`.
    pub(super) fn place(self) -> String {
        format!("{}:{}", lossy(self.file()), self.line())
    }

    /// The file only.
    pub(super) fn file(self) -> &'t [u8] {
        self.node.file().to_bytes()
    }

    pub(super) fn line(self) -> i32 {
        self.node.line()
    }

    pub(super) fn pool(self) -> Pool<'t> {
        self.pool
    }
}

/// Text from a configuration for a message.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
