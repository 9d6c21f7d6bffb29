//! Recalls a grant without judging the credentials again, for a connection, whose client sends the same ones with every
//! request; or for an event loop, which serves all connections ([`Recent`]).
//!
//! The grant holds a keyed digest of the credentials as they came, undecoded, and the conditions of the grant: the
//! password file as it was, and the time. SipHash-2-4 with 128 bits, a pseudorandom function for short inputs (Aumasson
//! and Bernstein, 2012), takes a fraction of the time of BLAKE3. Its key is in the memory shared by the children, like
//! that of the other digests and for the same reasons.

use std::ffi::CStr;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};
use subtle::ConstantTimeEq;

use super::verifier::Verifier;
use crate::clock::{monotonic_milliseconds, wall_seconds};
use crate::counters;
use crate::files::{Identity, Look, Passwords, Snapshot};
use crate::wipe::wipe_stack;

/// Size of SipHash's key in bytes.
const KEY_BYTES: usize = 16;

/// Upper bound of the stack used for hashing.
const STACK: usize = 512;

/// Credentials as a client sent them.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The credentials in any form. Without NUL.
    pub text: &'a [u8],
    /// The client's address, as text.
    pub client: &'a [u8],
}

/// Granted credentials, for [`Verifier::recalls`] to recognize.
///
/// They last for the rest of a second at most; then the credentials are judged again, so that the shared table keeps
/// entries in use, and none for longer than it should.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    digest: [u64; 2],
    /// The file that granted them.
    file: Identity,
    look: Look,
    /// Expiry, in [`monotonic_milliseconds`].
    ends: u64,
    /// How often everything had been forgotten.
    forgotten: u64,
}

/// Grants of which an event loop keeps this many. A power of two.
const RECENT: usize = 256;

/// The latest grants of an event loop, each in a place that its credentials give it.
pub struct Recent(Box<[Option<Grant>; RECENT]>);

impl Default for Recent {
    fn default() -> Self {
        Recent(Box::new([None; RECENT]))
    }
}

impl Recent {
    fn place(&mut self, digest: [u64; 2]) -> &mut Option<Grant> {
        &mut self.0[digest[0] as usize % RECENT]
    }
}

impl Grant {
    fn is_of(&self, digest: [u64; 2]) -> bool {
        (digest[0].ct_eq(&self.digest[0]) & digest[1].ct_eq(&self.digest[1])).into()
    }
}

impl Verifier {
    /// A grant for credentials that have just been granted by the content of `file`, until `valid_until` in seconds of
    /// Unix time. `None` if nothing may be remembered.
    pub fn grant(
        &self,
        presented: &Presented<'_>,
        file: &Snapshot<Passwords>,
        valid_until: Option<u64>,
    ) -> Option<Grant> {
        self.grant_of(self.digest_presented(presented), file, valid_until)
    }

    fn grant_of(&self, digest: [u64; 2], file: &Snapshot<Passwords>, valid_until: Option<u64>) -> Option<Grant> {
        let (look, identity, until) = file.evidence().filter(|_| self.settings.entries > 0)?;
        // Whatever has to end within the next two seconds is judged again each time.
        if valid_until.is_some_and(|end| wall_seconds() + 2 > end) {
            return None;
        }
        let ends = (monotonic_milliseconds() / 1000 + 1).saturating_mul(1000).min(until);
        let forgotten = self.shared.forgotten();
        Some(Grant { digest, file: identity, look, ends, forgotten })
    }

    /// True if the same credentials were granted before, however long ago.
    pub fn has_granted(&self, grant: &Grant, presented: &Presented<'_>) -> bool {
        grant.is_of(self.digest_presented(presented))
    }

    /// True if the file at `path` granted the same credentials before and would again. Takes one check of the file if
    /// they are the same.
    pub fn recalls(&self, grant: &Grant, presented: &Presented<'_>, path: &CStr) -> bool {
        self.lasts(grant)
            && self.has_granted(grant, presented)
            && grant.look.at(path) == Ok(grant.file)
            && self.count_recalled()
    }

