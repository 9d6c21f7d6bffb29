//! The combinations of modules in which the table is run.

use crate::harness::httpd::Mpm;
use crate::harness::installation::Installation;

/// Which modules answer, in the order in which they are loaded, and under which MPM.
#[derive(Clone, Copy)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    modules: &'static [&'static str],
    pub(crate) mpm: Mpm,
}

const OURS: &str = "rust_esauth";

/// The oracle.
pub(crate) const STOCK: Variant =
    Variant { name: "stock", modules: &["auth_basic", "authn_file", "authz_groupfile"], mpm: Mpm::Event };

/// Each must answer as [`STOCK`] does.
pub(crate) const OTHERS: &[Variant] = &[
    Variant { name: "ours alone", modules: &[OURS], mpm: Mpm::Event },
    Variant { name: "ours alone, worker", modules: &[OURS], mpm: Mpm::Worker },
    Variant { name: "ours alone, prefork", modules: &[OURS], mpm: Mpm::Prefork },
    Variant {
        name: "ours before stock",
        modules: &[OURS, "auth_basic", "authn_file", "authz_groupfile"],
        mpm: Mpm::Event,
    },
    Variant {
        name: "ours after stock",
        modules: &["auth_basic", "authn_file", "authz_groupfile", OURS],
        mpm: Mpm::Event,
    },
    // What Debian enables by default.
    Variant { name: "ours after all but groups", modules: &["auth_basic", "authn_file", OURS], mpm: Mpm::Worker },
    Variant { name: "ours before the group module", modules: &[OURS, "authz_groupfile"], mpm: Mpm::Event },
    Variant { name: "ours after the file module", modules: &["authn_file", OURS], mpm: Mpm::Prefork },
];

/// What the cases need besides the modules that differ.
const COMMON: &[&str] = &[
    "authn_core",
    "authz_core",
    "authz_host",
    "authz_user",
    "authz_owner",
    "access_compat",
    "auth_digest",
    "authn_anon",
    "authn_dbm",
    "authn_socache",
    "socache_shmcb",
    "ldap",
    "authnz_ldap",
    "alias",
    "autoindex",
    "dir",
    "env",
    "filter",
    "headers",
    "include",
    "mime",
    "negotiation",
    "proxy",
    "proxy_http",
    "rewrite",
    "setenvif",
];

/// The modules whose debug lines are compared as well.
const TALKATIVE: &[&str] = &["authn_core", "authz_core", "authz_user", "authz_owner", "access_compat", "auth_digest"];

impl Variant {
    pub(crate) fn is_ours(&self) -> bool {
        self.modules.contains(&OURS)
    }

    /// `LoadModule` lines. The modules that differ are in the middle, as they are in a sorted folder of them.
    pub(crate) fn load(&self) -> String {
        let installation = Installation::get();
        let one =
            |name: &&'static str| if *name == OURS { installation.load_ours() } else { installation.load(&[name]) };
        let (before, after) = COMMON.split_at(2);
        installation.load(before) + &self.modules.iter().map(one).collect::<String>() + &installation.load(after)
    }

    /// The `LogLevel` at which everything about authentication is in the log.
    pub(crate) fn log_level(&self) -> String {
        self.modules
            .iter()
            .chain(TALKATIVE)
            .fold("LogLevel warn".to_owned(), |text, name| text + &format!(" {name}:debug"))
            + "\n"
    }
}
