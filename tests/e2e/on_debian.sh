#!/usr/bin/env bash
# Runs commands of a page as on Debian, for secured_page.sh, which sets the variables: /etc/apache2 is the folder $etc, and httpd
# and Elasticsearch have free ports.
#
#   on_debian.sh bash -ec COMMANDS
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck disable=SC2154 # set by secured_page.sh
: "$etc" "$httpd" "$modules" "$port" "$plain_port"
configuration=$etc/apache2.conf

# Makes the page's text one about this machine.
here() {
    local user
    user=$(id -un)
    if [ "$user" = root ]; then user=nobody; fi
    # shellcheck disable=SC2016 # the page's own text
    sed -e "s|/usr/share/doc/libapache2-mod-rust-esauth/examples/|$root/|g" \
        -e "s|/etc/elasticsearch/certs/http_ca.crt|$ESAUTH_BACKEND_CA|g" \
        -e "s|/etc/ssl/certs/ssl-cert-snakeoil.pem|$ESAUTH_FOLDER/certificate.pem|g" \
        -e "s|/etc/ssl/private/ssl-cert-snakeoil.key|$ESAUTH_FOLDER/key.pem|g" \
        -e "s|/etc/apache2/|$etc/|g" -e "s|127.0.0.1:8080|127.0.0.1:$plain_port|g" \
        -e "s|localhost:9200|${ESAUTH_BACKEND_URL#https://}|g" -e "s|ES_TLS_PORT 443|ES_TLS_PORT $port|g" \
        -e "s|https://localhost/|https://localhost:$port/|g" -e 's|https://$(hostname -f)|https://localhost:'"$port|g" \
        -e "s|www-data|$(id -gn "$user")|g"
}

sudo() { "$@"; }
esauth() { "$ESAUTH_PROGRAM" "$@"; }
a2enmod() {
    local name file
    for name in "$@"; do
        file=$modules/mod_$name.so
        if [ "$name" = rust_esauth ]; then file=$module; fi
        say "LoadModule ${name}_module \"$file\"" >>"$etc/modules.conf"
    done
}
a2ensite() { here <"$etc/sites-available/$1.conf" >"$etc/sites-enabled/$1.conf"; }
a2dissite() { rm -f "$etc/sites-enabled/$1.conf"; }
apachectl() {
    case $1 in
        configtest) "$httpd" -t -f "$configuration" ;;
        *)
            "$httpd" -k "$1" -f "$configuration"
            # Unlike Debian's, it does not wait.
            for _ in $(seq 100); do
                if curl -k -s -o /dev/null "https://localhost:$port/"; then return; fi
                sleep 0.1
            done
            return 1
            ;;
    esac
}

commands=$(here <<<"$3")
eval "$commands"
