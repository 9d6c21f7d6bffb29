#!/usr/bin/env bash
# Runs the integration tests with every server that loads this module under Valgrind: misused or lost memory, at a request, a
# file change, a restart or the end of a child, fails the test.
#
#   scripts/sanitize.sh [TEST...]     only these files of tests/; nginx: the nginx module
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_commands valgrind
tests=("$@")
if [ "${#tests[@]}" -eq 0 ]; then
    for file in "$root"/tests/*.rs; do tests+=("$(basename "$file" .rs)"); done
    tests+=(nginx)
fi
# A second for each configuration; thousands are compared without Valgrind.
export ESAUTH_MEMCHECK=1 ESAUTH_CONFIGURATIONS=${ESAUTH_CONFIGURATIONS:-100} ESAUTH_NGINX_CONFIGURATIONS=${ESAUTH_NGINX_CONFIGURATIONS:-4}
exec "$root/scripts/test.sh" --no-fail-fast "${tests[@]/#/--test=}"
