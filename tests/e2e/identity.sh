#!/usr/bin/env bash
# Who a user of our files is to a back end with users of its own. Run by scripts/e2e.sh, which sets what curl.sh is given, and
# ESAUTH_FOLDER (with the front's files), ESAUTH_BACKEND_LOGS (a folder around the back end's logs), ESAUTH_BACKEND_URL,
# ESAUTH_BACKEND_CA, ESAUTH_BACKEND_KEYS (empty without API keys) and ESAUTH_PROGRAM.
# shellcheck disable=SC2251 # "report" is given the negated status
set -euo pipefail
: "${ESAUTH_URL:?}" "${ESAUTH_CA?}" "${ESAUTH_USER:?}" "${ESAUTH_FOLDER:?}" "${ESAUTH_BACKEND_LOGS:?}"
: "${ESAUTH_BACKEND_URL:?}" "${ESAUTH_BACKEND_CA:?}" "${ESAUTH_BACKEND_KEYS?}" "${ESAUTH_PROGRAM:?}"

# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/check.sh"

# The answer that tells who asks.
who=$ESAUTH_URL/_security/_authenticate
as=(-u "$ESAUTH_USER")
credentials=$ESAUTH_FOLDER/credentials

put() { # LINE
    echo "$1" >"$credentials.new"
    chmod --reference="$credentials" "$credentials.new"
    chown --reference="$credentials" "$credentials.new"
    mv "$credentials.new" "$credentials"
}

set +e
check "the user is the one of the credentials file" 200 '"username":"service-alice"' "${as[@]}" "$who"
for claim in 'es-security-runas-user: reader' 'es-secondary-authorization: Basic cm9vdDpzZWNyZXQ=' \
    'x-proxy-user: root' 'X-Forwarded-User: root' 'Connection: authorization' 'ES-Client-Authentication: SharedSecret x'; do
    check "$claim changes nothing" 200 '"username":"service-alice"' "${as[@]}" -H "$claim" "$who"
done
check "OPTIONS needs no credentials" '200|204' HTTP/ -X OPTIONS "$ESAUTH_URL/"
check "and a claim with it has none" '200|204' HTTP/ -X OPTIONS -u root:secret "$who"

# Requests to the back end itself, as the owner of its API keys.
api_keys() { # CURL-ARGUMENTS...
    curl -fsS --max-time 30 --cacert "$ESAUTH_BACKEND_CA" -u service-alice:secret -H 'Content-Type: application/json' "$@" \
        "$ESAUTH_BACKEND_URL/_security/api_key"
}

# Makes an API key that may read what it is told of the cluster and write one index, and prints what a client presents.
new_key() { # NAME
    api_keys -d '{ "name": "'"$1"'", "role_descriptors": { "shop": { "cluster": [ "monitor" ],
        "indices": [ { "names": [ "shop*" ], "privileges": [ "all" ] } ] } } }' | sed -n 's/.*"encoded":"\([^"]*\)".*/\1/p'
}

secrets=()
if [ -n "$ESAUTH_BACKEND_KEYS" ]; then
    check "an API key shows as such" 200 '"authentication_type":"api_key"' "${as[@]}" "$who"
    for name in first second; do secrets+=("$(new_key "$name")"); done
    put "alice: ApiKey ${secrets[0]}"
    check "another key counts at the next request" 200 '"name":"first"' "${as[@]}" "$who"
    check "and has the rights that it was made with" 200 '"acknowledged":true' "${as[@]}" -X PUT "$ESAUTH_URL/shop-identity"
    check "no others" 403 'is unauthorized for API key' "${as[@]}" -X PUT "$ESAUTH_URL/other-identity"
    api_keys -X DELETE -d '{ "name": "first", "owner": true }' >/dev/null
    check "an API key that is no longer valid is 502" 502 'refuses the credential' "${as[@]}" "$who"
    grep -q "the back end refuses the credential .* has for user alice, from the user's own line" "$ESAUTH_FOLDER/logs/error"
    report "with a line in the log that names it" $? "$(tail -n 3 "$ESAUTH_FOLDER/logs/error")"
    put "alice: ApiKey ${secrets[1]}"
    check "until the next key, at the next request" 200 '"name":"second"' "${as[@]}" "$who"
fi

put "*: Basic $(basic service-bob:secret)"
check "a changed credential counts at the next request" 200 '"username":"service-bob"' "${as[@]}" "$who"
put "*: Basic $(basic service-bob:wrong)"
check "a credential that the back end refuses is 502" 502 'refuses the credential' "${as[@]}" "$who"
answer=$(ask "${as[@]}" "$who")
! grep -qi '^www-authenticate' <<<"$answer"
report "without a challenge" $? "$answer"
grep -q 'the back end refuses the credential that EsAuthBackendCredentials .* has for user alice, from the line for \*' \
    "$ESAUTH_FOLDER/logs/error"
report "and a line in the log that names it" $? "$(tail -n 3 "$ESAUTH_FOLDER/logs/error")"

# esauth verify finds nothing in the sound setup, and each of these faults.
put "alice: Basic $(basic service-shop:secret)"
verify "a sound setup" ''
if [ -n "$ESAUTH_BACKEND_KEYS" ]; then
    put "alice: ApiKey ${secrets[1]}"
    verify "a sound setup with an API key" ''
fi
put "alice: Basic $(basic root:secret)"
verify "a superuser's credential" rights
put "alice: Basic $(basic service-shop:wrong)"
verify "a wrong credential" right-password
put "bob: Basic $(basic service-shop:secret)"
verify "no line for the user" right-password
put "alice: Basic service-shop:secret"
verify "a broken file" right-password
put "alice: Basic $(basic service-shop:secret)"
reconfigure 's|^ *SSLProxyCACertificateFile .*|SSLProxyCACertificateFile "'"$ESAUTH_CA"'"|'
verify "the wrong CA" 'right-password options'
reconfigure 's|^ *EsAuthBackendCredentials .*||'
verify "the client's own credentials, which the back end refuses" right-password
echo "reader:$(sed -n 's/^alice:\([^:]*\).*/\1/p' "$ESAUTH_FOLDER/users")" >>"$ESAUTH_FOLDER/users"
verify "the client's own credentials, which the back end takes" 'identity claims' reader:secret
reconfigure 's|^ *EsAuthBackendCredentials .*|RequestHeader set Authorization "Basic '"$(basic root:secret)"'"|'
verify "a header set by hand" 'claims rights'
reconfigure ''

# Run-as: the credential is that of somebody who may act as others.
put "*: Basic $(basic root:secret)"
reconfigure 's|EsAuthBackendCredentials|EsAuthBackendUser RunAs\n&|'
check "with RunAs, the user is the one named" 200 '"username":"reader"' -u reader:secret "$who"
check "whatever the client claims" 200 '"username":"reader"' -u reader:secret -H 'es-security-runas-user: root' "$who"
check "a user whom the back end does not know is refused by it" 403 'unauthorized to run as' "${as[@]}" "$who"

! grep -rqE "$(basic alice:secret)|$(basic reader:secret)" "$ESAUTH_BACKEND_LOGS" --include='*.log' --include=log
report "no log of the back end has a client's password" $? "it has"
! grep -qF "$(printf '%s\n' "$(basic root:secret)" "$(basic service-bob:secret)" "${secrets[@]}")" "$ESAUTH_FOLDER/logs/error"
report "no log of httpd has a credential" $? "it has"
set -e

echo "1..$count"
exit "$status"
