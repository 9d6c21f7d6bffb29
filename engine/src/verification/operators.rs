//! What operators of a server may ask of its memory: list lockouts, end them, forget verdicts.

use super::compute::Credential;
use super::lockouts::{Listed, Lockout, Unlocked};
use super::network::{network, text};
use super::verifier::Verifier;
use crate::clock::monotonic_milliseconds;

/// A client that is locked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedOut {
    /// Scope, and seconds left.
    pub lockout: Lockout,
    /// Wrong passwords that count.
    pub failures: u64,
    /// The client's network, such as `192.0.2.1` or `2001:db8::/64`, and the user. `None` if there have been so many newer
    /// lockouts that this one's name was dropped.
    pub name: Option<Locked>,
}

/// The client and user of a lockout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The client's network.
    pub network: String,
    /// The user's name, or the beginning of a long one.
    pub user: Vec<u8>,
    /// Whether it is only the beginning.
    pub is_cut: bool,
}

/// Numbers of verdicts remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Right credentials.
    pub grants: u64,
    /// Wrong ones.
    pub denials: u64,
}

impl Verifier {
    /// Keeps user and client of a lockout that has just begun, for [`Verifier::lockouts`].
    pub fn keep_name(&self, credential: &Credential<'_>) {
        self.shared.lockouts().keep_name(&self.pair(credential), &network(credential.client), credential.user);
    }

    /// The lockouts in effect, those that last longest first. `None` if nobody can be locked out.
    pub fn lockouts(&self) -> Option<Vec<LockedOut>> {
        let limit = self.settings.max_failures?;
        let mut lockouts: Vec<_> = self.shared.lockouts().list(limit, monotonic_milliseconds());
        lockouts.sort_by_key(|listed| std::cmp::Reverse(listed.lockout.seconds));
        let readable = |listed: Listed| LockedOut {
            lockout: listed.lockout,
            failures: listed.failures,
            name: listed.name.map(|name| Locked {
                network: text(&name.network),
                user: name.user[..name.length.min(name.user.len())].to_vec(),
                is_cut: name.length > name.user.len(),
            }),
        };
        Some(lockouts.into_iter().map(readable).collect())
    }

    /// Ends the lockouts of a user, of a client, or of a user at a client; without either, all. Clears what counts towards
    /// one, and with a client, or without both, what makes a suspect. `None` if nobody can be locked out, or the table is stuck.
    pub fn unlock(&self, user: Option<&[u8]>, client: Option<&str>) -> Option<Unlocked> {
        let limit = self.settings.max_failures;
        let network = client.map(network);
        if user.is_none() || network.is_some() {
            self.shared.queue().forgive(network.map(|network| self.number_of_network(&network)));
        }
        if let (Some(user), Some(network)) = (user, network) {
            self.shared.queue().forgive(Some(self.number_of_account(&network, user)));
        }
        let (network, user) =
            (network.map(|network| self.number_of_network(&network)), user.map(|user| self.number_of_user(user)));
        self.shared.lockouts().unlock(network, user, limit?, monotonic_milliseconds())
    }

    /// Forgets all verdicts; every credential is hashed once more. Returns how many there were.
    pub fn forget(&self) -> Remembered {
        let usage = self.usage();
        self.shared.forget();
        Remembered { grants: usage.grants.entries, denials: usage.denials.entries }
    }
}
