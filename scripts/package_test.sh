#!/usr/bin/env bash
# Tests both packages, from installing to purging, and follows the documentation word for word (see follow.sh). The Debian
# package: in a clean root of this machine's distribution, made with debootstrap, in its own namespaces, on the ports that the
# pages name and in front of a real Elasticsearch. The rpm: in a root laid out like Red Hat's (see red_hat.sh), since Red Hat's
# own packages are not available on Debian.
#
#   scripts/package_test.sh       needs root and a network, and takes some minutes
#
# ESAUTH_DEBIAN_ROOT=FOLDER keeps the clean root there for the next run. ESAUTH_PREVIOUS=COMMIT names the release to upgrade from;
# without it, that is the newest tagged one before this commit.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/backend.sh"
. "$(dirname "$0")/proofs.sh"
. "$(dirname "$0")/follow.sh"
. "$(dirname "$0")/red_hat.sh"

package=libapache2-mod-rust-esauth
# Higher than any future version.
newer=9999.0.0-1
# Packages that the pages install, made available without a network; the last ones are for `make`.
packages=(apache2 apache2-utils ssl-cert curl sudo nginx rpm make git apache2-dev gcc libc6-dev libcrypt-dev libclang-dev)
password=secret
# The pages' Elasticsearch is on port 9200 of its own machine.
unset ES_URL

check() { # WHAT COMMAND...
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then
        printf '%s✓%s %s\n' "$green" "$plain" "$what"
    else
        die "$what: this failed: $*"$'\n'"$output"
    fi
}

check_not() { # WHAT COMMAND...
    check "$1" not "${@:2}"
}
not() { ! "$@"; }
# Commands that restart httpd do not wait for it.
eventually() { # COMMAND...
    local _
    for _ in $(seq 100); do
        if "$@"; then return; fi
        sleep 0.1
    done
    return 1
}

# --- outside: with the network

make_clean_root() {
    local kept=${ESAUTH_DEBIAN_ROOT:-} suite
    suite=$(. /etc/os-release && say "$VERSION_CODENAME")
    if [ -n "$kept" ] && [ -f "$kept/etc/debian_version" ]; then
        cp -a "$kept" "$debian"
        return
    fi
    printf 'creating a clean root with %s ' "$suite"
    quietly "$scratch/log" debootstrap --variant=minbase "$suite" "$debian" || failed_with_log debootstrap
    # The page has no -y, and nobody is there to answer.
    say 'APT::Get::Assume-Yes "true";' >"$debian/etc/apt/apt.conf.d/90assume-yes"
    printf 'fetching packages to install '
    quietly "$scratch/log" chroot "$debian" sh -ec "apt-get -q update
        DEBIAN_FRONTEND=noninteractive apt-get -q install --no-install-recommends sudo
        apt-get -q install --download-only ${packages[*]}" || failed_with_log apt-get
    if [ -n "$kept" ]; then cp -a "$debian" "$kept"; fi
}

failed_with_log() { # COMMAND
    tail -n 15 "$scratch/log" >&2
    die "$1 failed (see the output above); is there a network?"
}

# The packages of the previous release, built by its own scripts, in $scratch/previous.
make_previous() {
    local previous=${ESAUTH_PREVIOUS:-} sources=$scratch/previous/sources kind
    if [ -z "$previous" ] && ! previous=$(git -C "$root" describe --tags --abbrev=0 --match 'v[0-9]*' HEAD^ 2>/dev/null); then
        say "no earlier release is tagged: upgrades are tested from this commit's own package only"
        return
    fi
    git clone --quiet "$root" "$sources"
    git -C "$sources" checkout --quiet --detach "$previous"
    for kind in deb rpm; do
        printf 'building the %s of %s ' "$kind" "$previous"
        CARGO_TARGET_DIR=$build_folder/previous quietly "$scratch/log" make --no-print-directory -C "$sources" "$kind" || failed_with_log "make $kind"
        cp "$(tail -n 1 "$scratch/log")" "$scratch/previous/previous.$kind"
    done
}

