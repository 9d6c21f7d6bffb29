#!/usr/bin/env bash
# Runs unit and integration tests, against the httpd of APXS, and prints their number at the end.
#
#   scripts/test.sh [ARGUMENTS FOR cargo test]
set -euo pipefail
. "$(dirname "$0")/lib.sh"

output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
# cargo does not build a module for the tests that load it.
(cd "$root" && cargo build --profile test-programs --quiet -p esauth_nginx)
"$root/scripts/deps.sh" nginx --check >/dev/null 2>&1 || say "skipped the tests of the nginx module: nginx's headers are not installed"
(cd "$root" && cargo test --profile test-programs --quiet --workspace "$@") 2>&1 | tee "$output" || status=$?
sum_of() { sed -n "s/.*test result: .* \([0-9]*\) $1;.*/\1/p" "$output" | awk '{ sum += $1 } END { print sum + 0 }'; }
passed=$(sum_of passed)
failed=$(sum_of failed)
# cargo counts a test that skips itself as passed.
skipped=$(grep -c 'skipped test ' "$output" || true)
apxs=$(find_apxs)
version=$("$(httpd_program "$apxs")" -v | sed -n 's/^Server version: Apache\///p')
printf 'tests on httpd %s: %d passed, %d failed, %d skipped\n' "$version" "$((passed - skipped))" "$failed" "$skipped"
exit "$status"
