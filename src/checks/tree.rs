//! The configuration as httpd has read it: a tree of directives, with included files, macros and true conditions
//! expanded, and without the content of false conditions.

use std::borrow::Cow;
use std::ffi::CStr;

use crate::httpd::bindings::{ap_conftree, ap_directive_t};
use crate::httpd::pool::Pool;
use crate::httpd::text::c_str;
use crate::httpd::words::words;

/// A directive, or a section with its content.
#[derive(Clone, Copy)]
pub(super) struct Directive<'t> {
    raw: &'t ap_directive_t,
    pool: Pool<'t>,
}

/// The outermost directives.
///
/// # Safety
///
/// httpd has read its configuration completely, and keeps the tree for `'t`.
pub(super) unsafe fn configuration<'t>(pool: Pool<'t>) -> impl Iterator<Item = Directive<'t>> {
    // SAFETY: httpd's variable, which nobody writes now; null or the first node.
    unsafe { siblings(ap_conftree, pool) }
}

/// # Safety
///
/// `first` is null or a node of a tree that lasts for `'t`.
unsafe fn siblings<'t>(first: *const ap_directive_t, pool: Pool<'t>) -> impl Iterator<Item = Directive<'t>> {
    let mut next = first;
    std::iter::from_fn(move || {
        // SAFETY: null or a node, as the caller promises.
        let raw = unsafe { next.as_ref() }?;
        next = raw.next;
        Some(Directive { raw, pool })
    })
}

impl<'t> Directive<'t> {
    /// Whether it has this name: `Require`, or `<Location` for a section.
    pub(super) fn is(self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// The name as its module spells it.
    pub(super) fn name(self) -> &'t [u8] {
        // SAFETY: a node's texts are C strings that live as long as the tree.
        unsafe { c_str(self.raw.directive) }.unwrap_or(c"").to_bytes()
    }

    pub(super) fn is_section(self) -> bool {
        self.name().starts_with(b"<")
    }

    /// The text behind the name, as written; without the `>` of a section.
    pub(super) fn arguments(self) -> &'t CStr {
        // SAFETY: as for the name.
        let text = unsafe { c_str(self.raw.args) }.unwrap_or(c"");
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
        // SAFETY: null or a node of the same tree.
        unsafe { siblings(self.raw.first_child, self.pool) }
    }

    /// The directive as in the file: `Require valid-user`, `<Location "/x">`.
    pub(super) fn text(self) -> String {
        let bracket = if self.is_section() { ">" } else { "" };
        format!("{} {}{bracket}", lossy(self.name()), lossy(self.arguments().to_bytes()))
    }

    /// File and line, or the macro and where it is used: `/etc/apache2/apache2.conf:12`.
    pub(super) fn place(self) -> String {
        // SAFETY: as for the name.
        let file = unsafe { c_str(self.raw.filename) }.unwrap_or(c"");
        format!("{}:{}", lossy(file.to_bytes()), self.raw.line_num)
    }

    /// The file only.
    pub(super) fn file(self) -> &'t [u8] {
        // SAFETY: as for the name.
        unsafe { c_str(self.raw.filename) }.unwrap_or(c"").to_bytes()
    }

    pub(super) fn line(self) -> i32 {
        self.raw.line_num
    }

    pub(super) fn pool(self) -> Pool<'t> {
        self.pool
    }
}

/// Text from a configuration for a message.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
