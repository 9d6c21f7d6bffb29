#!/usr/bin/env bash
# Runs tests of the engine in Miri, an interpreter that reports every misuse of memory. With strict provenance, every pointer
# must come from the memory it points into.
#
#   scripts/miri.sh [TEST...]
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_nightly Miri miri rust-src
tests=("$@")
if [ "${#tests[@]}" -eq 0 ]; then
    # What is in shared memory. Miri knows neither inotify nor all flags with which password files are opened.
    tests=(counters:: verification::shared verification::table verification::queue:: verification::lockouts verification::rates)
fi
cd "$root"
# make exports its variable, which cargo takes for the path of Miri.
unset MIRI
export MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-disable-isolation" CARGO_TARGET_DIR=$build_folder/miri
exec rustup run nightly cargo miri test --quiet --locked -p esauth_engine --lib -- "${tests[@]}"
