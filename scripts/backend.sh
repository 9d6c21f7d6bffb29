# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what lib.sh sets is used here, and what is set here by the script that sources this
# A real search engine on this machine, for demo and tests. Sourced after lib.sh.
#
#   backend_start KIND FOLDER   starts it; sets backend_url
#   backend_stop
#
# KIND is one of those of backend_artifact. If ES_URL is set, that server is used and nothing is started. If backend_secured
# is set, Elasticsearch's own security is on, with the user "root" and the password "secret"; backend_config is its folder of
# users and roles. If it is "tls", the server speaks TLS, as after installation: backend_ca is the certificate to check it by.
# backend_keys tells whether it has API keys.

backend_pid=''
backend_ca=''
backend_keys=''

# Maven coordinates of the distributions that the vendors publish for other projects' integration tests.
backend_artifact() { # KIND
    case $1 in
        elasticsearch-7) say org.elasticsearch.distribution.integ-test-zip:elasticsearch:7.17.28:zip ;;
        elasticsearch-8) say org.elasticsearch.distribution.integ-test-zip:elasticsearch:8.19.8:zip ;;
        elasticsearch-9) say org.elasticsearch.distribution.integ-test-zip:elasticsearch:9.2.8:zip ;;
        opensearch-2) say org.opensearch.distribution.integ-test-zip:opensearch:2.19.1:zip ;;
        *) die "$1 is not a back end; choose elasticsearch-7, elasticsearch-8, elasticsearch-9 or opensearch-2" ;;
    esac
}

# Prints the home of a Java that runs it.
backend_java() { # KIND
    if [ "$1" = elasticsearch-9 ]; then find_java 21 25; else find_java; fi
}

# Fetches a file of Maven's into the cache, once, and prints its path.
maven_file() { # GROUP:NAME:VERSION:TYPE SIZE FOLDER
    local group name version type file log=$3/fetch
    IFS=: read -r group name version type <<<"$1"
    file=$cache/$name-$version.$type
    if [ ! -f "$file" ]; then
        have mvn || die "mvn, which fetches $name $version, is missing: run 'make deps', or set ES_URL"
        mkdir -p "$cache"
        printf 'fetching %s %s (%s, once) ' "$name" "$version" "$2" >&2
        if ! quietly "$log" mvn -q -B --strict-checksums dependency:copy -Dartifact="$1" \
            -DoutputDirectory="$cache/partial" >&2; then
            # The first line is enough; the rest is advice on Maven.
            sed -n 's/^.*\[ERROR\] //p' "$log" | head -n 1 >&2
            die "Maven could not fetch $group:$name:$version (its message is above); is there a network?"
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
        say 'xpack.security.enabled: true'
        say 'resource.reload.interval.high: 100ms'
        if [[ $1 = elasticsearch-[89] ]]; then say 'xpack.security.autoconfiguration.enabled: false'; fi
        if [ "$backend_secured" = tls ]; then
            say 'xpack.security.http.ssl.enabled: true'
            say 'xpack.security.http.ssl.key: http.key'
            say 'xpack.security.http.ssl.certificate: http.crt'
        fi
    elif [[ $1 = elasticsearch-[89] ]]; then
        say 'xpack.security.enabled: false'
    fi
}

# Files of users and roles that the test may write.
backend_users() { # FOLDER
    local user
    for user in root service-alice service-bob service-shop reader; do
        # Of "secret".
        # shellcheck disable=SC2016 # the hash is meant
        say "$user"':$2y$05$HOV6x4X5rNNMQGIgrwEKXeqe4orHR15caxe1Ru8ueuYdLl3TVuG5C'
    done >"$1/users"
    say 'superuser:root,service-alice,service-bob' >"$1/users_roles"
    say 'shop:service-shop,reader' >>"$1/users_roles"
    say 'shop: { cluster: [ monitor ], indices: [ { names: [ "shop*" ], privileges: [ all ] } ] }' >"$1/roles.yml"
}

# A CA of its own, and a certificate by it for localhost, as Elasticsearch makes them when it is installed.
backend_certificates() { # FOLDER
    local log=$1/openssl
    # shellcheck disable=SC2015 # any of them may fail
    quietly "$log" openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=test back end CA' \
        -addext basicConstraints=critical,CA:TRUE -keyout "$1/ca.key" -out "$1/http_ca.crt" &&
        quietly "$log" openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$1/http.key" -out "$1/http.csr" &&
        printf 'subjectAltName=DNS:localhost\n' >"$1/http.ext" &&
        quietly "$log" openssl x509 -req -in "$1/http.csr" -CA "$1/http_ca.crt" -CAkey "$1/ca.key" -CAcreateserial \
            -days 30 -extfile "$1/http.ext" -out "$1/http.crt" ||
        { cat "$log" >&2 && die "openssl cannot create the back end's certificate (see its message above)"; }
    backend_ca=$1/http_ca.crt
}

