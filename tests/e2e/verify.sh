#!/usr/bin/env bash
# Checks that esauth finds no fault with the protected back end. Run by scripts/e2e.sh, which sets ESAUTH_PROGRAM,
# ESAUTH_BACKEND (HOST:PORT) and the variables for curl.sh.
set -euo pipefail
: "${ESAUTH_PROGRAM:?}" "${ESAUTH_BACKEND:?}" "${ESAUTH_URL:?}" "${ESAUTH_PLAIN_URL:?}" "${ESAUTH_CA:?}" "${ESAUTH_USER:?}"

echo "1..1"
# The certificate lasts only for the tests.
if ESAUTH_PASSWORD=${ESAUTH_USER#*:} "$ESAUTH_PROGRAM" verify "$ESAUTH_URL" --user "${ESAUTH_USER%%:*}" --ca "$ESAUTH_CA" \
    --min-days 1 --http-port "${ESAUTH_PLAIN_URL##*:}" --backend "$ESAUTH_BACKEND"; then
    echo "ok esauth verify finds nothing"
else
    echo "not ok esauth verify finds nothing"
    exit 1
fi
