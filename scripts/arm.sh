#!/usr/bin/env bash
# Cross-compiles the engine and the roles for 64-bit Arm, and runs their tests in QEMU's emulation of its instructions. The kernel
# below is this machine's, and so is its order of memory accesses: `make models` checks the weaker one of Arm.
#
# The C library's crypt(3) for Arm is unpacked in the build folder; no package of another architecture is installed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

target=aarch64-unknown-linux-gnu
work=$build_folder/arm
libcrypt=$work/libcrypt

need_commands aarch64-linux-gnu-gcc qemu-aarch64
have rustup || die "the standard library for Arm comes with rustup: https://rustup.rs"
have apt-get || die "crypt(3) for Arm comes from Debian's packages, and there is no apt-get"

# Debian's package for Arm, by lists of packages that only this script uses.
fetch_libcrypt() {
    local state=$work/apt options
    mkdir -p "$state/lists/partial" "$state/archives/partial" "$libcrypt"
    options=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$state" -o Dir::State::lists=lists
        -o Dir::State::status=/dev/null -o Dir::Cache="$state" -o Dir::Cache::archives=archives -o APT::Sandbox::User=root
        -o Acquire::Languages=none)
    : >"$state/status"
    cd "$state"
    apt-get "${options[@]}" update
    apt-get "${options[@]}" download libcrypt-dev
    dpkg-deb -x libcrypt-dev_*_arm64.deb "$state/root"
    # The static library: at run time, the emulator need not find another.
    cp "$state/root/usr/include/crypt.h" "$state/root/usr/lib/aarch64-linux-gnu/libcrypt.a" "$libcrypt/"
}

if ! [ -f "$libcrypt/libcrypt.a" ]; then
    printf 'fetching crypt(3) for Arm '
    mkdir -p "$work"
    (quietly "$work/fetch.log" bash -c "$(declare -f fetch_libcrypt); set -e; work='$work' libcrypt='$libcrypt'; fetch_libcrypt") || {
        tail -n 15 "$work/fetch.log" >&2
        die "cannot fetch libcrypt-dev for arm64 (see the output above)"
    }
fi
rustup target add "$target" 2>/dev/null || die "rustup cannot install the standard library for $target; is there a network?"

cd "$root"
export CARGO_TARGET_DIR=$work
export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CFLAGS_aarch64_unknown_linux_gnu=-I$libcrypt
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS=-Lnative=$libcrypt
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
export PROPTEST_CASES=${PROPTEST_CASES:-32}
# The emulator has no seccomp, by which that test has inotify fail.
exec cargo test --profile test-programs --quiet --locked --no-fail-fast --target "$target" -p esauth_engine -p esauth_roles -- \
    --skip counts_at_once_where_no_file_can_be_watched
