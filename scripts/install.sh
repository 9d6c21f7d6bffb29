#!/usr/bin/env bash
# Installs the built module like apxs does, or removes it. DESTDIR is the prefix of every path.
#
# scripts/install.sh install|uninstall
set -euo pipefail
. "$(dirname "$0")/lib.sh"

destdir=${DESTDIR:-}
apxs=$(find_apxs) || exit 1
libexecdir=$("$apxs" -q LIBEXECDIR)
sysconfdir=$("$apxs" -q SYSCONFDIR)
mandir=$("$apxs" -q MANDIR 2>/dev/null || echo /usr/local/share/man)
file=mod_rust_esauth.so
load_line="LoadModule rust_esauth_module $libexecdir/$file"
load_pattern='^[[:space:]]*LoadModule[[:space:]]\+rust_esauth_module[[:space:]]'

# The layout of this httpd's configuration: Debian's mods-available, Red Hat's conf.modules.d, or httpd.conf itself.
layout() {
    # A build machine may have Debian's apxs without the folder.
    if [ -d "$sysconfdir/mods-available" ] || [ -d "$destdir$sysconfdir/mods-available" ] ||
        { [ -f /etc/debian_version ] && [ "$sysconfdir" = /etc/apache2 ]; }; then
        say debian
    elif [ -d "$(dirname "$sysconfdir")/conf.modules.d" ]; then
        say redhat
    else
        say plain
    fi
}

main_configuration() { say "$destdir$sysconfdir/$("$apxs" -q PROGNAME).conf"; }
redhat_file() { say "$destdir$(dirname "$sysconfdir")/conf.modules.d/10-rust_esauth.conf"; }

# A file changed by the administrator stays.
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

# Reports missing rights before the first file is touched.
need_rights() { # FOLDER
    local folder=$1
    while [ ! -e "$folder" ]; do folder=$(dirname "$folder"); done
    [ -w "$folder" ] || die "cannot write to $folder: use sudo make ${action}, or DESTDIR"
}

install_all() {
    need_module
    install -D -m 644 "$module" "$destdir$libexecdir/$file"
    say "installed $destdir$libexecdir/$file"
    each_page install_page
    [ -d "$build_folder/esauth" ] || say "no manual pages; make cli makes them, and make install then installs them"
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
            if [ ! -f "$configuration" ]; then
                say "add to httpd's configuration: $load_line"
            elif ! grep -qi "$load_pattern" "$configuration"; then
                add_load_line "$configuration"
                say "added the LoadModule line to $configuration; the old file is $configuration.bak"
            fi
            say "next: restart httpd"
            ;;
    esac
}

# The manual pages of the module and its files; those of esauth belong to it.
each_page() { # COMMAND...
    local page
    for page in "$build_folder"/esauth/*.[58]; do
        if [ -f "$page" ]; then "$@" "$page" "$destdir$mandir/man${page##*.}/$(basename "$page")"; fi
    done
}

install_page() { # PAGE PLACE
    install -D -m 644 "$1" "$2"
    say "installed $2"
}

remove_page() { remove "$2"; } # PAGE PLACE

# Inserts the line after that of mod_authz_groupfile, whose position counts in httpd 2.2, else after the last LoadModule
# line outside of sections (one in an <IfModule> does not always take effect), else at the top: it must come before the
# module's first directive. Writes the file in place, so that its owner, mode and links stay.
add_load_line() { # FILE
    local text
    cp -p "$1" "$1.bak"
    text=$(awk -v line="$load_line" '
        /^[[:space:]]*<\// { depth-- }
        /^[[:space:]]*<[^\/]/ { depth++ }
        /^[[:space:]]*LoadModule[[:space:]]/ && !depth { last = NR }
        /^[[:space:]]*LoadModule[[:space:]]+authz_groupfile_module[[:space:]]/ && !depth { groups = NR }
        { lines[NR] = $0 }
        END {
            if (groups) last = groups
            if (!last) print line
            for (i = 1; i <= NR; i++) { print lines[i]; if (i == last) print line }
        }' "$1.bak")
    printf '%s\n' "$text" >"$1"
}

uninstall_all() {
    case $(layout) in
        debian)
            # With its own record of enabled modules; without a2dismod, its links are removed below.
            if [ -z "$destdir" ] && have a2dismod && [ -e "$sysconfdir/mods-available/rust_esauth.load" ]; then
                a2dismod -q -f -p rust_esauth >/dev/null 2>&1 || true
            fi
            remove "$destdir$sysconfdir/mods-enabled/rust_esauth.load"
            remove "$destdir$sysconfdir/mods-enabled/rust_esauth.conf"
            remove "$destdir$sysconfdir/mods-available/rust_esauth.load"
            remove_configuration "$(cat "$root/apache/rust_esauth.conf")" "$destdir$sysconfdir/mods-available/rust_esauth.conf"
            ;;
        redhat) remove "$(redhat_file)" ;;
        plain)
            local configuration text
            configuration=$(main_configuration)
            if [ -f "$configuration" ] && grep -qi "$load_pattern" "$configuration"; then
                text=$(grep -vi "$load_pattern" "$configuration")
                printf '%s\n' "$text" >"$configuration"
                say "removed the LoadModule line from $configuration"
            fi
            ;;
    esac
    remove "$destdir$libexecdir/$file"
    each_page remove_page
    say "next: restart httpd; sections with AuthType Basic need mod_auth_basic, mod_authn_file and mod_authz_groupfile again"
}

# A file changed by the administrator stays.
remove_configuration() { # TEXT FILE
    if [ -f "$2" ] && [ "$(cat "$2")" != "$1" ]; then
        say "kept $2, which differs from ours"
    else
        remove "$2"
    fi
}

remove() { # FILE
    if [ -e "$1" ] || [ -L "$1" ]; then
        rm -f "$1"
        say "removed $1"
    fi
}

action=${1:-}
case $action in
    install | uninstall) need_rights "$destdir$libexecdir" ;;
esac
case $action in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) die "usage: scripts/install.sh install|uninstall" ;;
esac
