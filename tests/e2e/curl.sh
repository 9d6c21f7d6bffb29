#!/usr/bin/env bash
# What any HTTP client sees of the guarded back end. Run by scripts/e2e.sh, which sets ESAUTH_URL and ESAUTH_CA.
set -euo pipefail
: "${ESAUTH_URL:?}" "${ESAUTH_CA:?}" "${ESAUTH_PLAIN_URL:?}"

status=0

# Status line, headers and body of an answer.
ask() { curl -sS -i --max-time 30 --cacert "$ESAUTH_CA" "$@"; }

check() { # NAME EXPECTED-STATUS TEXT CURL-ARGUMENTS...
    local name=$1 expected=$2 text=$3 answer code
    shift 3
    answer=$(ask "$@") || answer="curl failed: $?"
    code=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$answer")
    if [ "$code" = "$expected" ] && grep -qF -- "$text" <<<"$answer"; then
        echo "ok $name"
    else
        echo "not ok $name: expected $expected with '$text', got: $(head -c 400 <<<"$answer" | tr '\r\n' '  ')"
        status=1
    fi
}

challenge='WWW-Authenticate: Basic realm="Elasticsearch server"'
json='Content-Type: application/json'

check "no credentials are refused with the realm" 401 "$challenge" "$ESAUTH_URL/_cluster/health"
check "a wrong password is refused" 401 "$challenge" -u alice:wrong "$ESAUTH_URL/_cluster/health"
check "an unknown user is refused" 401 "$challenge" -u mallory:secret "$ESAUTH_URL/_cluster/health"
check "a user outside the group is refused" 401 "$challenge" -u bob:geheim "$ESAUTH_URL/_cluster/health"
check "the right password shows the cluster" 200 '"cluster_name"' -u alice:secret "$ESAUTH_URL/_cluster/health"
check "the plain port is guarded too" 401 "$challenge" "$ESAUTH_PLAIN_URL/_cluster/health"
check "and lets the right password in" 200 '"cluster_name"' -u alice:secret "$ESAUTH_PLAIN_URL/_cluster/health"
check "a write without credentials is refused" 401 "$challenge" -X PUT "$ESAUTH_URL/curl-e2e"
check "an index is made" 200 '"acknowledged":true' -u alice:secret -X PUT "$ESAUTH_URL/curl-e2e"
check "a document is written" 201 '"created"' -u alice:secret -H "$json" -X PUT -d '{"n":1}' "$ESAUTH_URL/curl-e2e/_doc/1"
check "the document is read" 200 '"n":1' -u alice:secret "$ESAUTH_URL/curl-e2e/_doc/1"
check "what is not there is the back end's 404" 404 '"found":false' -u alice:secret "$ESAUTH_URL/curl-e2e/_doc/2"
check "the index is deleted" 200 '"acknowledged":true' -u alice:secret -X DELETE "$ESAUTH_URL/curl-e2e"

code=$(ask -o /dev/null -w '%{http_code}' -X OPTIONS "$ESAUTH_URL/" || true)
if [[ $code =~ ^[245] ]] && [ "$code" != 401 ] && [ "$code" != 403 ] && [ "$code" != 000 ] && [[ $code != 5* ]]; then
    echo "ok OPTIONS needs no credentials"
else
    echo "not ok OPTIONS needs no credentials: got $code"
    status=1
fi

exit "$status"
