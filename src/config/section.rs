//! The directives of a section (`<Location>`, `<Directory>`, `<Proxy>`, `.htaccess` …).
//!
//! Directives that the stock modules define, too, have their contexts and help texts; httpd calls every module that
//! defines a directive.
//!
//! Longer than 500 lines, because the values, their merge, the table and the functions of its rows must agree.

use std::ffi::CStr;

use esauth_engine::verification::{FileKind, Limit};

use crate::config::backend::Backend;
#[cfg(httpd = "2.2")]
use crate::config::backend::refuse_in_22;
use crate::config::files::name_file;
use crate::config::limit;
#[cfg(httpd = "2.4")]
use crate::config::server::number;
use crate::httpd::bindings::{authn_provider, command_rec};
use crate::httpd::command::{self, Answer, Command};
use crate::httpd::configuration::{self, Configuration, Owner};
#[cfg(httpd = "2.4")]
use crate::httpd::expression::Expression;
use crate::httpd::provider;
use crate::httpd::request::Request;

/// The values of a section's directives; `None` and empty: not set.
#[derive(Clone, Copy, Default)]
pub(crate) struct DirConfig<'p> {
    /// `AuthUserFile`, absolute.
    pub(crate) user_file: Option<&'p CStr>,
    /// `AuthGroupFile`, absolute.
    pub(crate) group_file: Option<&'p CStr>,
    /// `AuthBasicProvider`, in the order written. Empty: the provider `file`, which is ours.
    pub(crate) providers: &'p [Listed<'p>],
    authoritative: Option<bool>,
    /// `EsAuthRoles`, absolute.
    pub(crate) roles_file: Option<&'p CStr>,
    /// `EsAuthRolesMode Report`.
    reports_roles: Option<bool>,
    /// `EsAuthRolesBodyLimit`, in bytes.
    roles_body_limit: Option<usize>,
    pub(crate) backend: Backend<'p>,
    /// `EsAuthLimit`, in the order written.
    pub(crate) limits: &'p [Limit<'p>],
    /// Whether `AuthGroupFile` is in a .htaccess file.
    groups_of_htaccess: bool,
    /// `EsAuthCharset`.
    names_charset: Option<bool>,
    /// The page that `SetHandler` of the server's own configuration has here.
    page: Option<Page>,
    #[cfg(httpd = "2.2")]
    groups_authoritative: Option<bool>,
    #[cfg(httpd = "2.4")]
    fake: Option<Fake<'p>>,
    #[cfg(httpd = "2.4")]
    digest: Option<bool>,
}

/// What a handler shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// The metrics for Prometheus.
    Metrics,
    /// mod_status's page, which has a section of ours.
    Status,
    /// Anything else.
    Other,
}

/// A provider named by `AuthBasicProvider`.
#[derive(Clone, Copy)]
pub(crate) struct Listed<'p> {
    pub(crate) name: &'p CStr,
    pub(crate) provider: &'p authn_provider,
}

/// The values of `AuthBasicFake`.
#[cfg(httpd = "2.4")]
#[derive(Clone, Copy)]
pub(crate) enum Fake<'p> {
    Off,
    As { user: Expression<'p>, password: Expression<'p> },
}

