#!/usr/bin/env bash
# Counts the instructions of a verdict, of a whole request, of the hand-over of a credential and of a judgement by roles under
# Callgrind, and compares them with the figures in benches/instructions.txt. Unlike times, they hardly depend on what else the
# machine does.
#
#   scripts/bench_instructions.sh             fails if a count has grown by more than 10 %
#   scripts/bench_instructions.sh --record    writes the counts to benches/instructions.txt
# shellcheck disable=SC2317 # "each" calls functions by their names
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_commands valgrind python3 openssl
defined=()
figures=$root/benches/instructions.txt
apxs=${APXS:-$(command -v apxs || command -v apxs2)}
httpd=$("$apxs" -q SBINDIR)/$("$apxs" -q progname)
modules=$("$apxs" -q LIBEXECDIR)
folder=$(scratch_folder instructions)
trap 'rm -rf "$folder"' EXIT

# The counts of other versions are other counts.
versions="$("$httpd" -v | sed -n 's/.*\(Apache\/[^ ]*\).*/\1/p'), $(rustc --version | cut -d' ' -f1,2), $(uname -m)"

# The instructions that a command executes, with the callgrind options that it takes: in the thread that executes most.
instructions() ( # COMMAND...
    cd "$folder"
    rm -f callgrind.out*
    (unprivileged valgrind --quiet --vgdb=no --tool=callgrind --separate-threads=yes --callgrind-out-file=callgrind.out "$@") >output 2>&1 || true
    sed -n 's/^\(summary\|totals\): //p' callgrind.out* | sort -n | tail -1 | grep . || { cat output >&2; exit 1; }
)

verdicts() { # COUNT
    instructions ./benchmark "$1"
}

# httpd with one process answers so many requests, and ends.
requests() { # COUNT KEEP-ALIVE PATH
    local count=$1 client
    rm -f "$folder/pid"
    (
        cd "$folder"
        exec python3 -B "$root/benches/instructions_client.py" "$folder" "$port" "$back_end_port" "$@"
    ) &
    client=$!
    instructions "$httpd" -X -d "$folder" -f "$folder/httpd.conf" "${defined[@]}"
    wait "$client" || die "not all of $count requests were answered; see $folder"
}

# The same with threads: one that answers, and others.
requests_of_event() {
    defined=(-D EVENT)
    requests "$@"
}

# The same with EsAuthFleet, too. Nobody answers there; after the first request, which is hashed, nobody is asked.
requests_in_fleet() {
    defined=(-D EVENT -D FLEET)
    requests "$@"
}

# Instructions of one: start, end and warming up cancel out.
each() { # FUNCTION [ARGUMENT...]
    local function=$1 few=500 many=2500
    shift
    echo $((($("$function" "$many" "$@") - $("$function" "$few" "$@")) / (many - few)))
}

benchmark=$(cd "$root" && cargo bench --quiet --locked --no-run --message-format=json -p esauth_engine --bench instructions |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)
[ -x "$benchmark" ] || die "the benchmark was not built"
[ -f "$module" ] || die "$module is missing; run 'make'"
port=$(free_port)
back_end_port=$(free_port)

cp "$module" "$folder/module.so"
cp "$benchmark" "$folder/benchmark"
printf 'alice: ApiKey VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==\n' >"$folder/credentials"
# The password is "secret".
# shellcheck disable=SC2016 # the hash is meant
printf 'alice:%s\n' '$2y$05$HOV6x4X5rNNMQGIgrwEKXeqe4orHR15caxe1Ru8ueuYdLl3TVuG5C' >"$folder/users"
echo 'shop: alice' >"$folder/groups"
cat >"$folder/roles.yml" <<YAML
shop:
  indices:
    - names: [ "shop-*" ]
      privileges: [ read ]
