#!/usr/bin/env bash
# Tests the source tarball: two folders make the same one; both packages are built from it without a network and without what
# cargo knows, the Debian package in two folders with the same bytes; lintian and rpmlint find no error; and Debian's releases
# build the source package with their own compilers, one of them the oldest that Cargo.toml allows.
#
#   scripts/dist_test.sh        needs Debian, root and a network, and takes a quarter of an hour
#
# ESAUTH_RELEASE_ROOTS=FOLDER keeps the roots of Debian's releases there for the next run.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/follow.sh"

package=libapache2-mod-rust-esauth
nginx_package=libnginx-mod-http-esauth
releases=(bookworm trixie)
quick=(HOME=/nonexistent PATH=/usr/sbin:/usr/bin:/sbin:/bin CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16)
# For follow; nothing asks for it.
password=none

passed() { printf '%s✓%s %s\n' "$green" "$plain" "$*"; }

logged() { # WHAT COMMAND...
    printf '%s ' "$1"
    quietly "$scratch/log" "${@:2}" && return
    tail -n 30 "$scratch/log" >&2
    die "$1: this failed (see the output above)"
}

# The tarball of this commit, made by a clone in FOLDER, and moved there.
make_tarball() { # FOLDER
    local made
    git clone --quiet --no-hardlinks "$root" "$1/clone"
    git -C "$1/clone" checkout --quiet --detach "$commit"
    made=$(CARGO_TARGET_DIR=$build_folder "$1/clone/scripts/dist.sh")
    mv "$made" "$1/"
}

same_tarballs() {
    tarball=$scratch/one/rust_esauth-$version.tar.xz
    make_tarball "$scratch/one"
    make_tarball "$scratch/a second one"
    cmp "$tarball" "$scratch/a second one/${tarball##*/}" || die "the tarballs of two folders differ"
    passed "two clones make the same tarball: $(cd "$scratch/one" && sha256sum "${tarball##*/}")"
}

# Sources and packages of Debian, in FOLDER.
build_debian() { # FOLDER
    mkdir -p "$1"
    cp "$tarball" "$1/"
    (cd "$1" && follow "$root/docs/packages.md" tarball "${alone[@]}")
}

same_packages() {
    local file
    build_debian "$scratch/here"
    sources=$scratch/here/rust_esauth-$version
    build_debian "$scratch/some/where/else"
    for file in "$scratch/here"/*.deb "$scratch/here"/*.dsc; do
        cmp "$file" "$scratch/some/where/else/${file##*/}" || die "${file##*/}: two folders give different bytes"
    done
    passed "dpkg-buildpackage works without a network; two folders give the same bytes: $(cd "$scratch/here" && sha256sum ./*.deb)"
}

has_no_lintian_error() {
    lintian --fail-on error --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog \
        "$scratch/here/$package"_*.changes >"$scratch/lintian" 2>&1 || { cat "$scratch/lintian"; die "lintian finds errors"; }
    cat "$scratch/lintian"
    passed "lintian: $(grep -c '^E:' "$scratch/lintian" || true) errors, $(grep -c '^W:' "$scratch/lintian" || true) warnings"
}

# Texts and pages that packages must have, byte by byte as in the sources; Debian's tools compress some.
has_its_texts() { # FOLDER DOCUMENTATION LICENCES
    local page staged=("$sources"/debian/staged/man/*)
    same_text "$sources/packaging/THIRD-PARTY-NOTICES" "$3/THIRD-PARTY-NOTICES"
    same_text "$sources/packaging/systemd/hardening.conf" "$2/examples/systemd/hardening.conf"
    same_text "$sources/README.md" "$2/README.md"
    same_text "$sources/SECURITY.md" "$2/SECURITY.md"
    for page in "${staged[@]}"; do same_text "$page" "$1/usr/share/man/man${page##*.}/${page##*/}"; done
    passed "licences, notices, documentation and ${#staged[@]} manual pages are in ${1##*/}"
}

same_text() { # SOURCE INSTALLED
    local installed=$2
    if ! [ -e "$installed" ]; then installed+=.gz; fi
    [ -e "$installed" ] || die "the package lacks ${2#"$scratch"}"
    cmp "$1" <(gunzip -fc "$installed") || die "the package's ${2#"$scratch"} is another one"
}

# What auditors read: notices and copyright of both packages, and the list in each file, by a reader of cargo auditable's authors.
is_auditable() {
    local file name unpacked=$scratch/deb documentation=$scratch/deb/usr/share/doc
    for name in "$package" "$nginx_package"; do
        dpkg-deb -x "$(ls "$scratch/here/${name}_$version"-*_*.deb)" "$unpacked"
        same_text "$sources/packaging/THIRD-PARTY-NOTICES" "$documentation/$name/THIRD-PARTY-NOTICES"
        same_text "$sources/debian/copyright" "$documentation/$name/copyright"
        same_text "$sources/CHANGELOG.md" "$documentation/$name/changelog"
    done
    has_its_texts "$unpacked" "$documentation/$package" "$documentation/$package"
    logged "installing a reader of CycloneDX" sh -c "python3 -m venv '$scratch/venv' && '$scratch/venv/bin/pip' install 'cyclonedx-python-lib[json-validation]==11.12.0'"
    cargo_tool rust-audit-info 0.5.4
    for file in "$unpacked"/usr/{bin/esauth,lib/apache2/modules/mod_rust_esauth.so,lib/nginx/modules/ngx_http_esauth_module.so}; do
        rust-audit-info "$file" >"$scratch/list"
        "$scratch/venv/bin/python" "$root/scripts/audit_list.py" "$scratch/list" "$documentation"/*/sbom/"${file##*/}.cdx.json"
    done
    passed "each file contains the list of its crates, equal to its bill of materials"
}

