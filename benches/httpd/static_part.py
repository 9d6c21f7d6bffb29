"""A static file: every server and every case, interleaved, as the share of the server's own open rate."""

import statistics

from credentials import CASES, authorization
from load import Failed, check_protected, expect, measure, measure_by_slices, round_length
from servers import EVERY_SERVER, OursEverything


CONNECTIONS = 16
QUICK_CASES = ("bcrypt10", "sha-many", "bcrypt10-many")


def share_result(shares, rates, problem):
    """The numbers of one case; a failure in any round leaves no number."""
    if problem or not shares:
        return {"failed": problem or "not measured"}
    return {"share": statistics.median(shares), "lowest": min(shares), "highest": max(shares),
            "rate": statistics.median(rates), "shares": shares, "rates": rates}


class Shares:
    """Collects the rounds of one server."""

    def __init__(self, server, cases):
        self.server = server
        self.cases = [case for case in server.cases if case in cases]
        self.open_rates = []
        self.shares = {case: [] for case in self.cases}
        self.rates = {case: [] for case in self.cases}
        self.problems = {}

    def round(self, seconds, progress):
        """Measures every case between two measurements of the open URL; the share is relative to their mean.

        All requests carry the same header: this measures a server's handling of it, not its transmission."""
        server, url = self.server, self.server.url("open")
        told = []
        # Half as long, since there is one before and one after.
        open_seconds = max(1, seconds // 2)
        try:
            expect(url, 200)
            opened = [measure(url, open_seconds, authorization()).rate]
            for case in self.cases:
                rate = None if case in self.problems else self.case(case, seconds, progress)
                if rate is None:
                    continue
                before = opened[-1]
                # If next to nothing is left, another second of the open URL adds nothing.
                if rate > before / 2:
                    opened.append(measure(url, open_seconds, authorization()).rate)
                self.rates[case].append(rate)
                self.shares[case].append(rate / statistics.mean([before, opened[-1]]))
                told.append(f", {CASES[case][0]} {self.shares[case][-1]:.2%}")
        except Failed as problem:
            progress(f"{server.label}: FAILED without authentication: {problem}")
            self.problems.update({case: f"without authentication: {problem}" for case in self.cases})
            return
        self.open_rates.append(statistics.mean(opened))
        progress(f"{server.label}: open {self.open_rates[-1]:,.0f}/s{''.join(told)}")

    def round_by_slices(self, seconds, progress):
        """The same with the open URL and each case in turn many times a second, for a server that is fast in every case:
        this resolves one percent, while whole seconds, which meet a different machine each time, do not resolve ten."""
        told = []
        for case in self.cases:
            url = self.server.url(case)
            try:
                check_protected(url)
                opened, rate = measure_by_slices(self.server.url("open"), url, 2 * seconds, authorization(), CONNECTIONS)
            except Failed as problem:
                self.problems[case] = str(problem)
                progress(f"{self.server.label}, {CASES[case][0]}: FAILED: {problem}")
                continue
            self.open_rates.append(opened)
            self.rates[case].append(rate)
            self.shares[case].append(rate / opened)
            told.append(f", {CASES[case][0]} {rate / opened:.2%}")
        if told:
            progress(f"{self.server.label}: open {self.open_rates[-1]:,.0f}/s{''.join(told)}")

    def case(self, case, seconds, progress):
        """The rate of one case, or None and a noted problem."""
        url = self.server.url(case)
        try:
            length = round_length(seconds, check_protected(url), CONNECTIONS)
            return measure(url, length, authorization(), CONNECTIONS).rate
        except Failed as problem:
            self.problems[case] = str(problem)
            progress(f"{self.server.label}, {CASES[case][0]}: FAILED: {problem}")
            return None
        finally:
            self.server.process.settle()

    def result(self):
        """All numbers of this server."""
        rate = statistics.median(self.open_rates) if self.open_rates else None
        return {"label": self.server.label, "open_rate": rate, "open_rates": self.open_rates,
                "cases": {case: share_result(self.shares[case], self.rates[case], self.problems.get(case))
                          for case in self.cases}}


def run(bench):
    """All servers stay up during all rounds; one at a time is under load."""
    servers = bench.start_servers([*EVERY_SERVER, OursEverything])
    cases = QUICK_CASES if bench.quick else CASES
    collected = [Shares(server, cases) for server in servers]
    for number in range(bench.rounds):
        def progress(text, number=number):
            bench.progress(f"static, round {number + 1}: {text}")
        for shares in collected:
            # Ours must be distinguished from its target by a few percent.
            if shares.server.is_ours:
                shares.round_by_slices(bench.seconds, progress)
            else:
                shares.round(bench.seconds, progress)
    bench.stop_servers(servers)
    return {shares.server.key: shares.result() for shares in collected}
