#!/usr/bin/env bash
# Follows docs/secured-back-ends.md word for word, from Elasticsearch as its installation leaves it to "esauth verify". Run by
# scripts/e2e.sh, which sets what identity.sh is given. Debian's layout is a folder of ours: see on_debian.sh.
set -euo pipefail
: "${ESAUTH_FOLDER:?}" "${ESAUTH_BACKEND_URL:?}" "${ESAUTH_BACKEND_CA:?}" "${ESAUTH_PROGRAM:?}"
# shellcheck source=lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=follow.sh
. "$root/scripts/follow.sh"

# Of "elastic", and then of alice.
password='sesame opens no door here'
etc=$ESAUTH_FOLDER/apache2
apxs=$(find_apxs)
httpd=$(httpd_program "$apxs")
modules=$("$apxs" -q LIBEXECDIR)
port=$(free_port)
plain_port=$(free_port)
export etc httpd modules module port plain_port

debian_layout() {
    local name
    mkdir -p "$etc"/{sites-available,sites-enabled,logs}
    for name in mpm_event authn_core authz_core authz_host authz_user unixd; do
        # Modules built into httpd have no file.
        if [ -f "$modules/mod_$name.so" ]; then say "LoadModule ${name}_module \"$modules/mod_$name.so\""; fi
    done >"$etc/modules.conf"
    printf '%s\n' 'Listen 80' '<IfModule ssl_module>' "    Listen 127.0.0.1:$port" '</IfModule>' >"$etc/ports.conf"
    cat >"$etc/apache2.conf" <<CONF
ServerRoot "$etc"
ServerName localhost
PidFile "$etc/pid"
ErrorLog "$etc/logs/error"
Include "$etc/modules.conf"
Include "$etc/ports.conf"
IncludeOptional "$etc/sites-enabled/*.conf"
CONF
    if [ "$(id -u)" -eq 0 ]; then printf '%s\n' 'User nobody' "Group $(id -gn nobody)" >>"$etc/apache2.conf"; fi
}

# The installation prints a password of "elastic".
installed_elasticsearch() {
    curl -fsS -o /dev/null --cacert "$ESAUTH_BACKEND_CA" -u root:secret -H 'Content-Type: application/json' \
        -d "{ \"password\": \"$password\" }" "$ESAUTH_BACKEND_URL/_security/user/elastic/_password"
}

stop() {
    local process
    process=$(cat "$etc/pid" 2>/dev/null) || return 0
    kill "$process"
    while kill -0 "$process" 2>/dev/null; do sleep 0.1; done
}

debian_layout
installed_elasticsearch
trap stop EXIT
say 1..1
follow "$root/docs/secured-back-ends.md" debian "$root/tests/e2e/on_debian.sh"
say 'ok the page leads from a stock installation to one that is verified'
