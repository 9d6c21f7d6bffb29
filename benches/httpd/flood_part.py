"""64 connections that guess passwords, beside clients whose right credential is remembered."""

import os
import signal
import statistics
import threading
import time
from dataclasses import dataclass

from credentials import USER, authorization
from load import (BINS_PER_SECOND, Failed, NoAnswer, check_protected, count_by_bins, measure, round_length,
                  start_guessing)
from servers import (EVERY_SERVER, Caddy, LighttpdCache, NginxOurs, NginxOursLockout, Ours, OursLockout, Stock)

CACHED_CONNECTIONS = 8
GUESSING_CONNECTIONS = 64
LEAD_SECONDS = 1
# Ours without and with EsAuthMaxFailures; the others as in all parts.
WITH_LOCKOUT = {Ours: OursLockout, NginxOurs: NginxOursLockout}
SERVERS = [each for server in EVERY_SERVER
           for each in ((server, WITH_LOCKOUT[server]) if server in WITH_LOCKOUT else (server,))]
# Their promises are finer than two rounds can show on a shared machine.
OURS_ROUNDS = 5
# Length of the turns with and without the flood: long enough for pending guesses to end, short enough for an unchanged machine.
TURN_SECONDS, SETTLE_SECONDS, ALL_TURNS_SECONDS = 0.6, 0.2, 12
QUICK_SERVERS = (Stock, Ours, OursLockout, LighttpdCache, Caddy)


@dataclass
class Round:
    """The load of the clients with the right password, without the flood and under it."""

    calm_rate: float
    calm_p99: float
    flooded_rate: float
    flooded_p99: float | None
    guesses: float

    def kept(self):
        """The remaining share of the throughput."""
        return self.flooded_rate / self.calm_rate

    def p99_ratio(self):
        """How much longer the slowest hundredth takes; None if nothing was answered."""
        return self.flooded_p99 / self.calm_p99 if self.flooded_p99 else None


def guesses_made(log):
    """The number of answered guesses."""
    with open(log) as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("GUESSES "))


def under_flood(server, url, seconds, word, folder):
    """The clients' load during the flood, or None if none of them was answered, and the guesses per second."""
    log = os.path.join(folder, f"guesses-{server.key}-{word}")
    length = seconds + LEAD_SECONDS + 1
    flood = start_guessing(url, guessed_user(server), word, length, GUESSING_CONNECTIONS, log)
    try:
        time.sleep(LEAD_SECONDS)
        try:
            load = measure(url, seconds, authorization(), CACHED_CONNECTIONS)
        except NoAnswer:
            load = None
        if flood.ended() and not guesses_made(log):
            raise Failed(f"no guess was answered: {flood.log_tail()}")
        flood.popen.wait(length + 90)
    finally:
        flood.stop()
        server.process.settle()
    return load, guesses_made(log) / length


def one_round(server, seconds, word, folder):
    """The flood between two calm measurements."""
    url = server.url("bcrypt10")
    request_seconds = check_protected(url)
    calm_seconds = round_length(seconds, request_seconds, CACHED_CONNECTIONS)
    flood_seconds = round_length(seconds, request_seconds, CACHED_CONNECTIONS + GUESSING_CONNECTIONS)
    before = measure(url, calm_seconds, authorization(), CACHED_CONNECTIONS)
    server.process.settle()
    load, guesses = under_flood(server, url, flood_seconds, word, folder)
    after = measure(url, calm_seconds, authorization(), CACHED_CONNECTIONS)
    server.process.settle()
    return Round((before.rate + after.rate) / 2, (before.p99 + after.p99) / 2,
                 load.rate if load else 0.0, load.p99 if load else None, guesses)


def guessed_user(server):
    """The user of the guesses: with lockouts, another one than the clients', so that the lockout does not hit them."""
    return "somebody-else" if server.locks_out else USER


class Toggle(threading.Thread):
    """Alternately pauses and resumes the flood, and records the times."""

    def __init__(self, flood):
        super().__init__(daemon=True)
        self.flood, self.turns, self.ending = flood, [], threading.Event()

    def run(self):
        flooded = True
        while not self.ending.is_set():
            os.kill(self.flood.popen.pid, signal.SIGCONT if flooded else signal.SIGSTOP)
            begin = time.monotonic()
            self.ending.wait(TURN_SECONDS)
            # Requests pending when the turn began belong to the previous one.
            self.turns.append((flooded, begin + SETTLE_SECONDS, time.monotonic()))
            flooded = not flooded
        os.kill(self.flood.popen.pid, signal.SIGCONT)


def kept_by_turns(server, seconds, word, folder):
    """The remaining share of the throughput, with and without the flood in turn, so that both meet the same machine.

    Only for a server that does no more work for guesses once they stop."""
    url = server.url("bcrypt10")
    flood = start_guessing(url, guessed_user(server), word, seconds + 2 * LEAD_SECONDS, GUESSING_CONNECTIONS,
                           os.path.join(folder, f"guesses-{server.key}-{word}"))
    time.sleep(LEAD_SECONDS)
    toggle = Toggle(flood)
    toggle.start()
    try:
        bins = count_by_bins(url, seconds, authorization(), CACHED_CONNECTIONS)
    finally:
        toggle.ending.set()
        toggle.join()
        flood.stop()
        server.process.settle()
    rates = {True: [], False: []}
    for flooded, begin, end in toggle.turns:
        rates[flooded] += [count for start, count in bins if begin <= start and start + 1 / BINS_PER_SECOND <= end]
    if not rates[True] or not rates[False]:
        raise Failed("the flood had no turns")
    return statistics.mean(rates[True]) / statistics.mean(rates[False])


def one_server(server, bench):
    """The medians of all rounds (of shares: in turn, if possible), each on a newly started server without lockouts."""
    rounds = []
    by_turns = server.locks_out
    wanted = OURS_ROUNDS if server.is_ours and not (by_turns or bench.quick) else bench.flood_rounds
    for number in range(wanted):
        if number:
            server.stop()
            server.start()
        rounds.append(one_round(server, bench.flood_seconds, f"guess{number}", bench.folder))
    ratios = [found.p99_ratio() for found in rounds]
    kept = statistics.median(found.kept() for found in rounds)
    if by_turns:
        kept = kept_by_turns(server, ALL_TURNS_SECONDS * (1 if bench.quick else 3), "turns", bench.folder)
    return {"label": server.label, "kept": kept,
            "p99_ratio": None if None in ratios else statistics.median(ratios),
            "calm_rate": statistics.median(found.calm_rate for found in rounds),
            "guesses_per_second": statistics.median(found.guesses for found in rounds),
            "rounds": [{**vars(found), "kept": found.kept(), "p99_ratio": found.p99_ratio()} for found in rounds]}


def told(result):
    """The ratio of the latencies in words."""
    return "no answer" if result["p99_ratio"] is None else f"p99 × {result['p99_ratio']:.1f}"


def run(bench):
    """Every server in turn, alone."""
    results = {}
    for server_class in QUICK_SERVERS if bench.quick else SERVERS:
        if "bcrypt10" not in server_class.cases:
            continue
        for server in bench.start_servers([server_class]):
            try:
                result = one_server(server, bench)
                bench.progress(f"flood: {server.label}: keeps {result['kept']:.1%} of {result['calm_rate']:,.0f}/s, "
                               f"{told(result)}, {result['guesses_per_second']:,.0f} guesses/s")
            except Failed as problem:
                result = {"label": server.label, "failed": str(problem)}
                bench.progress(f"flood: {server.label}: FAILED: {problem}")
            results[server.key] = result
            bench.stop_servers([server])
    return results
