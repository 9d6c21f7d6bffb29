#!/usr/bin/env bash
# Packages the build for the distribution of this machine: deb for Debian and Ubuntu, rpm for Red Hat and its relatives. debian/
# and packaging/mod_rust_esauth.spec say what is in them.
#
#   scripts/package.sh deb|rpm [VERSION-RELEASE]     prints the paths, that of the package for httpd last
#   scripts/package.sh stage debian|redhat FOLDER    builds what those two pack, for their own tools
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# What packages contain besides files of the sources. The module and the program are not stripped, since the packages' tools do
# that, and contain the list of their crates that `cargo auditable` defines.
stage() { # LAYOUT FOLDER
    local pages=$build_folder/esauth folder=$2
    scripts/build.sh module
    scripts/build.sh program
    rm -rf "$folder"
    mkdir -p "$folder"/{bash,fish,man,sbom,zsh}
    scripts/build.sh contents "$folder/sbom"
    with_audit_list "$build_folder/release/librust_esauth.so" "$folder" mod_rust_esauth.so
    with_audit_list "$build_folder/release/esauth" "$folder" esauth
    if [ "$1" = debian ] && has_nginx; then stage_nginx "$folder"; fi
    rm -f "$folder/sbom/ngx_http_esauth_module.so."*
    cp "$pages"/*.[1-8] "$folder/man/"
    cp "$pages/esauth.bash" "$folder/bash/esauth"
    cp "$pages/_esauth" "$folder/zsh/"
    cp "$pages/esauth.fish" "$folder/fish/"
    case $1 in
        debian) sed 's|@LIBEXECDIR@|/usr/lib/apache2/modules|' apache/rust_esauth.load >"$folder/rust_esauth.load" ;;
        redhat) red_hat_configuration >"$folder/10-rust_esauth.conf" ;;
        *) die "no layout is called $1" ;;
    esac
}

# The module for this release's nginx.
stage_nginx() { # FOLDER
    scripts/build.sh nginx
    with_audit_list "$build_folder/release/libngx_http_esauth_module.so" "$1" ngx_http_esauth_module.so
    mkdir "$1/nginx-sbom"
    mv "$1/sbom/ngx_http_esauth_module.so.cdx.json" "$1/nginx-sbom/"
    say 'load_module modules/ngx_http_esauth_module.so;' >"$1/mod-http-esauth.conf"
}

# Debian 12 is the first release with this package.
has_nginx() { [ -f /usr/share/nginx/src/conf_flags ]; }

with_audit_list() { # BUILT FOLDER NAME
    objcopy --add-section .dep-v0="$2/sbom/$3.audit" --set-section-flags .dep-v0=readonly "$1" "$2/$3"
    rm "$2/sbom/$3.audit"
}

# The path is relative to the ServerRoot, like in Red Hat's own files, and the line is turned off, as in theirs for modules that
# change what a configuration means (00-optional.conf).
red_hat_configuration() {
    say '# To let the module answer for sections with AuthType Basic, remove the # before LoadModule, and reload httpd.'
    sed 's|^LoadModule|#&|; s|@LIBEXECDIR@|modules|' apache/rust_esauth.load
    say
    cat apache/rust_esauth.conf
}

make_deb() { # [VERSION-RELEASE]
    need_commands dh dh_apache2
    has_nginx || export DEB_BUILD_PROFILES="${DEB_BUILD_PROFILES:+$DEB_BUILD_PROFILES }pkg.rust-esauth.nonginx"
    rm -rf "$build_folder/debian"
    mkdir -p "$build_folder/debian"
    # debhelper sets another HOME.
    export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
    # A source package is built with Debian's flags for C. Here, with those of make, so that what make built is used.
    PACKAGE_VERSION=${1:-} PACKAGE_FOLDER=$build_folder/debian DEB_BUILD_OPTIONS="${DEB_BUILD_OPTIONS:+$DEB_BUILD_OPTIONS }noautodbgsym" \
        DEB_CFLAGS_SET="${CFLAGS:-}" DEB_CPPFLAGS_SET='' DEB_LDFLAGS_SET='' \
        quietly "$build_folder/debian/log" debian/rules binary >&2 || { cat "$build_folder/debian/log" >&2; exit 1; }
    dh_clean
    find "$build_folder/debian" -name '*.deb' | sort --reverse
}

make_rpm() { # [VERSION-RELEASE]
    local options=() version=${1:-}
    need_commands rpmbuild
    if [ -n "$version" ]; then options+=(--define "esauth_version ${version%-*}"); fi
    # Where rpm does not know the system's packages, nor its folders.
    if ! have dnf; then options+=(--nodeps --define '_libdir /usr/lib64' --define "_build_id_links none"); fi
    rm -rf "$build_folder/rpm"
    mkdir -p "$build_folder/rpm"
    quietly "$build_folder/rpm/log" rpmbuild -bb --build-in-place --define "_topdir $build_folder/rpm" "${options[@]}" \
        packaging/mod_rust_esauth.spec >&2 || { cat "$build_folder/rpm/log" >&2; exit 1; }
    rm -rf rpm_staged
    say "$build_folder"/rpm/RPMS/*/*.rpm
}

cd "$root"
[ "$(httpd_generation "$(find_apxs)")" = 2.4 ] || die "packages are for httpd 2.4; use make install for 2.2"
package_version >/dev/null
case ${1:-} in
    deb) make_deb "${2:-}" ;;
    rpm) make_rpm "${2:-}" ;;
    stage) stage "$2" "$3" ;;
    *) die "usage: scripts/package.sh deb|rpm [VERSION-RELEASE] | stage debian|redhat FOLDER" ;;
esac
