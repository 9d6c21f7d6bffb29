#!/usr/bin/env bash
# Compiles everything, tests included, with exactly the oldest Rust that Cargo.toml allows. rustup installs it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

cd "$root"
oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml).0
have rustup || die "rustup is missing; without it, build with Debian trixie's own Rust (make test-dist)"
rustup toolchain install --no-self-update --profile minimal "$oldest" >/dev/null 2>&1 || die "rustup cannot install Rust $oldest; is there a network?"
CARGO_TARGET_DIR=$build_folder/msrv cargo "+$oldest" check --quiet --locked --workspace --all-targets
say "everything compiles with Rust $oldest"
