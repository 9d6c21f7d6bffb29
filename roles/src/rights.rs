//! What the roles of one user add up to.

use std::sync::Arc;

use esauth_engine::{Groups, Snapshot};

use crate::roles::{Roles, RolesFile};

/// What a user may do, by all of their roles together. Immutable, and shared by the requests of that user.
#[derive(Default)]
pub struct Rights {
    roles: Box<[Box<str>]>,
}

impl Rights {
    /// What the roles with these names (compared by exact bytes) add up to. Names without a role count for nothing.
    pub fn of<'a>(roles: &Roles, names: impl Iterator<Item = &'a [u8]>) -> Rights {
        let _ = (roles, names);
        Rights::default()
    }

    /// The names of the user's roles that the roles file has, in the order of the file.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(AsRef::as_ref)
    }

    /// True where no role gives anything.
    pub fn is_empty(&self) -> bool {
        true
    }
}

/// The rights of the users who came lately, remembered for as long as neither file has changed. Shared by the threads of a
/// process. A user who is remembered costs one look-up, whatever the number of their roles.
pub struct RightsCache {}

impl RightsCache {
    /// An empty cache with room for as many users.
    pub fn new(users: usize) -> RightsCache {
        let _ = users;
        RightsCache {}
    }

    /// The rights of `user`, who is in the roles that `groups` names, by `roles`. A file with faults gives none.
    pub fn rights(&self, roles: &Arc<Snapshot<RolesFile>>, groups: &Arc<Snapshot<Groups>>, user: &[u8]) -> Arc<Rights> {
        let _ = (roles, groups, user);
        Arc::default()
    }
}
