#!/usr/bin/env bash
# The set-up that this module is for, live: a real Elasticsearch behind httpd with TLS, users and a group, and the proof
# of each promise with the command to repeat it.
#
#   scripts/demo.sh         stays up until Ctrl-C
#   scripts/demo.sh once    stops after the proofs; the exit status says whether all held
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/backend.sh"
. "$(dirname "$0")/front.sh"

folder=$(mktemp -d "${TMPDIR:-/tmp}/esauth-demo.XXXXXX")
failures=0

clean_up() {
    trap - EXIT INT TERM
    front_stop
    backend_stop
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'printf "\n"; exit 130' INT
trap 'exit 143' TERM

# Runs a curl command as shown, and holds its status and what it printed against what is expected.
prove() { # PROMISE STATUS TEXT CURL-ARGUMENTS...
    local promise=$1 expected=$2 text=$3 answer status
    shift 3
    answer=$(curl -sS -i --cacert "$front_certificate" "$@" 2>&1) || true
    status=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$answer")
    if { [ "$status" = "$expected" ] || { [ "$expected" = open ] && [ -n "$status" ] && [ "$status" != 401 ]; }; } &&
        grep -qiF -- "$text" <<<"$answer"; then
        printf '%s✓%s %s: %s\n' "$green" "$plain" "$promise" "$status"
    else
        failures=$((failures + 1))
        printf '%s✗%s %s: status %s instead of %s, or "%s" is missing\n%s\n' "$red" "$plain" "$promise" \
            "${status:-none}" "$expected" "$text" "$answer"
    fi
    printf '    curl -i --cacert %s%s\n' "$front_certificate" "$(quoted "$@")"
}

# Arguments as a person would type them.
quoted() {
    local argument
    for argument in "$@"; do
        case $argument in
            *[!A-Za-z0-9_./:@=-]*) printf " '%s'" "${argument//\'/\'\\\'\'}" ;;
            *) printf ' %s' "$argument" ;;
        esac
    done
}

prove_all() {
    local json='Content-Type: application/json' bulk
    bulk=$'{"index":{"_id":"2"}}\n{"name":"blue shirt","price":12}\n{"index":{"_id":"3"}}\n{"name":"red hat","price":8}\n'
    printf '%s' "$bulk" >"$folder/products.json"
    prove 'without credentials: refused, with the realm' 401 'Basic realm="Elasticsearch server"' "$front_url/"
    prove 'wrong password: refused' 401 'Basic realm="Elasticsearch server"' -u alice:wrong "$front_url/"
    prove "right password: the cluster's JSON" 200 cluster_name -u alice:secret "$front_url/_cluster/health"
    prove 'a product is indexed' 201 '"result":"created"' -u alice:secret -H "$json" \
        -X PUT -d '{"name":"red shirt","price":10}' "$front_url/products/_doc/1?refresh=true"
    prove 'more in bulk' 200 '"errors":false' -u alice:secret -H 'Content-Type: application/x-ndjson' \
        -X POST --data-binary "@$folder/products.json" "$front_url/products/_bulk?refresh=true"
    prove 'and found' 200 'red hat' -u alice:secret -H "$json" \
        -X POST -d '{"query":{"match":{"name":"hat"}}}' "$front_url/products/_search"
    prove 'OPTIONS without credentials: not refused' open '' -X OPTIONS "$front_url/"
    prove 'a user outside the group: refused' 401 'Basic realm="Elasticsearch server"' -u bob:geheim "$front_url/"
}

main() {
    chmod a+rx "$folder"
    backend_start elasticsearch-7 "$folder/backend"
    front_start "$folder/front"
    say
    prove_all
    say
    if [ "$failures" -gt 0 ]; then
        say "$failures of the proofs failed; httpd's log:"
        cat "$folder/front/logs/error"
        exit 1
    fi
    say "All proofs held."
    if [ "${1:-}" = once ]; then return; fi
    say "Elasticsearch is at $front_url (and, plain, at http://127.0.0.1:$plain_port): alice/secret may, bob/geheim may not."
    say "Ctrl-C stops everything and removes $folder."
    # `wait` rather than `sleep`: a signal ends it at once, and so does the death of either server.
    wait -n "$front_pid" ${backend_pid:+"$backend_pid"} || true
    die "a server ended by itself"
}

main "$@"
