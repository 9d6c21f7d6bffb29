# shellcheck shell=bash
# shellcheck disable=SC2154 # what lib.sh sets is used here
# A root with Red Hat's layout of httpd, on a machine without Red Hat packages. Sourced after lib.sh.
#
#   lay_out_red_hat ROOT COMMAND...    converts a Debian root, in which COMMAND... runs commands
#
# Paths, users, the certificate and the order of files are Red Hat's (httpd and mod_ssl of RHEL 9, shortened); httpd itself is
# Debian's. The stand-ins for dnf, setsebool and systemctl do only what the documentation needs; Red Hat's own dnf, SELinux and
# systemd are not tested.

lay_out_red_hat() { # ROOT COMMAND...
    local server_root=$1/etc/httpd modules=$1/usr/lib64/httpd/modules
    "${@:2}" useradd --system --user-group --home-dir /usr/share/httpd --shell /usr/sbin/nologin apache
    mkdir -p "$server_root"/conf{,.d,.modules.d} "$modules" "$1"/run/httpd "$1"/var/log/httpd "$1"/var/www/html
    ln -s ../../usr/lib64/httpd/modules "$server_root/modules"
    ln -s ../../var/log/httpd "$server_root/logs"
    ln -s /run/httpd "$server_root/run"
    "${@:2}" sh -c 'ln -s /usr/lib/apache2/modules/*.so /usr/lib64/httpd/modules/ && cp /usr/sbin/apache2 /usr/sbin/httpd'
    red_hat_configuration >"$server_root/conf/httpd.conf"
    red_hat_modules "$modules" >"$server_root/conf.modules.d/00-base.conf"
    red_hat_tls >"$server_root/conf.d/ssl.conf"
    red_hat_certificate "$1/etc/pki/tls"
    stand_in "$1" apachectl <<'SCRIPT'
case $1 in
    configtest) set -- -t ;;
    -*) ;;
    *) set -- -k "$1" ;;
esac
exec /usr/sbin/httpd -d /etc/httpd -f conf/httpd.conf "$@"
SCRIPT
    stand_in "$1" systemctl <<'SCRIPT'
[ "$2" = httpd ] && exec apachectl "$1"
SCRIPT
    stand_in "$1" dnf <<'SCRIPT'
case $1:$* in
    install:*./*.rpm) exec rpm --force-debian --nodeps -i ./*.rpm ;;
    install:*) ;;
    remove:*) exec rpm --force-debian --nodeps -e "$2" ;;
esac
SCRIPT
    stand_in "$1" setsebool </dev/null
}

stand_in() { # ROOT NAME, the script being the input
    { say '#!/bin/sh' && cat; } >"$1/usr/local/sbin/$2"
    chmod 755 "$1/usr/local/sbin/$2"
}

red_hat_configuration() {
    cat <<'CONF'
ServerRoot "/etc/httpd"
PidFile run/httpd.pid
Listen 80
Include conf.modules.d/*.conf
User apache
Group apache
ServerAdmin root@localhost
<Directory />
    AllowOverride none
    Require all denied
</Directory>
DocumentRoot "/var/www/html"
<Directory "/var/www/html">
    Require all granted
</Directory>
ErrorLog "logs/error_log"
LogLevel warn
IncludeOptional conf.d/*.conf
CONF
}

# Modules built into Debian's httpd have no file.
red_hat_modules() { # FOLDER
    local name
    for name in mpm_event access_compat alias auth_basic authn_core authn_file authz_core authz_groupfile authz_host authz_user dir \
        log_config setenvif socache_shmcb status unixd proxy proxy_http ssl; do
        if [ -L "$1/mod_$name.so" ]; then say "LoadModule ${name}_module modules/mod_$name.so"; fi
    done
}

red_hat_tls() {
    cat <<'CONF'
Listen 443 https
SSLSessionCache shmcb:/run/httpd/sslcache(512000)
<VirtualHost _default_:443>
    SSLEngine on
    SSLCertificateFile /etc/pki/tls/certs/localhost.crt
    SSLCertificateKeyFile /etc/pki/tls/private/localhost.key
</VirtualHost>
CONF
}

# A certificate for the machine's name and, in the same file, the CA made for it.
red_hat_certificate() { # FOLDER
    local name
    name=$(hostname -f)
    mkdir -p "$1/certs" "$1/private"
    {
        openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=ca-of-$name" -keyout "$scratch/ca.key" -out "$scratch/ca.crt"
        openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$name" -CA "$scratch/ca.crt" -CAkey "$scratch/ca.key" \
            -addext "subjectAltName=DNS:$name" -addext basicConstraints=CA:FALSE \
            -keyout "$1/private/localhost.key" -out "$scratch/localhost.crt"
    } 2>"$scratch/log" || die "openssl cannot create a certificate: $(cat "$scratch/log")"
    cat "$scratch/localhost.crt" "$scratch/ca.crt" >"$1/certs/localhost.crt"
}
