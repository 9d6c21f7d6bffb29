#!/usr/bin/env bash
# Packages the build for the distribution of this machine: deb for Debian and Ubuntu, rpm for Red Hat and its relatives.
# Cargo.toml lists the content.
#
#   scripts/package.sh deb|rpm [VERSION-RELEASE]    prints its path
#
# DEBFULLNAME and DEBEMAIL, Debian's own variables, name the Debian package's maintainer.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

staged=$build_folder/release/package

# The tools are kept in the build folder, unless they are installed already.
need_tool() { # CRATE VERSION
    local log=$build_folder/tools/$1.log
    export PATH=$PATH:$build_folder/tools/bin
    if have "$1"; then return; fi
    mkdir -p "$build_folder/tools"
    printf 'building %s %s (once) ' "$1" "$2" >&2
    quietly "$log" cargo install --locked --quiet --root "$build_folder/tools" "$1@$2" >&2 && return
    tail -n 15 "$log" >&2
    die "cannot install $1 (see the output above); is there a network?"
}

# The files that are not packaged unchanged from the repository.
stage() {
    rm -rf "$staged"
    mkdir -p "$staged"
    strip --strip-unneeded -o "$staged/mod_rust_esauth.so" "$module"
    sed 's|@LIBEXECDIR@|/usr/lib/apache2/modules|' "$root/apache/rust_esauth.load" >"$staged/rust_esauth.load"
    # Relative to the ServerRoot, like Red Hat's own files.
    {
        sed 's|@LIBEXECDIR@|modules|' "$root/apache/rust_esauth.load"
        say
        cat "$root/apache/rust_esauth.conf"
    } >"$staged/10-rust_esauth.conf"
    stage_esauth
    debian_changelog | gzip -9n >"$staged/changelog.Debian.gz"
}

# The program, its manual pages and completions.
stage_esauth() {
    local program=$build_folder/release/esauth pages=$build_folder/esauth
    if ! [ -x "$program" ] || ! [ -f "$pages/esauth.1" ]; then die "$program or $pages is missing; run 'make cli' first"; fi
    mkdir "$staged/bin" "$staged/man" "$staged/bash" "$staged/zsh" "$staged/fish"
    strip -o "$staged/bin/esauth" "$program"
    cp "$pages"/*.1 "$staged/man/"
    gzip -9n "$staged/man"/*.1
    cp "$pages/esauth.bash" "$staged/bash/esauth"
    cp "$pages/_esauth" "$staged/zsh/"
    cp "$pages/esauth.fish" "$staged/fish/"
}

debian_maintainer() {
    if [ -n "${DEBFULLNAME:-}" ] && [ -n "${DEBEMAIL:-}" ]; then
        say "$DEBFULLNAME <$DEBEMAIL>"
    else
        sed -n 's/^maintainer = "\(.*\)"$/\1/p' "$root/Cargo.toml"
    fi
}

# Debian requires a changelog of the package; CHANGELOG.md has the changes.
debian_changelog() {
    local changed
    changed=$(git -C "$root" log -1 --format=%cD -- CHANGELOG.md 2>/dev/null || true)
    cat <<CHANGES
libapache2-mod-rust-esauth ($version) unstable; urgency=medium

  * See CHANGELOG.md for the changes.

 -- $(debian_maintainer)  ${changed:-$(date -R -r "$root/CHANGELOG.md")}
CHANGES
}

main() {
    local kind=${1:-} version
    need_module
    need_commands strip
    [ "$(httpd_generation "$(find_apxs)")" = 2.4 ] || die "packages are for httpd 2.4; use make install for 2.2"
    cd "$root"
    version=${2:-$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' Cargo.toml)-1}
    stage
    case $kind in
        deb)
            need_tool cargo-deb 3.8.0
            cargo deb --quiet --no-build --no-strip --deb-version "$version" --maintainer "$(debian_maintainer)"
            ;;
        rpm)
            need_tool cargo-generate-rpm 0.21.1
            rm -f "$build_folder"/generate-rpm/*.rpm
            cargo generate-rpm --target-dir "$build_folder" --payload-compress gzip \
                --set-metadata "version = \"${version%-*}\"" --set-metadata "release = \"${version##*-}\""
            say "$build_folder"/generate-rpm/*.rpm
            ;;
        *) die "usage: scripts/package.sh deb|rpm [VERSION-RELEASE]" ;;
    esac
}

main "$@"
