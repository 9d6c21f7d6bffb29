"""A client of a file without authentication beside 64 connections that guess passwords: its latency."""

import os
import time

from flood_part import GUESSING_CONNECTIONS, LEAD_SECONDS
from credentials import USER
from load import Failed, NoAnswer, expect, measure, start_guessing
from report import milliseconds
from servers import Nginx, NginxOurs, NginxOursLockout, Ours

SERVERS = (Nginx, NginxOurs, NginxOursLockout, Ours)


def one_round(server, seconds, word, folder):
    """The latencies of one connection, without the guesses and beside them (None: no answer), in milliseconds."""
    url = server.url("open")
    expect(url, 200)
    idle = measure(url, seconds, connections=1)
    flood = start_guessing(server.url("bcrypt10"), "somebody-else" if server.locks_out else USER, word,
                           seconds + LEAD_SECONDS + 1, GUESSING_CONNECTIONS, os.path.join(folder, f"beside-{server.key}-{word}"))
    try:
        time.sleep(LEAD_SECONDS)
        try:
            beside = measure(url, seconds, connections=1)
        except NoAnswer:
            return {"idle_p50": idle.p50, "idle_p99": idle.p99, "p50": None, "p99": None}
    finally:
        flood.stop()
        server.process.settle()
    return {"idle_p50": idle.p50, "idle_p99": idle.p99, "p50": beside.p50, "p99": beside.p99}


def median(latencies):
    """None in place of a latency: no answer, which is longer than any."""
    latencies = sorted(latencies, key=lambda latency: (latency is None, latency))
    return latencies[len(latencies) // 2]


def run(bench):
    """Every server in turn, alone."""
    results = {}
    for server in bench.start_servers(SERVERS):
        try:
            rounds = [one_round(server, 2 * bench.seconds, f"beside{number}", bench.folder) for number in range(bench.rounds)]
            medians = {name: median(found[name] for found in rounds) for name in rounds[0]}
            results[server.key] = {"label": server.label, **medians, "rounds": rounds}
            bench.progress(f"bystander: {server.label}: median {milliseconds(medians['idle_p50'])} → {milliseconds(medians['p50'])}, "
                           f"p99 {milliseconds(medians['idle_p99'])} → {milliseconds(medians['p99'])}")
        except Failed as problem:
            results[server.key] = {"label": server.label, "failed": str(problem)}
            bench.progress(f"bystander: {server.label}: FAILED: {problem}")
        bench.stop_servers([server])
    return results
