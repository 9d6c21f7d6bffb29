#!/usr/bin/env bash
# Checks the crates in Cargo.lock by the rules of deny.toml: licences, sources, duplicates, and, where RustSec's database can be
# reached, advisories.
#
#   scripts/deny.sh             checks with cargo-deny, where it is installed
#   scripts/deny.sh --install   builds it once for this user, if it is missing: it takes minutes, and later checks a second
set -euo pipefail
. "$(dirname "$0")/lib.sh"

version=0.18.3

check() {
    local rules=(bans licenses sources)
    if timeout 20 cargo deny --log-level error fetch db 2>/dev/null; then
        rules+=(advisories)
    else
        say "RustSec's database of advisories cannot be reached; crates are not checked against it"
    fi
    cargo deny --log-level error --locked --workspace check --hide-inclusion-graph "${rules[@]}" >/dev/null
}

cd "$root"
case ${1:-} in
    --install) cargo_tool cargo-deny "$version" || say "cargo-deny cannot be built; licences, sources and duplicates of crates are not checked" ;;
    '')
        if cargo_tool cargo-deny; then
            check
        else
            say "cargo-deny is not installed; licences, sources and duplicates of crates are not checked (scripts/deny.sh --install builds it)"
        fi
        ;;
    *) die "usage: scripts/deny.sh [--install]" ;;
esac
