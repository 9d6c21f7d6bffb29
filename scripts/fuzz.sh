#!/usr/bin/env bash
# Fuzzes the parsers of files and requests, each target for this many seconds. New inputs go to fuzz/target/corpus.
#
#   scripts/fuzz.sh [SECONDS]
set -euo pipefail
. "$(dirname "$0")/lib.sh"

seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "FUZZ must be a number of seconds, not \"$seconds\""

have rustup || die "fuzzing needs a nightly compiler; install rustup to get one: https://rustup.rs"
rustup run nightly rustc --version >/dev/null 2>&1 ||
    die "fuzzing needs a nightly compiler: rustup toolchain install nightly --profile minimal"
have cargo-fuzz || die "cargo-fuzz is missing: cargo install cargo-fuzz --locked"
have c++ || die "a C++ compiler is missing: apt-get install g++ (dnf install gcc-c++)"

cd "$root/fuzz"
fuzz() { # LOG COMMAND...
    local log=$1
    shift
    quietly "$log" rustup run nightly cargo fuzz "$@" && return
    tail -n 40 "$log" >&2
    die "see above; the complete output is in $log"
}

mkdir -p target
printf 'building '
fuzz target/build.log build
for target in password_file group_file stored_hash roles_file request_target request_body; do
    mkdir -p "target/corpus/$target"
    printf '%s ' "$target"
    # No input should take anywhere near the timeout: one that does is a finding.
    fuzz "target/$target.log" run "$target" "target/corpus/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=2048 -timeout=20
    sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) second.*/  \1 inputs in \2 s, nothing found/p' "target/$target.log"
done
