//! `{SHA}`: the base64 of one unsalted round of SHA-1 (`apr_sha1_base64` in APR-util).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::compare::same;

pub(super) const PREFIX: &[u8] = b"{SHA}";

pub(super) fn verify(password: &[u8], stored: &[u8]) -> bool {
    let mut encoded = [0; 28];
    let written = STANDARD.encode_slice(Sha1::digest(password), &mut encoded);
    written == Ok(encoded.len()) && same(&encoded, &stored[PREFIX.len()..])
}
