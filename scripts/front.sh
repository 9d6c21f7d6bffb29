# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what lib.sh and backend.sh set is used here, and what is set here by the script that sources this
# A real httpd with this module and a shipped virtual host in front of $backend_url. Sourced after lib.sh and backend.sh.
#
#   front_check                  reports missing dependencies, before anything slow is started
#   front_start VARIANT FOLDER   starts it with the virtual hosts for "users", "groups", "roles" or "secured" (2.4)
#   front_run HTTPD FOLDER       starts it again from the same folder, after front_stop
#   front_stop
#
# Sets front_url (https), plain_url, metrics_url, front_generation and front_certificate. An httpd without mod_ssl has only
# the plain port: then front_certificate is empty and front_url is plain_url.
#
# alice (secret) and bob (geheim) are users. Only alice is in the group; with roles, she may do everything, and bob may read
# products*; with a secured back end, each has a user there. front_roles may name a file with further roles;
# each has a user of the same name, whose password is "secret". With roles, httpd speaks HTTP/2, too, if it has mod_http2:
# then front_http2 is "yes". front_directives may have further directives for the whole server, and front_like may name the
# folder of another front end, whose files this one gets.

front_pid=''

front_check() {
    need_module
    need_commands htpasswd openssl curl
    find_apxs >/dev/null
    port_or_free HTTPS_PORT "${HTTPS_PORT:-}" >/dev/null
    port_or_free HTTP_PORT "${HTTP_PORT:-}" >/dev/null
}

front_start() { # VARIANT FOLDER
    local variant=$1 folder=$2 apxs httpd generation modules port plain_port metrics_port
    apxs=$(find_apxs) || exit 1
    httpd=$(httpd_program "$apxs")
    [ -x "$httpd" ] || die "$httpd, named by $apxs, is missing; run 'make deps'"
    generation=$(httpd_generation "$apxs") || exit 1
    front_generation=$generation
    modules=$("$apxs" -q LIBEXECDIR)
    port=$(port_or_free HTTPS_PORT "${HTTPS_PORT:-}") || exit 1
    plain_port=$(port_or_free HTTP_PORT "${HTTP_PORT:-}") || exit 1
    metrics_port=$(free_port) || exit 1

    mkdir -p "$folder/logs"
    plain_url=http://127.0.0.1:$plain_port
    metrics_url=http://127.0.0.1:$metrics_port/esauth-metrics
    if has_module ssl; then
        make_certificate
        front_certificate=$folder/certificate.pem
        front_url=https://localhost:$port
    else
        say "$httpd has no mod_ssl: using its plain port"
        front_certificate=''
        front_url=$plain_url
    fi
    front_http2=''
    if [ "$variant" = roles ] && has_module http2; then front_http2=yes; fi
    make_credentials
    front_configuration >"$folder/httpd.conf"
    "$httpd" -t -f "$folder/httpd.conf" >"$folder/logs/out" 2>&1 || {
        cat "$folder/logs/out" >&2
        die "httpd refuses the configuration (see its message above)"
    }
    # The shipped virtual hosts must pass the module's own checks.
    if grep -F '] rust_esauth: ' "$folder/logs/out" >&2; then die "the start-up checks report faults (see above)"; fi
    front_run "$httpd" "$folder"
}

front_run() { # HTTPD FOLDER
    local folder=$2
    # In its own process group: prefork ends its whole group when it is stopped.
    setsid "$1" -f "$folder/httpd.conf" -DFOREGROUND >"$folder/logs/out" 2>&1 </dev/null &
    front_pid=$!
    front_wait
}

# Whether a module exists, as a file or built in. The functions from here on read front_start's variables.
has_module() { # NAME
    [ -f "$modules/mod_$1.so" ] || "$httpd" -l | grep -q "mod_$1\.c"
}

make_certificate() {
    if [ -n "${front_like:-}" ]; then cp -p "$front_like"/{certificate,key}.pem "$folder" && return; fi
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout "$folder/key.pem" -out "$folder/certificate.pem" >"$folder/logs/openssl" 2>&1 || {
        cat "$folder/logs/openssl" >&2
        die "openssl cannot create a certificate (see its message above)"
    }
}

make_credentials() {
    if [ -n "${front_like:-}" ]; then cp -p "$front_like"/{users,groups,roles.yml,credentials} "$folder" && return; fi
    if ! htpasswd -cbB -C 5 "$folder/users" alice secret >"$folder/logs/htpasswd" 2>&1 ||
        ! htpasswd -bB -C 5 "$folder/users" bob geheim >"$folder/logs/htpasswd" 2>&1; then
        cat "$folder/logs/htpasswd" >&2
        die "htpasswd cannot create the users (see its message above)"
    fi
    say 'elasticsearch: alice' >"$folder/groups"
    : >"$folder/roles.yml"
    : >"$folder/credentials"
    case $variant in
        roles) make_roles ;;
        secured) [[ $kind = opensearch-* ]] || make_keys ;;
    esac
    local files=("$folder"/{users,groups,roles.yml,credentials})
    chmod 640 "${files[@]}"
    if [ "$(id -u)" -eq 0 ]; then chgrp "$(id -gn nobody)" "${files[@]}"; fi
}

make_roles() {
    local role
    printf '%s\n' 'owner: alice' 'reader: bob' >"$folder/groups"
    cat >"$folder/roles.yml" <<'ROLES'
owner:
  cluster: [ all ]
  indices:
    - names: [ '*' ]
      privileges: [ all ]
reader:
  indices:
    - names: [ 'products*' ]
      privileges: [ read ]
ROLES
    [ -n "${front_roles:-}" ] || return 0
    cat "$front_roles" >>"$folder/roles.yml"
    while read -r role; do
        say "$role: $role" >>"$folder/groups"
        htpasswd -bB -C 5 "$folder/users" "$role" secret 2>>"$folder/logs/htpasswd"
    done < <(sed -n 's/^\([a-z-]*\):$/\1/p' "$front_roles")
}

