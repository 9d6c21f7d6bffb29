//! An unchanged file, told without a check where changes are reported.

use std::sync::Arc;

use super::snapshot::Snapshot;
use super::source::{Parse, Source};
use crate::clock::monotonic_nanoseconds;

/// What has shown that a file is unchanged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The watcher's count of reports.
    reports: u64,
    /// The tick of the clock.
    at: u64,
}

impl<T: Parse> Source<T> {
    /// The same as [`Source::glance`]. If all that the path leads through can be watched, one check is enough for as long as
    /// nothing is reported, or for a tick of the clock (10 ms at most). `is_told`: the caller has taken the events of the
    /// source's [`Watcher`] until the moment for which it asks. `seen` is the caller's, and `None` at first.
    ///
    /// [`Watcher`]: super::Watcher
    pub fn glance_since(&self, seen: &mut Option<Seen>, is_told: bool) -> Option<Arc<Snapshot<T>>> {
        let at = monotonic_nanoseconds();
        if seen.is_some() && !is_told {
            self.watcher.take();
        }
        if *seen == Some(Seen { reports: self.watcher.reports(), at }) {
            if let Some(snapshot) = self.last_settled() {
                return Some(snapshot);
            }
        }
        // Before the check, which holds for what is not reported after it.
        let reports = if self.proves_rights { None } else { self.route.reports(&self.path, &self.watcher, at) };
        let snapshot = self.glance();
        *seen = reports.filter(|_| snapshot.is_some()).map(|reports| Seen { reports, at });
        snapshot
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what fails while a test is set up fails the test")]

    use std::ffi::{CString, OsStr};
    use std::fs::{self, File, Permissions};
    use std::io::Write;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::fs::statfs;
    use tempfile::TempDir;

    use super::*;
    use crate::files::identity::is_exact;
    use crate::files::{LineRules, Passwords};

    /// Folders `one` and `two` with a file each, and three paths over links: `link/users`, `end`, which leads to it, and
    /// `other-end`.
    struct Folders(TempDir);

    impl Folders {
        /// `None` if others than this machine's kernel may change what leads there.
        fn new() -> Option<Folders> {
            let folders = Folders(tempfile::tempdir().unwrap());
            if !folders.0.path().ancestors().all(|folder| is_exact(&statfs(folder).unwrap())) {
                eprintln!("skipped: the temporary folder is on a file system that others may change");
                return None;
            }
            for name in ["one", "two"] {
                fs::create_dir(folders.path(name)).unwrap();
                fs::write(folders.path(name).join("users"), format!("{name}:x\n")).unwrap();
            }
            symlink("one", folders.path("link")).unwrap();
            symlink("link/users", folders.path("end")).unwrap();
            symlink(folders.path("one/users"), folders.path("other-end")).unwrap();
            Some(folders)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn source(&self, name: &str) -> Source<Passwords> {
            let path = CString::new(self.path(name).as_os_str().as_bytes()).unwrap();
            Source::new(&path, LineRules::Httpd24, Arc::default())
        }

        /// Has a link lead to the other folder, or to its file.
        fn turn(&self, link: &str) {
            let target = fs::read_link(self.path(link)).unwrap();
            let other = |name: &OsStr| match name.as_bytes() {
                b"one" => "two".into(),
                b"two" => "one".into(),
                _ => name.to_owned(),
            };
            let other: PathBuf = target.iter().map(other).collect();
            symlink(other, self.path("new")).unwrap();
            fs::rename(self.path("new"), self.path(link)).unwrap();
        }

        /// Moves both, so that each has the other's name.
        fn exchange(&self) {
            for (from, to) in [("one", "old"), ("two", "one"), ("old", "two")] {
                fs::rename(self.path(from), self.path(to)).unwrap();
            }
        }
    }

    /// Waits until the file can be found unchanged without a check, and returns what shows it.
    fn settle(source: &Source<Passwords>) -> Seen {
        let (began, mut seen) = (Instant::now(), None);
        loop {
            if let (Some(_), Some(seen)) = (source.glance_since(&mut seen, false), seen) {
                return seen;
            }
            assert!(source.current().snapshot.is_ok() && began.elapsed() < Duration::from_secs(10), "never unchanged");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// A change is seen in the very tick of the clock in which the file was found unchanged.
    fn is_seen_at_once(folders: &Folders, name: &str, change: impl Fn(u32)) {
        let source = folders.source(name);
        for round in 0..1000 {
            let before = settle(&source);
            change(round);
            let found = source.glance_since(&mut Some(before), false);
            if monotonic_nanoseconds() == before.at {
                return assert!(found.is_none(), "{name} in round {round}");
            }
        }
        panic!("no change was as short as a tick");
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not know inotify")]
    fn whatever_happens_to_the_file_or_its_path_is_seen_at_once() {
        let Some(folders) = Folders::new() else { return };
        let content = |round: u32| format!("one:{round}\n");
        let users = folders.path("one/users");
        for name in ["one/users", "link/users", "end", "other-end"] {
            is_seen_at_once(&folders, name, |round| fs::write(&users, content(round)).unwrap());
            is_seen_at_once(&folders, name, |round| {
                File::options().append(true).open(&users).unwrap().write_all(content(round).as_bytes()).unwrap();
            });
            is_seen_at_once(&folders, name, |round| {
                fs::write(folders.path("new"), content(round)).unwrap();
                fs::rename(folders.path("new"), &users).unwrap();
            });
            is_seen_at_once(&folders, name, |round| {
                fs::set_permissions(&users, Permissions::from_mode(if round % 2 == 0 { 0o640 } else { 0o600 }))
                    .unwrap();
            });
            is_seen_at_once(&folders, name, |_| folders.exchange());
        }
        is_seen_at_once(&folders, "link/users", |_| folders.turn("link"));
        is_seen_at_once(&folders, "end", |_| folders.turn("link"));
        is_seen_at_once(&folders, "other-end", |_| folders.turn("other-end"));
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not know inotify")]
    fn a_path_that_leads_elsewhere_is_watched_there() {
        let Some(folders) = Folders::new() else { return };
        let source = folders.source("link/users");
        settle(&source);
        folders.turn("link");
        let before = settle(&source);
        fs::write(folders.path("two/users"), "two:other\n").unwrap();
        assert!(source.glance_since(&mut Some(before), false).is_none());
        assert!(source.watcher.reports() > before.reports);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri does not know inotify")]
    fn an_unchanged_file_stays_watched_from_tick_to_tick() {
        let Some(folders) = Folders::new() else { return };
        let source = folders.source("end");
        // Other tests change the temporary folder, which is watched as well; not in every tick.
        let is_kept = (0..1000).any(|_| {
            let before = settle(&source);
            let mut seen = Some(before);
            while seen == Some(before) {
                assert!(source.glance_since(&mut seen, false).is_some());
            }
            seen.is_some_and(|seen| seen.reports == before.reports)
        });
        assert!(is_kept, "something is reported in every tick");
    }
}
