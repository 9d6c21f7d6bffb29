# shellcheck shell=bash
# What the scripts share. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
module=${ESAUTH_MODULE:-$root/target/release/librust_esauth.so}
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/rust_esauth

if [ -t 1 ]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' green='' red='' plain=''
fi

say() { printf '%s\n' "$*"; }
step() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
die() {
    printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command that takes long: its output goes to a file, and a dot every two seconds tells that it is alive. What it
# printed is shown where it fails.
quietly() { # LOG COMMAND...
    local log=$1 pid status=0
    shift
    "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 2 &
        wait -n "$pid" $! 2>/dev/null || true
        kill -0 "$pid" 2>/dev/null && printf '.'
    done
    wait "$pid" || status=$?
    printf '\n'
    [ "$status" -eq 0 ] || tail -n 30 "$log" >&2
    return "$status"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        return 1
    fi
}

# Runs a command as a user without rights where we are root: Elasticsearch refuses to be root.
unprivileged() {
    if [ "$(id -u)" -eq 0 ]; then
        exec setpriv --reuid=nobody --regid="$(id -gn nobody)" --clear-groups "$@"
    else
        exec "$@"
    fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The port asked for, if nobody has it, or a free one.
port_or_free() { # NAME VALUE
    if [ -z "$2" ]; then
        free_port
    elif (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
        die "$1=$2: this port is in use on 127.0.0.1; name another one, or none for a free one"
    else
        printf '%s\n' "$2"
    fi
}

# The apxs that stands for the httpd to work with.
find_apxs() {
    local candidate
    for candidate in ${APXS:-apxs apxs2}; do
        if "$candidate" -q INCLUDEDIR >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "apxs does not run (tried: ${APXS:-apxs apxs2}). Run 'make deps', or set APXS to httpd's apxs"
}

httpd_program() { # APXS
    printf '%s/%s\n' "$("$1" -q SBINDIR)" "$("$1" -q PROGNAME)"
}

# "2.4" or "2.2", from the headers' module magic number.
httpd_generation() { # APXS
    case $(sed -n 's/^#define MODULE_MAGIC_NUMBER_MAJOR //p' "$("$1" -q INCLUDEDIR)/ap_mmn.h") in
        20120211*) say 2.4 ;;
        20051115*) say 2.2 ;;
        *) die "$1 is neither of httpd 2.4 nor of 2.2" ;;
    esac
}

need_module() {
    [ -f "$module" ] || die "$module is missing; run 'make' first"
}
