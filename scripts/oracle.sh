#!/usr/bin/env bash
# Compares EsAuthRoles with Elasticsearch's own security, by generated roles files and requests.
#
#   scripts/oracle.sh elasticsearch-7|elasticsearch-8|elasticsearch-9
#
# ESAUTH_ROLES_FILES and ESAUTH_REQUESTS (for each file) set the length, ESAUTH_SEED the seed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/backend.sh"

scratch=$(scratch_folder oracle)
clean_up() {
    trap - EXIT
    trap '' INT TERM HUP
    backend_stop
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

if [ -n "${ES_URL:-}" ]; then
    say "skipped the comparison with Elasticsearch's security: it starts its own server, but ES_URL is set"
    exit
fi
backend_runs "${1:-elasticsearch-7}" || exit 0
backend_secured=1
backend_start "${1:-elasticsearch-7}" "$scratch"
cd "$root"
ESAUTH_ORACLE=${backend_url#http://} ESAUTH_ORACLE_CONFIG=$backend_config \
    cargo test --profile test-programs --quiet -p esauth_roles --test oracle -- --nocapture
