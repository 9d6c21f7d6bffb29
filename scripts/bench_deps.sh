#!/usr/bin/env bash
# Installs the servers that `make bench` compares with (on Debian and Ubuntu; elsewhere missing ones are skipped, except
# wrk). None of them is started as a service, now or at the next boot.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

services=(nginx lighttpd haproxy caddy)

missing_packages() {
    local program
    for program in wrk "${services[@]}"; do
        if ! PATH=$PATH:/usr/sbin:/sbin have "$program" && apt-cache show "$program" >/dev/null 2>&1; then say "$program"; fi
    done
}

main() {
    local packages log as_root=() package
    have apt-get || return 0
    mapfile -t packages < <(missing_packages)
    [ "${#packages[@]}" -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! have sudo || ! { sudo -n true 2>/dev/null || sudo -v; }; then
            say "not installed, because that needs root: ${packages[*]}"
            return 0
        fi
        as_root=(sudo)
    fi
    log=$(mktemp)
    # shellcheck disable=SC2064 # log is local
    trap "rm -f '$log'" EXIT
    for package in "${packages[@]}"; do
        printf 'installing %s ' "$package"
        without_services quietly "$log" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends "$package" || say "cannot install $package: $(tail -n 1 "$log")"
        if [[ " ${services[*]} " == *" $package "* ]]; then no_service "$package"; fi
    done
}

main