# Gives Elasticsearch 7 the modules for _reindex and its kin, templates and percolation, which its distribution for
# integration tests lacks. Maven has them as libraries for clients; other versions' are not published.
backend_modules() { # HOME FOLDER
    local version=${1##*-} jars folder log=$2/fetch name class pom
    jars=$cache/elasticsearch-modules-$version
    if [ ! -d "$jars" ]; then
        pom=$2/pom.xml
        {
            say '<project><modelVersion>4.0.0</modelVersion>'
            say '<groupId>none</groupId><artifactId>none</artifactId><version>1</version><dependencies>'
            for name in reindex lang-mustache percolator; do
                say "<dependency><groupId>org.elasticsearch.plugin</groupId><artifactId>$name-client</artifactId>"
                say "<version>$version</version></dependency>"
            done
            say '</dependencies></project>'
        } >"$pom"
        printf 'fetching modules of Elasticsearch %s (3 MB, once) ' "$version"
        rm -rf "$cache/partial-modules"
        quietly "$log" mvn -q -B --strict-checksums -f "$pom" dependency:copy-dependencies \
            -DoutputDirectory="$cache/partial-modules" || die "Maven could not fetch them; its messages are in $log"
        mv "$cache/partial-modules" "$jars"
    fi
    while read -r name class; do
        folder=$1/modules/$name
        mkdir -p "$folder"
        case $name in
            reindex)
                cp "$jars"/*.jar "$folder"
                # Parts of the server, and of the other two.
                rm "$folder"/{elasticsearch-core,lang-mustache,percolator,compiler}-*.jar
                ;;
            lang-mustache) cp "$jars"/{lang-mustache,compiler}-*.jar "$folder" ;;
            percolator) cp "$jars"/percolator-*.jar "$folder" ;;
        esac
        printf '%s\n' "name=$name" "description=$name" "classname=$class" "version=$version" java.version=1.8 \
            "elasticsearch.version=$version" extended.plugins= has.native.controller=false \
            >"$folder/plugin-descriptor.properties"
    done <<'MODULES'
reindex org.elasticsearch.reindex.ReindexPlugin
lang-mustache org.elasticsearch.script.mustache.MustachePlugin
percolator org.elasticsearch.percolator.PercolatorPlugin
MODULES
    # Compiling a template looks into its parameters.
    cat >"$1/modules/lang-mustache/plugin-security.policy" <<'POLICY'
grant {
  permission java.lang.RuntimePermission "getClassLoader";
  permission java.lang.RuntimePermission "accessDeclaredMembers";
  permission java.lang.reflect.ReflectPermission "suppressAccessChecks";
};
POLICY
}

# Gives Elasticsearch 8 and 9 what API keys need; see the plug-in's source.
backend_api_keys() { # HOME FOLDER JAVA
    local version=${1##*-} plugin=$1/plugins/security-index-analysis log=$2/compile compiler jars
    # A Java that only runs programs has no compiler.
    compiler=$(maven_file org.eclipse.jdt:ecj:3.44.0:jar '3 MB' "$2") || exit 1
    jars=("$1"/lib/*.jar)
    "$3/bin/java" -jar "$compiler" -source 17 -target 17 -proc:none -classpath "$(IFS=:; say "${jars[*]}")" \
        -d "$2/classes" "$root/tests/e2e/SecurityIndexAnalysis.java" >"$log" 2>&1 ||
        { cat "$log" >&2 && die "the plug-in for API keys does not compile"; }
    mkdir -p "$plugin"
    python3 -m zipfile -c "$plugin/plugin.jar" "$2/classes/esauth"
    printf '%s\n' name=security-index-analysis description='API keys for tests' classname=esauth.SecurityIndexAnalysis \
        version=1 java.version=17 "elasticsearch.version=$version" >"$plugin/plugin-descriptor.properties"
    backend_keys=yes
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
        die "$kind needs another Java, which is missing (17 to 23, or 21 to 25 for Elasticsearch 9): run 'make deps', or set ES_URL to your own server"
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
        backend_users "$backend_config"
        if [ "$backend_secured" = tls ]; then backend_certificates "$backend_config"; fi
        case $kind in
            elasticsearch-7) backend_modules "$home" "$folder" ;;
            elasticsearch-*) backend_api_keys "$home" "$folder" "$java" ;;
        esac
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
    for second in $(seq 240); do
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
