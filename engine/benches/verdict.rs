//! Cost of a verdict, without httpd: `cargo bench --bench verdict`. `make bench-instructions` counts instructions instead,
//! which do not depend on what else the machine does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails while a benchmark is set up ends it")]

mod fixture;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use divan::{Bencher, black_box};
use esauth_engine::hash;
use esauth_engine::verification::{Outcome, Presented, Verifier};

use fixture::{Fixture, STORED, USER, credential, verifier};

static FIXTURE: LazyLock<Fixture> = LazyLock::new(Fixture::new);

/// Remembers nothing.
static FORGETFUL: LazyLock<Verifier> = LazyLock::new(|| verifier(0));

fn main() {
    divan::main();
}

/// Without the check for a changed file.
#[divan::bench]
fn warm_grant(bencher: Bencher<'_, '_>) {
    let cache = &FIXTURE.cache;
    bencher.bench(|| cache.judge(&credential(STORED.as_bytes(), b"secret")));
}

#[divan::bench]
fn warm_denial(bencher: Bencher<'_, '_>) {
    let cache = &FIXTURE.cache;
    bencher.bench(|| cache.judge(&credential(STORED.as_bytes(), b"wrong")));
}

/// In a file of 100,000 users; from one thread, and from as many as there are processors.
#[divan::bench(threads = [1, 0])]
fn warm_grant_with_file_check(bencher: Bencher<'_, '_>) {
    let fixture = &*FIXTURE;
    bencher.bench(|| fixture.judge());
}

#[divan::bench]
fn file_check_and_lookup(bencher: Bencher<'_, '_>) {
    let fixture = &*FIXTURE;
    bencher.bench(|| black_box(fixture.file().stored_hash(USER)).is_some());
}

/// A grant that the connection recalls, renewed each second as in the module.
#[divan::bench]
fn recalled_grant(bencher: Bencher<'_, '_>) {
    let Fixture { cache, path, .. } = &*FIXTURE;
    let presented = Presented { text: b"Basic dXNlcjk5OTk5OnNlY3JldA==", client: b"192.0.2.1" };
    let mut grant = None;
    bencher.bench_local(|| {
        if !grant.is_some_and(|grant| cache.recalls(&grant, &presented, path)) {
            grant = cache.grant(&presented, &FIXTURE.file(), None);
        }
    });
}

/// One of the two counts that a request costs.
#[divan::bench(threads = [1, 0])]
fn counting(bencher: Bencher<'_, '_>) {
    let cache = &FIXTURE.cache;
    bencher.bench(|| cache.counters().count(Outcome::Granted));
}

/// With a hash of bcrypt, cost 5.
#[divan::bench(sample_count = 20)]
fn cold_grant(bencher: Bencher<'_, '_>) {
    let cache = &*FORGETFUL;
    bencher.bench(|| cache.judge(&credential(STORED.as_bytes(), b"secret")));
}

#[divan::bench(sample_count = 20)]
fn cold_denial(bencher: Bencher<'_, '_>) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let cache = &FIXTURE.cache;
    bencher
        .with_inputs(|| format!("wrong {}", NUMBER.fetch_add(1, Ordering::Relaxed)))
        .bench_refs(|password| cache.judge(&credential(STORED.as_bytes(), password.as_bytes())));
}

#[divan::bench(sample_count = 20)]
fn hash_alone() -> bool {
    hash::verify(black_box(b"wrong"), STORED.as_bytes())
}
