//! The sum of one user's roles.

use std::ptr;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use esauth_engine::{Groups, Snapshot};
use hashbrown::HashMap;

use crate::action::{Action, Actions};
use crate::pattern::Patterns;
use crate::roles::{Roles, RolesFile};

/// The rights of a user, from all of their roles. Immutable, and shared by the requests of that user.
#[derive(Default)]
pub struct Rights {
    roles: Box<[Box<str>]>,
    cluster: Actions,
    grants: Box<[Allowed]>,
    is_unbounded: bool,
    narrowings: RwLock<Vec<Narrowing>>,
}

/// What wildcards are narrowed to for these actions, if it is not more than this many.
type Narrowing = (Actions, usize, Option<Arc<[Box<str>]>>);

/// Patterns with the same allowed actions.
struct Allowed {
    actions: Actions,
    patterns: Patterns,
    /// The patterns that begin with a dot. Only these match names that do.
    dotted: Patterns,
}

impl Allowed {
    fn contains(&self, name: &str) -> bool {
        if name.starts_with('.') { self.dotted.contain(name) } else { self.patterns.contain(name) }
    }
}

impl Rights {
    /// The sum of the roles with these names (compared by exact bytes). Names without a role are ignored.
    pub fn of<'a>(roles: &Roles, names: impl Iterator<Item = &'a [u8]>) -> Rights {
        let mut held: Vec<_> = names.filter_map(|name| roles.role(name)).collect();
        held.sort_unstable_by_key(|role| role.line());
        held.dedup_by_key(|role| role.line());
        let mut cluster = Actions::NONE;
        let mut by_actions: HashMap<Actions, Vec<&str>> = HashMap::new();
        for role in &held {
            cluster = cluster | role.cluster;
            for grant in role.grants.iter().filter(|grant| !grant.actions.is_empty()) {
                by_actions.entry(grant.actions).or_default().extend(grant.patterns.iter().map(|pattern| &**pattern));
            }
        }
        let grants = by_actions.into_iter().map(|(actions, patterns)| Allowed {
            actions,
            patterns: Patterns::new(patterns.iter().copied()),
            dotted: Patterns::new(patterns.iter().copied().filter(|pattern| pattern.starts_with('.'))),
        });
        let roles = held.iter().map(|role| role.name().into()).collect();
        let mut rights = Rights { roles, cluster, grants: grants.collect(), ..Rights::default() };
        rights.is_unbounded = rights.find_unbounded();
        rights
    }

    /// The names of the user's roles that are in the roles file, in the order of the file.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(AsRef::as_ref)
    }

    /// True if no role allows anything.
    pub fn is_empty(&self) -> bool {
        self.cluster.is_empty() && self.grants.is_empty()
    }

    /// True if everything is allowed on every index and on the cluster: such requests are not read.
    pub(crate) fn are_unbounded(&self) -> bool {
        self.is_unbounded
    }

    fn find_unbounded(&self) -> bool {
        let mut all = self.cluster;
        for grant in self.grants.iter().filter(|grant| grant.patterns.contain("*")) {
            all = all | grant.actions;
        }
        Action::ALL.iter().all(|&action| all.contains(action))
    }

    /// The first of the actions that is not allowed on the cluster.
    pub(crate) fn missing_on_cluster(&self, actions: Actions) -> Option<Action> {
        actions.iter().find(|&action| !self.cluster.contains(action))
    }

    /// The first of the actions that is not allowed on every name that `name` (with or without `*`) matches.
    pub(crate) fn missing_on(&self, name: &str, actions: Actions) -> Option<Action> {
        let missing = self.grants.iter().fold(actions, |missing, grant| {
            if missing.overlaps(grant.actions) && grant.contains(name) {
                missing.without(grant.actions)
            } else {
                missing
            }
        });
        missing.iter().next()
    }

    /// An action that is allowed on the name `new` but not on everything that `old` matches. A user who gives `old` the
    /// additional name `new`, or copies it there, would gain it.
    pub(crate) fn gained(&self, new: &str, old: &str) -> Option<Action> {
        let on = |name: &str| {
            let grants = self.grants.iter().filter(|grant| grant.contains(name));
            grants.fold(Actions::NONE, |sum, grant| sum | grant.actions)
        };
        on(new).without(on(old)).iter().next()
    }

    /// True if anything is allowed on every name that `name` matches.
    pub(crate) fn know(&self, name: &str) -> bool {
        self.grants.iter().any(|grant| grant.contains(name))
    }

    /// The patterns that allow all of the actions, except those that others of them contain; at most this many. `None`
    /// if there are more. Remembered, since it may take long: the sets of actions in the table of endpoints are few.
    pub(crate) fn patterns_for(&self, actions: Actions, most: usize) -> Option<Arc<[Box<str>]>> {
        // A panic under the lock leaves nothing half done.
        let narrowings = self.narrowings.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., patterns)) = narrowings.iter().find(|known| (known.0, known.1) == (actions, most)) {
            return patterns.clone();
        }
        drop(narrowings);
        let patterns = self.find_patterns(actions, most);
        let mut narrowings = self.narrowings.write().unwrap_or_else(PoisonError::into_inner);
        if !narrowings.iter().any(|known| (known.0, known.1) == (actions, most)) {
            narrowings.push((actions, most, patterns.clone()));
        }
        patterns
    }

    fn find_patterns(&self, actions: Actions, most: usize) -> Option<Arc<[Box<str>]>> {
        let allow_all = self.grants.iter().filter(|grant| actions.without(grant.actions).is_empty());
        if allow_all.map(|grant| grant.patterns.widest().len()).any(|count| count > most) {
            return None;
        }
        let mut patterns: Vec<&str> = Vec::new();
        for grant in self.grants.iter().filter(|grant| grant.actions.overlaps(actions)) {
            for pattern in grant.patterns.widest() {
                if self.missing_on(pattern, actions).is_none() {
                    patterns.push(pattern);
                    if patterns.len() > most {
                        return None;
                    }
                }
            }
        }
        patterns.sort_unstable();
        patterns.dedup();
        let is_widest = |pattern: &&&str| {
            !patterns.iter().any(|other| other != *pattern && crate::pattern::is_within(pattern, other))
        };
        Some(patterns.iter().filter(is_widest).map(|&pattern| pattern.into()).collect())
    }
}

