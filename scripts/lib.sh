# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what is set here is used by the scripts that source this file, and the other way round
# Shared by the scripts. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_folder=$(cd "$root" && realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")
module=${ESAUTH_MODULE:-$build_folder/release/librust_esauth.so}
esauth=${ESAUTH_PROGRAM:-$build_folder/release/esauth}
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/rust_esauth

if [ -t 1 ]; then
    green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    green='' red='' plain=''
fi

say() { printf '%s\n' "$*"; }
die() {
    printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

need_commands() { # COMMAND...
    local command
    for command in "$@"; do have "$command" || die "$command is missing; run 'make deps'"; done
}

# Runs a long command: its output goes to a file, and a dot every two seconds shows that it is alive. A signal ends the
# command, too: background commands of a script ignore Ctrl-C by default.
quietly() ( # FILE COMMAND...
    local output=$1 pid ticks=0 status=0 signal
    shift
    env --default-signal=INT "$@" >"$output" 2>&1 </dev/null &
    pid=$!
    # Dying by the same signal tells the caller that the command did not fail.
    for signal in INT TERM HUP; do
        # shellcheck disable=SC2064 # the values of now are meant
        trap "kill $pid 2>/dev/null; trap - $signal; kill -$signal \$BASHPID" "$signal"
    done
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.25
        ticks=$((ticks + 1))
        if [ $((ticks % 8)) -eq 0 ]; then printf '.'; fi
    done
    wait "$pid" || status=$?
    printf '\n'
    exit "$status"
)

# Puts a program of the crate on PATH: the installed one, else one that is built once and kept for this user. Without a
# version, it is not built.
cargo_tool() { # CRATE [VERSION]
    local folder=$cache/tools/$1 log
    export PATH=$PATH:$folder/bin
    if have "$1"; then return; fi
    [ -n "${2:-}" ] || return
    mkdir -p "$folder"
    log=$folder/log
    printf 'building %s %s (once) ' "$1" "$2" >&2
    quietly "$log" cargo install --locked --quiet --debug --root "$folder" "$1@$2" >&2 && return
    tail -n 15 "$log" >&2
    return 1
}

# Runs a command while packages may not start services. Reads the caller's as_root.
without_services() ( # COMMAND...
    policy=/usr/sbin/policy-rc.d
    # An existing policy belongs to the administrator.
    if [ ! -e "$policy" ]; then
        # Also if it is interrupted.
        trap '"${as_root[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
    fi
    "$@"
)

# Keeps a package's service from running, now and after the next boot. Reads the caller's as_root.
no_service() { # SERVICE
    [ ! -d /run/systemd/system ] || "${as_root[@]}" systemctl disable --quiet --now "$1" 2>/dev/null || true
}

# A new folder that httpd's and the back end's user can enter, even if TMPDIR is private to its owner.
scratch_folder() { # NAME
    local parent made
    for parent in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
        # The search engines' start scripts cannot handle blanks.
        [[ $parent != *[[:space:]]* ]] || continue
        made=$(mktemp -d "$parent/esauth-$1.XXXXXX") || continue
        chmod a+rx "$made"
        if (unprivileged test -x "$made") 2>/dev/null; then
            say "$made"
            return
        fi
        rmdir "$made"
    done
    die "cannot create a temporary folder in ${TMPDIR:-/tmp}, /tmp or /var/tmp"
}

# Runs a command without privileges if we are root: Elasticsearch refuses to run as root.
unprivileged() {
    if [ "$(id -u)" -eq 0 ]; then
        exec setpriv --reuid=nobody --regid="$(id -gn nobody)" --clear-groups "$@"
    else
        exec "$@"
    fi
}

# Prints the home of a Java in this range of versions; without one, of a Java that all back ends but Elasticsearch 9 run on.
# Java 24 removed a feature that Elasticsearch 7 needs.
find_java() { # [OLDEST NEWEST]
    local java properties version oldest=${1:-17} newest=${2:-23}
    for java in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} java /usr/lib/jvm/*/bin/java; do
        properties=$("$java" -XshowSettings:properties -version 2>&1) || continue
        version=$(sed -n 's/^ *java\.specification\.version = //p' <<<"$properties")
        if [[ $version =~ ^[0-9]+$ ]] && [ "$version" -ge "$oldest" ] && [ "$version" -le "$newest" ]; then
            sed -n 's/^ *java\.home = //p' <<<"$properties"
            return
        fi
    done
    return 1
}

# The version in Cargo.toml. Debian's changelog and the spec must agree.
package_version() {
    local version
    version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml")
    head -n 1 "$root/debian/changelog" | grep -qF "($version-" || die "debian/changelog does not begin with version $version"
    grep -qF "esauth_version:$version}" "$root/packaging/mod_rust_esauth.spec" \
        || die "packaging/mod_rust_esauth.spec is not for version $version"
    say "$version"
}

find_browser() {
    command -v chromium || command -v chromium-browser || command -v chromium-headless-shell || command -v headless_shell
}

# A port that is handed out once: benches/httpd/processes.py says how.
free_port() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$root/benches/httpd python3 -c 'import processes; print(processes.free_port())'
}

# The requested port, if it is free, or any free one.
port_or_free() { # NAME VALUE
    if [ -z "$2" ]; then
        free_port
    elif ! [[ $2 =~ ^[0-9]{1,5}$ ]] || [ "$2" -lt 1 ] || [ "$2" -gt 65535 ]; then
        die "$1=$2 is not a port: use a number from 1 to 65535, or unset it for a free port"
    elif (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
        die "$1=$2: this port is in use on 127.0.0.1; use another one, or unset it for a free port"
    else
        printf '%s\n' "$2"
    fi
}

# The apxs of the httpd to work with.
find_apxs() {
    local candidate candidates=(apxs apxs2)
    if [ -n "${APXS:-}" ]; then candidates=("$APXS"); fi
    for candidate in "${candidates[@]}"; do
        if "$candidate" -q INCLUDEDIR >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "apxs does not run (tried: ${candidates[*]}). Run 'make deps', or set APXS to httpd's apxs"
}

httpd_program() { # APXS
    printf '%s/%s\n' "$("$1" -q SBINDIR)" "$("$1" -q PROGNAME)"
}

# "2.4" or "2.2", from the headers' module magic number.
httpd_generation() { # APXS
    case $(sed -n 's/^#define MODULE_MAGIC_NUMBER_MAJOR //p' "$("$1" -q INCLUDEDIR)/ap_mmn.h") in
        20120211*) say 2.4 ;;
        20051115*) say 2.2 ;;
        *) die "$1 belongs neither to httpd 2.4 nor to 2.2" ;;
    esac
}

# Ends the script unless there is a nightly compiler; adds components to it.
need_nightly() { # WHAT COMPONENT...
    local what=$1
    shift
    have rustup || die "$what needs a nightly compiler; install rustup to get one: https://rustup.rs"
    rustup run nightly rustc --version >/dev/null 2>&1 ||
        die "$what needs a nightly compiler: rustup toolchain install nightly --profile minimal"
    [ $# -eq 0 ] || rustup component add --toolchain nightly "$@" 2>/dev/null ||
        die "rustup cannot add $* to the nightly compiler; is there a network?"
}

need_module() {
    [ -f "$module" ] || die "$module is missing; run 'make' first"
}
