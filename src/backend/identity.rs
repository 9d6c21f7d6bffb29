//! Who a request's user is to the back end, by the files as they are now.

use std::ffi::{CStr, CString};
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use esauth_engine::verification::FileKind;
use esauth_engine::{Credentials, CredentialsFile, Memberships, Snapshot};

use crate::config::backend::{BackendCredentials, BackendUser};
use crate::config::files::file_directive;
use crate::config::section::DirConfig;
use crate::httpd::log::{Level, log_request};
use crate::httpd::request::Request;
use crate::state::files;

/// Who the user is to the back end. The default is nobody.
#[derive(Default)]
pub(super) struct Identity {
    credential: Option<Credential>,
    pub(super) names: Names,
}

/// The headers that name the user.
#[derive(Default)]
pub(super) enum Names {
    #[default]
    None,
    RunAs(CString),
    /// The user, and the roles if there are any.
    Proxy(CString, Option<CString>),
}

/// A credential of a file that stays in memory with it.
struct Credential {
    text: NonNull<CStr>,
    line: Line,
    _file: Arc<Snapshot<CredentialsFile>>,
}

/// Which of a file's lines is meant.
#[derive(Clone, Copy)]
pub(super) enum Line {
    User,
    Group,
    Everyone,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Line::User => "the user's own line",
            Line::Group => "the line of the user's first group",
            Line::Everyone => "the line for *",
        })
    }
}

/// Why a request cannot be passed on; the log says more.
pub(super) enum Refused {
    /// The user has no credential, or no name that a header can carry.
    Nobody,
    /// The files, or the configuration, do not tell.
    Unknown,
}

impl Identity {
    /// The value of `Authorization`.
    pub(super) fn credential(&self) -> Option<&CStr> {
        // SAFETY: points into the file's text, which does not change and lives as long as the snapshot that is kept beside.
        self.credential.as_ref().map(|credential| unsafe { credential.text.as_ref() })
    }

    /// The line that the credential comes from.
    pub(super) fn line(&self) -> Option<Line> {
        self.credential.as_ref().map(|credential| credential.line)
    }

    /// That of `user` in the section's files.
    pub(super) fn of(request: Request<'_>, config: &DirConfig<'_>, user: &CStr) -> Result<Identity, Refused> {
        let (credentials, told) = (config.backend.credentials(), config.backend.user());
        if told == BackendUser::RunAs && !matches!(credentials, BackendCredentials::File(_)) {
            let text = b"rust_esauth: EsAuthBackendUser RunAs needs EsAuthBackendCredentials PATH. Until then, every request is \
                         refused";
            log_request!(request, Level::Error, 0, text);
            return Err(Refused::Unknown);
        }
        if told != BackendUser::Off && !is_printable(user) {
            let text = b"rust_esauth: the name of the user is refused in a header for the back end (EsAuthBackendUser); it may \
                         have the printable characters of ASCII, and no blank around it";
            log_request!(request, Level::Error, 0, text);
            return Err(Refused::Nobody);
        }
        let credential = match credentials {
            BackendCredentials::File(path) => Some(credential(request, config, path, user)?),
            BackendCredentials::Client | BackendCredentials::None => None,
        };
        let names = match told {
            BackendUser::Off => Names::None,
            BackendUser::RunAs => Names::RunAs(user.to_owned()),
            BackendUser::Proxy => Names::Proxy(user.to_owned(), with_groups(request, config, user, roles)?.flatten()),
        };
        Ok(Identity { credential, names })
    }
}

fn credential(request: Request<'_>, config: &DirConfig<'_>, path: &CStr, user: &CStr) -> Result<Credential, Refused> {
    let file = files::credentials(request, path).map_err(|_| Refused::Unknown)?;
    let credentials = file.credentials().map_err(|faults| {
        files::report_faults(request, FileKind::Credentials, path, &file, faults);
        Refused::Unknown
    })?;
    let (text, line) = find(request, config, credentials, user)?.ok_or_else(|| {
        let (name, path, user) = (file_directive(FileKind::Credentials).as_bytes(), path.to_bytes(), user.to_bytes());
        let advice = b", none of a group of theirs, and none for *; the request is refused";
        log_request!(
            request,
            Level::Error,
            0,
            b"rust_esauth: ",
            name,
            b" ",
            path,
            b" has no line for user ",
            user,
            advice
        );
        Refused::Nobody
    })?;
    Ok(Credential { text: NonNull::from(text), line, _file: Arc::clone(&file) })
}

/// The user's own line, else the first one of a group of the user's, else the one for all.
fn find<'c>(
    request: Request<'_>,
    config: &DirConfig<'_>,
    credentials: &'c Credentials,
    user: &CStr,
) -> Result<Option<(&'c CStr, Line)>, Refused> {
    if let Some(text) = credentials.of_user(user.to_bytes()) {
        return Ok(Some((text, Line::User)));
    }
    if credentials.has_groups() {
        let text = with_groups(request, config, user, |memberships| credentials.of_groups(memberships))?.flatten();
        if let Some(text) = text {
            return Ok(Some((text, Line::Group)));
        }
    }
    Ok(credentials.of_everyone().map(|text| (text, Line::Everyone)))
}

/// Calls `look` with the groups of the user, if there are any. A group file named by a `.htaccess` gives nobody an identity.
fn with_groups<T>(
    request: Request<'_>,
    config: &DirConfig<'_>,
    user: &CStr,
    look: impl FnOnce(Memberships<'_>) -> T,
) -> Result<Option<T>, Refused> {
    let Some(path) = config.roles_group_file() else { return Ok(None) };
    let groups = files::groups(request, path).map_err(|_| Refused::Unknown)?;
    Ok(groups.of(user.to_bytes()).map(look))
}

/// The groups as a list for a header. One whose name would change the list is left out.
fn roles(memberships: Memberships<'_>) -> Option<CString> {
    let carries = |name: &&[u8]| !name.contains(&b',') && name.iter().all(|byte| (b' '..=b'~').contains(byte));
    let names: Vec<&[u8]> = memberships.names().filter(carries).collect();
    CString::new(names.join(&b',')).ok().filter(|names| !names.is_empty())
}

fn is_printable(user: &CStr) -> bool {
    let name = user.to_bytes();
    name.trim_ascii().len() == name.len() && name.iter().all(|byte| (b' '..=b'~').contains(byte))
}
