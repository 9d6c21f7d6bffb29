//! Verdicts to be counted under Callgrind, as many as the argument says; see scripts/bench_instructions.sh.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails while a benchmark is set up ends it")]

mod fixture;

use std::env;
use std::hint::black_box;

use fixture::Fixture;

fn main() {
    // `cargo test` and `cargo bench` pass arguments of their own.
    let Some(count) = env::args().nth(1).and_then(|count| count.parse::<u32>().ok()) else { return };
    let fixture = Fixture::new();
    for _ in 0..count {
        black_box(fixture.judge());
    }
}
