#!/usr/bin/env bash
# Installs the built module the way apxs does, or takes it away again. DESTDIR goes in front of every path.
#
#   scripts/install.sh install|uninstall
set -euo pipefail
. "$(dirname "$0")/lib.sh"

destdir=${DESTDIR:-}
apxs=$(find_apxs) || exit 1
libexecdir=$("$apxs" -q LIBEXECDIR)
sysconfdir=$("$apxs" -q SYSCONFDIR)
file=mod_rust_esauth.so
load_line="LoadModule rust_esauth_module $libexecdir/$file"

# How this httpd is told what to load: Debian's mods-available, Red Hat's conf.modules.d, or httpd.conf itself.
layout() {
    if [ -d "$sysconfdir/mods-available" ]; then
        say debian
    elif [ -d "$(dirname "$sysconfdir")/conf.modules.d" ]; then
        say redhat
    else
        say plain
    fi
}

main_configuration() { say "$destdir$sysconfdir/$("$apxs" -q PROGNAME).conf"; }
redhat_file() { say "$destdir$(dirname "$sysconfdir")/conf.modules.d/10-rust_esauth.conf"; }

# A file that the administrator has changed stays as it is.
install_configuration() { # TEXT FILE
    mkdir -p "$(dirname "$2")"
    if [ -f "$2" ] && [ "$(cat "$2")" != "$1" ]; then
        say "kept $2, which differs from ours"
    else
        printf '%s\n' "$1" >"$2"
        chmod 644 "$2"
        say "installed $2"
    fi
}

install_all() {
    need_module
    install -D -m 644 "$module" "$destdir$libexecdir/$file"
    say "installed $destdir$libexecdir/$file"
    case $(layout) in
        debian)
            local available=$destdir$sysconfdir/mods-available
            install_configuration "$(sed "s|@LIBEXECDIR@|$libexecdir|" "$root/apache/rust_esauth.load")" \
                "$available/rust_esauth.load"
            install_configuration "$(cat "$root/apache/rust_esauth.conf")" "$available/rust_esauth.conf"
            say "next: a2enmod rust_esauth, then reload httpd"
            ;;
        redhat)
            install_configuration "$load_line" "$(redhat_file)"
            say "next: reload httpd"
            ;;
        plain)
            local configuration
            configuration=$(main_configuration)
            if [ -f "$configuration" ] && ! grep -q '^[[:space:]]*LoadModule[[:space:]]\+rust_esauth_module' "$configuration"; then
                add_load_line "$configuration"
                say "added the LoadModule line to $configuration"
            elif [ ! -f "$configuration" ]; then
                say "add to httpd's configuration: $load_line"
            fi
            say "next: restart httpd"
            ;;
    esac
}

# Behind the last LoadModule line, or at the end where there is none.
add_load_line() { # FILE
    local text
    text=$(awk -v line="$load_line" '
        /^[[:space:]]*LoadModule[[:space:]]/ { last = NR }
        { lines[NR] = $0 }
        END {
            for (i = 1; i <= NR; i++) { print lines[i]; if (i == last) print line }
            if (!last) print line
        }' "$1")
    printf '%s\n' "$text" >"$1"
}

uninstall_all() {
    case $(layout) in
        debian)
            local directory
            for directory in mods-enabled mods-available; do
                remove "$destdir$sysconfdir/$directory/rust_esauth.load"
                remove "$destdir$sysconfdir/$directory/rust_esauth.conf"
            done
            ;;
        redhat) remove "$(redhat_file)" ;;
        plain)
            local configuration
            configuration=$(main_configuration)
            if [ -f "$configuration" ]; then
                sed -i '/^[[:space:]]*LoadModule[[:space:]]\+rust_esauth_module[[:space:]]/d' "$configuration"
            fi
            ;;
    esac
    remove "$destdir$libexecdir/$file"
    say "next: restart httpd; sections with AuthType Basic need mod_auth_basic, mod_authn_file and mod_authz_groupfile again"
}

remove() { # FILE
    if [ -e "$1" ] || [ -L "$1" ]; then
        rm -f "$1"
        say "removed $1"
    fi
}

case ${1:-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) die "usage: scripts/install.sh install|uninstall" ;;
esac