build_red_hat() {
    local unpacked=$scratch/rpm_contents
    logged "building the rpm" "${alone[@]}" rpmbuild -ta --nodeps --define "_topdir $scratch/rpm" --define '_libdir /usr/lib64' \
        --define '_build_id_links none' "$tarball"
    rpmlint --config "$root/packaging/rpmlint.toml" "$scratch"/rpm/{RPMS/*,SRPMS}/*.rpm >"$scratch/rpmlint" 2>&1 \
        || { cat "$scratch/rpmlint"; die "rpmlint finds errors"; }
    passed "rpmbuild works without a network; rpmlint: $(tail -n 1 "$scratch/rpmlint")"
    mkdir "$unpacked"
    rpm2archive - <"$(ls "$scratch"/rpm/RPMS/*/*.rpm)" | tar -xz -C "$unpacked"
    has_its_texts "$unpacked" "$unpacked/usr/share/doc/mod_rust_esauth" "$unpacked/usr/share/licenses/mod_rust_esauth"
    same_text "$sources/LICENSE" "$unpacked/usr/share/licenses/mod_rust_esauth/LICENSE"
    same_text "$sources/CHANGELOG.md" "$unpacked/usr/share/doc/mod_rust_esauth/CHANGELOG.md"
}

# The source package, as a build daemon treats it, but without optimization: that the release's compilers take it is what is new.
build_in_release() { # RELEASE
    local folder=${ESAUTH_RELEASE_ROOTS:-$scratch/roots}/$1 compiler
    if ! [ -f "$folder/etc/debian_version" ]; then
        mkdir -p "$folder"
        logged "creating a root with $1" debootstrap --variant=minbase "$1" "$folder"
        # Where the older release has its newer compilers.
        say "deb http://deb.debian.org/debian-security $1-security main" >"$folder/etc/apt/sources.list.d/security.list"
    fi
    rm -rf "$folder/build"
    mkdir "$folder/build"
    cp "$scratch/here/$package"_*.{dsc,tar.xz} "$folder/build/"
    logged "installing what the source package asks for" chroot "$folder" sh -ec "export DEBIAN_FRONTEND=noninteractive
        apt-get -q update && apt-get -q install -y --no-install-recommends dpkg-dev
        cd build && apt-get -q build-dep -y --no-install-recommends ./*.dsc && dpkg-source --extract *.dsc sources"
    compiler=$(chroot "$folder" rustc --version)
    logged "building it there, with $compiler" unshare --net --mount --pid --fork --kill-child --mount-proc="$folder/proc" \
        chroot "$folder" env --chdir=/build/sources "${quick[@]}" dpkg-buildpackage -us -uc -b
    rm -rf "$folder/build"
    passed "$1 builds the source package with $compiler"
}

main() {
    [ "$(id -u)" -eq 0 ] || die "this needs root"
    need_commands git dpkg-buildpackage lintian rpmbuild rpmlint debootstrap unshare
    local release
    version=$(package_version)
    commit=$(git -C "$root" rev-parse HEAD)
    scratch=$(mktemp -d)
    trap 'rm -rf --one-file-system "$scratch"' EXIT
    mkdir -p "$scratch/home"
    # Without a network, and with an empty home for cargo; rustup's is needed to find the compiler.
    alone=(env -u CARGO_TARGET_DIR HOME="$scratch/home" CARGO_HOME="$scratch/home/cargo"
        RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" CARGO_NET_OFFLINE=true unshare --net)
    same_tarballs
    same_packages
    has_no_lintian_error
    is_auditable
    build_red_hat
    for release in "${releases[@]}"; do build_in_release "$release"; done
}

main
