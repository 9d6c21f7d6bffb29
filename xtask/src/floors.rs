//! The layers of each crate, here called floors. A file may import files below it and beside it, never above.

/// The layers of one crate.
pub(crate) struct House {
    /// The folder of its sources.
    pub(crate) folder: &'static str,
    /// The files and folders directly in it, without `.rs`, from the top layer to the lowest.
    pub(crate) floors: &'static [&'static [&'static str]],
}

/// All crates with more than a few files.
pub(crate) const HOUSES: &[House] = &[
    House {
        folder: "src",
        floors: &[
            &["lib"],
            &["hooks"],
            &["authn", "authz", "backend", "checks", "metrics", "roles"],
            &["state"],
            &["config"],
            &["httpd"],
        ],
    },
    House {
        folder: "cli/src",
        floors: &[
            &["main"],
            &["check", "explain", "status", "verify"],
            &["arguments", "server"],
            &["finding", "terminal", "text"],
        ],
    },
    House {
        folder: "engine/src",
        floors: &[&["lib"], &["verification"], &["counters", "files"], &["hash"], &["clock", "sync", "wipe"]],
    },
    House {
        folder: "roles/src",
        floors: &[
            &["lib"],
            &["judge"],
            &["body"],
            &["endpoints", "names"],
            &["rights", "target"],
            &["decision", "roles"],
            &["action", "json", "pattern", "yaml"],
        ],
    },
];