# --- inside: with its own ports and processes

in_root() { "${root_command[@]}" "$@"; }
apache2ctl() { in_root apache2ctl "$@"; }
# Mappings of httpd's main process; a file that no longer exists is marked "(deleted)".
loaded() { grep -q "mod_rust_esauth.so$1" "/proc/$(cat "$debian/run/apache2/apache2.pid")/maps"; }
start_up_checks() { apache2ctl configtest 2>&1 | grep -F '] rust_esauth: '; }
enabled() { in_root a2query -q -m "$1"; }
# shellcheck disable=SC2016 # this is dpkg's variable
installed_version() { in_root dpkg-query -W -f '${Version}' "$package"; }
upgrade() { in_root apt-get -q -o Dpkg::Options::=--force-confold install "/root/newer/${package}_newer.deb"; }
# Password files and virtual hosts that the pages create do not belong to the package; the sources may be mounted among
# them.
nothing_left() {
    not grep . <(find "$debian" -xdev -path "$debian$root" -prune -o -iname '*esauth*' ! -path "$debian/root/*" -print)
}

# From here on, commands run inside.
enter() { # ROOT
    # Without an init system, services are started and restarted only if this allows it.
    printf '#!/bin/sh\nexit 0\n' >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$(hostname)" >"$1/etc/hosts"
    mount -t proc proc "$1/proc"
    # sudo needs pseudo-terminals.
    mount --rbind /dev "$1/dev"
    root_command=(chroot "$1" env --chdir=/root PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
        HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive)
}

test_debian() {
    install_without_effect
    install_as_documented
    survive_an_upgrade
    migrate_and_return
    try_nginx
    remove_and_purge
    upgrade_from_previous
    install_from_sources
}

# A server that has sections with AuthType Basic keeps its modules until somebody enables this one.
install_without_effect() {
    check "package and server are installed" in_root sh -c "apt-get -q install apache2 ./${package}_*.deb"
    check "httpd runs" eventually test -s "$debian/run/apache2/apache2.pid"
    check_not "the module is not enabled unasked" enabled rust_esauth
    check_not "and not loaded" loaded ''
}

install_as_documented() {
    follow "$root/docs/elasticsearch.md" debian "${root_command[@]}"
    check "the module is enabled" enabled rust_esauth
    check "esauth runs" in_root esauth --version
    check "and has its manual and completions" in_root ls /usr/share/man/man1/esauth.1.gz \
        /usr/share/man/man5/esauth-files.5.gz /usr/share/man/man8/mod_rust_esauth.8.gz \
        /usr/share/bash-completion/completions/esauth /usr/share/zsh/vendor-completions/_esauth \
        /usr/share/fish/vendor_completions.d/esauth.fish
    check "configtest passes" apache2ctl configtest
    check_not "and the start-up checks find nothing" start_up_checks
    check "httpd has loaded the module" eventually loaded '$'
    follow "$root/docs/sizing.md" debian "${root_command[@]}"
    follow "$root/docs/monitoring.md" debian "${root_command[@]}"
    follow "$root/README.md" debian "${root_command[@]}"
    prove_set_up
}

prove_set_up() { # [USER-FILE [LOG]]
    local users=${1:-/etc/apache2/elasticsearch.users} log=${2:-$debian/var/log/apache2/error.log}
    # Only now, since the pages give bob another password, or none.
    in_root htpasswd -b -B -C 5 "$users" bob geheim 2>/dev/null
    front_url=https://localhost trust=(-k)
    prove_all
    [ "$failures" -eq 0 ] || die "$failures of the proofs failed; httpd's log: $(tail -n 20 "$log")"
    curl -s -o /dev/null -X DELETE "$backend_url/$index"
}