YAML
mkdir -p "$folder/htdocs/open" "$folder/htdocs/closed"
echo page | tee "$folder/htdocs/open/page" >"$folder/htdocs/closed/page"
{
    cat <<-CONF
		<IfDefine EVENT>
		    LoadModule mpm_event_module $modules/mod_mpm_event.so
		    StartServers 1
		    ServerLimit 1
		    ThreadsPerChild 1
		    MaxRequestWorkers 1
		</IfDefine>
		<IfDefine !EVENT>
		    LoadModule mpm_prefork_module $modules/mod_mpm_prefork.so
		</IfDefine>
	CONF
    for name in authn_core authz_core authz_user unixd proxy proxy_http; do
        [ ! -e "$modules/mod_$name.so" ] || echo "LoadModule ${name}_module $modules/mod_$name.so"
    done
    echo "LoadModule rust_esauth_module $folder/module.so"
    cat <<-CONF
		ServerName localhost
		Listen 127.0.0.1:$port
		PidFile $folder/pid
		ErrorLog $folder/error.log
		DocumentRoot $folder/htdocs
		MaxKeepAliveRequests 0
		KeepAliveTimeout 60
		<Location /closed>
		    AuthType Basic
		    AuthName realm
		    AuthUserFile $folder/users
		    Require valid-user
		</Location>
		<IfDefine FLEET>
		    EsAuthFleet redis://127.0.0.1:$(free_port)
		    EsAuthFleetKey $folder/key
		</IfDefine>
		ProxyPass /passed-on http://127.0.0.1:$back_end_port
		ProxyPass /handed-over http://127.0.0.1:$back_end_port
		ProxyPass /judged http://127.0.0.1:$back_end_port
		<LocationMatch "^/(passed-on|handed-over|judged)">
		    AuthType Basic
		    AuthName realm
		    AuthUserFile $folder/users
		    Require valid-user
		</LocationMatch>
		<Location /passed-on>
		    EsAuthCharset Off
		</Location>
		<Location /handed-over>
		    EsAuthBackendCredentials $folder/credentials
		</Location>
		<Location /judged>
		    AuthGroupFile $folder/groups
		    EsAuthRoles $folder/roles.yml
		</Location>
	CONF
} >"$folder/httpd.conf"
chmod -R a+rX "$folder"
(umask 077 && openssl rand -hex 32 >"$folder/key")
if [ "$(id -u)" -eq 0 ]; then chown nobody "$folder/key"; fi
# Callgrind writes without privileges, since httpd could not change its user and still write there.
chmod a+w "$folder"

open=$(each requests keep-alive /open/page)
passed_on=$(each requests keep-alive /passed-on/shop-1/_search)
counted="verdict $(each verdicts)
request-kept-alive $(($(each requests keep-alive /closed/page) - open))
request-of-event $(each requests_of_event keep-alive /closed/page)
request-of-event-in-a-fleet $(each requests_in_fleet keep-alive /closed/page)
request-new-connection $(($(each requests close /closed/page) - $(each requests close /open/page)))
request-without-authentication $open
request-passed-on $passed_on
hand-over $(($(each requests keep-alive /handed-over/shop-1/_search) - passed_on))
judgement-by-roles $(($(each requests keep-alive /judged/shop-1/_search) - passed_on))"

if [ "${1:-}" = --record ]; then
    printf '# Instructions of a verdict, of the authentication in a request, of whole ones under event without and with EsAuthFleet, of requests without it and passed on, of a hand-over and a judgement. %s\n%s\n' \
        "$versions" "$counted" >"$figures"
fi
grep -q "$versions" "$figures" || say "The figures in benches/instructions.txt are of other versions than $versions."
status=0
while read -r name count; do
    before=$(sed -n "s/^$name //p" "$figures")
    [ -n "$before" ] || { say "$name $count, with nothing to compare it with" && continue; }
    printf '%-32s %10d  before %10d\n' "$name" "$count" "$before"
    if grep -q "$versions" "$figures" && [ $((count * 100)) -gt $((before * 110)) ]; then
        say "$name has grown by more than 10 %"
        status=1
    fi
done <<<"$counted"
exit "$status"
