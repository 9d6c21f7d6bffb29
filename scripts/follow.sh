# shellcheck shell=bash
# shellcheck disable=SC2154 # what lib.sh sets is used here
# Follows a page of the documentation word for word. Sourced after lib.sh. cli/tests/documentation.rs checks that each block
# is followed, or run elsewhere.
#
#   follow PAGE SYSTEM COMMAND...
#
# runs each block ```sh of the page that is marked for SYSTEM (```sh debian redhat) as COMMAND... bash -c BLOCK, one after
# the other, and expects every line of the next ```text block, if that is marked, too, in the output. Types $password when
# asked for a password.

follow() { # PAGE SYSTEM COMMAND...
    local page=$1 system=$2 line language='' marks block='' output='' number=0 ran=0
    shift 2
    while IFS= read -r line <&3; do
        number=$((number + 1))
        if [[ $line != '```'* ]]; then
            block+=$line$'\n'
        elif [ -z "$language" ]; then
            read -r language marks <<<"${line#'```'}"
            language=${language:-none} block=''
        else
            if [[ " $marks " == *" $system "* ]]; then follow_block "$@"; fi
            language=''
        fi
    done 3<"$page"
    [ "$ran" -gt 0 ] || die "$page has nothing for $system"
    say "$page: $ran blocks for $system, followed word for word"
}

# Reads follow's variables.
follow_block() { # COMMAND...
    local wanted
    case $language in
        sh)
            ran=$((ran + 1))
            output=$(python3 "$root/scripts/at_terminal.py" "${password:?}" "$@" bash -ec "$block" 2>&1) \
                || die "$page: the block before line $number failed: $block$output"
            ;;
        text)
            while IFS= read -r wanted; do
                [ -z "$wanted" ] || grep -qF -- "$wanted" <<<"$output" \
                    || die "$page: '$wanted' (before line $number) is not in the output: $output"
            done <<<"$block"
            ;;
    esac
}
