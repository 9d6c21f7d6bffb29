//! Recalling a grant without judging the credentials again, for whoever is sent the same ones with every request: a
//! connection.
//!
//! What is kept for that is a keyed digest of the credentials as they came, undecoded, beside what the grant depended on:
//! the password file's snapshot and the time. SipHash-2-4 with 128 bits, a pseudorandom function for short inputs (Aumasson
//! and Bernstein, 2012), takes a fraction of the time of BLAKE3. Its key is in the memory the children share, like that of
//! the other digests and for the same reasons.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};
use subtle::{Choice, ConstantTimeEq};

use super::counters::Look;
use super::{Cache, monotonic_seconds};
use crate::wipe::wipe_stack;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 16;

/// Stack that hashing may have used.
const STACK: usize = 512;

/// Credentials as a client sent them, and what their verdict depends on beside them.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// What the client sent, in whatever form.
    pub text: &'a [u8],
    /// The client's address, as text.
    pub client: &'a [u8],
    /// The serial number of the password file's current snapshot.
    pub snapshot: u64,
}

/// Credentials that were granted, for [`Cache::recalls`] to know again.
///
/// They are for the rest of a second: after that the credentials are judged again, so that what is in use stays in the
/// shared table, and no longer than it is to.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    digest: [u64; 2],
    snapshot: u64,
    second: u64,
}

impl Cache {
    /// What to keep of credentials that have just been granted. `None` where nothing is to be remembered.
    pub fn grant(&self, presented: &Presented<'_>) -> Option<Grant> {
        (self.settings.entries > 0).then(|| Grant {
            digest: self.digest_presented(presented),
            snapshot: presented.snapshot,
            second: monotonic_seconds(),
        })
    }

    /// True where the same credentials were granted, and would be again.
    pub fn recalls(&self, grant: &Grant, presented: &Presented<'_>) -> bool {
        if grant.snapshot != presented.snapshot || grant.second != monotonic_seconds() {
            return false;
        }
        let [first, second] = self.digest_presented(presented);
        let same: Choice = first.ct_eq(&grant.digest[0]) & second.ct_eq(&grant.digest[1]);
        let recalled = bool::from(same);
        if recalled {
            self.counters().count_look(Look::Grant);
        }
        recalled
    }

    fn digest_presented(&self, presented: &Presented<'_>) -> [u64; 2] {
        // As in the table: where clients are locked out, what counts is who was right from here.
        let client = self.settings.max_failures.map(|_| presented.client);
        let digest = digest(self.shared.recall_key(), presented.text, client);
        wipe_stack::<STACK>();
        digest
    }
}

#[inline(never)]
fn digest(key: &[u8; KEY_BYTES], text: &[u8], client: Option<&[u8]>) -> [u64; 2] {
    let mut hasher = SipHasher24::new_with_key(key);
    if let Some(client) = client {
        // Neither has a NUL in it.
        hasher.write(client);
        hasher.write(&[0]);
    }
    hasher.write(text);
    let digest = hasher.finish128();
    [digest.h1, digest.h2]
}
