# shellcheck shell=bash
# A real httpd with this module and the shipped TLS virtual host in front of $backend_url. Sourced after lib.sh.
#
#   front_start FOLDER   starts it; sets front_url (https) and front_certificate
#   front_stop
#
# The virtual host is the shipped one for groups, as it is: alice (secret) is in the group, bob (geheim) is not.

front_pid=''

front_start() { # FOLDER
    local folder=$1 apxs httpd generation
    need_module
    apxs=$(find_apxs) || exit 1
    httpd=$(httpd_program "$apxs")
    generation=$(httpd_generation "$apxs")
    [ -x "$httpd" ] || die "$httpd is missing, which $apxs names; run 'make deps'"
    front_port=$(port_or_free HTTPS_PORT "${HTTPS_PORT:-}") || exit 1
    plain_port=$(port_or_free HTTP_PORT "${HTTP_PORT:-}") || exit 1
    front_certificate=$folder/certificate.pem

    mkdir -p "$folder/logs"
    chmod a+rx "$folder"
    make_certificate "$folder"
    make_credentials "$folder"
    front_configuration "$folder" "$apxs" "$generation" >"$folder/httpd.conf"
    "$httpd" -t -f "$folder/httpd.conf" >"$folder/configtest" 2>&1 || {
        cat "$folder/configtest" >&2
        die "httpd refuses the configuration $folder/httpd.conf"
    }
    "$httpd" -f "$folder/httpd.conf" -DFOREGROUND >"$folder/logs/out" 2>&1 </dev/null &
    front_pid=$!
    front_url=https://localhost:$front_port
    front_wait "$folder"
}

make_certificate() { # FOLDER
    openssl req -x509 -newkey rsa:2048 -nodes -days 7 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout "$1/key.pem" -out "$1/certificate.pem" 2>/dev/null
}

make_credentials() { # FOLDER
    htpasswd -cbB -C 5 "$1/users" alice secret 2>/dev/null
    htpasswd -bB -C 5 "$1/users" bob geheim 2>/dev/null
    say 'elasticsearch: alice' >"$1/groups"
    chmod a+r "$1/users" "$1/groups"
}

front_configuration() { # FOLDER APXS GENERATION
    local folder=$1 modules name
    modules=$("$2" -q LIBEXECDIR)
    cat <<CONF
ServerRoot "$folder"
ServerName localhost
PidFile "$folder/pid"
ErrorLog "$folder/logs/error"
LogLevel warn
Listen 127.0.0.1:$front_port
CONF
    if [ "$(id -u)" -eq 0 ]; then say "User nobody" && say "Group $(id -gn nobody)"; fi
    for name in mpm_event authn_core authz_core authz_user unixd ssl proxy proxy_http; do
        # Whatever is built into httpd has no file of its own.
        if [ -f "$modules/mod_$name.so" ]; then say "LoadModule ${name}_module \"$modules/mod_$name.so\""; fi
    done
    cat <<CONF
LoadModule rust_esauth_module "$module"
CONF
    case $3 in
        2.4)
            cat <<CONF
Define ES_BACKEND $backend_url
Define ES_TLS_PORT $front_port
Define ES_PLAIN_ADDRESS 127.0.0.1:$plain_port
Define ES_CERTIFICATE "$folder/certificate.pem"
Define ES_CERTIFICATE_KEY "$folder/key.pem"
Define ES_USERS "$folder/users"
Define ES_GROUPS "$folder/groups"
Include "$root/apache/elasticsearch-groups-2.4.conf"
CONF
            ;;
        2.2)
            # 2.2 substitutes no variables that a configuration defines, so the values are put in.
            sed -e "s|\*:443|*:$front_port|" -e "s|127.0.0.1:8080|127.0.0.1:$plain_port|" \
                -e "s|http://127.0.0.1:9200|$backend_url|" \
                -e "s|/etc/pki/tls/certs/localhost.crt|$folder/certificate.pem|" \
                -e "s|/etc/pki/tls/private/localhost.key|$folder/key.pem|" \
                -e "s|/etc/httpd/conf/elasticsearch\.|$folder/|" "$root/apache/elasticsearch-groups-2.2.conf"
            ;;
    esac
}

front_wait() { # FOLDER
    for _ in $(seq 100); do
        if curl -s -o /dev/null --cacert "$front_certificate" "$front_url/"; then return; fi
        kill -0 "$front_pid" 2>/dev/null || break
        sleep 0.1
    done
    cat "$1/logs/out" "$1/logs/error" >&2 || true
    die "httpd did not come up; its log is above"
}

front_stop() {
    [ -n "$front_pid" ] || return 0
    kill "$front_pid" 2>/dev/null || true
    wait "$front_pid" 2>/dev/null || true
    front_pid=''
}
