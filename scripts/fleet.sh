# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # what is set here front.sh and demo.sh use, and the other way round
# Several httpd over one real Redis, in front of $backend_url, and the proofs of what they share. Sourced after front.sh and
# proofs.sh.
#
#   fleet_check                 reports missing dependencies, before anything slow is started
#   fleet_start COUNT FOLDER    starts Redis and that many httpd, with the virtual hosts for "users"
#   prove_fleet                 leaves all of them running
#   fleet_stop
#
# Sets fleet_redis, which is Redis's address, and for each httpd, from 0, its fleet_pids, fleet_urls and fleet_metrics.

fleet_pids=() fleet_urls=() fleet_metrics=()
redis_pid=''

fleet_check() {
    front_check
    need_commands redis-server
    [ -x "$esauth" ] || die "$esauth is missing; run 'make cli' first"
}

fleet_start() { # COUNT FOLDER
    local number HTTPS_PORT=${HTTPS_PORT:-} HTTP_PORT=${HTTP_PORT:-}
    fleet_folder=$2
    mkdir -p "$fleet_folder/redis"
    "$esauth" fleet-key "$fleet_folder/key" >"$fleet_folder/log" || exit 1
    if [ "$(id -u)" -eq 0 ]; then chown nobody "$fleet_folder"/{redis,key}; fi
    redis_port=$(free_port) || exit 1
    fleet_redis=redis://127.0.0.1:$redis_port
    redis_start
    # Two failures for each httpd: so the guesses below reach the limit also of one that Redis does not answer in time.
    front_directives="EsAuthFleet $fleet_redis
EsAuthFleetKey \"$fleet_folder/key\"
EsAuthFleetServers $1
EsAuthMaxFailures $((2 * $1))/60"
    for ((number = 0; number < $1; number++)); do
        front_start users "$fleet_folder/$number"
        fleet_pids[number]=$front_pid
        fleet_urls[number]=$front_url
        fleet_metrics[number]=$metrics_url
        # The others have the same files, and any free ports.
        front_like=$fleet_folder/0 HTTPS_PORT='' HTTP_PORT=''
    done
}

redis_start() {
    (unprivileged redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --dir "$fleet_folder/redis") \
        >"$fleet_folder/redis.log" 2>&1 </dev/null &
    redis_pid=$!
    for _ in $(seq 50); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$redis_port") 2>/dev/null; then return; fi
        kill -0 "$redis_pid" 2>/dev/null || break
        sleep 0.1
    done
    cat "$fleet_folder/redis.log" >&2
    die "redis-server did not start; its log is above"
}

redis_stop() {
    [ -n "$redis_pid" ] || return 0
    kill "$redis_pid" 2>/dev/null || true
    wait "$redis_pid" 2>/dev/null || true
    redis_pid=''
}

# Not gracefully: it forgets every password.
fleet_restart() { # NUMBER
    front_pid=${fleet_pids[$1]} front_url=${fleet_urls[$1]}
    front_stop
    front_run "$(httpd_program "$(find_apxs)")" "$fleet_folder/$1"
    fleet_pids[$1]=$front_pid
}

fleet_stop() {
    local pid
    # First the one that may be about to start.
    front_stop
    for pid in "${fleet_pids[@]}"; do
        front_pid=$pid
        front_stop
    done
    fleet_pids=()
    redis_stop
}

prove_fleet() {
    local number round try hashes='rust_esauth_hashes_total{family="bcrypt"}' reachable=rust_esauth_fleet_reachable
    prove 'alice logs in on the first httpd' 200 cluster_name -u alice:secret "${fleet_urls[0]}/_cluster/health"
    prove 'which computes one hash' 200 "$hashes 1" "${fleet_metrics[0]}"
    for ((number = 1; number < ${#fleet_pids[@]}; number++)); do
        prove_known "$number" "httpd $((number + 1)) lets her in"
    done
    for round in 1 2; do
        for number in "${!fleet_pids[@]}"; do
            prove "bob's password is guessed on httpd $((number + 1)): refused" 401 Basic \
                -u "bob:guess-$round-$number" "${fleet_urls[number]}/"
        done
    done
    for number in "${!fleet_pids[@]}"; do
        prove "the guesses are counted together: locked out on httpd $((number + 1)), with the right password as well" \
            429 Retry-After -u bob:geheim "${fleet_urls[number]}/"
    done
    for number in "${!fleet_pids[@]}"; do
        fleet_restart "$number"
        prove_known "$number" "after a restart, httpd $((number + 1)) lets alice in"
    done
    redis_stop
    for number in "${!fleet_pids[@]}"; do
        prove "Redis is stopped: httpd $((number + 1)) lets alice in" 200 cluster_name \
            -u alice:secret "${fleet_urls[number]}/_cluster/health"
        prove 'a wrong password is refused' 401 Basic -u alice:wrong "${fleet_urls[number]}/"
        # On a busy machine, a question may come too late to be asked at all.
        for try in 1 2 3 4 5; do
            if [[ $(curl -s "${fleet_metrics[number]}") = *$'\n'"$reachable 0"* ]]; then break; fi
            curl -s -o /dev/null "${trust[@]}" -u "nobody-$try:wrong" "${fleet_urls[number]}/" || true
            sleep 0.1
        done
        prove 'and the metrics show the loss' 200 "$reachable 0" "${fleet_metrics[number]}"
    done
    redis_start
    for number in "${!fleet_pids[@]}"; do
        # It tries to connect again every 4 s at most.
        for _ in $(seq 100); do
            if [[ $(curl -s "${fleet_metrics[number]}") = *$'\n'"$reachable 1"* ]]; then break; fi
            sleep 0.1
        done
        prove "Redis is there again: httpd $((number + 1)) has found it" 200 "$reachable 1" "${fleet_metrics[number]}"
    done
}

# That an httpd which does not remember alice lets her in without a hash.
prove_known() { # NUMBER PROMISE
    local metrics=${fleet_metrics[$1]} hashes='rust_esauth_hashes_total{family="bcrypt"}'
    for _ in 1 2 3 4 5; do
        prove "$2" 200 cluster_name -u alice:secret "${fleet_urls[$1]}/_cluster/health"
        [[ $(curl -s "$metrics") = *"$hashes 1"* ]] || break
        say "    Redis's answer came later than 5 ms, as happens on a busy machine, and a hash was computed. Restarting this httpd and asking again."
        fleet_restart "$1"
    done
    prove 'without a hash' 200 "$hashes 0" "$metrics"
}
