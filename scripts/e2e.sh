#!/usr/bin/env bash
# End-to-end tests: the official clients and curl, over TLS, through httpd with this module, to a real back end.
#
#   scripts/e2e.sh elasticsearch-7|elasticsearch-8|elasticsearch-9|opensearch-2|opensearch-3 [secured|roles|nginx]
#
# secured: the back end's own security is on, with TLS, as after installation.
# roles: only the suites with EsAuthRoles, and each attempt on another's index is shown to work without it.
# nginx: through nginx with the module of make nginx, instead of httpd.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/backend.sh"
. "$(dirname "$0")/front.sh"
. "$(dirname "$0")/nginx.sh"

kind=${1:-elasticsearch-7}
part=${2:-open}
backend_secured=$([ "$part" != secured ] || say tls)
backend_has_modules=yes
# Not "folder": a trap sees the local variables of the function it interrupts.
scratch=$(scratch_folder e2e)
clients=$build_folder/e2e/$kind
passed=0
failed=0

clean_up() {
    trap - EXIT
    trap '' INT TERM HUP
    front_stop
    backend_stop
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# The clients of the server's major version, pinned.
python_client() {
    case $kind in
        elasticsearch-7) say elasticsearch==7.17.12 ;;
        elasticsearch-8) say elasticsearch==8.19.3 ;;
        elasticsearch-9) say elasticsearch==9.2.1 ;;
        opensearch-2) say opensearch-py==2.8.0 ;;
        opensearch-3) say opensearch-py==3.2.0 ;;
    esac
}
javascript_client() {
    case $kind in
        elasticsearch-7) say @elastic/elasticsearch@7.17.14 ;;
        elasticsearch-8) say @elastic/elasticsearch@8.19.1 ;;
        elasticsearch-9) say @elastic/elasticsearch@9.2.1 ;;
        opensearch-2) say @opensearch-project/opensearch@2.13.0 ;;
        opensearch-3) say @opensearch-project/opensearch@3.6.0 ;;
    esac
}

install_clients() {
    mkdir -p "$clients"
    # The probes speak HTTP/2 by themselves.
    local python_packages=("$(python_client)" h2==4.3.0)
    if [ "$part" = nginx ] && nginx_has_http3; then python_packages+=(aioquic==1.3.0); fi
    if [ "$(cat "$clients/python.done" 2>/dev/null)" != "${python_packages[*]}" ]; then
        rm -rf "$clients/python"
        python3 -m venv "$clients/python" || die "python3 cannot create a venv (see its message above); run 'make deps'"
        install_client Python "$(python_client)" \
            "$clients/python/bin/pip" install --quiet --disable-pip-version-check "${python_packages[@]}"
        say "${python_packages[*]}" >"$clients/python.done"
    fi
    if [ "$(cat "$clients/javascript.done" 2>/dev/null)" != "$(javascript_client)" ]; then
        rm -rf "$clients/javascript"
        mkdir -p "$clients/javascript"
        say '{ "private": true }' >"$clients/javascript/package.json"
        install_client JavaScript "$(javascript_client)" npm --prefix "$clients/javascript" install \
            --no-package-lock --no-audit --no-fund --loglevel=error "$(javascript_client)"
        javascript_client >"$clients/javascript.done"
    fi
}

install_client() { # LANGUAGE CLIENT COMMAND...
    local language=$1 client=$2 log=$scratch/install
    shift 2
    printf 'installing %s for %s ' "$client" "$language"
    quietly "$log" "$@" && return
    tail -n 10 "$log" >&2
    die "cannot install $client (see the output above); is there a network?"
}

