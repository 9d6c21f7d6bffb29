//! The combinations of modules in which the table is run.

use crate::harness::httpd::Mpm;
use crate::harness::installation::Installation;

/// The modules that answer, in their order of loading, and the MPM.
#[derive(Clone, Copy)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    modules: &'static [&'static str],
    pub(crate) mpm: Mpm,
    /// The MPM it needs.
    needs: Option<Mpm>,
}

const OURS: &str = "rust_esauth";

/// The oracle.
pub(crate) const STOCK: Variant =
    Variant { name: "stock", modules: &["auth_basic", "authn_file", "authz_groupfile"], mpm: Mpm::Event, needs: None };

/// Each must answer as [`STOCK`] does.
pub(crate) const OTHERS: &[Variant] = &[
    Variant { name: "ours alone", modules: &[OURS], mpm: Mpm::Event, needs: None },
    Variant { name: "ours alone, worker", modules: &[OURS], mpm: Mpm::Worker, needs: Some(Mpm::Worker) },
    Variant { name: "ours alone, prefork", modules: &[OURS], mpm: Mpm::Prefork, needs: Some(Mpm::Prefork) },
    Variant {
        name: "ours before stock",
        modules: &[OURS, "auth_basic", "authn_file", "authz_groupfile"],
        mpm: Mpm::Event,
        needs: None,
    },
    Variant {
        name: "ours after stock",
        modules: &["auth_basic", "authn_file", "authz_groupfile", OURS],
        mpm: Mpm::Event,
        needs: None,
    },
    // Debian's default.
    Variant {
        name: "ours after all but groups",
        modules: &["auth_basic", "authn_file", OURS],
        mpm: Mpm::Worker,
        needs: None,
    },
    Variant { name: "ours before the group module", modules: &[OURS, "authz_groupfile"], mpm: Mpm::Event, needs: None },
    Variant { name: "ours after the file module", modules: &["authn_file", OURS], mpm: Mpm::Prefork, needs: None },
];

/// The variants that this httpd can run: if an MPM is built in, those that name another are dropped, and the others use
/// it.
pub(crate) fn variants() -> (Variant, Vec<Variant>) {
    let installation = Installation::get();
    let Some(only) = installation.built_in_mpm else { return (STOCK, OTHERS.to_vec()) };
    let (there, missing): (Vec<&Variant>, Vec<&Variant>) = OTHERS.iter().partition(|variant| variant.needs.is_none());
    for variant in missing {
        installation.skip(variant.name, "its only MPM is built in");
    }
    (Variant { mpm: only, ..STOCK }, there.into_iter().map(|variant| Variant { mpm: only, ..*variant }).collect())
}

/// Modules that the cases need besides the differing ones, if httpd has them.
const COMMON: &[&str] = &[
    // 2.4
    "authn_core",
    "authz_core",
    // 2.2
    "authn_alias",
    "authn_default",
    "authz_default",
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

    /// `LoadModule` lines. The differing modules are in the middle, as in a sorted folder.
    pub(crate) fn load(&self) -> String {
        let installation = Installation::get();
        let one =
            |name: &&'static str| if *name == OURS { installation.load_ours() } else { installation.load(&[name]) };
        let there: Vec<&str> = COMMON.iter().copied().filter(|name| installation.has(name)).collect();
        let (before, after) = there.split_at(2);
        installation.load(before) + &self.modules.iter().map(one).collect::<String>() + &installation.load(after)
    }

    /// The `LogLevel` with all lines about authentication.
    pub(crate) fn log_level(&self) -> String {
        // 2.2 has one level for all modules, and logs lines at debug whose words always differ.
        if Installation::get().is_22() {
            return "LogLevel info\n".to_owned();
        }
        self.modules
            .iter()
            .chain(TALKATIVE)
            .fold("LogLevel warn".to_owned(), |text, name| text + &format!(" {name}:debug"))
            + "\n"
    }
}
