#!/usr/bin/env bash
# Runs the engine's tests that have several threads under ThreadSanitizer, with a standard library built for it: any access to
# memory that races with another fails the test.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_nightly ThreadSanitizer rust-src
cd "$root"
host=$(rustc -vV | sed -n 's/^host: //p')
# For the programs of the target only: a sanitizer does not work in build scripts and macros. Its search for deadlocks fails
# with more locks than it has room for, and then hangs; the models (make models) search better.
export RUSTFLAGS=-Zsanitizer=thread CARGO_TARGET_DIR=$build_folder/tsan TSAN_OPTIONS='halt_on_error=1 detect_deadlocks=0'
# Optimised: without that, a storm's one hash takes longer than its requests wait.
tests() { rustup run nightly cargo test --profile test-programs --quiet --locked -Zbuild-std --target "$host" -p esauth_engine "$@"; }

# What is left on the stack is another thing with a sanitizer.
tests --lib -- verification:: files:: counters:: --skip nothing_of_a_password_is_left_on_the_stack
tests --test event_loop --test freshness --test blind_spots
# What begins in threads. Processes do not share what ThreadSanitizer knows.
tests --test cache_processes -- threads "without a cache"
