//! The start-up checks.

/// A check; its name is the argument of `EsAuthSilence`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    ServedFile,
    WorldReadable,
    Writable,
    Unreadable,
    NoAuthName,
    NoUserFile,
    NoGroupFile,
    RequireOutside,
    PlainHttp,
    PublicBackend,
    LimitedMethods,
    NoRequire,
    OpenToAll,
    UnguardedBackend,
    OpenProxy,
    StockModuleCondition,
    RemoteipTrust,
    SharedAddress,
    NotProxied,
    RunAsWithoutCredentials,
    UnverifiedBackend,
    PlainCredentials,
}

impl Check {
    pub(super) const ALL: [(Check, &str); 22] = [
        (Check::ServedFile, "served-file"),
        (Check::WorldReadable, "world-readable"),
        (Check::Writable, "writable"),
        (Check::Unreadable, "unreadable"),
        (Check::NoAuthName, "no-auth-name"),
        (Check::NoUserFile, "no-user-file"),
        (Check::NoGroupFile, "no-group-file"),
        (Check::RequireOutside, "require-outside"),
        (Check::PlainHttp, "plain-http"),
        (Check::PublicBackend, "public-backend"),
        (Check::LimitedMethods, "limited-methods"),
        (Check::NoRequire, "no-require"),
        (Check::OpenToAll, "open-to-all"),
        (Check::UnguardedBackend, "unguarded-backend"),
        (Check::OpenProxy, "open-proxy"),
        (Check::StockModuleCondition, "stock-module-condition"),
        (Check::RemoteipTrust, "remoteip-trust"),
        (Check::SharedAddress, "shared-address"),
        (Check::NotProxied, "not-proxied"),
        (Check::RunAsWithoutCredentials, "run-as-without-credentials"),
        (Check::UnverifiedBackend, "unverified-backend"),
        (Check::PlainCredentials, "plain-credentials"),
    ];

    pub(super) fn named(name: &[u8]) -> Option<Check> {
        Check::ALL.into_iter().find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name)).map(|(check, _)| check)
    }

    pub(super) fn name(self) -> &'static str {
        Check::ALL.into_iter().find(|&(check, _)| check == self).map_or("", |(_, name)| name)
    }
}
