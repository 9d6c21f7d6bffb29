#!/usr/bin/env bash
# Builds the nginx whose sources are in the crate nginx-src, with HTTP/3, and prints their folder, for NGINX_SOURCE. The
# folder stays in the cache for the next run. Its headers of OpenSSL, PCRE2 and zlib come with Debian's nginx-dev.
#
#   scripts/nginx_source.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"

version=1.28.5+1.28.3
folder=$cache/nginx-$version-http3

build() { # FOLDER
    mkdir -p "$1/fetch/src"
    : >"$1/fetch/src/lib.rs"
    cat >"$1/fetch/Cargo.toml" <<TOML
[package]
name = "fetch"
edition = "2024"

[dependencies]
nginx-src = "=$version"

[workspace]
TOML
    (cd "$1/fetch" && cargo vendor --quiet vendored)
    mv "$1/fetch/vendored/nginx-src/nginx" "$1/nginx"
    rm -r "$1/fetch"
    cd "$1/nginx"
    chmod +x auto/configure
    auto/configure --with-compat --with-threads --with-cc-opt=-O1 --with-http_ssl_module --with-http_v2_module \
        --with-http_v3_module --with-http_auth_request_module --with-http_realip_module
    make -j "$(nproc)"
}

if [ ! -x "$folder/nginx/objs/nginx" ]; then
    need_commands gcc make
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    printf 'building nginx %s ' "${version#*+}" >&2
    quietly "$scratch/log" bash -c "$(declare -f build); version=$version; set -e; build '$scratch/made'" >&2 \
        || die "cannot build nginx: $(tail -n 5 "$scratch/log")"
    rm -rf "$folder"
    mkdir -p "$(dirname "$folder")"
    cp -r "$scratch/made" "$folder"
fi
say "$folder/nginx"
