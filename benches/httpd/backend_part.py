"""The same in front of a real Elasticsearch, beside Elasticsearch's own security."""

import os
import statistics
import subprocess
import time

from credentials import ONE_USER, PASSWORD, USER, authorization
from load import Failed, check_protected, expect, measure
from processes import Process, Unavailable
from servers import Nginx, NginxOurs, Ours, Stock
from static_part import Shares, share_result

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "bench_backend.sh")
CASES = [case for case in ONE_USER if case != "sha"]
WARM_UP_SECONDS = 4


class ProxyingStock(Stock):
    """The stock modules in front of the back end."""

    key, label, cases = "stock", "httpd, mod_authn_file", CASES


class ProxyingOurs(Ours):
    """Ours in front of the back end."""

    key, label, cases = "ours", "httpd, rust_esauth", CASES


class ProxyingNginx(Nginx):
    """nginx's auth_basic in front of the back end."""

    cases = CASES


class ProxyingNginxOurs(NginxOurs):
    """Our module for nginx in front of the back end."""

    cases = CASES


PROXIES = (ProxyingStock, ProxyingOurs, ProxyingNginx, ProxyingNginxOurs)


class Elasticsearch:
    """A real Elasticsearch, started by the project's own scripts; it ends when its input does."""

    def __init__(self, kind, folder):
        self.folder = os.path.join(folder, "elasticsearch-" + kind)
        os.makedirs(self.folder)
        self.process = Process(["bash", SCRIPT, kind, os.path.join(self.folder, "home"), USER, PASSWORD],
                               os.path.join(self.folder, "output"), self.folder, as_nobody=False,
                               stdin=subprocess.PIPE)
        self.url = None

    def wait(self, seconds=400):
        """Waits until it answers, which may include fetching it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.process.ended():
            with open(self.process.log, errors="replace") as output:
                for line in output:
                    if line.startswith("URL ") and line.endswith("\n"):
                        self.url = line.split()[1] + "/_cluster/health"
                        return
            time.sleep(0.2)
        words = self.process.log_tail()
        self.process.stop()
        raise Unavailable(f"it does not start: {words}")


def start_both(bench):
    """An Elasticsearch without security and one with it; None for one that does not start."""
    started = []
    for server in [Elasticsearch(kind, bench.folder) for kind in ("open", "secured")]:
        try:
            server.wait()
            started.append(server)
        except Unavailable as reason:
            bench.skip(os.path.basename(server.folder), reason)
            started.append(None)
    return started


def warm_up(url, slices, header=None):
    """Fills the cache of credentials, and lets Java compile hot code, until two slices in a row are no faster."""
    expect(url, 200, header)
    best, without_gain = 0.0, 0
    for _ in range(slices):
        rate = measure(url, WARM_UP_SECONDS, header).rate
        without_gain = 0 if rate > best * 1.03 else without_gain + 1
        best = max(best, rate)
        if without_gain == 2:
            return


def own_security_round(opened, secured, seconds):
    """The rates of an Elasticsearch without security and of one with it."""
    check_protected(secured.url)
    first = measure(opened.url, seconds, authorization()).rate
    rate = measure(secured.url, seconds, authorization()).rate
    return (first + measure(opened.url, seconds, authorization()).rate) / 2, rate


def run(bench):
    """Both Elasticsearch run during all rounds; one is under load at a time."""
    bench.progress("backend: starting Elasticsearch without and with its own security")
    opened, secured = start_both(bench)
    if not opened:
        if secured:
            secured.process.stop()
        return {}
    for server in PROXIES:
        server.backend = opened.url.removesuffix("/_cluster/health")
    servers = bench.start_servers(PROXIES)
    bench.progress("backend: warming both up")
    warm_up(opened.url, bench.warm_up_slices)
    if secured:
        warm_up(secured.url, bench.warm_up_slices, authorization())
    collected = [Shares(server, CASES) for server in servers]
    shares, rates, open_rates, problem = [], [], [], None if secured else "not started"
    for number in range(bench.rounds):
        title = f"backend, round {number + 1}"
        for server in collected:
            by = server.round_by_slices if server.server.is_ours else server.round
            by(bench.seconds, lambda text, title=title: bench.progress(f"{title}: {text}"))
        if not problem:
            try:
                base, rate = own_security_round(opened, secured, bench.seconds)
            except Failed as failure:
                problem = str(failure)
                bench.progress(f"{title}: Elasticsearch's own security: FAILED: {failure}")
                continue
            open_rates.append(base)
            rates.append(rate)
            shares.append(rate / base)
            bench.progress(f"{title}: Elasticsearch's own security: open {base:,.0f}/s, {rate / base:.2%}")
    bench.stop_servers(servers)
    results = {server.server.key: server.result() for server in collected}
    results["elasticsearch"] = {
        "label": "Elasticsearch's own security", "open_rates": open_rates,
        "open_rate": statistics.median(open_rates) if open_rates else None,
        "cases": {"bcrypt10": share_result(shares, rates, problem)}}
    for server in filter(None, (opened, secured)):
        server.process.stop()
    return results
