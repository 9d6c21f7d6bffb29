#!/usr/bin/env bash
# Builds what packages contain. The same commit, compilers and headers give the same bytes in every folder, with crates of the
# registry or of a source tarball (scripts/dist.sh): paths of this machine are replaced, in Rust and in C.
#
#   scripts/build.sh module           target/release/librust_esauth.so
#   scripts/build.sh program          target/release/esauth, its completions and manual pages in target/esauth/
#   scripts/build.sh nginx            target/release/libngx_http_esauth_module.so
#   scripts/build.sh contents FOLDER  what auditors want to know of both, in FOLDER (see xtask/src/contents.rs)
set -euo pipefail
. "$(dirname "$0")/lib.sh"

replace_path() { # PATH REPLACEMENT
    rust_flags+=("--remap-path-prefix=$1=$2")
    # cc splits its flags at blanks.
    if [[ $1 != *[[:space:]]* ]]; then c_flags+=" -ffile-prefix-map=$1=$2"; fi
}

# Of several that match, the compilers apply the last one.
replace_paths() {
    local crates
    replace_path "$root" /usr/src/rust_esauth
    replace_path "$build_folder" /usr/src/rust_esauth/target
    for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/* "$root/vendor"; do
        replace_path "$crates" /usr/share/cargo/registry
    done
}

main() {
    local rust_flags=() c_flags='' IFS
    # The registry's folder must exist when its path is read.
    cargo fetch --locked --quiet --target "$(rustc -vV | sed -n 's/^host: //p')"
    read -ra rust_flags <<<"${RUSTFLAGS:-}"
    replace_paths
    export CFLAGS="${CFLAGS:-}$c_flags"
    # In this variable, flags may contain blanks.
    IFS=$'\x1f'
    export CARGO_ENCODED_RUSTFLAGS="${rust_flags[*]}"
    case ${1:-} in
        module) cargo build --locked --release --quiet ;;
        program)
            cargo build --locked --release --quiet -p esauth_cli
            rm -rf "$build_folder/esauth"
            cargo run --locked --release --quiet -p xtask -- pages "$build_folder/esauth"
            ;;
        nginx) cargo build --locked --release --quiet -p esauth_nginx ;;
        contents) cargo run --locked --release --quiet -p xtask -- contents "$2" ;;
        *) die "usage: scripts/build.sh module|program|nginx|contents FOLDER" ;;
    esac
}

cd "$root"
main "$@"
