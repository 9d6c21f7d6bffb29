#!/usr/bin/env bash
# Runs Elasticsearch 7 for `make bench` until standard input ends. Prints "URL http://…" when it answers.
#
#   scripts/bench_backend.sh open|secured FOLDER USER PASSWORD
#
# "secured" is with Elasticsearch's own security and the user in its file realm.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/backend.sh"

kind=$1 folder=$2 user=$3 password=$4

# Ours run side by side, so each takes a free port; a server named by the user can serve only as the open one.
if [ "$kind" = secured ]; then
    unset ES_URL ES_PORT

    # backend_start writes this into the settings after unpacking the archive into $home.
    eval "plain_$(declare -f backend_settings)"
    backend_settings() { # KIND PORT TRANSPORT_PORT
        plain_backend_settings "$@"
        say 'xpack.security.enabled: true'
        # shellcheck disable=SC2154 # home and java are backend_start's
        JAVA_HOME=$java ES_JAVA_HOME=$java "$home/bin/elasticsearch-users" \
            useradd "$user" -p "$password" -r superuser >&2
    }

    # backend_wait asks without credentials.
    curl() { command curl -u "$user:$password" "$@"; }
fi

trap backend_stop EXIT
mkdir -p "$folder"
chmod a+rx "$folder"
backend_start elasticsearch-7 "$folder"
say "URL $backend_url"
read -r _ || true