impl DirConfig<'_> {
    /// The values in effect for a request.
    pub(crate) fn of(request: Request<'_>) -> &DirConfig<'_> {
        configuration::of_request::<DirConfig<'static>>(request)
    }

    /// `AuthBasicAuthoritative`: whether an unknown user is refused here, rather than left to other modules.
    pub(crate) fn authoritative(&self) -> bool {
        self.authoritative.unwrap_or(true)
    }

    /// `EsAuthRolesMode Report`: whether requests that the roles forbid pass all the same, with a line in the log.
    #[cfg(httpd = "2.4")]
    pub(crate) fn reports_roles(&self) -> bool {
        self.reports_roles.unwrap_or(false)
    }

    /// `EsAuthRolesBodyLimit`: size in bytes of a body that must be read as a whole.
    #[cfg(httpd = "2.4")]
    pub(crate) fn roles_body_limit(&self) -> usize {
        self.roles_body_limit.unwrap_or(DEFAULT_BODY_LIMIT)
    }

    /// `AuthGroupFile` as far as it may grant roles: a .htaccess file cannot, since `EsAuthRoles` is not for it either.
    #[cfg(httpd = "2.4")]
    pub(crate) fn roles_group_file(&self) -> Option<&CStr> {
        self.group_file.filter(|_| !self.groups_of_htaccess)
    }

    /// `EsAuthCharset`: whether a challenge names the character set for names and passwords.
    pub(crate) fn names_charset(&self) -> bool {
        self.names_charset.unwrap_or(false)
    }

    /// Whether the server's own configuration has this page here.
    pub(crate) fn shows(&self, page: Page) -> bool {
        self.page == Some(page)
    }

    /// `AuthzGroupFileAuthoritative`: whether a user outside the required groups is refused here.
    #[cfg(httpd = "2.2")]
    pub(crate) fn groups_authoritative(&self) -> bool {
        self.groups_authoritative.unwrap_or(true)
    }

    /// `AuthBasicFake`: the expressions for the user and the password.
    #[cfg(httpd = "2.4")]
    pub(crate) fn fake(&self) -> Option<(Expression<'_>, Expression<'_>)> {
        match self.fake? {
            Fake::Off => None,
            Fake::As { user, password } => Some((user, password)),
        }
    }

    /// `AuthBasicUseDigestAlgorithm`: whether passwords are checked like in Digest, against hashes of
    /// `user:realm:password`. Not in 2.2.
    pub(crate) fn uses_digest_algorithm(&self) -> bool {
        #[cfg(httpd = "2.4")]
        return self.digest.unwrap_or(false);
        #[cfg(httpd = "2.2")]
        return false;
    }
}

// SAFETY: the module's record has the section functions of this type.
unsafe impl Configuration for DirConfig<'static> {
    type In<'p> = DirConfig<'p>;

    const OWNER: Owner = Owner::Section;

    fn empty<'p>() -> DirConfig<'p> {
        DirConfig::default()
    }

    #[cfg(httpd = "2.4")]
    fn merge<'p>(outer: &Self::In<'p>, inner: &Self::In<'p>) -> Option<DirConfig<'p>> {
        if outer.is_empty() {
            // The usual case, since the outermost section is the server.
            return None;
        }
        Some(DirConfig {
            user_file: inner.user_file.or(outer.user_file),
            group_file: inner.group_file.or(outer.group_file),
            groups_of_htaccess: if inner.group_file.is_some() {
                inner.groups_of_htaccess
            } else {
                outer.groups_of_htaccess
            },
            roles_file: inner.roles_file.or(outer.roles_file),
            reports_roles: inner.reports_roles.or(outer.reports_roles),
            roles_body_limit: inner.roles_body_limit.or(outer.roles_body_limit),
            backend: Backend::merge(outer.backend, inner.backend),
            limits: if inner.limits.is_empty() { outer.limits } else { inner.limits },
            providers: if inner.providers.is_empty() { outer.providers } else { inner.providers },
            authoritative: inner.authoritative.or(outer.authoritative),
            names_charset: inner.names_charset.or(outer.names_charset),
            page: inner.page.or(outer.page),
            fake: inner.fake.or(outer.fake),
            digest: inner.digest.or(outer.digest),
        })
    }

    /// The modules of 2.2 do not merge: if a section sets one directive of such a module, all others of that module
    /// return to their defaults. AuthBasicProvider and AuthBasicAuthoritative belong to one, the group directives to
    /// another.
    #[cfg(httpd = "2.2")]
    fn merge<'p>(outer: &Self::In<'p>, inner: &Self::In<'p>) -> Option<DirConfig<'p>> {
        if outer.is_empty() {
            return None;
        }
        let basic = if inner.providers.is_empty() && inner.authoritative.is_none() { outer } else { inner };
        let groups = if inner.group_file.is_none() && inner.groups_authoritative.is_none() { outer } else { inner };
        Some(DirConfig {
            user_file: inner.user_file.or(outer.user_file),
            group_file: groups.group_file,
            groups_of_htaccess: groups.groups_of_htaccess,
            roles_file: None,
            reports_roles: None,
            roles_body_limit: None,
            backend: Backend::default(),
            limits: if inner.limits.is_empty() { outer.limits } else { inner.limits },
            groups_authoritative: groups.groups_authoritative,
            providers: basic.providers,
            authoritative: basic.authoritative,
            names_charset: inner.names_charset.or(outer.names_charset),
            page: inner.page.or(outer.page),
        })
    }
}

