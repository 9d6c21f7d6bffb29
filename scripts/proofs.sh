# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what lib.sh sets is used here, and what is set here by the script that sources this
# The promises of the setup for groups, each proved with a repeatable curl command. Sourced after lib.sh.
#
#   prove_roles   the same with roles, after prove_all
#   prove_all     with front_url, curl's arguments for its certificate (trust) and a folder for files (scratch); counts
#                 failures in $failures, and leaves the index $index behind

failures=0
# If ES_URL names the user's own server, its data must not be touched.
index=products${ES_URL:+-esauth-demo-$$-$RANDOM}

# Runs a curl command as shown, compares its status and output with the expectation, and shows the line that proves it.
prove() { # PROMISE STATUS TEXT CURL-ARGUMENTS...
    local promise=$1 expected=$2 text=$3 answer status line
    shift 3
    answer=$(curl -sS -i --max-time 60 "${trust[@]}" "$@" 2>&1 | tr -d '\r') || true
    status=$(sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' <<<"$answer")
    if [[ $status =~ ^($expected)$ ]] && line=$(grep -m 1 -iF -- "$text" <<<"$answer"); then
        printf '%s✓%s %s\n' "$green" "$plain" "$promise"
    else
        failures=$((failures + 1))
        line="expected $expected with $text; got: $(head -c 1000 <<<"$answer")"
        printf '%s✗%s %s\n' "$red" "$plain" "$promise"
    fi
    printf '    curl -i%s\n' "$(quoted "${trust[@]}" "$@")"
    [ "$line" = "${answer%%$'\n'*}" ] || line="${status:-no answer}: $line"
    if [[ $line != expected* ]]; then line=$(excerpt "$text" "$line"); fi
    printf '    → %s\n' "$line"
}

# The part of a long line around TEXT.
excerpt() { # TEXT LINE
    local before=${2%%"$1"*}
    if [ "${#2}" -le 130 ]; then
        say "$2"
    elif [ "${#before}" -le 60 ]; then
        say "${2:0:130}…"
    else
        say "${2:0:5}…${2:${#before}-50:120}…"
    fi
}

# Arguments as a person would type them.
quoted() {
    local argument
    for argument in "$@"; do
        case $argument in
            *[!A-Za-z0-9_./:@=-]*) printf " '%s'" "${argument//\'/\'\\\'\'}" ;;
            *) printf ' %s' "$argument" ;;
        esac
    done
}

prove_all() {
    local json='Content-Type: application/json' realm='Basic realm="Elasticsearch server"'
    printf '%s\n' '{"index":{"_id":"2"}}' '{"name":"blue shirt","price":12}' \
        '{"index":{"_id":"3"}}' '{"name":"red hat","price":8}' >"$scratch/products.json"
    prove 'without credentials: refused, with the realm' 401 "$realm" "$front_url/"
    prove 'wrong password: refused' 401 "$realm" -u alice:wrong "$front_url/"
    prove "right password: the cluster's JSON" 200 cluster_name -u alice:secret "$front_url/_cluster/health"
    prove 'a product is indexed' 201 '"result":"created"' -u alice:secret -H "$json" \
        -X PUT -d '{"name":"red shirt","price":10}' "$front_url/$index/_doc/1?refresh=true"
    prove 'more in bulk' 200 '"errors":false' -u alice:secret -H 'Content-Type: application/x-ndjson' \
        -X POST --data-binary "@$scratch/products.json" "$front_url/$index/_bulk?refresh=true"
    prove 'and found' 200 'red hat' -u alice:secret -H "$json" \
        -X POST -d '{"query":{"match":{"name":"hat"}}}' "$front_url/$index/_search"
    # Elasticsearch's own answer to OPTIONS, whatever it is, shows that the request got through.
    prove 'OPTIONS without credentials: not refused' '200|204|405' HTTP/ -X OPTIONS "$front_url/"
    prove 'a user outside the group: refused' 401 "$realm" -u bob:geheim "$front_url/"
}

# With the virtual hosts for roles.
prove_roles() {
    prove 'a reader may search' 200 'red hat' -u bob:geheim "$front_url/$index/_search?q=hat"
    prove 'and may not delete' 403 'action [indices:admin/delete] is unauthorized for user [bob]' \
        -u bob:geheim -X DELETE "$front_url/$index"
}
