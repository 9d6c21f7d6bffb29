//! Any bytes as a roles file: read, or refused with a reason for each line.

#![no_main]

use esauth_roles::{Rights, Roles};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    match Roles::parse(input) {
        Ok(roles) => {
            let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
            let rights = Rights::of(&roles, names.iter().map(|name| name.as_bytes()));
            assert_eq!(rights.roles().count(), names.len());
        }
        Err(faults) => {
            assert!(!faults.is_empty());
            // To YAML, a CR ends a line too.
            let lines = input.iter().filter(|&&byte| byte == b'\n' || byte == b'\r').count() + 2;
            assert!(faults.iter().all(|fault| (1..=lines).contains(&fault.line)));
        }
    }
});
