"""The added cost of a request with authentication: one connection that asks for both URLs in turn.

A busy machine slows both down alike, so that this shows a difference of a tenth of a microsecond where the rates of two
rounds differ by a tenth of themselves."""

import socket
import statistics
import time

from credentials import CASES, authorization
from load import Failed, check_protected
from servers import Ours, OursEverything, Socache, Stock

# For a scheme that is hashed at every request, the difference is obvious.
FAST = {"stock": ("sha",), "socache": ("sha", "sha-many")}


def request(case, header):
    """The bytes of a request; as many without credentials."""
    return (f"GET /{case}/hello.txt HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n").encode()


def by_turns(port, case, turns):
    """The median time of a request in this case, and of an open one, in microseconds.

    Each case has its own connection, like a client's: the connection cache is for one file."""
    credentials = authorization()
    opened = request("open", "X-No-Credentials: " + "x" * (len(credentials) - 3))
    # The open URL on either side, since later requests in a turn may cost more or less.
    requests = [opened, request(case, "Authorization: " + credentials), opened]
    before, median, after = (statistics.median(found) for found in times_in_turn(port, requests, turns))
    return median, (before + after) / 2


def times_in_turn(port, requests, turns):
    """The times of each of these requests, which one connection sends in turn, in microseconds."""
    times = [[] for _ in requests]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(turns):
            for message, found in zip(requests, times):
                begin = time.perf_counter_ns()
                connection.sendall(message)
                answer = connection.recv(65536)
                found.append((time.perf_counter_ns() - begin) / 1000)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise Failed(f"{answer[:40]!r} instead of 200")
    return times


def run(bench):
    """One server after the other, several times."""
    servers = bench.start_servers([Stock, Socache, Ours, OursEverything])
    results = {}
    for _ in range(3):
        for server in servers:
            cases = FAST.get(server.key, server.cases)
            result = results.setdefault(server.key, {"label": server.label, "open_us": [], "added_us": {}})
            added = {}
            try:
                for case in cases:
                    check_protected(server.url(case))
                    median, opened = by_turns(server.port, case, bench.turns)
                    result["open_us"].append(opened)
                    added[case] = median - opened
            except Failed as problem:
                result["failed"] = str(problem)
                continue
            for case, more in added.items():
                result["added_us"].setdefault(case, []).append(more)
            bench.progress(f"in turn: {server.label}: open {opened:.1f} us, " + ", ".join(
                f"{CASES[case][0]} +{more:.2f}" for case, more in added.items()))
    bench.stop_servers(servers)
    return results
