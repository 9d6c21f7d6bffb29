#!/usr/bin/env bash
# A live demonstration: a real Elasticsearch behind httpd, or nginx if SERVER=nginx is set, with TLS, users and a group, and
# the proof of each promise with the command to repeat it. With FLEET=2, the same of two httpd over one Redis.
#
#   scripts/demo.sh         stays up until Ctrl-C
#   scripts/demo.sh once    stops after the proofs; the exit status tells whether all held
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/backend.sh"
. "$(dirname "$0")/front.sh"
. "$(dirname "$0")/nginx.sh"
. "$(dirname "$0")/proofs.sh"
. "$(dirname "$0")/fleet.sh"

# Not "folder": a trap sees the local variables of the function it interrupts.
scratch=$(scratch_folder demo)

clean_up() {
    # A second Ctrl-C must not interrupt this.
    trap - EXIT
    trap '' INT TERM HUP
    if [ -n "${ES_URL:-}" ] && [ -n "${backend_url:-}" ]; then
        curl -s -o /dev/null --max-time 10 -X DELETE "$backend_url/$index" || true
    fi
    fleet_stop
    backend_stop
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'printf "\nstopping\n"; exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# The same from the outside, plus the certificate and the ports, which no request above shows.
verify() {
    say secret >"$scratch/alice.password"
    say geheim >"$scratch/bob.password"
    local command=(verify "$front_url" ${front_certificate:+"--ca=$front_certificate"}
        --user=alice "--user-password=$scratch/alice.password"
        --outsider=bob "--outsider-password=$scratch/bob.password"
        "--http-port=${plain_url##*:}" "--auth-user-file=$scratch/front/users")
    # The address of the user's own back end is the user's choice.
    [ -n "${ES_URL:-}" ] || command+=("--backend=${backend_url#http://}")
    printf '    esauth%s\n\n' "$(quoted "${command[@]}")"
    "$esauth" "${command[@]}" || failures=$((failures + 1))
}

# One front end, of httpd or nginx.
show_one() {
    local server=${SERVER:-httpd}
    case $server in
        httpd) front_start groups "$scratch/front" ;;
        nginx) nginx_start esauth "$scratch/front" ;;
    esac
    trust=(${front_certificate:+--cacert "$front_certificate"})
    say
    prove_all
    prove 'all of it was counted, for Prometheus' 200 'requests_total{verdict="denied",reason="not_in_group"} 1' "$metrics_url"
    say
    verify
    say
    # nginx has no roles.
    local others='may only search'
    if [ "$server" = nginx ]; then others='is not in the group'; fi
    if [ "$server" = httpd ] && [ "$front_generation" = 2.4 ]; then
        front_stop
        front_start roles "$scratch/roles"
        trust=(${front_certificate:+--cacert "$front_certificate"})
        prove_roles
        say
    fi
    shown="The metrics are at $metrics_url; esauth status shows them.
Elasticsearch is at $front_url (without TLS at $plain_url): alice/secret is admitted, bob/geheim $others."
}

# Several httpd over one Redis.
show_fleet() {
    fleet_start "$FLEET" "$scratch/fleet"
    trust=(${front_certificate:+--cacert "$front_certificate"})
    say
    prove_fleet
    say
    shown="Redis is at $fleet_redis. The metrics are at ${fleet_metrics[*]}; esauth status shows them.
Elasticsearch is at ${fleet_urls[*]}: alice/secret and bob/geheim are admitted (bob after a minute)."
}

check() { # DEMO
    case $1 in
        '' | once) ;;
        *) die "DEMO=$1: the only value is 'once', which stops after the proofs" ;;
    esac
    case ${FLEET:-}/${SERVER:-httpd} in
        /httpd) front_check ;;
        /nginx) nginx_check esauth ;;
        [2-9]/httpd) fleet_check ;;
        [2-9]/nginx) die "FLEET=$FLEET shows several httpd; there is no such demonstration with SERVER=nginx yet" ;;
        /* | [2-9]/*) die "SERVER=$SERVER: the values are 'httpd', which is the default, and 'nginx'" ;;
        *) die "FLEET=$FLEET: the values are the numbers of httpd to start, from 2 to 9; without it, there is one" ;;
    esac
}

main() {
    local shown
    check "${1:-}"
    backend_start "$(backend_newest)" "$scratch/backend"
    if [ -n "${FLEET:-}" ]; then show_fleet; else show_one; fi
    if [ "$failures" -gt 0 ]; then
        say "$failures of the proofs failed; the logs of the front ends:"
        find "$scratch" -path '*/logs/error' -exec cat {} +
        exit 1
    fi
    say "All proofs held."
    if [ "${1:-}" = once ]; then return; fi
    say "$shown"
    say "Ctrl-C stops everything and removes $scratch."
    # `wait` instead of `sleep`: it ends at once on a signal, and when a server dies.
    wait -n ${front_pid:+"$front_pid"} "${fleet_pids[@]}" ${redis_pid:+"$redis_pid"} ${backend_pid:+"$backend_pid"} || true
    die "a server ended unexpectedly"
}

main "$@"
