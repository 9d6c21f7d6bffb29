"""The cost of a first request: many users whose hashes all differ, each seen once, by ours and by stock httpd in turn."""

import http.client
import os
import statistics
import time

from credentials import authorization, write_many_real_users
from load import Failed
from servers import Ours, Stock


class Client:
    """One persistent connection."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.path = "/bcrypt10/hello.txt"
        # Connected, and the worker awake, before anything is timed.
        self.milliseconds(None, path="/open/hello.txt")

    def milliseconds(self, user, path=None):
        """The time of one request."""
        headers = {"Authorization": authorization(user=user)} if user else {}
        begin = time.perf_counter()
        self.connection.request("GET", path or self.path, headers=headers)
        answer = self.connection.getresponse()
        answer.read()
        took = time.perf_counter() - begin
        if answer.status != 200:
            raise Failed(f"{answer.status} instead of 200 for {user}")
        return took * 1e3


def run(bench):
    """Total time of ours divided by that of stock."""
    path = os.path.join(bench.folder, "cold.users")
    bench.progress(f"cold: making {bench.cold_users} users with hashes of their own")
    users = write_many_real_users(path, bench.cold_users)
    servers = bench.start_servers([Stock, Ours], {**bench.password_files, "bcrypt10": path})
    if len(servers) < 2:
        return {}
    times = {"stock": [], "ours": []}
    try:
        clients = [(server.key, Client(server)) for server in servers]
        for number, user in enumerate(users):
            # The second one finds a warmer processor, so they alternate.
            for key, client in clients if number % 2 else reversed(clients):
                times[key].append(client.milliseconds(user))
    except (Failed, OSError) as problem:
        bench.progress(f"cold: FAILED: {problem}")
        return {"failed": str(problem)}
    finally:
        bench.stop_servers(servers)
    ratio = sum(times["ours"]) / sum(times["stock"])
    medians = {key: statistics.median(values) for key, values in times.items()}
    bench.progress(f"cold: ours {medians['ours']:.1f} ms, stock {medians['stock']:.1f} ms; total ours/stock {ratio:.3f}")
    return {"users": len(users), "ratio_of_totals": ratio, "ratio_of_medians": medians["ours"] / medians["stock"],
            "median_ms": medians, "times_ms": times}
