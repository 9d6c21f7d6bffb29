//! The layers of each crate. A file may import files below it and beside it, never above.

/// The layers of one crate.
pub(crate) struct Crate {
    /// The folder of its sources.
    pub(crate) folder: &'static str,
    /// The files and folders directly in it, without `.rs`, from the top layer to the lowest.
    pub(crate) layers: &'static [&'static [&'static str]],
}

/// All crates with more than a few files.
pub(crate) const CRATES: &[Crate] = &[
    Crate {
        folder: "src",
        layers: &[
            &["lib"],
            &["hooks"],
            &["authn", "authz", "backend", "checks", "control", "metrics", "roles"],
            &["state"],
            &["config"],
            &["httpd"],
        ],
    },
    Crate {
        folder: "cli/src",
        layers: &[
            &["main"],
            &["check", "control", "explain", "fleet_key", "passwd", "status", "verify"],
            &["arguments", "server"],
            &["finding", "terminal", "text"],
        ],
    },
    Crate {
        folder: "engine/src",
        layers: &[
            &["lib"],
            &["control", "exposition"],
            &["verification"],
            &["counters", "files"],
            &["hash", "outcome"],
            &["clock", "random", "refusal", "sync", "threads", "wipe"],
        ],
    },
    Crate {
        folder: "nginx/src",
        layers: &[
            &["lib"],
            &["access", "control", "metrics", "outcomes"],
            &["worker"],
            &["fleet", "verdicts"],
            &["config"],
            &["nginx"],
        ],
    },
    Crate {
        folder: "fleet/src",
        layers: &[
            &["lib"],
            &["access"],
            &["forgive", "settings", "worker"],
            &["report"],
            &["shared"],
            &["link"],
            &["counts", "socket"],
            &["address", "entry"],
            &["key"],
        ],
    },
    Crate {
        folder: "roles/src",
        layers: &[
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
