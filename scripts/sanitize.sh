#!/usr/bin/env bash
# The integration tests with every server that loads this module under Valgrind: memory that is misused or lost, at a
# request, a change of a file, a restart or the end of a child, fails the test.
#
#   scripts/sanitize.sh [TEST...]     which files of tests/, instead of all
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_commands valgrind
tests=("$@")
if [ "${#tests[@]}" -eq 0 ]; then
    for file in "$root"/tests/*.rs; do tests+=("$(basename "$file" .rs)"); done
fi
# A second for each configuration; thousands of them are compared without Valgrind.
export ESAUTH_MEMCHECK=1 ESAUTH_CONFIGURATIONS=${ESAUTH_CONFIGURATIONS:-100}
exec "$root/scripts/test.sh" --no-fail-fast "${tests[@]/#/--test=}"
