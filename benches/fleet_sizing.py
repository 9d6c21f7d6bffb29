#!/usr/bin/env python3
"""Simulates what a fleet asks of Redis: questions before a hash, entries left, and what a restart of all servers adds.

    python3 benches/fleet_sizing.py              the table of docs/fleet.md
    python3 benches/fleet_sizing.py --help       other numbers

The rules are those of the module. A server remembers a right password for EsAuthCacheTTL; a use in the second half of that time
renews it, there and in Redis. A server that does not remember it asks Redis; if Redis does not know it either, the server hashes it
and leaves it there. The caches of the servers have room for all.

A credential comes to each of the servers that it meets at random times. All credentials come equally often, or by
Zipf's law, where the one at rank N is used N times as seldom as the first. Of many credentials only a sample is simulated, with more
of the popular ones, and counted for the others. Of a credential's uses, only those are drawn that change something: between them lies
half of the TTL, or the time until the next use."""

import argparse
import heapq
import math
import random
from dataclasses import dataclass

# Microseconds of Redis's processor: a question with EsAuthMaxFailures, and an entry left or renewed (docs/fleet.md).
QUESTION, ENTRY = 32, 5
# Uses of each credential at each server in a TTL, on average: the worst of these is shown.
USES = (0.3, 0.6, 1.2, 2.5, 5, 10, 20, 50)
CASES = [(10_000, 10, 10), (1_000_000, 10, 10), (1_000_000, 1_000, 10), (1_000_000, 1_000, 1_000)]


@dataclass
class Counts:
    """What reached Redis, with the weight of the credentials that the sampled one stands for."""

    questions: float = 0
    known: float = 0
    entries: float = 0
    first_second: float = 0

    def add(self, other, weight):
        """Counts one credential as many."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + weight * value)


def one_credential(rate, meets, ttl, random_numbers):
    """What one credential, used at this rate at each server that it meets, causes: during two TTLs after two to settle, at the end
    of which all servers are restarted; then the questions of the first second."""
    counts, begin, end = Counts(), 2 * ttl, 4 * ttl
    draw = random_numbers.expovariate
    # The next time at which each server does something, and when it forgets the credential.
    events = [(draw(rate), server, 0.0) for server in range(meets)]
    heapq.heapify(events)
    in_redis_until = 0.0
    while events[0][0] < end:
        now, server, remembered_until = events[0]
        counted = now >= begin
        is_known = True
        if now >= remembered_until:
            is_known = now < in_redis_until
            counts.questions += counted
            counts.known += counted and is_known
        if now < remembered_until or not is_known:
            in_redis_until = now + ttl
            counts.entries += counted
        # Uses in the first half of the time change nothing.
        heapq.heapreplace(events, (now + ttl / 2 + draw(rate), server, now + ttl))
    remembering = sum(remembered_until > end for _, _, remembered_until in events)
    counts.first_second = remembering * -math.expm1(-rate)
    return counts


def sample(credentials, exponent, size, random_numbers):
    """Ranks from the first to the last, and how many credentials each stands for: the first ones are all there."""
    if exponent == 0:
        return [(1, credentials / size)] * size
    exact = min(size // 4, credentials)
    ranks = [(rank, 1) for rank in range(1, exact + 1)]
    strata = size - exact
    bounds = [round(exact * (credentials / exact) ** (number / strata)) for number in range(strata + 1)]
    for low, high in zip(bounds, bounds[1:]):
        if high > low:
            ranks.append((random_numbers.randint(low + 1, high), high - low))
    return ranks


def simulate(credentials, meets, ttl, exponent, uses, size, random_numbers):
    """The questions, entries and so on per second, of all credentials."""
    total = Counts()
    # The rate of the credential at rank 1, such that all together are used so often.
    harmonic = sum(rank ** -exponent for rank in range(1, credentials + 1)) if exponent else credentials
    first = uses * credentials / harmonic / ttl
    for rank, weight in sample(credentials, exponent, size, random_numbers):
        total.add(one_credential(first * rank ** -exponent, meets, ttl, random_numbers), weight)
    for name in ("questions", "known", "entries"):
        setattr(total, name, getattr(total, name) / (2 * ttl))
    return total


def of_redis(counts):
    """The share of one Redis."""
    return (counts.questions * QUESTION + counts.entries * ENTRY) / 1e6


def main():
    """Prints a row for each case and popularity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs=3, type=int, action="append", metavar=("CREDENTIALS", "SERVERS", "MEETS"),
                        help="instead of the table's; each credential meets MEETS of the SERVERS")
    parser.add_argument("--ttl", type=int, default=1200, help="EsAuthCacheTTL (default 1200)")
    parser.add_argument("--zipf", type=float, default=1.0, help="exponent of the popularity (default 1)")
    parser.add_argument("--sample", type=int, default=2000, help="credentials to simulate (default 2000), fewer if they meet many servers")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    restarts = []
    print("| credentials | servers | each meets | uses | requests in a second | questions in a second | by arithmetic, at most "
          "| known | entries in a second | of one Redis |")
    print("|" + "---|" * 10)
    for credentials, servers, meets in options.case or CASES:
        if not 1 <= meets <= servers:
            parser.error("MEETS is from 1 to SERVERS")
        pairs_in_ttl = credentials * meets / options.ttl
        for exponent in (0, options.zipf):
            size = max(200, min(options.sample, 200_000 // meets))
            found = [(uses, simulate(credentials, meets, options.ttl, exponent, uses, size, random.Random(options.seed)))
                     for uses in USES]
            uses, worst = max(found, key=lambda each: of_redis(each[1]))
            print(f"| {credentials:,} | {servers:,} | {meets:,} | {f'Zipf {exponent:g}' if exponent else 'equally often'} "
                  f"| {uses * pairs_in_ttl:,.0f} | {worst.questions:,.0f} | {pairs_in_ttl:,.0f} "
                  f"| {worst.known / worst.questions:.1%} | {worst.entries:,.0f} | {of_redis(worst):.1%} |", flush=True)
            restarts.append(found[-1][1].first_second / (USES[-1] * pairs_in_ttl))
    print(f"After a restart of all servers at once, up to {max(restarts):.0%} of the requests ask in the first second.")


if __name__ == "__main__":
    main()
