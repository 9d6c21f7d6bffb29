#!/usr/bin/env bash
# Makes the manual pages and checks them, with each of mandoc and man that is installed. They have no date, which would make two
# builds differ.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

cd "$root"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo run --locked --quiet -p xtask -- pages "$folder"
if have mandoc; then
    warnings=$(mandoc -Tlint -Wwarning "$folder"/*.[58] | grep -v 'WARNING: missing date' || true)
    [ -z "$warnings" ] || die "$warnings"
    # Made by clap, with empty lines that mandoc warns of.
    mandoc -Tlint -Werror "$folder"/*.1
else
    say "mandoc is not installed; it does not check the manual pages"
fi
if have man && have groff; then
    for page in "$folder"/*.[158]; do
        warnings=$(LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
        [ -z "$warnings" ] || die "$page: $warnings"
    done
fi
