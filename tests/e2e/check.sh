# shellcheck shell=bash
# shellcheck disable=SC2034 # status is read by the scripts that source this
# Checks of answers. Sourced by the suites; needs ESAUTH_CA.

count=0
status=0

# Status line, headers and body of an answer.
ask() { curl -sS -i --max-time 30 ${ESAUTH_CA:+--cacert "$ESAUTH_CA"} "$@" 2>&1 | tr -d '\r'; }

check() { # NAME STATUS TEXT CURL-ARGUMENTS...
    local name=$1 expected=$2 text=$3 answer code result=0
    shift 3
    answer=$(ask "$@") || true
    code=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$answer")
    { [[ $code =~ ^($expected)$ ]] && grep -qF -- "$text" <<<"$answer"; } || result=1
    report "$name" "$result" "expected $expected with '$text', got: $(head -c 600 <<<"$answer" | tr '\n' ' ')"
}

report() { # NAME STATUS WHY
    count=$((count + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $1"
    else
        echo "not ok $1: $3"
        status=1
    fi
}

basic() { printf '%s' "$1" | base64; }

# Has httpd read its configuration again, and waits until no process with the old one is left.
reload() {
    local pid children
    pid=$(cat "$ESAUTH_FOLDER/pid")
    children=$(pgrep -P "$pid" | sort)
    kill -USR1 "$pid"
    for _ in $(seq 200); do
        [ -z "$(comm -12 <(echo "$children") <(pgrep -P "$pid" | sort))" ] && break
        sleep 0.1
    done
}

# Has httpd take another configuration than the one that it was started with.
reconfigure() { # SED-SCRIPT
    local configuration=$ESAUTH_FOLDER/secured.conf
    [ -e "$configuration.sound" ] || cp "$configuration" "$configuration.sound"
    sed "$1" "$configuration.sound" >"$configuration"
    reload
}

# The checks of esauth verify that fail for a user.
failing() { # USER:PASSWORD
    ESAUTH_PASSWORD=${1#*:} "$ESAUTH_PROGRAM" verify "$ESAUTH_URL" --user "${1%%:*}" --ca "$ESAUTH_CA" --min-days 1 \
        --http-port "${ESAUTH_PLAIN_URL##*:}" --json | tr -d ' \n' |
        grep -oE '"id":"[a-z-]+","result":"failed"' | sed 's/"id":"\([a-z-]*\)".*/\1/' | paste -sd ' '
}

verify() { # NAME EXPECTED [USER:PASSWORD]
    local found
    found=$(failing "${3:-$ESAUTH_USER}")
    [ "$found" = "$2" ]
    report "esauth verify: $1" $? "expected '$2', got '$found'"
}
