#!/usr/bin/env bash
# Installs missing dependencies: of the build; of the nginx module, too; of demo and tests, too; also of optional tests; of
# those with a browser; of building a package; of the test of both packages; of the test of the source
# tarball; or of the tests for Arm.
#
#   scripts/deps.sh build|nginx|all|ci|browser|deb|rpm|packages|dist|arm [--check]   (with --check: only reports missing ones)
# shellcheck disable=SC2119 # find_java's arguments are optional
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Lines of: purpose, requirement, Debian's package, Fedora's package (-: none). Debian's apache2-bin is the server without the
# service: the package apache2 would start one on port 80.
needs() {
    cat <<'TABLE'
build apxs apache2-dev httpd-devel
build libclang libclang-dev clang-devel
build clang-headers libclang-dev clang-devel
build cc gcc gcc
build stdio.h libc6-dev glibc-devel
build crypt.h libcrypt-dev libxcrypt-devel
nginx nginx-dev nginx-dev -
all httpd apache2-bin httpd
all mod_ssl apache2-bin mod_ssl
all mod_http2 apache2-bin mod_http2
all htpasswd apache2-utils httpd-tools
all htdbm apache2-utils httpd-tools
all nginx nginx nginx
all redis-server redis-server redis
all redis-cli redis-tools redis
all valkey-server valkey-server -
all curl curl curl
all openssl openssl openssl
all unzip unzip unzip
all mkfifo coreutils coreutils
all setpriv util-linux util-linux
all perl perl perl
all python3 python3 python3
all venv python3-venv python3
all java JAVA JAVA
all mvn maven maven
all node nodejs nodejs
all npm npm npm
ci fail2ban-regex fail2ban fail2ban-server
ci promtool prometheus golang-github-prometheus
ci valgrind valgrind valgrind
ci bindfs bindfs bindfs
ci mandoc mandoc mandoc
ci mpm_itk libapache2-mpm-itk httpd-itk
browser chromium chromium chromium-headless
deb dh debhelper debhelper
deb dh_apache2 apache2-dev httpd-devel
deb nginx-dev nginx-dev -
rpm rpmbuild rpm rpm-build
dist git git git
dist xz xz-utils xz
dist dpkg-buildpackage dpkg-dev dpkg-dev
dist lintian lintian lintian
dist rpmlint rpmlint rpmlint
dist debootstrap debootstrap debootstrap
packages debootstrap debootstrap debootstrap
packages buildah buildah buildah
packages systemd-nspawn systemd-container systemd-container
packages dbus-daemon dbus dbus
packages ip iproute2 iproute
arm aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu gcc-aarch64-linux-gnu
arm arm-stdio.h libc6-dev-arm64-cross -
arm qemu-aarch64 qemu-user qemu-user
TABLE
}

present() { # WHAT
    case $1 in
        apxs) "${APXS:-apxs}" -q INCLUDEDIR || { [ -z "${APXS:-}" ] && apxs2 -q INCLUDEDIR; } ;;
        # libclang-cpp is another library, hence two patterns.
        libclang) any_file "${LIBCLANG_PATH:-}" /usr/lib*/{,*/,llvm*/lib*/}libclang{,-[0-9]*}.so* ;;
        clang-headers) any_file "${LIBCLANG_PATH:-}" /usr/lib*/{,llvm*/lib*/}clang/*/include/stddef.h ;;
        stdio.h | crypt.h) [ -f "/usr/include/$1" ] ;;
        arm-stdio.h) [ -f /usr/aarch64-linux-gnu/include/stdio.h ] ;;
        # Not on the PATH of unprivileged users.
        httpd) any_file "${APXS:-}" /usr/sbin/{apache2,httpd} ;;
        nginx) any_file /usr/sbin/nginx || have nginx ;;
        nginx-dev) any_file "${NGINX_SOURCE:+$NGINX_SOURCE/objs/ngx_auto_config.h}" /usr/share/nginx/src/conf_flags ;;
        mpm_itk) any_file "${APXS:-}" /usr/lib*/{apache2,httpd}/modules/{,mod_}mpm_itk.so ;;
        mod_ssl | mod_http2) any_file "${APXS:-}" /usr/lib*/{apache2,httpd}/modules/"$1".so ;;
        chromium) find_browser ;;
        venv) python3 -c 'import venv, ensurepip' ;;
        java) [ -n "${ES_URL:-}" ] || find_java ;;
        mvn) [ -n "${ES_URL:-}" ] || have mvn ;;
        *) have "$1" ;;
    esac >/dev/null 2>&1
}

any_file() { # PATH...
    local path
    for path in "$@"; do
        if [ -e "$path" ]; then return; fi
    done
    return 1
}

