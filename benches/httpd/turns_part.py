"""What a request costs more than without authentication: one connection that asks for both URLs by turns.

A busy machine slows both down alike, so that this shows a difference of a tenth of a microsecond where the rates of two
rounds differ by a tenth of themselves."""

import socket
import statistics
import time

from credentials import CASES, authorization
from load import Failed, check_protected
from servers import Ours, OursEverything, Socache, Stock

# For a scheme that is hashed at every request the difference is no secret.
FAST = {"stock": ("sha",), "socache": ("sha", "sha-many")}


def request(case, header):
    """The bytes of a request; without credentials it has as many."""
    return (f"GET /{case}/hello.txt HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n").encode()


def by_turns(port, cases, turns):
    """The median time of a request in each case, and in the open one, in microseconds."""
    credentials = authorization()
    # The open URL first and last, since what comes later in a turn may cost more or less for that.
    requests = [request("open", "X-No-Credentials: " + "x" * (len(credentials) - 3))]
    requests += [request(case, "Authorization: " + credentials) for case in cases]
    requests.append(requests[0])
    times = [[] for _ in requests]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(turns):
            for message, found in zip(requests, times):
                begin = time.perf_counter_ns()
                connection.sendall(message)
                answer = connection.recv(65536)
                found.append(time.perf_counter_ns() - begin)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise Failed(f"{answer[:40]!r} instead of 200")
    medians = [statistics.median(found) / 1000 for found in times]
    return medians[1:-1], (medians[0] + medians[-1]) / 2


def run(bench):
    """One server after the other, several times."""
    servers = bench.start_servers([Stock, Socache, Ours, OursEverything])
    results = {}
    for _ in range(3):
        for server in servers:
            cases = FAST.get(server.key, server.cases)
            result = results.setdefault(server.key, {"label": server.label, "open_us": [], "added_us": {}})
            try:
                for case in cases:
                    check_protected(server.url(case))
                medians, opened = by_turns(server.port, cases, bench.turns)
            except Failed as problem:
                result["failed"] = str(problem)
                continue
            result["open_us"].append(opened)
            for case, median in zip(cases, medians):
                result["added_us"].setdefault(case, []).append(median - opened)
            bench.progress(f"by turns: {server.label}: open {opened:.1f} us, " + ", ".join(
                f"{CASES[case][0]} +{median - opened:.2f}" for case, median in zip(cases, medians)))
    bench.stop_servers(servers)
    return results