impl DirConfig<'_> {
    fn is_empty(&self) -> bool {
        #[cfg(httpd = "2.4")]
        let others = self.fake.is_some() || self.digest.is_some();
        #[cfg(httpd = "2.2")]
        let others = self.groups_authoritative.is_some();
        let files = self.user_file.is_some() || self.group_file.is_some();
        let own = self.names_charset.is_some() || self.page.is_some();
        let roles = self.roles_file.is_some() || self.reports_roles.is_some() || self.roles_body_limit.is_some();
        !files
            && !roles
            && !own
            && self.backend.is_empty()
            && self.limits.is_empty()
            && self.providers.is_empty()
            && self.authoritative.is_none()
            && !others
    }
}

/// The type in httpd's table of directives, whose functions serve any pool.
type Section = DirConfig<'static>;

/// The directives of a section.
pub(crate) const COMMANDS: &[command_rec] = &[
    file_command(c"AuthUserFile", set_user_file, c"text file containing user IDs and passwords"),
    file_command(c"AuthGroupFile", set_group_file, c"text file containing group names and member user IDs"),
    command::each_word::<Section>(
        c"AuthBasicProvider",
        add_provider,
        c"specify the auth providers for a directory or location",
    ),
    command::flag::<Section>(
        c"AuthBasicAuthoritative",
        |_, config, on| {
            config.authoritative = Some(on);
            Ok(())
        },
        c"Set to 'Off' to allow access control to be passed along to lower modules if the UserID is not known to this \
          module",
    ),
    command::anywhere_but_htaccess(command::word::<Section>(
        c"EsAuthRoles",
        set_roles_file,
        c"file of Elasticsearch roles (roles.yml): what users may do, by the groups they are in",
    )),
    command::anywhere_but_htaccess(command::word::<Section>(
        c"EsAuthRolesMode",
        set_roles_mode,
        c"Enforce, or Report: requests that the roles forbid are logged but pass",
    )),
    command::anywhere_but_htaccess(command::word::<Section>(
        c"EsAuthRolesBodyLimit",
        set_roles_body_limit,
        c"size limit in bytes of a body that has to be read as a whole for EsAuthRoles; default: 8388608",
    )),
    command::anywhere_but_htaccess(command::word::<Section>(
        c"EsAuthBackendCredentials",
        |command, config, value| config.backend.set_credentials(command, value),
        c"what the back end gets as Authorization: Client (what the client sent), None, or a file with a line for each \
          user, @group or *",
    )),
    command::anywhere_but_htaccess(command::word::<Section>(
        c"EsAuthBackendUser",
        |command, config, value| config.backend.set_user(command, value),
        c"how the user's name is sent to the back end: Off, RunAs (Elasticsearch) or Proxy (OpenSearch's proxy authentication)",
    )),
    command::anywhere_but_htaccess(command::arguments::<Section>(
        c"EsAuthLimit",
        add_limit,
        c"requests of a user in so many seconds, such as 100/60, or Off; for 'user NAME ...' or 'group NAME ...' only those",
    )),
    command::word::<Section>(c"EsAuthCharset", set_charset, c"character set named in the challenge: UTF-8, or Off"),
    command::of_file_info(command::word::<Section>(
        c"SetHandler",
        note_handler,
        c"a handler name that overrides any other configured handler",
    )),
    #[cfg(httpd = "2.2")]
    command::flag::<Section>(
        c"AuthzGroupFileAuthoritative",
        |_, config, on| {
            config.groups_authoritative = Some(on);
            Ok(())
        },
        c"Set to 'Off' to allow access control to be passed along to lower modules if the 'require group' fails. \
          (default is On).",
    ),
    #[cfg(httpd = "2.4")]
    command::words::<Section>(
        c"AuthBasicFake",
        set_fake,
        c"Fake basic authentication using the given expressions for username and password, 'off' to disable. Password \
          defaults to 'password' if missing.",
    ),
    #[cfg(httpd = "2.4")]
    command::word::<Section>(
        c"AuthBasicUseDigestAlgorithm",
        set_digest_algorithm,
        c"Set to 'MD5' to use the auth provider's authentication check for digest auth, using a hash of 'user:realm:pass'",
    ),
];

/// 2.4: `AuthUserFile PATH`, `AuthGroupFile PATH`.
#[cfg(httpd = "2.4")]
const fn file_command(name: &'static CStr, set: command::SetWord<Section>, help: &'static CStr) -> command_rec {
    command::word::<Section>(name, set, help)
}

