#!/usr/bin/env bash
# Fuzzes the parsers of files and requests, and the way from a header to a verdict, each target for this many seconds. New inputs go
# to fuzz/target/corpus.
#
#   scripts/fuzz.sh [SECONDS]
#
# ESAUTH_SEED=NUMBER: the seed; otherwise another one each time, which the log names.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "FUZZ must be a number of seconds, not \"$seconds\""

need_nightly fuzzing
cargo_tool cargo-fuzz 0.13.2 || die "cargo-fuzz cannot be built (see the output above); is there a network?"
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
for target in password_file group_file stored_hash roles_file request_target request_body \
    authorization judgement; do
    mkdir -p "target/corpus/$target"
    printf '%s ' "$target"
    # No input should take anywhere near the timeout: one that does is a finding.
    fuzz "target/$target.log" run "$target" "target/corpus/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=2048 -timeout=20 -seed="$((${ESAUTH_SEED:-0} % 4294967296))"
    sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) second.*/  \1 inputs in \2 s, nothing found/p' "target/$target.log"
done
