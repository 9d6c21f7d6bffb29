#!/usr/bin/env bash
# Installs what is missing: for building, or for building and running demo and tests.
#
#   scripts/deps.sh build|all
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Lines of: what it is for, how to tell that it is there, Debian's package, Fedora's package.
needs() {
    cat <<'TABLE'
build apxs apache2-dev httpd-devel
build libclang libclang-dev clang-devel
build cc gcc gcc
build crypt.h libcrypt-dev libxcrypt-devel
all httpd apache2 httpd
all htpasswd apache2-utils httpd-tools
all htdbm apache2-utils httpd-tools
all curl curl curl
all openssl openssl openssl
all unzip unzip unzip
all mkfifo coreutils coreutils
all setpriv util-linux util-linux
all perl perl perl
all python3 python3 python3
all venv python3-venv python3
all java default-jre-headless java-17-openjdk-headless
all mvn maven maven
all node nodejs nodejs
all npm npm npm
TABLE
}

present() { # HOW
    case $1 in
        apxs) "${APXS:-apxs}" -q INCLUDEDIR >/dev/null 2>&1 || apxs2 -q INCLUDEDIR >/dev/null 2>&1 ;;
        libclang) compgen -G '/usr/lib*/llvm*/lib/libclang*.so*' || compgen -G '/usr/lib*/libclang*.so*' \
            || compgen -G '/usr/lib/*/libclang*.so*' || [ -n "${LIBCLANG_PATH:-}" ] ;;
        crypt.h) [ -f /usr/include/crypt.h ] ;;
        httpd) [ -n "${APXS:-}" ] || have apache2 || have httpd ;;
        venv) python3 -c 'import venv, ensurepip' ;;
        java) java -version 2>&1 | grep -Eq 'version "(1[1-9]|[2-9][0-9])' || [ -n "${ES_URL:-}" ] ;;
        mvn) have mvn || [ -n "${ES_URL:-}" ] ;;
        *) have "$1" ;;
    esac >/dev/null 2>&1
}

missing_packages() { # FOR COLUMN
    needs | while read -r purpose how debian fedora; do
        if [ "$purpose" = build ] || [ "$1" = all ]; then
            present "$how" || if [ "$2" = debian ]; then say "$debian"; else say "$fedora"; fi
        fi
    done | sort -u
}

main() {
    have cargo || die "cargo is missing: install Rust with your distribution's rustup package, or see https://rustup.rs"
    local purpose=${1:-all} system packages log
    if have apt-get; then system=debian; elif have dnf; then system=fedora; else system=other; fi
    mapfile -t packages < <(missing_packages "$purpose" "$system")
    [ "${#packages[@]}" -gt 0 ] || return 0

    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    [ "$(id -u)" -eq 0 ] || have sudo || die "these packages are missing and installing them needs root: ${packages[*]}"
    printf 'installing %s ' "${packages[*]}"
    case $system in
        debian)
            quietly "$log" as_root env DEBIAN_FRONTEND=noninteractive sh -c \
                'apt-get update && apt-get install -y --no-install-recommends "$@"' sh "${packages[@]}" \
                || die "apt-get could not install them (its last lines are above); is there a network?"
            ;;
        fedora)
            quietly "$log" as_root dnf install -y "${packages[@]}" \
                || die "dnf could not install them (its last lines are above); is there a network?"
            ;;
        *) die "neither apt-get nor dnf is here; install by hand what these packages bring: ${packages[*]}" ;;
    esac
}

main "$@"