/// The rights of recent users, remembered as long as neither file changes. Shared by the threads of a process. A
/// remembered user costs one lookup, for any number of roles.
pub struct RightsCache {
    users: usize,
    remembered: RwLock<HashMap<Box<[u8]>, Remembered>>,
}

struct Remembered {
    /// The snapshots they were computed from. As long as these are held, no other snapshot has their address.
    roles: Weak<Snapshot<RolesFile>>,
    groups: Weak<Snapshot<Groups>>,
    rights: Arc<Rights>,
}

impl RightsCache {
    /// An empty cache with room for this many users.
    pub fn new(users: usize) -> RightsCache {
        RightsCache { users: users.max(1), remembered: RwLock::default() }
    }

    /// The rights of `user`, whose roles are named by `groups`, according to `roles`. A file with faults grants none.
    pub fn rights(&self, roles: &Arc<Snapshot<RolesFile>>, groups: &Arc<Snapshot<Groups>>, user: &[u8]) -> Arc<Rights> {
        let is_of_these = |known: &&Remembered| {
            ptr::eq(known.roles.as_ptr(), Arc::as_ptr(roles)) && ptr::eq(known.groups.as_ptr(), Arc::as_ptr(groups))
        };
        // A panic under the lock leaves nothing half done.
        let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = remembered.get(user).filter(is_of_these) {
            return Arc::clone(&known.rights);
        }
        drop(remembered);
        let rights = match (roles.roles(), groups.of(user)) {
            (Ok(roles), Some(memberships)) => Rights::of(roles, memberships.names()),
            _ => Rights::default(),
        };
        let rights = Arc::new(rights);
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= self.users && !remembered.contains_key(user) {
            remembered.clear();
        }
        let (roles, groups) = (Arc::downgrade(roles), Arc::downgrade(groups));
        remembered.insert(user.into(), Remembered { roles, groups, rights: Arc::clone(&rights) });
        rights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(text: &str, names: &[&str]) -> Rights {
        Rights::of(&Roles::parse(text.as_bytes()).unwrap_or_default(), names.iter().map(|name| name.as_bytes()))
    }

    const TWO: &str = "a:\n  indices:\n  - names: ['x-*', 'plain']\n    privileges: [read]\n\
                       b:\n  cluster: [monitor]\n  indices:\n  - names: ['x-*', 'y*']\n    privileges: [monitor]\n";

    #[test]
    fn each_action_may_be_allowed_by_another_role() {
        let both = Actions::of(&[Action::Search, Action::Stats]);
        assert_eq!(rights(TWO, &["a", "b", "none"]).missing_on("x-1", both), None);
        assert_eq!(rights(TWO, &["a"]).missing_on("x-1", both), Some(Action::Stats));
        assert_eq!(rights(TWO, &["b"]).missing_on("x-1", both), Some(Action::Search));
        assert!(rights(TWO, &["A"]).is_empty());
    }

    #[test]
    fn names_that_begin_with_a_dot_need_a_pattern_that_does() {
        let text = "a:\n  indices:\n  - names: ['*', '.own-*']\n    privileges: [all]\n";
        let rights = rights(text, &["a"]);
        let search = Actions::of(&[Action::Search]);
        assert_eq!(rights.missing_on(".own-1", search), None);
        assert_eq!(rights.missing_on(".ds-x", search), Some(Action::Search));
        assert_eq!(rights.missing_on("x", search), None);
        assert!(!rights.are_unbounded());
    }

    #[test]
    fn narrowing_leaves_the_widest_patterns_that_allow_all_of_it() {
        let rights = rights(TWO, &["a", "b"]);
        let patterns = |actions: &[Action], most| {
            let patterns = rights.patterns_for(Actions::of(actions), most);
            patterns.map(|patterns| patterns.join(","))
        };
        for _ in 0..2 {
            assert_eq!(patterns(&[Action::Search], 9).as_deref(), Some("plain,x-*"));
            assert_eq!(patterns(&[Action::Search, Action::Stats], 9).as_deref(), Some("x-*"));
            assert_eq!(patterns(&[Action::Search], 1), None);
        }
    }

    #[test]
    fn only_all_of_everything_is_unbounded() {
        let all = "a:\n  cluster: [all]\n  indices:\n  - names: '*'\n    privileges: [all]\n";
        assert!(rights(all, &["a"]).are_unbounded());
        let most = "a:\n  cluster: [all]\n  indices:\n  - names: '*'\n    privileges: [manage, read, delete]\n";
        assert!(!rights(most, &["a"]).are_unbounded());
    }
}