survive_an_upgrade() {
    local configuration=/etc/apache2/mods-available/rust_esauth.conf
    say 'EsAuthCacheTTL 60' >>"$debian$configuration"
    check "an upgrade" upgrade
    check "is to the higher version" test "$(installed_version)" = "$newer"
    check "keeps a changed configuration" grep -q 'EsAuthCacheTTL 60' "$debian$configuration"
    check "leaves the module enabled" enabled rust_esauth
    check "is what httpd works with now" eventually not loaded ' (deleted)'
    check "and httpd's configuration sound" apache2ctl configtest
    prove_set_up
    check "the module can be disabled" in_root a2dismod -q rust_esauth
    check "what was disabled" in_root apt-get -q install --reinstall "/root/newer/${package}_newer.deb"
    check_not "stays disabled" enabled rust_esauth
}

migrate_and_return() {
    # As README.Debian says: Debian does not enable the stock module for groups by itself.
    check "the stock module for groups is enabled" in_root a2enmod -q authz_groupfile
    check "httpd restarts" apache2ctl restart
    check "and works without the module" eventually not loaded ''
    prove_set_up
    # There and back.
    follow "$root/docs/migration.md" debian "${root_command[@]}"
    check "httpd works without it again" eventually not loaded ''
    prove_set_up
    check "the module is enabled again" in_root a2enmod -q rust_esauth
    check "httpd restarts" apache2ctl restart
    check "with the module" eventually loaded '$'
}

remove_and_purge() {
    check "the package is removed" in_root apt-get -q remove "$package"
    check_not "the module is disabled" enabled rust_esauth
    check "the configuration is sound without it" apache2ctl configtest
    check "httpd restarts" apache2ctl restart
    check "and works without it" eventually not loaded ''
    prove_set_up
    check "the package is purged" in_root apt-get -q purge "$package"
    check "nothing of it is left" nothing_left
}

# With the setup of the pages, which purging has left.
upgrade_from_previous() {
    local configuration=/etc/apache2/mods-available/rust_esauth.conf
    [ -f "$scratch/previous/previous.deb" ] || return 0
    cp "$scratch/previous/previous.deb" "$debian/root/newer/"
    check "the previous release is installed" in_root apt-get -q install /root/newer/previous.deb
    check "and enabled" in_root a2enmod -q rust_esauth
    say 'EsAuthCacheTTL 60' >>"$debian$configuration"
    check "httpd restarts" apache2ctl restart
    check "with it" eventually loaded '$'
    prove_set_up
    check "an upgrade from it" upgrade
    check "is to the higher version" test "$(installed_version)" = "$newer"
    check "keeps a changed configuration" grep -q 'EsAuthCacheTTL 60' "$debian$configuration"
    check "leaves the module enabled" enabled rust_esauth
    check "is what httpd works with now" eventually not loaded ' (deleted)'
    check "and is loaded" eventually loaded '$'
    prove_set_up
    remove_and_purge
}

try_nginx() {
    apache2ctl stop
    follow "$root/docs/nginx.md" debian "${root_command[@]}"
    in_root nginx -s stop
    try_nginx_module
    check "httpd starts in nginx's place" eventually apache2ctl start
}

# The same password file, and the group of the proofs.
try_nginx_module() {
    local module=libnginx-mod-http-esauth place=/etc/nginx/conf.d/elasticsearch.conf
    compgen -G "$debian/root/${module}_*.deb" >/dev/null || { say "skipped $module: this release has no nginx-dev"; return; }
    check "the nginx module is installed" in_root sh -c "apt-get -q install ./${module}_*.deb"
    check "and enabled" test -L "$debian/etc/nginx/modules-enabled/50-mod-http-esauth.conf"
    check "a configuration with it is sound" in_root sh -ec "echo 'elasticsearch: alice' >/etc/nginx/elasticsearch.groups
        chgrp www-data /etc/nginx/elasticsearch.groups
        cp /usr/share/doc/$module/examples/elasticsearch-esauth.conf $place && nginx -t"
    check "nginx starts" in_root nginx
    prove_set_up /etc/nginx/elasticsearch.users "$debian/var/log/nginx/error.log"
    in_root nginx -s stop
    check "the nginx module is purged" in_root sh -ec "rm $place && apt-get -q purge $module && nginx -t"
    check_not "and disabled" test -e "$debian/etc/nginx/modules-enabled/50-mod-http-esauth.conf"
}