#[cfg(httpd = "2.4")]
fn set_user_file<'p>(command: Command<'p>, config: &mut DirConfig<'p>, path: &'p CStr) -> Answer<'p> {
    config.user_file = Some(name_file(command, FileKind::Users, path)?);
    Ok(())
}

#[cfg(httpd = "2.4")]
fn set_group_file<'p>(command: Command<'p>, config: &mut DirConfig<'p>, path: &'p CStr) -> Answer<'p> {
    config.group_file = Some(name_file(command, FileKind::Groups, path)?);
    config.groups_of_htaccess = command.is_in_htaccess();
    Ok(())
}

/// 2.2 accepts the word `standard` behind the path, for older configurations.
#[cfg(httpd = "2.2")]
const fn file_command(name: &'static CStr, set: command::SetWords<Section>, help: &'static CStr) -> command_rec {
    command::words::<Section>(name, set, help)
}

#[cfg(httpd = "2.2")]
fn set_user_file<'p>(
    command: Command<'p>,
    config: &mut DirConfig<'p>,
    path: &'p CStr,
    file_type: Option<&'p CStr>,
) -> Answer<'p> {
    expect_standard(command, file_type)?;
    config.user_file = Some(name_file(command, FileKind::Users, path)?);
    Ok(())
}

#[cfg(httpd = "2.2")]
fn set_group_file<'p>(
    command: Command<'p>,
    config: &mut DirConfig<'p>,
    path: &'p CStr,
    file_type: Option<&'p CStr>,
) -> Answer<'p> {
    expect_standard(command, file_type)?;
    config.group_file = Some(name_file(command, FileKind::Groups, path)?);
    config.groups_of_htaccess = command.is_in_htaccess();
    Ok(())
}

#[cfg(httpd = "2.2")]
fn expect_standard<'p>(command: Command<'p>, file_type: Option<&'p CStr>) -> Answer<'p> {
    match file_type {
        Some(other) if other != c"standard" => command.refuse(&[b"Invalid auth file type: ", other.to_bytes()]),
        _ => Ok(()),
    }
}

/// `AuthBasicProvider NAME …`, called once for each name, which is appended to the section's list.
fn add_provider<'p>(command: Command<'p>, config: &mut DirConfig<'p>, name: &'p CStr) -> Answer<'p> {
    let text = name.to_bytes();
    let Some(provider) = provider::look_up(name) else {
        return command.refuse(&[b"Unknown Authn provider: ", text]);
    };
    if provider.check_password.is_none() {
        return command.refuse(&[b"The '", text, b"' Authn provider doesn't support Basic Authentication"]);
    }
    config.providers = command.pool().list(&[config.providers, &[Listed { name, provider }]].concat());
    Ok(())
}

/// `EsAuthLimit …`, appended to the section's list.
fn add_limit<'p>(command: Command<'p>, config: &mut DirConfig<'p>, arguments: &'p CStr) -> Answer<'p> {
    let limit = limit::parse(command, arguments)?;
    if limit.is_everybodys() && config.limits.iter().any(Limit::is_everybodys) {
        return command.refuse(&[b"EsAuthLimit: the section has another one that names neither users nor groups"]);
    }
    config.limits = command.pool().list(&[config.limits, &[limit]].concat());
    Ok(())
}

/// 8 MiB by default; at most 1 GiB.
#[cfg(httpd = "2.4")]
const DEFAULT_BODY_LIMIT: usize = 8 * 1024 * 1024;
#[cfg(httpd = "2.4")]
const LARGEST_BODY_LIMIT: usize = 1024 * 1024 * 1024;

/// `EsAuthRoles PATH`
#[cfg(httpd = "2.4")]
fn set_roles_file<'p>(command: Command<'p>, config: &mut DirConfig<'p>, path: &'p CStr) -> Answer<'p> {
    config.roles_file = Some(name_file(command, FileKind::Roles, path)?);
    Ok(())
}

/// `EsAuthRolesMode Enforce|Report`
#[cfg(httpd = "2.4")]
fn set_roles_mode<'p>(command: Command<'p>, config: &mut DirConfig<'p>, mode: &'p CStr) -> Answer<'p> {
    let text = mode.to_bytes();
    let reports = text.eq_ignore_ascii_case(b"Report");
    if !reports && !text.eq_ignore_ascii_case(b"Enforce") {
        return command.refuse(&[b"EsAuthRolesMode: '", text, b"' is neither Enforce nor Report"]);
    }
    config.reports_roles = Some(reports);
    Ok(())
}

