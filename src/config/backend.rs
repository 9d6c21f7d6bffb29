//! `EsAuthBackendCredentials` and `EsAuthBackendUser`: what a back end is told about the user of a request.

use std::ffi::CStr;

#[cfg(httpd = "2.4")]
use esauth_engine::verification::FileKind;

#[cfg(httpd = "2.4")]
use crate::config::files::name_file;
use crate::httpd::command::{Answer, Command};

/// The values in a section; `None`: not set.
#[cfg(httpd = "2.4")]
#[derive(Clone, Copy, Default)]
pub(crate) struct Backend<'p> {
    credentials: Option<BackendCredentials<'p>>,
    user: Option<BackendUser>,
}

/// httpd 2.2 refuses both directives.
#[cfg(httpd = "2.2")]
#[derive(Clone, Copy, Default)]
pub(crate) struct Backend<'p>(std::marker::PhantomData<&'p CStr>);

/// `EsAuthBackendCredentials`: the `Authorization` that the back end gets.
#[cfg(httpd = "2.4")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackendCredentials<'p> {
    /// The client's, as from stock httpd.
    Client,
    /// None.
    None,
    /// By the user, from this file; absolute.
    File(&'p CStr),
}

/// `EsAuthBackendUser`: the headers that tell the back end the user's name.
#[cfg(httpd = "2.4")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackendUser {
    Off,
    /// Elasticsearch's: the credential's owner acts as the user.
    RunAs,
    /// OpenSearch's proxy authentication: the user and the groups.
    Proxy,
}

#[cfg(httpd = "2.4")]
impl<'p> Backend<'p> {
    pub(crate) fn is_empty(&self) -> bool {
        self.credentials.is_none() && self.user.is_none()
    }

    pub(crate) fn merge(outer: Backend<'p>, inner: Backend<'p>) -> Backend<'p> {
        Backend { credentials: inner.credentials.or(outer.credentials), user: inner.user.or(outer.user) }
    }

    /// Whether the back end is told anything else than what the client sends.
    pub(crate) fn is_in_use(&self) -> bool {
        self.credentials() != BackendCredentials::Client || self.user() != BackendUser::Off
    }

    pub(crate) fn credentials(&self) -> BackendCredentials<'p> {
        self.credentials.unwrap_or(BackendCredentials::Client)
    }

    pub(crate) fn user(&self) -> BackendUser {
        self.user.unwrap_or(BackendUser::Off)
    }
}

/// What the directives do.
#[cfg(httpd = "2.4")]
impl<'p> Backend<'p> {
    /// `EsAuthBackendCredentials Client|None|PATH`
    pub(crate) fn set_credentials(&mut self, command: Command<'p>, value: &'p CStr) -> Answer<'p> {
        let text = value.to_bytes();
        self.credentials = Some(if text.eq_ignore_ascii_case(b"Client") {
            BackendCredentials::Client
        } else if text.eq_ignore_ascii_case(b"None") {
            BackendCredentials::None
        } else {
            BackendCredentials::File(name_file(command, FileKind::Credentials, value)?)
        });
        Ok(())
    }

    /// `EsAuthBackendUser Off|RunAs|Proxy`
    pub(crate) fn set_user(&mut self, command: Command<'p>, value: &'p CStr) -> Answer<'p> {
        const VALUES: [(&[u8], BackendUser); 3] =
            [(b"Off", BackendUser::Off), (b"RunAs", BackendUser::RunAs), (b"Proxy", BackendUser::Proxy)];
        let text = value.to_bytes();
        let Some((_, user)) = VALUES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) else {
            return command.refuse(&[b"EsAuthBackendUser: '", text, b"' is not one of Off, RunAs, Proxy"]);
        };
        self.user = Some(*user);
        Ok(())
    }
}

#[cfg(httpd = "2.2")]
impl<'p> Backend<'p> {
    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    pub(crate) fn set_credentials(&mut self, command: Command<'p>, _: &'p CStr) -> Answer<'p> {
        refuse_in_22(command)
    }

    pub(crate) fn set_user(&mut self, command: Command<'p>, _: &'p CStr) -> Answer<'p> {
        refuse_in_22(command)
    }
}

/// The answer of a directive about what mod_proxy sends.
#[cfg(httpd = "2.2")]
pub(crate) fn refuse_in_22(command: Command<'_>) -> Answer<'_> {
    command.refuse(&[command.name().to_bytes(), b" needs httpd 2.4: in 2.2 a module cannot tell what mod_proxy sends"])
}
