//! Any bytes as a request's target: a target that passes names no index outside the role's patterns.

#![no_main]

use std::sync::{Arc, LazyLock};

use esauth_roles::{Decision, Limits, RequestHead, Rights, Roles, judge};

static RIGHTS: LazyLock<Arc<Rights>> = LazyLock::new(|| {
    let text = "r:\n  indices:\n    - names: [ 'own-*' ]\n      privileges: [ all ]\n";
    let roles = Roles::parse(text.as_bytes()).unwrap_or_default();
    Arc::new(Rights::of(&roles, [&b"r"[..]].into_iter()))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&method, target)) = input.split_first() else { return };
    let methods = [&b"GET"[..], b"HEAD", b"POST", b"PUT", b"DELETE"];
    let head = RequestHead {
        method: methods[method as usize % methods.len()],
        target,
        content_type: None,
        content_encoding: None,
        has_body: false,
    };
    let Decision::Pass(pass) = judge(&RIGHTS, &head, &Limits::default()) else { return };
    for name in &pass.facts.indices {
        let name = name.strip_prefix('<').unwrap_or(name);
        assert!(name.starts_with("own-"), "{name}");
    }
    let target = pass.target.as_deref().unwrap_or(target);
    // Every possible reading of it finds the index in the same position.
    assert!(target.windows(4).any(|part| part == b"own-") || target.contains(&b'%'));
});