# Each suite prints the number of its tests, "1..N", and for each a line "ok NAME" or "not ok NAME: why". A suite that
# ends before its last test has failed, whatever its status.
run_suite() { # NAME COMMAND...
    local name=$1 status=0 output ok not_ok planned
    shift
    output=$(timeout "${ESAUTH_SUITE_TIMEOUT:-300}" "$@" 2>&1) || status=$?
    ok=$(grep -c '^ok ' <<<"$output" || true)
    planned=$(sed -n 's/^1\.\.\([0-9][0-9]*\)$/\1/p' <<<"$output")
    not_ok=$((${planned:-0} - ok))
    if [ "$not_ok" -le 0 ] && { [ "$status" -ne 0 ] || [ "${planned:-0}" -ne "$ok" ] || [ "$ok" -eq 0 ]; }; then not_ok=1; fi
    passed=$((passed + ok))
    failed=$((failed + not_ok))
    if [ "$not_ok" -gt 0 ]; then
        printf '%s✗%s %s (status %s)\n%s\n' "$red" "$plain" "$name" "$status" "$output"
    else
        printf '%s✓%s %s: %d\n' "$green" "$plain" "$name" "$ok"
    fi
}

# The suites' parameters: the server, a user that it admits, and some that it refuses.
describe_front() { # USER:PASSWORD REFUSED-USER:PASSWORD...
    export ESAUTH_USER=$1 ESAUTH_REFUSED=${*:2}
    export ESAUTH_URL=$front_url ESAUTH_CA=$front_certificate ESAUTH_PLAIN_URL=$plain_url
}

# All suites, through the virtual hosts of one kind, as a user that they admit.
run_suites() { # VARIANT USER:PASSWORD REFUSED-USER:PASSWORD...
    front_start "$1" "$scratch/$1"
    describe_front "${@:2}"
    run_clients "$1"
    front_stop
}

run_clients() { # NAME
    run_suite "$kind, $1: curl" bash "$root/tests/e2e/curl.sh"
    run_suite "$kind, $1: $(python_client)" "$clients/python/bin/python" "$root/tests/e2e/client.py"
    run_suite "$kind, $1: $(javascript_client)" node "$root/tests/e2e/client.js"
}

# A back end that has users of its own, none of which is ours.
run_secured() { # USER:PASSWORD REFUSED-USER:PASSWORD...
    run_suites secured "$@"
    front_start secured "$scratch/identity"
    describe_front "$@"
    export ESAUTH_FOLDER=$scratch/identity ESAUTH_BACKEND_LOGS=$scratch/backend
    export ESAUTH_BACKEND_URL=$backend_url ESAUTH_BACKEND_CA=$backend_ca ESAUTH_BACKEND_KEYS=$backend_keys
    export ESAUTH_PROGRAM=$esauth
    if [ -n "$backend_keys" ]; then
        run_suite "$kind, secured: docs/secured-back-ends.md" bash "$root/tests/e2e/secured_page.sh"
    fi
    local suite=identity.sh
    if [[ $kind = opensearch-* ]]; then suite=proxy_identity.sh; fi
    run_suite "$kind, secured: identity" bash "$root/tests/e2e/$suite"
    front_stop
}

# The roles that docs/roles.md gives to clients.
# shellcheck disable=SC2016 # the backticks are the page's
documented_roles() { sed -n '/^```yaml roles$/,/^```$/{/^```/!p}' "$root/docs/roles.md"; }

# Clients with only their own roles, and attempts on the index of another: ESAUTH_LONG also shows that these work without us.
run_roles() {
    if [ -n "${ES_URL:-}" ]; then
        say "skipped the suites with roles: they delete indices, but ES_URL is set"
        return
    fi
    if [ "$(httpd_generation "$(find_apxs)")" = 2.2 ]; then
        say "skipped the suites with roles: EsAuthRoles needs httpd 2.4"
        return
    fi
    front_roles=$scratch/roles.yml
    documented_roles | cat - "$root/tests/e2e/roles.yml" >"$front_roles"
    front_start roles "$scratch/roles"
    describe_front alice:secret
    export ESAUTH_EDITOR=writer:secret ESAUTH_READER=bob:geheim ESAUTH_OWNER=alice:secret ESAUTH_ATTACKER=attacker:secret
    export ESAUTH_BACKEND=$backend_url ESAUTH_KIND=$kind ESAUTH_HTTP2=$front_http2
    run_suite "$kind, roles: $(python_client)" "$clients/python/bin/python" "$root/tests/e2e/roles.py"
    run_suite "$kind, roles: $(javascript_client)" node "$root/tests/e2e/roles.js"
    run_suite "$kind, roles: sequences of clients" "$clients/python/bin/python" "$root/tests/e2e/sequences.py"
    run_suite "$kind, roles: probes" "$clients/python/bin/python" "$root/tests/e2e/probes.py"
    front_stop
}

