# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what lib.sh sets is used here, and what is set here by the script that sources this
# A real search engine on this machine, for demo and tests. Sourced after lib.sh.
#
#   backend_start KIND FOLDER   starts it; sets backend_url
#   backend_stop
#
# KIND is one of those of backend_artifact. If ES_URL is set, that server is used and nothing is started. If backend_secured
# is set, the back end's own security is on; see backend_security.sh. If it or backend_has_modules is set,
# Elasticsearch 7 has further modules.

. "$root/scripts/backend_security.sh"

backend_pid=''

# Maven coordinates of the distributions that the vendors publish for other projects' integration tests.
backend_artifact() { # KIND
    case $1 in
        elasticsearch-7) say org.elasticsearch.distribution.integ-test-zip:elasticsearch:7.17.28:zip ;;
        elasticsearch-8) say org.elasticsearch.distribution.integ-test-zip:elasticsearch:8.19.8:zip ;;
        elasticsearch-9) say org.elasticsearch.distribution.integ-test-zip:elasticsearch:9.2.8:zip ;;
        opensearch-2) say org.opensearch.distribution.integ-test-zip:opensearch:2.19.1:zip ;;
        opensearch-3) say org.opensearch.distribution.integ-test-zip:opensearch:3.3.0:zip ;;
        *) die "$1 is not a back end; choose elasticsearch-7, -8 or -9, or opensearch-2 or -3" ;;
    esac
}

# Prints the home of a Java that runs it.
backend_java() { # KIND
    case $1 in
        elasticsearch-9 | opensearch-3) find_java 21 25 ;;
        *) find_java ;;
    esac
}

# The newest Elasticsearch that a Java of this machine runs.
backend_newest() {
    if backend_java elasticsearch-9 >/dev/null; then say elasticsearch-9; else say elasticsearch-8; fi
}

# Whether this machine can run it; says so if not. A server of the user's needs no Java here.
backend_runs() { # KIND
    [ -n "${ES_URL:-}" ] || backend_java "$1" >/dev/null && return
    say "skipped the tests on $1: it needs another Java (17 to 23; Elasticsearch 9 and OpenSearch 3: 21 to 25), which is missing"
    return 1
}

# Fetches a file of Maven's into the cache, once, and prints its path. Its checksum is in maven.sha256, since the registry does
# not have one of each.
maven_file() { # GROUP:NAME:VERSION:TYPE SIZE FOLDER
    local group name version type file log=$3/fetch
    IFS=: read -r group name version type <<<"$1"
    file=$cache/$name-$version.$type
    if [ ! -f "$file" ]; then
        have mvn || die "mvn, which fetches $name $version, is missing: run 'make deps', or set ES_URL"
        mkdir -p "$cache"
        printf 'fetching %s %s (%s, once) ' "$name" "$version" "$2" >&2
        if ! quietly "$log" mvn -q -B dependency:copy -Dartifact="$1" -DoutputDirectory="$cache/partial" >&2; then
            # The first line is enough; the rest is advice on Maven.
            sed -n 's/^.*\[ERROR\] //p' "$log" | head -n 1 >&2
            die "Maven could not fetch $group:$name:$version (its message is above); is there a network?"
        fi
        if ! grep -F "  $name-$version.$type" "$root/scripts/maven.sha256" | (cd "$cache/partial" && sha256sum --check --status); then
            die "$cache/partial/$name-$version.$type is not the file whose checksum is in scripts/maven.sha256: remove ~/.m2/repository/${group//.//}/$name/$version, so that it is fetched again"
        fi
        # Only a complete file gets its final name.
        mv "$cache/partial/$name-$version.$type" "$file"
    fi
    say "$file"
}

backend_settings() { # KIND PORT TRANSPORT_PORT
    # Without the last line, a nearly full disk would make every index read-only.
    cat <<SETTINGS
discovery.type: single-node
network.host: 127.0.0.1
http.port: $2
transport.port: $3
cluster.routing.allocation.disk.threshold_enabled: false
SETTINGS
    if [ -n "${backend_secured:-}" ]; then
        backend_security_settings "$1"
    elif [[ $1 = elasticsearch-[89] ]]; then
        say 'xpack.security.enabled: false'
    fi
}

