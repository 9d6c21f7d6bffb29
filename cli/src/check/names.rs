//! The names in the files, by number: each is looked up once, however often it is needed.

use std::cell::OnceCell;
use std::collections::HashMap;

use esauth_engine::Listing;

use super::spelling::look;

/// Every name of a user in the password files or of a member in the group files.
#[derive(Default)]
pub(super) struct Names<'f> {
    numbers: HashMap<&'f [u8], usize>,
    /// By number.
    roles: Vec<Roles>,
    /// Users by the lower case of their appearance, built on first use.
    looks: OnceCell<HashMap<String, &'f [u8]>>,
}

/// The files that contain a name.
#[derive(Clone, Copy, Default)]
struct Roles {
    is_user: bool,
    is_member: bool,
}

impl<'f> Names<'f> {
    /// Called before any name is added, to allocate once.
    pub(super) fn reserve_for(&mut self, listings: impl Iterator<Item = &'f Listing>) {
        let lines = listings.map(|listing| listing.lines().size_hint().0).sum();
        self.numbers.reserve(lines);
        self.roles.reserve(lines);
    }

    /// The number of the user in each line of a password file.
    pub(super) fn of_users(&mut self, listing: &'f Listing) -> Vec<usize> {
        listing.lines().map(|line| self.add(line.name(), |roles| roles.is_user = true)).collect()
    }

    /// The number of each member in a group file, one line's after the other's.
    pub(super) fn of_members(&mut self, listing: &'f Listing) -> Vec<usize> {
        let members = listing.lines().flat_map(|line| line.members());
        members.map(|member| self.add(member, |roles| roles.is_member = true)).collect()
    }

    fn add(&mut self, name: &'f [u8], note: impl FnOnce(&mut Roles)) -> usize {
        let number = *self.numbers.entry(name).or_insert(self.roles.len());
        if number == self.roles.len() {
            self.roles.push(Roles::default());
        }
        note(&mut self.roles[number]);
        number
    }

    /// A user whose name differs from this one only in case or in invisible characters.
    pub(super) fn user_like(&self, name: &[u8]) -> Option<&'f [u8]> {
        let look = |name: &[u8]| look(name).to_lowercase();
        let looks = self.looks.get_or_init(|| {
            let mut looks = HashMap::new();
            for (&user, _) in self.numbers.iter().filter(|&(_, &number)| self.is_user(number)) {
                let first = looks.entry(look(user)).or_insert(user);
                *first = user.min(first);
            }
            looks
        });
        looks.get(&look(name)).copied()
    }

    /// Number of names; all numbers are below it.
    pub(super) fn count(&self) -> usize {
        self.roles.len()
    }

    /// Whether a password file has a line for it.
    pub(super) fn is_user(&self, number: usize) -> bool {
        self.roles[number].is_user
    }

    /// Whether it is a member of some group.
    pub(super) fn is_member(&self, number: usize) -> bool {
        self.roles[number].is_member
    }
}