# A page in a browser.
run_browser() { # USER:PASSWORD
    local dashboard_port ESAUTH_BROWSER
    if ! ESAUTH_BROWSER=$(find_browser) || [ -z "$backend_keys" ]; then
        say "skipped the browser: it needs Chromium and Elasticsearch 8 or 9"
        return
    fi
    dashboard_port=$(free_port)
    front_start secured "$scratch/browser"
    describe_front "$@"
    export ESAUTH_BROWSER ESAUTH_DASHBOARD_PORT=$dashboard_port ESAUTH_FOLDER=$scratch/browser
    run_suite "$kind, secured: a page in $(basename "$ESAUTH_BROWSER")" node "$root/tests/e2e/browser.js"
    front_stop
}

# The same setup with nginx, as in docs/nginx.md.
run_nginx() { # USER:PASSWORD REFUSED-USER:PASSWORD...
    if ! [[ $backend_url =~ ^http://[^/]+$ ]]; then
        say "skipped nginx: its configuration needs a back end at http://HOST:PORT"
        return
    fi
    nginx_start users "$scratch/nginx"
    describe_front "$@"
    run_suite "$kind, nginx: curl" bash "$root/tests/e2e/curl.sh"
    run_verify nginx
    front_stop
}

run_verify() { # NAME
    export ESAUTH_PROGRAM=$esauth ESAUTH_BACKEND=${backend_url#http://}
    run_suite "$kind, $1: esauth verify" bash "$root/tests/e2e/verify.sh"
}

# nginx with the module.
run_nginx_module() { # USER:PASSWORD REFUSED-USER:PASSWORD...
    local name
    name="nginx $("$(nginx_program)" -v 2>&1 | sed 's|.*nginx/||') with the module"
    nginx_start esauth "$scratch/esauth"
    describe_front "$@"
    run_clients "$name"
    if nginx_has_http3; then
        export ESAUTH_METRICS_URL=$metrics_url
        run_suite "$kind, $name: HTTP/3" "$clients/python/bin/python" "$root/tests/e2e/http3.py"
    fi
    run_verify "$name"
    front_stop
}

main() {
    backend_artifact "$kind" >/dev/null
    backend_runs "$kind" || return 0
    if [ -n "$backend_secured" ] && [ "$kind" = opensearch-3 ]; then
        say "skipped the tests on opensearch-3 with its own security on: Maven has that plug-in for OpenSearch 2 only"
        return
    fi
    if [ "$part" = nginx ]; then
        nginx_check esauth
    else
        front_check
        nginx_check users
    fi
    need_commands python3 node npm
    [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] \
        || die "node is $(node --version); the JavaScript clients need 18 or later"
    install_clients
    export NODE_PATH=$clients/javascript/node_modules
    backend_start "$kind" "$scratch/backend"
    case $part in
        open) run_open ;;
        secured)
            run_secured alice:secret alice:wrong mallory:secret
            run_browser alice:secret
            ;;
        nginx) run_nginx_module alice:secret alice:wrong mallory:secret bob:geheim ;;
        roles) ESAUTH_LONG=yes ESAUTH_SUITE_TIMEOUT=1800 run_roles ;;
    esac
    if [ "$failed" -gt 0 ]; then tail -n 20 "$scratch"/*/logs/error; fi
    printf 'e2e: %d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

run_open() {
    # bob, who is in no group, is refused only where the group is required.
    run_suites groups alice:secret alice:wrong mallory:secret bob:geheim
    run_suites users bob:geheim bob:secret mallory:geheim
    run_roles
    run_nginx bob:geheim bob:secret mallory:geheim
}

main