/// `EsAuthRolesBodyLimit BYTES`
#[cfg(httpd = "2.4")]
fn set_roles_body_limit<'p>(command: Command<'p>, config: &mut DirConfig<'p>, value: &'p CStr) -> Answer<'p> {
    config.roles_body_limit = Some(number(command, value, 1, LARGEST_BODY_LIMIT, "bytes")?);
    Ok(())
}

#[cfg(httpd = "2.2")]
use only_in_24 as set_roles_file;
#[cfg(httpd = "2.2")]
use only_in_24 as set_roles_mode;
#[cfg(httpd = "2.2")]
use only_in_24 as set_roles_body_limit;

/// Directives about what mod_proxy sends need what httpd 2.2 does not tell.
#[cfg(httpd = "2.2")]
fn only_in_24<'p>(command: Command<'p>, _: &mut DirConfig<'p>, _: &'p CStr) -> Answer<'p> {
    refuse_in_22(command)
}

/// `EsAuthCharset UTF-8|Off`: RFC 7617 has no other value.
fn set_charset<'p>(command: Command<'p>, config: &mut DirConfig<'p>, name: &'p CStr) -> Answer<'p> {
    let text = name.to_bytes();
    let is_utf8 = text.eq_ignore_ascii_case(b"UTF-8");
    if !is_utf8 && !text.eq_ignore_ascii_case(b"Off") {
        return command.refuse(&[b"EsAuthCharset: '", text, b"' is neither UTF-8 nor Off"]);
    }
    config.names_charset = Some(is_utf8);
    Ok(())
}

/// The handler name of the page for Prometheus.
pub(crate) const METRICS_HANDLER: &CStr = c"rust-esauth-metrics";

/// Those of mod_status's page.
const STATUS_HANDLERS: [&CStr; 2] = [c"server-status", c"application/x-httpd-status"];

/// `SetHandler` is httpd's. Here it is only noted that the server's own configuration shows the metrics, so that a
/// .htaccess file cannot, with any directive that names the handler.
fn note_handler<'p>(command: Command<'p>, config: &mut DirConfig<'p>, name: &'p CStr) -> Answer<'p> {
    let is = |handler: &CStr| name.to_bytes().eq_ignore_ascii_case(handler.to_bytes());
    if !command.is_in_htaccess() {
        let status = || STATUS_HANDLERS.into_iter().any(is);
        config.page = Some(if is(METRICS_HANDLER) {
            Page::Metrics
        } else if status() {
            Page::Status
        } else {
            Page::Other
        });
    }
    Ok(())
}

/// `AuthBasicFake off`, `AuthBasicFake USER [PASSWORD]`
#[cfg(httpd = "2.4")]
fn set_fake<'p>(
    command: Command<'p>,
    config: &mut DirConfig<'p>,
    user: &'p CStr,
    password: Option<&'p CStr>,
) -> Answer<'p> {
    let text = user.to_bytes();
    if text.eq_ignore_ascii_case(b"off") {
        config.fake = Some(Fake::Off);
        return Ok(());
    }
    let user = match Expression::parse(command, user) {
        Ok(user) => user,
        Err(error) => {
            let before = b"Could not parse fake username expression '";
            return command.refuse(&[before, text, b"': ", error.to_bytes()]);
        }
    };
    let password = match Expression::parse(command, password.unwrap_or(c"password")) {
        Ok(password) => password,
        Err(error) => {
            let before = b"Could not parse fake password expression associated to user '";
            return command.refuse(&[before, text, b"': ", error.to_bytes()]);
        }
    };
    config.fake = Some(Fake::As { user, password });
    Ok(())
}

/// `AuthBasicUseDigestAlgorithm MD5|Off`
#[cfg(httpd = "2.4")]
fn set_digest_algorithm<'p>(command: Command<'p>, config: &mut DirConfig<'p>, algorithm: &'p CStr) -> Answer<'p> {
    let text = algorithm.to_bytes();
    let md5 = text.eq_ignore_ascii_case(b"MD5");
    if !md5 && !text.eq_ignore_ascii_case(b"Off") {
        return command.refuse(&[b"Invalid algorithm in AuthBasicUseDigestAlgorithm: ", text]);
    }
    config.digest = Some(md5);
    Ok(())
}
