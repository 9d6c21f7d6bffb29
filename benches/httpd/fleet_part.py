"""EsAuthFleet: what it costs a remembered client, and what a loss of Redis costs, while requests saturate httpd.

The share: two servers, with and without a fleet, in turn. A loss: turns with and without it. Beside the remembered client's
requests come others that have to be hashed, each with a password that the server does not remember; httpd itself measures how long
they take and how long their hashes take."""

import os
import statistics
import threading
import time
from dataclasses import dataclass

import load
from credentials import PASSWORD, USER, authorization, hash_password
from load import Failed, check_protected, measure_by_slices
from processes import Unavailable
from redis_server import RESTORE_SECONDS, Redis
from report import quantiles
from servers import Ours

CASE = "bcrypt10"
# What happens to Redis; the first one shows by how much turns differ by chance.
LOSSES = ("nothing", "killed", "paused", "refused", "flushed", "full", "garbage", "says-yes")
CONNECTIONS = 8
# Short, so that a turn and its neighbours meet the same machine.
TURN_SECONDS, CALM_SECONDS = 1, 0.7
# Requests that are hashed: in a second, and from whose address the wrong ones come, so that they do not delay the others.
MISSES, GUESSER = 10, "127.9.0.2"
NEWCOMER = "newcomer"


class Fleet(Ours):
    """With EsAuthFleet, and a log of the requests that are to be hashed."""

    key, label = "ours-fleet", "httpd, rust_esauth, fleet"
    cases = [CASE]
    modules = Ours.modules + ("log_config",)
    redis = None

    def configuration(self):
        key = os.path.join(self.folder, "key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
            output.write(os.urandom(32).hex() + "\n")
        self.settings = f"""EsAuthMaxFailures 100000/600
LogFormat "%{{X-Turn}}i %D %{{esauth-hash-us}}n" misses
CustomLog "{self.folder}/misses.log" misses "expr=-n %{{req:X-Turn}}"
""" + (f'EsAuthFleet {self.redis.url()}\nEsAuthFleetKey "{key}"\n' if self.redis else "")
        return super().configuration()

    def misses(self, turn):
        """The microseconds besides the hash that each request of these turns took."""
        with open(os.path.join(self.folder, "misses.log")) as lines:
            found = [line.split() for line in lines]
        return [int(took) - int(hashed) for name, took, hashed in found if name == turn and hashed != "-"]


class Alone(Fleet):
    """The same without EsAuthFleet."""

    key, label = "ours-alone", "httpd, rust_esauth, no fleet"
    redis = None


class Misses(threading.Thread):
    """Requests that have to be hashed, evenly during a turn: two right passwords, then a wrong one."""

    def __init__(self, server, turn, newcomers):
        super().__init__(daemon=True)
        self.server, self.turn, self.newcomers = server, turn, newcomers
        self.ending, self.wrong_verdicts, self.sent = threading.Event(), [], 0

    def run(self):
        while not self.ending.wait(1 / MISSES):
            self.sent += 1
            is_right = self.sent % 3 != 0 and self.newcomers
            user, password = (self.newcomers.pop(), PASSWORD) if is_right else (NEWCOMER, f"{self.turn}-{self.sent}")
            address = "127.0.0.1" if is_right else GUESSER
            # The others may be delayed on purpose.
            headers = {"X-Turn": self.turn} if is_right else {}
            try:
                status = load.status(self.server.url(CASE), authorization(user, password), headers=headers, address=address)
            except Failed as problem:
                status = problem
            if status != (200 if is_right else 401):
                self.wrong_verdicts.append(f"{status} for a {'right' if is_right else 'wrong'} password")


@dataclass
class Turn:
    """The remembered client's rate as a share of that of an open page in the same moments, and both together per second of httpd's
    processor time, since others' work changes both rates by more than a loss; how many requests that missed were judged rightly."""

    share: float
    per_processor_second: float
    asked: int


def judged_rightly(misses):
    """Ends these requests and returns their number."""
    misses.ending.set()
    misses.join()
    if misses.wrong_verdicts:
        raise Failed(f"wrong verdict: {misses.wrong_verdicts[0]}")
    return misses.sent


def calm_turn(server, redis, how, newcomers):
    """The same loss while nothing else is asked."""
    misses = Misses(server, f"{how}-calm", newcomers)
    redis.lose(how)
    misses.start()
    time.sleep(CALM_SECONDS)
    redis.restore(how)
    return judged_rightly(misses)


def one_turn(server, turn, newcomers, act=None):
    """Loads the server while requests miss; `act` is done when both have begun."""
    misses = Misses(server, turn, newcomers)
    misses.start()
    if act:
        threading.Timer(0.1, act).start()
    ticks = server.process.cpu_ticks()
    try:
        # An answer but 200 makes this fail.
        opened, rate = measure_by_slices(server.url("open"), server.url(CASE), TURN_SECONDS, authorization(), CONNECTIONS)
    finally:
        asked = judged_rightly(misses)
    seconds = (server.process.cpu_ticks() - ticks) / os.sysconf("SC_CLK_TCK")
    return Turn(rate / opened, (opened + rate) / 2 * TURN_SECONDS / seconds, asked)


def one_loss(server, redis, how, bench, newcomers):
    """Turns with and without it: the median shares of rates that are left, and the times of requests that miss."""
    turns, newcomers = [], list(newcomers)
    check_protected(server.url(CASE))
    for number in range(2 * bench.loss_turns + 1):
        lost = number % 2 == 1
        act = (lambda: redis.lose(how)) if lost else None
        turns.append(one_turn(server, f"{how}-{'lost' if lost else 'before'}", newcomers, act))
        # Either takes a second, which every turn has before it.
        if lost:
            redis.restore(how)
        else:
            time.sleep(RESTORE_SECONDS)
    asked = sum(turn.asked for turn in turns) + sum(calm_turn(server, redis, how, newcomers) for _ in range(bench.loss_turns))
    result = {"asked": asked, **{name: server.misses(f"{how}-{name}") for name in ("before", "lost", "calm")}}
    for name in ("share", "per_processor_second"):
        values = [getattr(turn, name) for turn in turns]
        result[name] = [values[place] / statistics.mean([values[place - 1], values[place + 1]]) for place in range(1, len(values), 2)]
    return result


def shares(bench, servers):
    """The share of the open URL's rate, of each server in turn."""
    found = {server.key: [] for server in servers}
    for server in servers:
        check_protected(server.url(CASE))
    for number in range(bench.share_turns):
        for server in servers if number % 2 else reversed(servers):
            opened, rate = measure_by_slices(server.url("open"), server.url(CASE), bench.seconds, authorization())
            found[server.key].append(rate / opened)
    medians = {key: statistics.median(each) for key, each in found.items()}
    bench.progress("fleet: share of the open rate: " + ", ".join(f"{key} {share:.2%}" for key, share in medians.items()))
    return {"shares": found, "medians": medians}


def losses(bench, redis, newcomers, files):
    """Every loss, each of a newly started server, and of one without a fleet, to compare with."""
    found = {}
    for server_class, how in [(Alone, "nothing"), *((Fleet, how) for how in LOSSES)]:
        name = how if server_class is Fleet else "no fleet"
        servers = bench.start_servers([server_class], files)
        try:
            result = one_loss(servers[0], redis, how, bench, newcomers)
            bench.progress(f"fleet: {name}: {statistics.median(result['share']):.1%} of the share before, "
                           f"{statistics.median(result['per_processor_second']):.1%} per processor second, {result['asked']} others "
                           f"judged rightly; besides the hash: {quantiles(result['lost'])}, before {quantiles(result['before'])}, "
                           f"without load {quantiles(result['calm'])}")
        except Failed as problem:
            result = {"failed": str(problem)}
            bench.progress(f"fleet: {name}: FAILED: {problem}")
            redis.stop()
            redis.start()
        found[name] = result
        bench.stop_servers(servers)
    return found


def run(bench):
    """Both, one after the other."""
    try:
        folder = os.path.join(bench.folder, "redis")
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        redis = Redis(folder)
    except Unavailable as reason:
        bench.skip("fleet", reason)
        return {}
    Fleet.redis = redis
    newcomers = [f"{NEWCOMER}{number}" for number in range(bench.newcomers)]
    bench.progress(f"fleet: making {len(newcomers)} users with hashes of their own")
    path = os.path.join(bench.folder, "fleet.users")
    with open(path, "w") as output:
        output.writelines(hash_password(scheme, user=user) + "\n" for scheme, user in
                          [("bcrypt10", USER), *(("bcrypt5", user) for user in newcomers)])
    files = {**bench.password_files, CASE: path}
    servers = bench.start_servers([Alone, Fleet], files)
    try:
        share = shares(bench, servers) if len(servers) == 2 else {}
        bench.stop_servers(servers)
        return {"share": share, "losses": losses(bench, redis, newcomers, files)}
    finally:
        redis.stop()
