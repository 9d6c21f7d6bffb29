"""Requests: single ones that check an answer, and wrk's many."""

import http.client
import math
import os
import subprocess
import time
import urllib.parse
from dataclasses import dataclass

from credentials import authorization
from processes import Process, find_program

HERE = os.path.dirname(os.path.abspath(__file__))
# As in bins.lua.
BINS_PER_SECOND = 20


class Failed(Exception):
    """A meaningless measurement, and the reason."""


class NoAnswer(Failed):
    """Not one request was answered within the round."""


@dataclass
class Load:
    """The result of a round of wrk: requests per second, and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def status(url, header=None, timeout=60, headers=None, address=""):
    """The status code of a GET request, with further headers and from this address."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout, source_address=(address, 0))
    try:
        connection.request("GET", parts.path, headers={**(headers or {}), **({"Authorization": header} if header else {})})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException) as problem:
        raise Failed(f"no answer: {problem}") from problem
    finally:
        connection.close()


def expect(url, wanted, header=None):
    """Fails unless the answer has this status code."""
    got = status(url, header)
    if got != wanted:
        raise Failed(f"{got} instead of {wanted} {'with' if header else 'without'} credentials")


def check_protected(url):
    """Fails unless the URL refuses requests without credentials and with wrong ones, and serves ours.

    Returns the seconds of a request after the first one."""
    expect(url, 401)
    expect(url, 401, authorization(password="wrong"))
    expect(url, 200, authorization())
    begin = time.perf_counter()
    expect(url, 200, authorization())
    return time.perf_counter() - begin


def round_length(seconds, request_seconds, connections):
    """The length of a round, longer if that many connections would get few answers in it."""
    return max(seconds, math.ceil(2.5 * connections * request_seconds / os.cpu_count()))


def wrk(url, seconds, header, connections, script, *arguments):
    """Runs wrk for the result lines of a script, by their first word; any answer but 2xx makes it fail."""
    command = [find_program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", script]
    if header:
        command += ["-H", "Authorization: " + header]
    done = subprocess.run(command + [url, "--", *arguments], capture_output=True, text=True, check=False, cwd=HERE)
    words = [line.split() for line in done.stdout.splitlines()]
    lines = {line[0]: list(map(int, line[1:])) for line in words if line and line[0] in ("RESULT", "SLICES", "BINS")}
    if done.returncode != 0 or "RESULT" not in lines:
        raise Failed(f"wrk failed: {(done.stderr or done.stdout).strip()[-200:]}")
    requests, _, wrong, broken, late, _, _ = lines["RESULT"]
    if wrong or broken or late:
        raise Failed(f"of {requests} answers {wrong} were errors; {broken} connections broke, {late} timed out")
    if requests == 0:
        raise NoAnswer("no answer within the round")
    return lines


def measure(url, seconds, header=None, connections=16):
    """Loads a URL with wrk."""
    requests, micros, _, _, _, p50, p99 = wrk(url, seconds, header, connections, "result.lua")["RESULT"]
    return Load(requests / (micros / 1e6), p50 / 1e3, p99 / 1e3)


def measure_by_slices(opened, url, seconds, header, connections=16):
    """Loads two URLs of a server in turn, fifty times a second: the rate of each during its turns."""
    paths = [urllib.parse.urlsplit(each).path for each in (opened, url)]
    open_requests, open_micros, requests, micros = wrk(url, seconds, header, connections, "slices.lua", *paths)["SLICES"]
    return open_requests / (open_micros / 1e6), requests / (micros / 1e6)


def count_by_bins(url, seconds, header, connections):
    """Loads a URL with wrk: the start of each twentieth of a second by time.monotonic(), and its number of requests."""
    first, *counts = wrk(url, seconds, header, connections, "bins.lua")["BINS"]
    return [((first + number) / BINS_PER_SECOND, count) for number, count in enumerate(counts)]


def start_guessing(url, user, word, seconds, connections, log):
    """Starts connections that guess a distinct wrong password each time."""
    command = [find_program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s",
               "-s", os.path.join(HERE, "guesses.lua"), url, "--", user, word]
    return Process(command, log, HERE, as_nobody=False)
