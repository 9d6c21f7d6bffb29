#!/usr/bin/env bash
# Tries packaging/systemd/hardening.conf: systemd's own verdict on it, and httpd with the module as a service so restricted, under a
# systemd that runs in a container (systemd-nspawn) over a copy-on-write view of this machine.
#
#   scripts/hardening_test.sh     needs root, a systemd of this machine, and the packages systemd-container and dbus
#
# What the machine's cgroups do not allow a container, such as MemoryMax, is set but not enforced there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" -eq 0 ] || die "a container needs root"
need_commands systemd-nspawn systemd-analyze htpasswd curl
if [ ! -f "$module" ] || [ ! -f "$esauth" ]; then die "run 'make all cli' first"; fi
httpd=$(command -v apache2 httpd /usr/sbin/apache2 /usr/sbin/httpd | head -n 1)
modules=$(apxs -q LIBEXECDIR)

scratch=$(mktemp -d)
clean_up() {
    mountpoint -q "$scratch/root" && umount "$scratch/root"
    mountpoint -q "$scratch" && umount "$scratch"
    rmdir "$scratch"
}
trap clean_up EXIT
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
machine=$scratch/root

units=$machine/etc/systemd/system
mkdir -p "$machine/etc/esauth-test" "$machine/srv/htdocs" "$machine/var/log/apache2" "$units/apache2.service.d"
install -m 644 "$root/packaging/systemd/hardening.conf" "$units/apache2.service.d/"
install -m 644 "$module" "$machine/etc/esauth-test/mod_rust_esauth.so"
install -m 755 "$esauth" "$machine/usr/bin/esauth"
say hello >"$machine/srv/htdocs/page"
htpasswd -cbB -C 10 "$machine/etc/esauth-test/users" alice secret 2>/dev/null
chgrp www-data "$machine/etc/esauth-test/users"
chmod 640 "$machine/etc/esauth-test/users"

{
    for name in mpm_event authn_core authz_core authz_user proxy proxy_http socache_shmcb ssl; do
        say "LoadModule ${name}_module $modules/mod_$name.so"
    done
    cat <<'CONF'
LoadModule rust_esauth_module /etc/esauth-test/mod_rust_esauth.so
ServerRoot /etc/esauth-test
DefaultRuntimeDir /run/apache2
PidFile /run/apache2/apache2.pid
ServerName localhost
User www-data
Group www-data
ErrorLog /var/log/apache2/error.log
EsAuthMaxFailures 3/600
EsAuthControl On
Listen 127.0.0.1:80
DocumentRoot /srv/htdocs
<Location />
    AuthType Basic
    AuthName x
    AuthUserFile /etc/esauth-test/users
    Require valid-user
</Location>
CONF
} >"$machine/etc/esauth-test/httpd.conf"

cat >"$units/apache2.service" <<UNIT
[Service]
ExecStart=$httpd -f /etc/esauth-test/httpd.conf -DFOREGROUND
ExecReload=/bin/kill -USR1 \$MAINPID
KillMode=mixed
RuntimeDirectory=apache2
UNIT
cat >"$units/esauth-test.service" <<'UNIT'
[Unit]
DefaultDependencies=no
Requires=dbus.service
Wants=apache2.service
After=dbus.service apache2.service
[Service]
Type=oneshot
ExecStart=/bin/bash /etc/esauth-test/try.sh
ExecStopPost=/bin/systemctl poweroff
UNIT

# Each line: what was expected, and what was found.
cat >"$machine/etc/esauth-test/try.sh" <<'TRY'
exec >/etc/esauth-test/result 2>&1
for _ in $(seq 50); do curl -s -o /dev/null http://127.0.0.1/ && break; sleep 0.2; done
code() { curl -s -o /dev/null -w '%{http_code}' "$@" http://127.0.0.1/page; }
expect() { # WHAT WANTED FOUND
    if [ "$2" = "$3" ]; then echo "ok: $1"; else echo "FAILED: $1: $3 in place of $2"; fi
}
expect "no password" 401 "$(code)"
expect "a right password, hashed and remembered" "200 200" "$(code -u alice:secret) $(code -u alice:secret)"
htpasswd -bB -C 10 /etc/esauth-test/users bob new 2>/dev/null
expect "a new user, at once" 200 "$(code -u bob:new)"
expect "a lockout" "401 401 401 429" "$(for number in 1 2 3 4; do code -u bob:$number; echo; done | paste -sd' ')"
expect "esauth unlock" "ended 1 lockout" "$(esauth unlock --user bob | cut -d';' -f1)"
expect "unlocked" 401 "$(code -u bob:5)"
systemctl reload apache2
sleep 1
expect "a reload" "200 active" "$(code -u alice:secret) $(systemctl is-active apache2)"
expect "memory is limited" MemoryMax=1073741824 "$(systemctl show apache2 -p MemoryMax)"
main=$(systemctl show -P MainPID apache2)
inside() { nsenter -t "$main" -m sh -c "$1" >/dev/null 2>&1 && echo yes || echo no; }
expect "no new privileges" 1 "$(grep -Po 'NoNewPrivs:\s*\K.*' "/proc/$main/status")"
expect "a filter of system calls" 2 "$(grep -Po 'Seccomp:\s*\K.*' "/proc/$main/status")"
expect "five capabilities" 4e4 "$(grep -Po 'CapBnd:\s*0*\K.*' "/proc/$main/status")"
expect "no core dumps" 0 "$(awk '/Max core file size/ {print $5}' "/proc/$main/limits")"
expect "a read-only system" "no no no" "$(inside 'touch /etc/x') $(inside 'touch /usr/x') $(inside 'touch /srv/x')"
expect "writable logs" yes "$(inside 'touch /var/log/apache2/x')"
expect "no home folders" no "$(inside 'ls -A /root | grep .')"
expect "nothing refused to the module" "" "$(grep -E 'core dumps may contain|may be swapped|cannot ' /var/log/apache2/error.log)"
systemctl stop apache2
expect "an orderly end" "success" "$(systemctl show -P Result apache2)"
echo done
TRY

exposure=$(systemd-analyze security --offline=true --root="$machine" apache2.service | sed -n 's/.*exposure level for apache2.service: //p')
say "systemd's exposure level (0 is best, 10 worst): $exposure"
printf 'httpd as a restricted service, under systemd in a container '
# httpd's key is locked in memory, which a container may do only with this capability, whatever the service may.
quietly "$scratch/log" timeout 300 systemd-nspawn --register=no --keep-unit --private-network --capability=CAP_IPC_LOCK -D "$machine" -b \
    systemd.unit=esauth-test.service || true
result=$machine/etc/esauth-test/result
[ -f "$result" ] || die "the container did not come up: $(tail -n 15 "$scratch/log")"
cat "$result"
grep -q '^done$' "$result" || die "the container ended before the test did"
if grep -q '^FAILED' "$result"; then die "packaging/systemd/hardening.conf does not do what it should"; fi
