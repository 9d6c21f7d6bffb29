//! The directives.

pub(crate) mod fleet;
pub(crate) mod location;
pub(crate) mod server;

use esauth_engine::verification::FileKind;

/// The directive that names files of a kind.
pub(crate) fn file_directive(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Users => "esauth_user_file",
        FileKind::Groups => "esauth_group_file",
        // This module has none.
        FileKind::Roles | FileKind::Credentials => "",
    }
}
