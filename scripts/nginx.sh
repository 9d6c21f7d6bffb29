# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what is set here front.sh uses, and the other way round
# A real nginx with the shipped configuration in front of $backend_url. Sourced after front.sh, and stopped by its
# front_stop: it replaces httpd, with the same users and variables.
#
#   nginx_check            reports missing dependencies, before anything slow is started
#   nginx_start FOLDER

nginx_check() { PATH=$PATH:/usr/sbin need_commands nginx htpasswd openssl curl; }

nginx_start() { # FOLDER
    local variant=users folder=$1 port plain_port nginx
    nginx=$(PATH=$PATH:/usr/sbin command -v nginx)
    port=$(port_or_free HTTPS_PORT "${HTTPS_PORT:-}") || exit 1
    plain_port=$(port_or_free HTTP_PORT "${HTTP_PORT:-}") || exit 1
    mkdir -p "$folder/logs"
    plain_url=http://127.0.0.1:$plain_port
    front_url=https://localhost:$port
    front_certificate=$folder/certificate.pem
    make_certificate
    make_credentials
    nginx_site >"$folder/site.conf"
    nginx_configuration >"$folder/nginx.conf"
    "$nginx" -t -q -c "$folder/nginx.conf" -e "$folder/logs/error" || die "nginx refuses the configuration (see its message above)"
    "$nginx" -c "$folder/nginx.conf" -e "$folder/logs/error" >"$folder/logs/out" 2>&1 </dev/null &
    front_pid=$!
    front_wait
}

# The shipped configuration, with this run's paths and ports.
nginx_site() {
    sed -e "s|listen 443 |listen 127.0.0.1:$port |" -e "s|127.0.0.1:8080|127.0.0.1:$plain_port|" \
        -e "s|127.0.0.1:9200|${backend_url#http://}|" \
        -e "s|/etc/ssl/certs/ssl-cert-snakeoil.pem|$folder/certificate.pem|" \
        -e "s|/etc/ssl/private/ssl-cert-snakeoil.key|$folder/key.pem|" \
        -e "s|/etc/nginx/elasticsearch.users|$folder/users|" "$root/nginx/elasticsearch-users.conf"
}

nginx_configuration() {
    local what
    if [ "$(id -u)" -eq 0 ]; then say "user nobody $(id -gn nobody);"; fi
    cat <<CONF
daemon off;
pid "$folder/pid";
error_log "$folder/logs/error" warn;
events {}
http {
    access_log off;
CONF
    for what in client_body proxy fastcgi uwsgi scgi; do say "    ${what}_temp_path \"$folder/$what\";"; done
    say "    include \"$folder/site.conf\";"
    say "}"
}
