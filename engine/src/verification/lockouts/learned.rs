//! Lockouts that other servers tell of.

use super::*;

/// In the place of a reported lockout: other servers told of this one, and it is still to be reported here.
const LEARNED: u64 = 1;

impl Attempt<'_> {
    /// Locks out as other servers do, unless this one does so for longer, and for no longer than it would.
    pub(in super::super) fn learn(&self, lockout: PeerLockout, now: u64) {
        let Some(_guard) = self.lockouts.lock() else { return };
        let Some(entry) = self.lockouts.find_or_make(&self.pair, self.limit, now) else { return };
        let ends = now + lockout.milliseconds.clamp(1, self.limit.milliseconds());
        let count = match lockout.scope {
            Scope::User => &entry.failures,
            Scope::Password => {
                if !entry.was_last(self, now) {
                    entry.set_last(self);
                }
                &entry.repeats
            }
        };
        if count.is_full(self.limit, now) && count.ends() >= ends {
            return;
        }
        if lockout.scope == Scope::User {
            if !count.is_full(self.limit, now) {
                entry.told.store(LEARNED, Ordering::Release);
            }
            self.lockouts.last_ends.fetch_max(ends, Ordering::Relaxed);
        }
        count.set(self.limit.failures.into(), ends);
    }

    /// Fills the pair's count with this attempt, which is the last that other servers allow: a lockout begins if it is
    /// wrong.
    pub(in super::super) fn fill(&self, lockout: PeerLockout, now: u64) {
        let Some(_guard) = self.lockouts.lock() else { return };
        let Some(entry) = self.lockouts.find(&self.pair) else { return };
        let ends = now + lockout.milliseconds.clamp(1, self.limit.milliseconds());
        if entry.was_last(self, now) && !entry.failures.is_full(self.limit, now) {
            entry.failures.set(self.limit.failures.into(), ends);
            self.lockouts.last_ends.fetch_max(ends, Ordering::Relaxed);
        }
    }
}

impl Entry {
    /// True once for a lockout that was learned.
    pub(super) fn tell_learned(&self) -> bool {
        let is_learned = self.told.load(Ordering::Relaxed) == LEARNED;
        if is_learned {
            self.told.store(self.failures.word(), Ordering::Release);
        }
        is_learned
    }
}
