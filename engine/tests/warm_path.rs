//! A request that finds everything in memory and needs no slow hash allocates nothing on the heap.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails while a test is set up fails the test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use esauth_engine::{Groups, LineRules, Passwords, Source, hash};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator, with a counter beside it that does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as our caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as our caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_request_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [users, groups] = ["users", "groups"].map(|name| folder.path().join(name));
    fs::write(&users, "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    fs::write(&groups, "admins: alice\n").unwrap();
    let [users, groups] = [users, groups].map(|path| CString::new(path.as_os_str().as_bytes()).unwrap());
    let users: Source<Passwords> = Source::new(&users, LineRules::Httpd24, Arc::default());
    let groups: Source<Groups> = Source::new(&groups, LineRules::Httpd24, Arc::default());
    // Until the clock moves on from the files' last change, every check reads them again.
    thread::sleep(Duration::from_millis(50));
    let request = || {
        let users = users.current().snapshot.unwrap();
        let groups = groups.current().snapshot.unwrap();
        assert!(hash::verify(b"secret", users.stored_hash(b"alice").unwrap()));
        assert!(!hash::verify(b"wrong", users.stored_hash(b"alice").unwrap()));
        assert!(groups.of(b"alice").unwrap().contains(b"Admins"));
        assert!(users.stored_hash(b"nobody").is_none() && groups.of(b"nobody").is_none());
    };
    request();
    request();
    let before = ALLOCATIONS.get();
    request();
    assert_eq!(ALLOCATIONS.get() - before, 0);
    drop(std::hint::black_box(vec![0u8; 10]));
    assert!(ALLOCATIONS.get() > before, "the counter counts");
}