# With this machine's Rust, crates and build, at the same paths.
install_from_sources() {
    local toolchain crates=${CARGO_HOME:-$HOME/.cargo} place
    local -a sources
    toolchain=$(rustc --print sysroot)
    if [ "$toolchain" = /usr ]; then
        say "skipped README.md's installation from the sources: this machine's Rust has no folder of its own"
        return
    fi
    in_root apt-get -q install "${packages[@]}" >"$scratch/log" 2>&1 || failed_with_log apt-get
    for place in "$root" "$toolchain" "$crates"; do
        mkdir -p "$debian$place"
        mount --bind "$place" "$debian$place"
    done
    # Found there without CARGO_TARGET_DIR, which sudo does not pass on.
    mkdir -p "$debian$root/target"
    mount --bind "$build_folder" "$debian$root/target"
    sources=(chroot "$debian" env -u CARGO_TARGET_DIR -u ESAUTH_MODULE --chdir="$root" HOME=/root LANG=C.UTF-8
        CARGO_HOME="$crates" CARGO_NET_OFFLINE=true PATH="$toolchain/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    follow "$root/README.md" source "${sources[@]}"
    check "httpd has loaded the module" eventually loaded '$'
    prove_set_up
    check "make uninstall" "${sources[@]}" make uninstall
    check "httpd restarts" apache2ctl restart
    check "and works without it" eventually not loaded ''
    check "nothing of it is left" nothing_left
    apache2ctl stop
}

# --- the rpm

test_rpm() { # FILE
    local modules=/usr/lib64/httpd/modules configuration=/etc/httpd/conf.modules.d/10-rust_esauth.conf red_hat=$scratch/rpm
    mkdir -p "$red_hat"
    check "rpm: it wants an httpd of this generation" grep -qx 'httpd-mmn = 20120211' <(rpm -qp --requires "$1" 2>/dev/null)
    check "rpm: and the C library that it was built with" grep -q '^libc\.so\.6(GLIBC_' <(rpm -qp --requires "$1" 2>/dev/null)
    check "rpm: the virtual hosts are with the documentation" \
        grep -q '/examples/apache/elasticsearch-users-2.4.conf$' <(rpm -qp --docfiles "$1" 2>/dev/null)
    check "rpm: there is esauth, with its manual" \
        grep -q '^/usr/share/man/man1/esauth-verify.1.gz$' <(rpm -qlp "$1" 2>/dev/null)
    check "rpm: and the module's manual" grep -q '^/usr/share/man/man8/mod_rust_esauth.8.gz$' <(rpm -qlp "$1" 2>/dev/null)
    check "rpm: it is installed" in_rpm_root -i "$1"
    check "rpm: as it was made" in_rpm_root --verify --nodeps mod_rust_esauth
    check "rpm: the module lists its crates" \
        grep -qF .dep-v0 <(readelf --wide --sections "$red_hat$modules/mod_rust_esauth.so")
    check "rpm: the licences of its crates are there" test -s "$red_hat/usr/share/licenses/mod_rust_esauth/THIRD-PARTY-NOTICES"
    check "rpm: it is not loaded unasked" grep -qx '#LoadModule rust_esauth_module modules/mod_rust_esauth.so' "$red_hat$configuration"
    say 'EsAuthCacheTTL 60' >>"$red_hat$configuration"
    check "rpm: an upgrade" in_rpm_root -U "$("$root/scripts/package.sh" rpm "$newer")"
    check "rpm: keeps a changed configuration" grep -q 'EsAuthCacheTTL 60' "$red_hat$configuration"
    check "rpm: it is removed" in_rpm_root -e mod_rust_esauth
    check_not "rpm: nothing of it is left but the changed configuration, put aside" \
        grep -v '10-rust_esauth.conf.rpmsave$' <(find "$red_hat" ! -type d -iname '*esauth*')
    [ -f "$scratch/previous/previous.rpm" ] || return 0
    check "rpm: the previous release is installed" in_rpm_root -i "$scratch/previous/previous.rpm"
    sed -i 's/^#LoadModule/LoadModule/' "$red_hat$configuration"
    say 'EsAuthCacheTTL 60' >>"$red_hat$configuration"
    check "rpm: an upgrade from it" in_rpm_root -U "$build_folder"/rpm/RPMS/*/*.rpm
    check "rpm: keeps the module loaded" grep -q '^LoadModule rust_esauth_module' "$red_hat$configuration"
    check "rpm: it is removed" in_rpm_root -e mod_rust_esauth
}

# Without dependencies, which are not available here.
in_rpm_root() { rpm --root "$red_hat" --nodeps "$@"; }

test_red_hat() {
    local users=/etc/httpd/conf/elasticsearch.users log=$red_hat/var/log/httpd/error_log
    in_root apt-get -q install apache2-bin apache2-utils curl rpm >"$scratch/log" 2>&1 || failed_with_log apt-get
    lay_out_red_hat "$red_hat" "${root_command[@]}"
    follow "$root/docs/elasticsearch.md" redhat "${root_command[@]}"
    follow "$root/docs/monitoring.md" redhat "${root_command[@]}"
    prove_set_up "$users" "$log"
    follow "$root/docs/migration.md" redhat "${root_command[@]}"
    check_not "the module is no longer there" in_root ls /usr/lib64/httpd/modules/mod_rust_esauth.so
    prove_set_up "$users" "$log"
    in_root apachectl stop
}

# --- the sequence of tests

outside() {
    [ "$(id -u)" -eq 0 ] || die "this needs root"
    need_module
    need_commands debootstrap unshare ip rpm curl
    scratch=$(scratch_folder packages)
    # Nothing is mounted below it when this runs: the mounts disappeared with their namespace.
    trap 'rm -rf --one-file-system "$scratch"' EXIT
    debian=$scratch/debian red_hat=$scratch/red_hat
    mkdir "$scratch/previous"
    make_previous
    rpm=$("$root/scripts/package.sh" rpm)
    # The next rpm overwrites it.
    cp "$rpm" "$scratch/"
    test_rpm "$scratch/${rpm##*/}"
    debs=$("$root/scripts/package.sh" deb)
    make_clean_root
    maven_file "$(backend_artifact elasticsearch-7)" '60 to 100 MB' "$scratch" >/dev/null
    # The place of the pages' ./mod_rust_esauth-*.rpm and ./libapache2-mod-rust-esauth_*.deb.
    cp -a "$debian" "$red_hat"
    cp "$scratch/${rpm##*/}" "$red_hat/root/"
    mkdir -p "$debian/root/newer"
    xargs -d '\n' cp -t "$debian/root/" <<<"$debs"
    cp "$("$root/scripts/package.sh" deb "$newer" | tail -n 1)" "$debian/root/newer/${package}_newer.deb"
    unshare --net --mount --pid --fork --kill-child --mount-proc "$0" inside "$scratch"
    say "Both packages passed."
}

inside() { # FOLDER
    scratch=$1
    debian=$scratch/debian red_hat=$scratch/red_hat
    ip link set lo up
    ES_PORT=9200 backend_start elasticsearch-7 "$scratch/backend"
    enter "$red_hat"
    test_red_hat
    enter "$debian"
    test_debian
}

case ${1:-} in
    '') outside ;;
    inside) inside "$2" ;;
    *) die "usage: scripts/package_test.sh" ;;
esac
