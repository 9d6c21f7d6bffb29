"""With nothing remembered, so that each request is hashed: ours beside stock, in alternating rounds of 16 connections."""

import statistics

from credentials import authorization
from load import Failed, check_protected, measure
from servers import Nginx, NginxOurs, Ours, Stock

CASES = ("bcrypt5", "bcrypt10")
# Longer than other rounds: bcrypt 10 takes one connection twenty times a second.
FACTOR = 2


class OursUncached(Ours):
    """Ours without the cache."""

    key, label = "ours-uncached", "httpd, rust_esauth, EsAuthCacheSize 0"
    settings = "EsAuthCacheSize 0"


class NginxOursUncached(NginxOurs):
    """The same for nginx."""

    key, label = "nginx-ours-uncached", "nginx, rust_esauth, esauth_cache_size 0"
    settings = "esauth_cache_size 0;\n"


def ratios(servers, case, bench):
    """The rate of the second server divided by that of the first, in each round."""
    found = []
    for server in servers:
        check_protected(server.url(case))
    for _ in range(bench.rounds):
        rates = []
        for server in servers:
            rates.append(measure(server.url(case), FACTOR * bench.seconds, authorization()).rate)
            server.process.settle()
        found.append(rates[1] / rates[0])
    return found


def run(bench):
    """Each pair in turn, alone."""
    results = {}
    for pair in ((Stock, OursUncached), (Nginx, NginxOursUncached)):
        servers = bench.start_servers(pair)
        if len(servers) == len(pair):
            ours = servers[1]
            try:
                cases = {case: ratios(servers, case, bench) for case in CASES}
                results[ours.key] = {"label": ours.label, "beside": servers[0].label, "ratios": cases}
                told = ", ".join(f"{case} {statistics.median(found):.3f}" for case, found in cases.items())
                bench.progress(f"uncached: {ours.label}, divided by {servers[0].label}: {told}")
            except Failed as problem:
                results[ours.key] = {"label": ours.label, "failed": str(problem)}
                bench.progress(f"uncached: {ours.label}: FAILED: {problem}")
        bench.stop_servers(servers)
    return results
