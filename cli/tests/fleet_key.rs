//! `esauth fleet-key` makes a key for nobody else's eyes, and never replaces one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails while a test is set up fails the test")]

mod program;
#[path = "../../tests/harness/scratch.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod scratch;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use program::esauth;
use scratch::Scratch;

#[test]
fn each_key_is_another_and_for_its_owner_only() {
    let folder = Scratch::new();
    let make = |name: &str| {
        let path = folder.path().join(name);
        assert_eq!(esauth(&["fleet-key", path.to_str().unwrap()]).status, 0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::read_to_string(&path).unwrap()
    };
    let (first, second) = (make("first"), make("second"));
    assert_ne!(first, second);
    assert_eq!((first.trim().len(), first.trim().chars().all(|digit| digit.is_ascii_hexdigit())), (64, true));
}

#[test]
fn a_file_that_is_there_stays_as_it_is() {
    let folder = Scratch::new();
    let path = folder.path().join("key");
    fs::write(&path, "in use\n").unwrap();
    let run = esauth(&["fleet-key", path.to_str().unwrap()]);
    assert_eq!(run.status, 2);
    assert!(run.errors.contains("cannot be created"), "{}", run.errors);
    assert_eq!(fs::read_to_string(&path).unwrap(), "in use\n");
}
