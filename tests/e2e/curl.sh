#!/usr/bin/env bash
# Tests of the protected back end with curl. Run by scripts/e2e.sh, which sets ESAUTH_URL, ESAUTH_PLAIN_URL, ESAUTH_CA
# (empty without TLS), ESAUTH_USER and ESAUTH_REFUSED, which are written "user:password".
set -euo pipefail
: "${ESAUTH_URL:?}" "${ESAUTH_PLAIN_URL:?}" "${ESAUTH_CA?}" "${ESAUTH_USER:?}" "${ESAUTH_REFUSED:?}"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/check.sh"

# A name for this run only: the back end may be the user's.
index=curl-e2e-$$-$RANDOM
challenge='WWW-Authenticate: Basic realm="Elasticsearch server"'
json='Content-Type: application/json'
as=(-u "$ESAUTH_USER")

check "no credentials are refused with the realm" 401 "$challenge" "$ESAUTH_URL/_cluster/health"
for refused in $ESAUTH_REFUSED; do
    check "$refused is refused" 401 "$challenge" -u "$refused" "$ESAUTH_URL/_cluster/health"
    check "$refused may not write" 401 "$challenge" -u "$refused" -X PUT "$ESAUTH_URL/$index"
done
check "the right password shows the cluster" 200 '"cluster_name"' "${as[@]}" "$ESAUTH_URL/_cluster/health"
check "the plain port is guarded too" 401 "$challenge" "$ESAUTH_PLAIN_URL/_cluster/health"
check "and lets the right password in" 200 '"cluster_name"' "${as[@]}" "$ESAUTH_PLAIN_URL/_cluster/health"
check "a write without credentials is refused" 401 "$challenge" -X PUT "$ESAUTH_URL/$index"
check "none of the refused writes reached the back end" 404 index_not_found "${as[@]}" "$ESAUTH_URL/$index"
check "an index is made" 200 '"acknowledged":true' "${as[@]}" -X PUT "$ESAUTH_URL/$index"
check "a document is written" 201 '"created"' "${as[@]}" -H "$json" -X PUT -d '{"n":1}' "$ESAUTH_URL/$index/_doc/1"
check "the document is read" 200 '"n":1' "${as[@]}" "$ESAUTH_URL/$index/_doc/1"
check "a missing document is the back end's 404" 404 '"found":false' "${as[@]}" "$ESAUTH_URL/$index/_doc/2"
check "OPTIONS needs no credentials" '200|204|405' HTTP/ -X OPTIONS "$ESAUTH_URL/"
check "nor does it on a document" '200|204|405' HTTP/ -X OPTIONS "$ESAUTH_URL/$index/_doc/1"
check "nor on the plain port" '200|204|405' HTTP/ -X OPTIONS "$ESAUTH_PLAIN_URL/"
check "the index is deleted" 200 '"acknowledged":true' "${as[@]}" -X DELETE "$ESAUTH_URL/$index"

echo "1..$count"
exit "$status"
