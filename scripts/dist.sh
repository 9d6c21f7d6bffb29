#!/usr/bin/env bash
# Makes the source tarball of the commit that is checked out: its files, and the crates that they need, so that it builds
# without a network. The same commit gives the same bytes.
#
#   scripts/dist.sh     prints its path, target/dist/rust_esauth-VERSION.tar.xz
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# From the tarball's folder: the crates, and the setting that makes cargo use them.
add_crates() {
    # Which cargo prints, too, but not with --quiet.
    mkdir .cargo
    cat >.cargo/config.toml <<'CONFIGURATION'
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "vendor"
CONFIGURATION
    cargo vendor --locked --quiet --versioned-dirs vendor
    # What Windows needs is left out, but not its name: Cargo.lock has that, too.
    "$build_folder/debug/xtask" trim vendor
}

main() {
    local scratch version name changed
    need_commands git cargo tar xz
    git rev-parse --verify --quiet HEAD >/dev/null || die "make dist packs a commit, and $root is not a git repository"
    [ -z "$(git status --porcelain --untracked-files=no)" ] || say "changes that are not committed are left out" >&2
    version=$(package_version)
    cargo build --quiet --locked -p xtask
    name=rust_esauth-$version
    changed=$(git log -1 --format=%ct)
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064 # scratch is local
    trap "rm -rf '$scratch'" EXIT
    git archive --prefix="$name/" HEAD | tar -x -C "$scratch"
    (cd "$scratch/$name" && add_crates)
    mkdir -p "$build_folder/dist"
    tar -C "$scratch" --create --format=gnu --sort=name --mtime="@$changed" --owner=0 --group=0 --numeric-owner \
        --mode=u+rw,go+r,go-w,a+X,a-s "$name" | xz --threads=1 >"$scratch/tarball"
    mv "$scratch/tarball" "$build_folder/dist/$name.tar.xz"
    say "$build_folder/dist/$name.tar.xz"
}

cd "$root"
main
