#!/usr/bin/env bash
# Who a user of our files is to OpenSearch, which is told so in headers. Run by scripts/e2e.sh, which sets what curl.sh is given,
# and ESAUTH_FOLDER (with the front's files), ESAUTH_BACKEND_LOGS (a folder around the back end's logs) and ESAUTH_PROGRAM.
# shellcheck disable=SC2251 # "report" is given the negated status
set -euo pipefail
: "${ESAUTH_URL:?}" "${ESAUTH_CA?}" "${ESAUTH_USER:?}" "${ESAUTH_FOLDER:?}" "${ESAUTH_BACKEND_LOGS:?}" "${ESAUTH_PROGRAM:?}"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/check.sh"

who=$ESAUTH_URL/_plugins/_security/authinfo
as=(-u "$ESAUTH_USER")

set +e
check "the user is the client's" 200 '"user_name":"alice"' "${as[@]}" "$who"
check "with the groups as roles" 200 '"backend_roles":["elasticsearch"]' "${as[@]}" "$who"
check "another user is another one there" 200 '"user_name":"bob"' -u bob:geheim "$who"
check "without roles, being in no group" 200 '"backend_roles":[]' -u bob:geheim "$who"
check "and thus without rights" 403 'no permissions' -u bob:geheim -X PUT "$ESAUTH_URL/proxy-e2e-1"
for claim in 'x-proxy-user: root' 'x-proxy-roles: admin' 'X-Proxy-Roles: elasticsearch' 'Connection: x-proxy-user, x-proxy-roles' \
    'X-Forwarded-For: 127.0.0.1' 'opendistro_security_user: root' '_opendistro_security_user_header: root'; do
    check "$claim gains no other name" 200 '"user_name":"bob"' -u bob:geheim -H "$claim" "$who"
    check "$claim gains no role" 200 '"backend_roles":[]' -u bob:geheim -H "$claim" "$who"
done
check "without a password there is no identity to claim" 401 'realm="Elasticsearch server"' -H 'x-proxy-user: root' "$who"
check "not even with OPTIONS" '200|401|502' HTTP/ -X OPTIONS -H 'x-proxy-user: root' -H 'x-proxy-roles: admin' "$who"

echo 'elasticsearch: alice bob' >"$ESAUTH_FOLDER/groups"
check "a changed group counts at the next request" 200 '"backend_roles":["elasticsearch"]' -u bob:geheim "$who"
verify "a sound setup" ''

reconfigure 's|^ *EsAuthBackendUser .*||'
check "a back end that is told of nobody refuses, which is 502" 502 'refuses the credential' "${as[@]}" "$who"
reconfigure 's|^ *EsAuthBackendCredentials .*||; s|^ *EsAuthBackendUser .*||'
check "nor does the client's password help it" 401 'OpenSearch Security' "${as[@]}" "$who"
verify "the client's own credentials, which the back end refuses" right-password
reconfigure ''
check "with the sound setup, the user is known again" 200 '"user_name":"alice"' "${as[@]}" "$who"

! grep -rqF "$(basic alice:secret)" "$ESAUTH_BACKEND_LOGS" --include='*.log' --include=log
report "no log of the back end has a client's password" $? "it has"
set -e

echo "1..$count"
exit "$status"
