#!/usr/bin/env bash
# End-to-end tests: the official clients and curl, over TLS, through httpd with this module, to a real back end.
#
#   scripts/e2e.sh elasticsearch-7|elasticsearch-8|opensearch-2
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/backend.sh"
. "$(dirname "$0")/front.sh"

kind=${1:-elasticsearch-7}
folder=$(mktemp -d "${TMPDIR:-/tmp}/esauth-e2e.XXXXXX")
clients=$root/target/e2e/$kind
passed=0
failed=0

clean_up() {
    trap - EXIT INT TERM
    front_stop
    backend_stop
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The clients of the server's major version, pinned.
python_client() {
    case $kind in
        elasticsearch-7) say elasticsearch==7.17.12 ;;
        elasticsearch-8) say elasticsearch==8.19.3 ;;
        opensearch-2) say opensearch-py==2.8.0 ;;
    esac
}
javascript_client() {
    case $kind in
        elasticsearch-7) say @elastic/elasticsearch@7.17.14 ;;
        elasticsearch-8) say @elastic/elasticsearch@8.19.1 ;;
        opensearch-2) say @opensearch-project/opensearch@2.13.0 ;;
    esac
}

install_clients() {
    local log=$folder/install
    mkdir -p "$clients"
    if [ "$(cat "$clients/python.done" 2>/dev/null)" != "$(python_client)" ]; then
        printf 'installing %s for Python ' "$(python_client)"
        rm -rf "$clients/python"
        python3 -m venv "$clients/python"
        quietly "$log" "$clients/python/bin/pip" install --quiet --disable-pip-version-check "$(python_client)" \
            || die "pip could not install $(python_client) (its last lines are above); is there a network?"
        python_client >"$clients/python.done"
    fi
    if [ "$(cat "$clients/javascript.done" 2>/dev/null)" != "$(javascript_client)" ]; then
        printf 'installing %s for JavaScript ' "$(javascript_client)"
        mkdir -p "$clients/javascript"
        say '{ "private": true }' >"$clients/javascript/package.json"
        quietly "$log" npm --prefix "$clients/javascript" install --silent --no-audit --no-fund "$(javascript_client)" \
            || die "npm could not install $(javascript_client) (its last lines are above); is there a network?"
        javascript_client >"$clients/javascript.done"
    fi
}

# Each suite prints a line for each test, "ok NAME" or "not ok NAME: why", and ends with status 0 if all went well.
run_suite() { # NAME COMMAND...
    local name=$1 status=0 output
    shift
    output=$("$@" 2>&1) || status=$?
    passed=$((passed + $(grep -c '^ok ' <<<"$output" || true)))
    local not_ok
    not_ok=$(grep -c '^not ok ' <<<"$output" || true)
    if [ "$status" -ne 0 ] && [ "$not_ok" -eq 0 ]; then not_ok=1; fi
    failed=$((failed + not_ok))
    if [ "$status" -ne 0 ] || [ "$not_ok" -gt 0 ]; then
        printf '%s✗%s %s on %s\n%s\n' "$red" "$plain" "$name" "$kind" "$output"
    else
        printf '%s✓%s %s on %s\n' "$green" "$plain" "$name" "$kind"
    fi
}

main() {
    chmod a+rx "$folder"
    install_clients
    backend_start "$kind" "$folder/backend"
    front_start "$folder/front"
    export ESAUTH_URL=$front_url ESAUTH_CA=$front_certificate ESAUTH_PLAIN_URL=http://127.0.0.1:$plain_port
    export NODE_PATH=$clients/javascript/node_modules
    run_suite curl bash "$root/tests/e2e/curl.sh"
    run_suite "$(python_client)" "$clients/python/bin/python" "$root/tests/e2e/client.py"
    run_suite "$(javascript_client)" node "$root/tests/e2e/client.js"
    if [ "$failed" -gt 0 ]; then tail -n 20 "$folder/front/logs/error"; fi
    printf 'e2e: %d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

main