    /// True if one of the latest grants is for the same credentials by this content of a file, which has just been found
    /// unchanged.
    pub fn recalls_from(&self, recent: &mut Recent, presented: &Presented<'_>, file: &Snapshot<Passwords>) -> bool {
        let digest = self.digest_presented(presented);
        recent.place(digest).as_ref().is_some_and(|grant| {
            self.lasts(grant)
                && grant.is_of(digest)
                && file.evidence().is_some_and(|(_, identity, _)| identity == grant.file)
                && self.count_recalled()
        })
    }

    /// Adds to the latest grants one for credentials that have just been granted, as in [`Verifier::grant`].
    pub fn note_in(
        &self,
        recent: &mut Recent,
        presented: &Presented<'_>,
        file: &Snapshot<Passwords>,
        valid_until: Option<u64>,
    ) {
        let digest = self.digest_presented(presented);
        *recent.place(digest) = self.grant_of(digest, file, valid_until);
    }

    fn lasts(&self, grant: &Grant) -> bool {
        monotonic_milliseconds() < grant.ends && self.shared.forgotten() == grant.forgotten
    }

    fn count_recalled(&self) -> bool {
        self.counters().count_lookup(counters::Lookup::Grant);
        true
    }

    fn digest_presented(&self, presented: &Presented<'_>) -> [u64; 2] {
        // As in the table: if clients can be locked out, only a grant to this client counts.
        let client = self.settings.max_failures.map(|_| presented.client);
        let digest = digest(&self.shared.keys().recall, presented.text, client);
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

#[cfg(all(test, not(loom)))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]

    use std::ffi::CString;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::super::lockouts::MaxFailures;
    use super::super::verifier::Settings;
    use super::*;
    use crate::files::{LineRules, Source};

    const HERE: Presented<'_> = Presented { text: b"Basic YWxpY2U6c2VjcmV0", client: b"192.0.2.1" };

    /// A password file, and a source of it.
    struct UsersFile(tempfile::TempDir, Source<Passwords>);

    impl UsersFile {
        fn new() -> UsersFile {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("users"), "alice:x\n").unwrap();
            let path = CString::new(folder.path().join("users").as_os_str().as_bytes()).unwrap();
            // A file written just now is not relied on: it could be written again within the same clock tick.
            thread::sleep(Duration::from_millis(50));
            UsersFile(folder, Source::new(&path, LineRules::Httpd24, Arc::default()))
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("users")
        }

        fn snapshot(&self) -> Arc<Snapshot<Passwords>> {
            self.1.current().snapshot.unwrap()
        }

        /// Whether credentials granted `before` are recalled as `after`, and would be if they were the same. Tries
        /// again if a second has just ended.
        fn recalls(&self, cache: &Verifier, before: &Presented<'_>, after: &Presented<'_>) -> bool {
            loop {
                let grant = cache.grant(before, &self.snapshot(), None).unwrap();
                let recalled = cache.recalls(&grant, after, self.1.path());
                if cache.recalls(&grant, before, self.1.path()) {
                    return recalled;
                }
            }
        }
    }

    fn cache(entries: usize, max_failures: Option<MaxFailures>) -> Verifier {
        Verifier::create(Settings { entries, ttl: 3600, slots: 1, workers: 64, max_failures }).unwrap().0
    }

    #[test]
    fn the_same_text_is_recalled_and_no_other() {
        let (file, cache) = (UsersFile::new(), cache(64, None));
        assert!(file.recalls(&cache, &HERE, &HERE));
        for text in [&b"Basic YWxpY2U6c2VjcmV1"[..], b"Basic YWxpY2U6c2VjcmV", b"Basic YWxpY2U6c2VjcmV0=", b""] {
            assert!(!file.recalls(&cache, &HERE, &Presented { text, ..HERE }));
        }
    }

    #[test]
    fn where_clients_are_locked_out_a_grant_is_for_one_address() {
        let (file, elsewhere) = (UsersFile::new(), Presented { client: b"192.0.2.2", ..HERE });
        assert!(file.recalls(&cache(64, None), &HERE, &elsewhere));
        let strict = cache(64, Some(MaxFailures { failures: 3, seconds: 60 }));
        assert!(!file.recalls(&strict, &HERE, &elsewhere));
        let moved = Presented { text: b"1Basic YWxpY2U6c2VjcmV0", client: b"192.0.2." };
        assert!(!file.recalls(&strict, &HERE, &moved));
    }

