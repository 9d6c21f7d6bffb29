# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what lib.sh and backend.sh set is used here, and what is set here by the scripts that source this
# A back end whose own security is on. Sourced by backend.sh.
#
# Its administrator is the user "root" with the password "secret". Elasticsearch has users and roles in files, which a test may
# change: backend_config is their folder. If backend_secured is "tls", the server speaks TLS, as after installation, and
# backend_ca is the certificate to check it by. backend_keys tells whether it has API keys. OpenSearch speaks TLS in any case,
# and takes users and roles from the headers of this machine's proxies.

backend_ca=''
backend_keys=''

backend_security_settings() { # KIND
    if [[ $1 = opensearch-* ]]; then
        opensearch_security_settings
        return
    fi
    say 'xpack.security.enabled: true'
    say 'resource.reload.interval.high: 100ms'
    if [[ $1 = elasticsearch-[89] ]]; then say 'xpack.security.autoconfiguration.enabled: false'; fi
    if [ "$backend_secured" = tls ]; then
        say 'xpack.security.http.ssl.enabled: true'
        say 'xpack.security.http.ssl.key: http.key'
        say 'xpack.security.http.ssl.certificate: http.crt'
    fi
}

backend_security() { # KIND HOME FOLDER JAVA
    if [ "$backend_secured" = tls ]; then backend_certificates "$2/config"; fi
    case $1 in
        opensearch-*) opensearch_security "$2" "$3" ;;
        elasticsearch-7) backend_modules "$2" "$3" ;;
        elasticsearch-*) backend_api_keys "$2" "$3" "$4" ;;
    esac
    if [[ $1 = elasticsearch-* ]]; then backend_users "$2/config"; fi
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

opensearch_security_settings() {
    local layer
    for layer in transport http; do
        say "plugins.security.ssl.$layer.pemcert_filepath: http.crt"
        say "plugins.security.ssl.$layer.pemkey_filepath: http.key"
        say "plugins.security.ssl.$layer.pemtrustedcas_filepath: http_ca.crt"
    done
    say 'plugins.security.ssl.http.enabled: true'
    say 'plugins.security.nodes_dn: [ CN=localhost ]'
    say 'plugins.security.allow_default_init_securityindex: true'
}

# Gives OpenSearch its security plug-in, which Maven has for version 2 only, set up for proxy authentication. The users' groups
# are roles there.
opensearch_security() { # HOME FOLDER
    local version=${1##*-} plugin=$1/plugins/opensearch-security config=$1/config/opensearch-security archive
    archive=$(maven_file "org.opensearch.plugin:opensearch-security:$version.0:zip" '44 MB' "$2") || exit 1
    unzip -q "$archive" -d "$plugin"
    mv "$plugin/config" "$config"
    cat >"$config/config.yml" <<'CONFIG'
_meta: { type: config, config_version: 2 }
config:
  dynamic:
    # Of all indices, only those that the user may see.
    do_not_fail_on_forbidden: true
    http:
      xff: { enabled: true, internalProxies: '127\.0\.0\.1' }
    authc:
      proxy_auth_domain:
        http_enabled: true
        order: 0
        http_authenticator:
          type: proxy
          challenge: false
          config: { user_header: x-proxy-user, roles_header: x-proxy-roles }
        authentication_backend: { type: noop }
      basic_auth_domain:
        http_enabled: true
        order: 1
        http_authenticator: { type: basic, challenge: true }
        authentication_backend: { type: internal }
CONFIG
    cat >"$config/internal_users.yml" <<'USERS'
_meta: { type: internalusers, config_version: 2 }
# Of "secret".
root: { hash: $2y$05$HOV6x4X5rNNMQGIgrwEKXeqe4orHR15caxe1Ru8ueuYdLl3TVuG5C, backend_roles: [ admin ] }
USERS
    cat >"$config/roles.yml" <<'ROLES'
_meta: { type: roles, config_version: 2 }
clients:
  cluster_permissions: [ cluster_composite_ops, cluster_monitor, 'indices:data/read/scroll*' ]
  index_permissions: [ { index_patterns: [ '*-e2e-*' ], allowed_actions: [ indices_all ] } ]
ROLES
    cat >"$config/roles_mapping.yml" <<'MAPPING'
_meta: { type: rolesmapping, config_version: 2 }
all_access: { backend_roles: [ admin ] }
clients: { backend_roles: [ elasticsearch ] }
MAPPING
}
