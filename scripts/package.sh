#!/usr/bin/env bash
# Makes a package of what is built, for the distribution of this machine: deb for Debian and Ubuntu, rpm for Red Hat and its
# kin. What is in it stands in Cargo.toml.
#
#   scripts/package.sh deb|rpm [VERSION]    prints where it is
set -euo pipefail
. "$(dirname "$0")/lib.sh"

target=${CARGO_TARGET_DIR:-$root/target}
staged=$target/release/package

# The tools are kept with what else is built, unless they are there already.
need_tool() { # CRATE VERSION
    local log=$target/tools/$1.log
    export PATH=$PATH:$target/tools/bin
    if have "$1"; then return; fi
    mkdir -p "$target/tools"
    printf 'building %s %s (once) ' "$1" "$2" >&2
    quietly "$log" cargo install --locked --quiet --root "$target/tools" "$1@$2" >&2 && return
    tail -n 15 "$log" >&2
    die "$1 could not be installed (the last lines are above); is there a network?"
}

# What is not packaged as it stands in the repository.
stage() {
    rm -rf "$staged"
    mkdir -p "$staged"
    strip --strip-debug -o "$staged/mod_rust_esauth.so" "$module"
    sed 's|@LIBEXECDIR@|/usr/lib/apache2/modules|' "$root/apache/rust_esauth.load" >"$staged/rust_esauth.load"
    # Relative to the ServerRoot, as in Red Hat's own files.
    {
        sed 's|@LIBEXECDIR@|modules|' "$root/apache/rust_esauth.load"
        say
        cat "$root/apache/rust_esauth.conf"
    } >"$staged/10-rust_esauth.conf"
}

main() {
    local kind=${1:-} version=${2:-}
    need_module
    need_commands strip
    [ "$(httpd_generation "$(find_apxs)")" = 2.4 ] || die "packages are for httpd 2.4; elsewhere use make install"
    cd "$root"
    stage
    case $kind in
        deb)
            need_tool cargo-deb 3.8.0
            cargo deb --quiet --no-build --no-strip ${version:+--deb-version "$version"}
            ;;
        rpm)
            need_tool cargo-generate-rpm 0.21.1
            rm -f "$target"/generate-rpm/*.rpm
            cargo generate-rpm --target-dir "$target" ${version:+--set-metadata "version = \"$version\""}
            say "$target"/generate-rpm/*.rpm
            ;;
        *) die "usage: scripts/package.sh deb|rpm [VERSION]" ;;
    esac
}

main "$@"
