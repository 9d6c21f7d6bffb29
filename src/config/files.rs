//! The files that directives name.

use std::ffi::CStr;

use esauth_engine::verification::FileKind;

use crate::config::server::ServerConfig;
use crate::httpd::command::{Command, Refusal};

/// The directive that names files of a kind.
pub(crate) fn file_directive(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Users => "AuthUserFile",
        FileKind::Groups => "AuthGroupFile",
        FileKind::Roles => "EsAuthRoles",
        FileKind::Credentials => "EsAuthBackendCredentials",
    }
}

/// Makes the path absolute and remembers it with its server, so that each child reads the file when it starts. Not for
/// .htaccess files.
pub(crate) fn name_file<'p>(command: Command<'p>, kind: FileKind, path: &'p CStr) -> Result<&'p CStr, Refusal<'p>> {
    let Some(absolute) = command.pool().server_root_relative(path) else {
        return command.refuse(&[b"Invalid file path ", path.to_bytes()]);
    };
    if !command.is_in_htaccess() {
        if let Some(server) = command.server_config::<ServerConfig<'static>>() {
            server.name_file(command.pool(), kind, absolute);
        }
    }
    Ok(absolute)
}