backend_start() { # KIND FOLDER
    local kind=$1 folder=$2 artifact archive home port transport_port java
    if [ -n "${ES_URL:-}" ]; then
        backend_url=${ES_URL%/}
        curl -fsS -o /dev/null --max-time 10 "$backend_url/_cluster/health" \
            || die "ES_URL=$ES_URL does not answer GET /_cluster/health"
        say "using $backend_url"
        return
    fi
    java=$(backend_java "$kind") ||
        die "$kind needs another Java (17 to 23; Elasticsearch 9 and OpenSearch 3: 21 to 25), which is missing: run 'make deps', or set ES_URL to your own server"
    port=$(port_or_free ES_PORT "${ES_PORT:-}") || exit 1
    transport_port=$(free_port) || exit 1
    mkdir -p "$folder/tmp"
    artifact=$(backend_artifact "$kind") || exit 1
    archive=$(maven_file "$artifact" '60 to 100 MB' "$folder") || exit 1
    unzip -q -o "$archive" -d "$folder" || die "$archive is damaged; remove it, so that it is fetched again"
    home=$(compgen -G "$folder/*search-*")
    backend_settings "$kind" "$port" "$transport_port" >"$home/config/${kind%-*}.yml"
    backend_config=$home/config
    if [ -n "${backend_secured:-}" ]; then
        backend_security "$kind" "$home" "$folder" "$java"
    elif [ "$kind" = elasticsearch-7 ] && [ -n "${backend_has_modules:-}" ]; then
        backend_modules "$home" "$folder"
    fi
    if [ "$(id -u)" -eq 0 ]; then chown -R "nobody:$(id -gn nobody)" "$folder"; fi

    backend_url=http://127.0.0.1:$port
    if [ "${backend_secured:-}" = tls ]; then backend_url=https://localhost:$port; fi
    backend_log=$folder/log
    (
        cd "$home" || exit
        export JAVA_HOME=$java ES_JAVA_HOME=$java OPENSEARCH_JAVA_HOME=$java
        export ES_JAVA_OPTS='-Xms512m -Xmx512m' OPENSEARCH_JAVA_OPTS='-Xms512m -Xmx512m'
        # Otherwise they leave folders in /tmp.
        export ES_TMPDIR=$folder/tmp OPENSEARCH_TMPDIR=$folder/tmp CLI_JAVA_OPTS=-Djava.io.tmpdir=$folder/tmp
        unprivileged "bin/${kind%-*}"
    ) >"$backend_log" 2>&1 </dev/null &
    backend_pid=$!
    printf 'starting %s on port %s ' "$(basename "$home")" "$port"
    backend_wait
}

# Asks the back end itself, as its own administrator if it has one.
backend_ask() { # PATH CURL-ARGUMENTS...
    local as=()
    if [ -n "${backend_secured:-}" ]; then as=(-u root:secret); fi
    curl -fsS "${as[@]}" ${backend_ca:+--cacert "$backend_ca"} "${@:2}" "$backend_url$1"
}

backend_wait() {
    local second
    for second in $(seq 600); do
        if backend_ask /_cluster/health -o /dev/null --max-time 2 2>/dev/null; then
            printf ' up\n'
            return
        fi
        kill -0 "$backend_pid" 2>/dev/null || break
        [ $((second % 2)) -eq 0 ] && printf '.'
        sleep 1
    done
    printf '\n'
    grep -vE '^[[:space:]]+(at|\.\.\.) |^Caused by' "$backend_log" | tail -n 8 >&2
    die "the back end did not start; the last lines of its log are above"
}

backend_stop() {
    [ -n "$backend_pid" ] || return 0
    kill "$backend_pid" 2>/dev/null || true
    wait "$backend_pid" 2>/dev/null || true
    backend_pid=''
}
