# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what is set here front.sh uses, and the other way round
# A real nginx with a shipped configuration in front of $backend_url. Sourced after front.sh, and stopped by its
# front_stop: it replaces httpd, with the same users and variables.
#
#   nginx_check VARIANT           reports missing dependencies, before anything slow is started
#   nginx_start VARIANT FOLDER    starts it with the configuration for "users" (stock nginx) or "esauth" (the module)
#   nginx_has_http3               whether this nginx is built with HTTP/3: then "esauth" has it, too
#
# The module is $ESAUTH_NGINX_MODULE, else the product of make nginx; the nginx is that of $NGINX_SOURCE, else the installed one.

nginx_module=${ESAUTH_NGINX_MODULE:-$build_folder/release/libngx_http_esauth_module.so}

nginx_program() {
    if [ -n "${NGINX_SOURCE:-}" ]; then
        say "$NGINX_SOURCE/objs/nginx"
    else
        PATH=$PATH:/usr/sbin command -v nginx
    fi
}

nginx_check() { # VARIANT
    need_commands htpasswd openssl curl
    nginx_program >/dev/null || die "nginx is missing; run 'make deps'"
    [ "$1" = users ] || [ -f "$nginx_module" ] || die "$nginx_module is missing; run 'make nginx'"
}

nginx_has_http3() { "$(nginx_program)" -V 2>&1 | grep -q -e --with-http_v3_module; }

nginx_start() { # VARIANT FOLDER
    local variant=$1 folder=$2 port plain_port metrics_port nginx
    [[ $backend_url =~ ^http://[^/]+$ ]] || die "nginx's configuration needs a back end at http://HOST:PORT"
    nginx=$(nginx_program)
    metrics_port=$(free_port) || exit 1
    metrics_url=http://127.0.0.1:$metrics_port/esauth-metrics
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
    local http3='' host=http_host shipped=("$root/nginx/elasticsearch-$variant.conf")
    [ "$variant" = users ] || shipped+=("$root/nginx/elasticsearch-metrics.conf")
    # As docs/nginx.md says, at the same port of UDP.
    if [ "$variant" != users ] && nginx_has_http3; then
        http3="listen 127.0.0.1:$port quic;" host=host
    fi
    sed -e "s|listen 443 ssl;|listen 127.0.0.1:$port ssl; $http3|" -e "s|127.0.0.1:8080|127.0.0.1:$plain_port|" \
        -e "s|127.0.0.1:9200|${backend_url#http://}|" -e "s|Host \$http_host;|Host \$$host;|" \
        -e "s|/etc/ssl/certs/ssl-cert-snakeoil.pem|$folder/certificate.pem|" \
        -e "s|/etc/ssl/private/ssl-cert-snakeoil.key|$folder/key.pem|" \
        -e "s|127.0.0.1:8081|127.0.0.1:$metrics_port|" \
        -e "s|/etc/nginx/elasticsearch\.|$folder/|" "${shipped[@]}"
}

nginx_configuration() {
    local what
    if [ "$(id -u)" -eq 0 ]; then say "user nobody $(id -gn nobody);"; fi
    if [ "$variant" != users ]; then say "load_module \"$nginx_module\";"; fi
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