    #[test]
    fn a_changed_or_removed_file_ends_it_at_once() {
        let (file, cache) = (UsersFile::new(), cache(64, None));
        type Change = fn(&PathBuf);
        let changes: [Change; 3] = [
            |path| fs::write(path, "alice:y\n").unwrap(),
            |path| {
                fs::write(path.with_extension("new"), "alice:z\n").unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            },
            |path| fs::remove_file(path).unwrap(),
        ];
        for change in changes {
            assert!(file.recalls(&cache, &HERE, &HERE));
            let grant = cache.grant(&HERE, &file.snapshot(), None).unwrap();
            change(&file.path());
            assert!(!cache.recalls(&grant, &HERE, file.1.path()));
            if file.path().exists() {
                file.snapshot();
                thread::sleep(Duration::from_millis(50));
            }
            assert!(!cache.recalls(&grant, &HERE, file.1.path()));
        }
    }

    #[test]
    fn it_ends_with_the_second() {
        let (file, cache) = (UsersFile::new(), cache(64, None));
        assert!(file.recalls(&cache, &HERE, &HERE));
        let grant = cache.grant(&HERE, &file.snapshot(), None).unwrap();
        thread::sleep(Duration::from_secs(1));
        assert!(!cache.recalls(&grant, &HERE, file.1.path()));
    }

    #[test]
    fn what_is_forgotten_is_recalled_by_no_connection() {
        let (file, cache) = (UsersFile::new(), cache(64, None));
        assert!(file.recalls(&cache, &HERE, &HERE));
        let grant = cache.grant(&HERE, &file.snapshot(), None).unwrap();
        cache.forget();
        assert!(!cache.recalls(&grant, &HERE, file.1.path()));
        assert!(file.recalls(&cache, &HERE, &HERE));
    }

    #[test]
    fn credentials_that_are_about_to_end_are_not_recalled() {
        let (file, cache) = (UsersFile::new(), cache(64, None));
        let grant = |seconds: u64| cache.grant(&HERE, &file.snapshot(), Some(wall_seconds() + seconds));
        assert!(grant(1).is_none());
        assert!(grant(60).is_some());
    }

    #[test]
    fn an_event_loop_recalls_what_it_granted_by_the_same_content() {
        let (file, other, cache) = (UsersFile::new(), UsersFile::new(), cache(64, None));
        let snapshot = file.snapshot();
        let mut recent = Recent::default();
        assert!(!cache.recalls_from(&mut recent, &HERE, &snapshot));
        cache.note_in(&mut recent, &HERE, &snapshot, None);
        // Again if a second has just ended.
        if !cache.recalls_from(&mut recent, &HERE, &snapshot) {
            cache.note_in(&mut recent, &HERE, &snapshot, None);
            assert!(cache.recalls_from(&mut recent, &HERE, &snapshot));
        }
        assert!(!cache.recalls_from(&mut recent, &Presented { text: b"Basic x", ..HERE }, &snapshot));
        assert!(!cache.recalls_from(&mut recent, &HERE, &other.snapshot()));
        cache.note_in(&mut recent, &HERE, &snapshot, Some(wall_seconds() + 1));
        assert!(!cache.recalls_from(&mut recent, &HERE, &snapshot));
        cache.note_in(&mut recent, &HERE, &snapshot, None);
        cache.forget();
        assert!(!cache.recalls_from(&mut recent, &HERE, &snapshot));
    }

    #[test]
    fn another_file_or_server_recalls_nothing() {
        let [file, other] = [UsersFile::new(), UsersFile::new()];
        let [cache, restarted] = [cache(64, None), cache(64, None)];
        assert!(file.recalls(&cache, &HERE, &HERE));
        let grant = cache.grant(&HERE, &file.snapshot(), None).unwrap();
        assert!(!cache.recalls(&grant, &HERE, other.1.path()));
        assert!(!restarted.recalls(&grant, &HERE, file.1.path()));
    }

    #[test]
    fn where_nothing_is_to_be_remembered_nothing_is() {
        assert!(cache(0, None).grant(&HERE, &UsersFile::new().snapshot(), None).is_none());
    }
}
