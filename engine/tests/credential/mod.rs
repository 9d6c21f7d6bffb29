//! A credential to be judged, for tests and benchmarks.

use esauth_engine::verification::Credential;

/// Of a user of a file, from one client.
pub(crate) fn credential<'a>(stored: &'a [u8], password: &'a [u8]) -> Credential<'a> {
    Credential {
        stored,
        padding: None,
        password,
        known: true,
        proven: false,
        exempt: false,
        client: "192.0.2.1",
        user: b"alice",
        file: b"/users",
    }
}