missing_packages() { # PURPOSE
    local purpose what debian fedora package
    while read -r purpose what debian fedora; do
        case $1/$purpose in
            */build | all/all | ci/all | all/nginx | ci/nginx | packages/deb | packages/rpm | dist/deb | dist/rpm) ;;
            "$1/$1") ;;
            *) continue ;;
        esac
        if present "$what"; then continue; fi
        if [ "$system" = fedora ]; then package=$fedora; else package=$debian; fi
        if [ "$package" = JAVA ]; then package=$(java_package); fi
        # Without it, the nginx module is left out of build and tests.
        if [ "$what" = nginx-dev ] && [ "$1" != nginx ] && ! is_packaged "$package"; then continue; fi
        # Its tests are skipped where there is none.
        if [ "$what" = valkey-server ] && ! is_packaged "$package"; then continue; fi
        say "$package"
    done < <(needs) | sort -u
}

is_packaged() { # PACKAGE
    [ "$1" != - ] && apt-cache show "$1" >/dev/null 2>&1
}

# A Java release, among those of the distribution, that all back ends run on.
java_package() {
    local version package
    for version in 17 21; do
        if [ "$system" = fedora ]; then package=java-$version-openjdk-headless; else package=openjdk-$version-jre-headless; fi
        if apt-cache show "$package" >/dev/null 2>&1 || dnf -q info "$package" >/dev/null 2>&1; then
            say "$package"
            return
        fi
    done
    if [ "$system" = fedora ]; then say java-17-openjdk-headless; else say default-jre-headless; fi
}

# Sets as_root to the prefix of a command that needs root. Asks for the password here, since later output goes to a
# file.
become_root() {
    as_root=()
    [ "$(id -u)" -ne 0 ] || return 0
    have sudo || die "these packages are missing, and installing them needs root (there is no sudo): ${packages[*]}"
    sudo -n true 2>/dev/null || sudo -v || die "these packages are missing, and installing them needs root: ${packages[*]}"
    as_root=(sudo)
}

# The package manager's output is shown if it fails.
install_packages() { # COMMAND...
    printf 'installing %s ' "${packages[*]}"
    quietly "$log" "$@" "${packages[@]}" && return
    tail -n 15 "$log" >&2
    die "cannot install the packages (see the output above); is there a network?"
}

# Older compilers fail over Cargo.toml, in words that do not help.
need_rust() {
    local oldest found
    oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
    found=$(rustc --version | cut -d ' ' -f 2)
    [ "$(printf '%s\n' "$oldest" "$found" | sort --version-sort | head -n 1)" = "$oldest" ] \
        || die "this is Rust $found, and $oldest is the oldest that works: docs/packages.md lists what the distributions have"
}

main() {
    local purpose=${1:-all} system=other packages log as_root service
    have cargo || die "cargo is missing: install Rust with your distribution's rustup package, or see https://rustup.rs"
    need_rust
    [ -z "${APXS:-}" ] || present apxs || die "APXS=$APXS does not run; it must name httpd's apxs"
    if have apt-get; then system=debian; elif have dnf; then system=fedora; fi
    mapfile -t packages < <(missing_packages "$purpose")
    [ "${#packages[@]}" -gt 0 ] || return 0
    if [ "${2:-}" = --check ]; then
        say "these packages are missing: ${packages[*]}" >&2
        if [ "$purpose" = nginx ]; then
            die "install them; on a system without them, set NGINX_SOURCE to the configured sources of your nginx"
        fi
        die "install them, or run 'make deps-build'; 'make deps' also installs what demo and tests need"
    fi
    [ "$system" != other ] \
        || die "found neither apt-get nor dnf; install the equivalents of these Debian packages yourself: ${packages[*]}"
    become_root
    log=$(mktemp)
    # shellcheck disable=SC2064 # log is local
    trap "rm -f '$log'" EXIT
    if [ "$system" = debian ]; then
        printf 'reading the lists of packages '
        quietly "$log" "${as_root[@]}" apt-get update || say "(apt-get update failed; continuing with the existing lists)"
        # Only now the available packages are known.
        mapfile -t packages < <(missing_packages "$purpose")
        without_services install_packages "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends
        # Nor may services needed only for the tests start at the next boot.
        for service in nginx redis-server valkey-server; do
            if [[ " ${packages[*]} " == *" $service "* ]]; then no_service "$service"; fi
        done
    else
        install_packages "${as_root[@]}" dnf install -y
    fi
    mapfile -t packages < <(missing_packages "$purpose")
    [ "${#packages[@]}" -eq 0 ] || die "dependencies are still missing, although these packages should provide them: ${packages[*]}"
}

main "$@"
