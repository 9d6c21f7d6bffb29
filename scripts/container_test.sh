#!/usr/bin/env bash
# Builds the image of packaging/container and runs it as docs/operating.md says: as www-data, without capabilities, on a read-only
# root, with a password file that is switched as Kubernetes switches a Secret.
#
#   scripts/container_test.sh     needs root, buildah and a network
#
# ESAUTH_CONTAINER_BASE=IMAGE: the base image; otherwise one of Debian trixie is made with debootstrap.
# ESAUTH_CONTAINER_OPTIONS=…: more options of "buildah build", such as a proxy's certificates.
# ESAUTH_CONTAINER_QUICK=1: puts the module and esauth built on this machine into the image, in place of building them there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] || die "a container needs root"
need_commands buildah debootstrap unshare setpriv openssl htpasswd curl python3
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs

inside() { # ROOT FOLDER: in namespaces of its own
    local machine=$1 folder=$2 httpd backend
    expect() { # WHAT WANTED FOUND
        if [ "$2" = "$3" ]; then say "ok: $1"; else die "$1: $3 in place of $2"; fi
    }
    switch() { # VERSION CONTENT
        local old
        old=$(readlink "$folder/files/..data" || true)
        mkdir "$folder/files/..$1"
        say "$2" >"$folder/files/..$1/users"
        chown -R 0:33 "$folder/files/..$1" && chmod 640 "$folder/files/..$1/users"
        ln -s "..$1" "$folder/files/..data_tmp"
        mv -T "$folder/files/..data_tmp" "$folder/files/..data"
        if [ -n "$old" ]; then rm -r "$folder/files/$old"; fi
    }
    code() { curl -k -s -o /dev/null -w '%{http_code}' "$@" https://127.0.0.1:8443/; }
    in_container() {
        chroot "$machine" env ES_BACKEND=http://127.0.0.1:9200 ES_SERVER_NAME=localhost setpriv --reuid 33 --regid 33 \
            --clear-groups --bounding-set=-all --no-new-privs "$@"
    }
    ip link set lo up
    mkdir "$folder/files" "$folder/tls"
    chmod 755 "$folder"
    switch 1 "$(htpasswd -nbB -C 10 alice secret)"
    ln -s ..data/users "$folder/files/users"
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 \
        -keyout "$folder/tls/tls.key" -out "$folder/tls/tls.crt" 2>/dev/null
    chgrp 33 "$folder/tls/tls.key" && chmod 440 "$folder/tls/tls.key"
    mount --bind "$machine" "$machine"
    mount --bind "$folder/files" "$machine/etc/esauth/files"
    mount --bind "$folder/tls" "$machine/etc/esauth/tls"
    mount -t tmpfs -o uid=33,gid=33,mode=755 tmpfs "$machine/run/apache2"
    mount -t proc proc "$machine/proc"
    mount --rbind /dev "$machine/dev"
    mount -o remount,ro,bind "$machine"
    mkdir "$folder/backend" && cd "$folder/backend"
    python3 -m http.server --bind 127.0.0.1 9200 >/dev/null 2>&1 &
    backend=$!
    # mod_proxy would take it for broken for a minute.
    for _ in $(seq 100); do if curl -s -o /dev/null http://127.0.0.1:9200/; then break; fi; sleep 0.1; done
    install -o 33 /dev/null "$folder/log"
    in_container /usr/sbin/apache2 -f /etc/esauth/httpd.conf -DFOREGROUND >>"$folder/log" 2>&1 &
    httpd=$!
    for _ in $(seq 100); do if [ "$(code || true)" = 401 ]; then break; fi; sleep 0.1; done
    expect "no password, a right and a wrong one" "401 200 401" "$(code) $(code -u alice:secret) $(code -u alice:wrong)"
    switch 2 "$(htpasswd -nbB -C 10 alice other)"
    expect "a switched secret counts at once" "401 200" "$(code -u alice:secret) $(code -u alice:other)"
    switch 3 "$(htpasswd -nbB -C 10 alice secret)"
    expect "and switched back" "200 401" "$(code -u alice:secret) $(code -u alice:other)"
    expect "esauth in the container" forgot "$(in_container esauth forget | cut -d' ' -f1)"
    expect "a read-only root" no "$(if in_container touch /etc/x 2>/dev/null; then say yes; else say no; fi)"
    expect "no warning of a start-up check" "" "$(grep 'rust_esauth:warn' "$folder/log" || true)"
    # Of httpd itself, not of the shell that started it.
    kill -WINCH "$(cat "$machine/run/apache2/httpd.pid")"
    wait "$httpd" && say "ok: an orderly end"
    kill "$backend"
}

if [ "${1:-}" = inside ]; then
    inside "$2" "$3"
    exit
fi

scratch=$(scratch_folder container)
trap 'rm -rf "$scratch"' EXIT
base=${ESAUTH_CONTAINER_BASE:-}
if [ -z "$base" ]; then
    base=localhost/esauth-base
    printf 'creating a base image '
    quietly "$scratch/log" debootstrap --variant=minbase trixie "$scratch/base" || die "debootstrap failed: $(tail "$scratch/log")"
    container=$(buildah from scratch)
    buildah add -q "$container" "$scratch/base" / >/dev/null
    buildah commit -q "$container" "$base" >/dev/null
    buildah rm "$container" >/dev/null
fi
recipe=$root/packaging/container/Containerfile context=$root
if [ -n "${ESAUTH_CONTAINER_QUICK:-}" ]; then
    context=$scratch/context
    mkdir -p "$context/built" "$context/packaging"
    cp -r "$root/packaging/container" "$context/packaging/"
    cp "$module" "$esauth" "$context/built/"
    # The first stage is replaced.
    awk '/^FROM .* AS build$/ {print "FROM scratch AS build\nCOPY built /source/built"; skip = 1; next}
        /^FROM / {skip = 0} !skip' "$recipe" >"$scratch/Containerfile"
    recipe=$scratch/Containerfile
fi
read -ra options <<<"${ESAUTH_CONTAINER_OPTIONS:-}"
printf 'building the image '
quietly "$scratch/log" buildah build --build-arg BASE="$base" "${options[@]}" -t localhost/esauth-test -f "$recipe" \
    "$context" || die "the image does not build: $(tail -n 15 "$scratch/log")"
container=$(buildah from localhost/esauth-test)
trap 'buildah rm "$container" >/dev/null; rm -rf "$scratch"' EXIT
mkdir "$scratch/run"
unshare --mount --pid --fork --net "$0" inside "$(buildah mount "$container")" "$scratch/run"