# For alice an API key with the rights that the suites need, whose owner is service-alice; for bob, and without API keys, a
# user of the back end's.
make_keys() {
    local key
    if [ -n "$backend_keys" ]; then
        key=$(backend_ask /_security/api_key -u service-alice:secret -H 'Content-Type: application/json' \
            -d '{ "name": "clients", "role_descriptors": { "clients": { "cluster": [ "monitor" ],
                "indices": [ { "names": [ "*-e2e-*" ], "privileges": [ "all" ] } ] } } }' |
            sed -n 's/.*"encoded":"\([^"]*\)".*/\1/p')
        say "alice: ApiKey $key"
    else
        say "alice: Basic $(printf %s service-alice:secret | base64)"
    fi >"$folder/credentials"
    say "bob: Basic $(printf %s service-bob:secret | base64)" >>"$folder/credentials"
}

front_configuration() {
    local name
    cat <<CONF
ServerRoot "$folder"
ServerName localhost
PidFile "$folder/pid"
ErrorLog "$folder/logs/error"
LogLevel warn
CONF
    if [ -n "$front_certificate" ]; then say "Listen 127.0.0.1:$port"; fi
    if [ "$(id -u)" -eq 0 ]; then say "User nobody" && say "Group $(id -gn nobody)"; fi
    for name in mpm_event authn_core authz_core authz_host authz_user unixd ssl proxy proxy_http headers http2; do
        # Modules built into httpd have no file.
        if [ -f "$modules/mod_$name.so" ]; then say "LoadModule ${name}_module \"$modules/mod_$name.so\""; fi
    done
    say "LoadModule rust_esauth_module \"$module\""
    say "${front_directives:-}"
    if [ -n "$front_http2" ]; then say 'Protocols h2 h2c http/1.1'; fi
    virtual_hosts
}

virtual_hosts() {
    local shipped=$root/apache/elasticsearch-$variant-$generation.conf
    local metrics=$root/apache/elasticsearch-metrics-$generation.conf
    # Its suite changes it.
    if [ "$variant" = secured ]; then
        # OpenSearch is told of the user.
        # shellcheck disable=SC2016 # httpd's variable
        if [[ $kind = opensearch-* ]]; then
            sed 's|EsAuthBackendCredentials .*|EsAuthBackendCredentials None\nEsAuthBackendUser Proxy\nAuthGroupFile "${ES_GROUPS}"|'
        else
            cat
        fi <"$shipped" | with_dashboard >"$folder/secured.conf"
        shipped=$folder/secured.conf
    fi
    case $generation in
        2.4)
            cat <<CONF
Define ES_BACKEND "$backend_url"
Define ES_TLS_PORT $port
Define ES_PLAIN_ADDRESS 127.0.0.1:$plain_port
Define ES_METRICS_ADDRESS 127.0.0.1:$metrics_port
Define ES_CERTIFICATE "$folder/certificate.pem"
Define ES_CERTIFICATE_KEY "$folder/key.pem"
Define ES_USERS "$folder/users"
Define ES_GROUPS "$folder/groups"
Define ES_ROLES "$folder/roles.yml"
Define ES_BACKEND_CREDENTIALS "$folder/credentials"
Define ES_BACKEND_CA "$backend_ca"
Include "$metrics"
CONF
            if [ -n "$front_certificate" ]; then say "Include \"$shipped\""; else without_tls_host <"$shipped"; fi
            ;;
        2.2)
            # 2.2 does not substitute variables defined in a configuration, so the values are inserted.
            sed -e "s|\*:443|*:$port|" -e "s|127.0.0.1:8080|127.0.0.1:$plain_port|" \
                -e "s|http://127.0.0.1:9200|$backend_url|" \
                -e "s|/etc/pki/tls/certs/localhost.crt|$folder/certificate.pem|" \
                -e "s|/etc/pki/tls/private/localhost.key|$folder/key.pem|" \
                -e "s|/etc/httpd/conf/elasticsearch\.|$folder/|" "$shipped" \
                | if [ -n "$front_certificate" ]; then cat; else without_tls_host; fi
            sed "s|127.0.0.1:8081|127.0.0.1:$metrics_port|" "$metrics"
            ;;
    esac
}

# Adds what docs/recipes.md has for a page on another origin, if dashboard_port is set.
with_dashboard() {
    local headers
    [ -n "${dashboard_port:-}" ] || { cat && return; }
    headers=$(sed -n '/^## A page on another origin/,$s/^ *\(Header always .*\)/\1/p' "$root/docs/recipes.md" |
        sed "s|https://dashboard.example.org|http://localhost:$dashboard_port|")
    sed "s|^ *AuthType .*|&\n${headers//$'\n'/\\n}|"
}

# Without mod_ssl the virtual host for TLS is removed, and the plain one stays.
without_tls_host() { sed '/^<VirtualHost \*:/,/^<\/VirtualHost>/d'; }

front_wait() {
    for _ in $(seq 100); do
        if curl -s -o /dev/null --max-time 5 ${front_certificate:+--cacert "$front_certificate"} "$front_url/"; then return; fi
        kill -0 "$front_pid" 2>/dev/null || break
        sleep 0.1
    done
    cat "$folder/logs/out" "$folder/logs/error" >&2 || true
    die "httpd did not start; its log is above"
}

front_stop() {
    [ -n "$front_pid" ] || return 0
    kill "$front_pid" 2>/dev/null || true
    wait "$front_pid" 2>/dev/null || true
    front_pid=''
}
