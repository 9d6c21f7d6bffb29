//! The configuration as httpd has read it: a tree of directives.

use std::ffi::{CStr, c_char};

use crate::httpd::bindings::{ap_conftree, ap_directive_t};
use crate::httpd::pool::ConfigurationPool;
use crate::httpd::text::c_str;

/// A directive, or a section with its content.
#[derive(Clone, Copy)]
pub(crate) struct Node<'t>(&'t ap_directive_t);

/// The outermost directives.
pub(crate) fn outermost(_configuration: ConfigurationPool<'_>) -> impl Iterator<Item = Node<'_>> {
    // SAFETY: httpd's variable, which nobody writes while a hook of the parent runs; null or the first node of a tree that
    // lasts as long as the configuration's pool.
    siblings(unsafe { Node::new(ap_conftree) })
}

fn siblings(first: Option<Node<'_>>) -> impl Iterator<Item = Node<'_>> {
    std::iter::successors(first, |node| node.other(|raw| raw.next))
}

impl<'t> Node<'t> {
    /// # Safety
    ///
    /// `raw` is null or a node of a tree that lasts for `'t`.
    pub(super) unsafe fn new(raw: *const ap_directive_t) -> Option<Self> {
        // SAFETY: as the caller promises.
        unsafe { raw.as_ref() }.map(Node)
    }

    /// Another node in a field.
    fn other(self, field: impl FnOnce(&ap_directive_t) -> *mut ap_directive_t) -> Option<Self> {
        // SAFETY: null or a node of the same tree.
        unsafe { Node::new(field(self.0)) }
    }

    /// The text in a field.
    fn text(self, field: impl FnOnce(&ap_directive_t) -> *const c_char) -> &'t CStr {
        // SAFETY: a node's texts are null or C strings that live as long as the tree.
        unsafe { c_str(field(self.0)) }.unwrap_or(c"")
    }

    /// The name as its module spells it: `Require`, or `<Location` for a section.
    pub(crate) fn name(self) -> &'t CStr {
        self.text(|raw| raw.directive)
    }

    /// The text behind the name, as written; with the `>` of a section.
    pub(crate) fn arguments(self) -> &'t CStr {
        self.text(|raw| raw.args)
    }

    /// The file that it is written in.
    pub(crate) fn file(self) -> &'t CStr {
        self.text(|raw| raw.filename)
    }

    pub(crate) fn line(self) -> i32 {
        self.0.line_num
    }

    /// The content of a section.
    pub(crate) fn inside(self) -> impl Iterator<Item = Node<'t>> {
        siblings(self.other(|raw| raw.first_child))
    }

    /// The directive itself, then the sections around it, from the inside.
    #[cfg(httpd = "2.4")]
    pub(crate) fn and_around(self) -> impl Iterator<Item = Node<'t>> {
        std::iter::successors(Some(self), |node| node.other(|raw| raw.parent))
    }
}
