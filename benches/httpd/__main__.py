"""make bench: the cost of authentication, here and in other servers. See --help."""

import argparse
import json
import os
import platform
import signal
import sys
import time

import backend_part
import bystander_part
import chart
import cold_part
import fleet_part
import flood_part
import report
import roles_part
import scale_part
import static_part
import storm_part
import turns_part
import uncached_part
from credentials import write_password_files
from processes import Unavailable, find_program, scratch_folder
from servers import Ours, Site

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PARTS = {"turns": turns_part.run, "static": static_part.run, "backend": backend_part.run, "cold": cold_part.run,
         "uncached": uncached_part.run, "storm": storm_part.run,
         "flood": flood_part.run, "bystander": bystander_part.run, "scale": scale_part.run, "roles": roles_part.run,
         "fleet": fleet_part.run}


class Bench:
    """One run: its durations, its folder, and its progress messages."""

    def __init__(self, options):
        self.seconds = options.seconds or (1 if options.quick else 2)
        self.rounds = options.rounds or (1 if options.quick else 3)
        self.warm_up_slices = 2 if options.quick else 15
        self.cold_users = 10 if options.quick else 60
        self.storm_clients = 40 if options.quick else 200
        self.flood_seconds = 1 if options.quick else 2
        self.flood_rounds = 1 if options.quick else 2
        self.turns = 1000 if options.quick else 10_000
        self.share_turns = 4 if options.quick else 20
        self.loss_turns = 2 if options.quick else 7
        self.newcomers = 60 if options.quick else 200
        self.quick = options.quick
        self.begin = time.monotonic()
        self.skipped = {}
        self.folder = scratch_folder()
        self.module, self.nginx_module = options.module, options.nginx_module
        self.password_files = write_password_files(self.folder)

    def progress(self, text):
        """A line on standard error, with the time since the start."""
        print(f"[{time.monotonic() - self.begin:4.0f} s] {text}", file=sys.stderr, flush=True)

    def skip(self, name, reason):
        """Reports once that something is not measured."""
        if name not in self.skipped:
            self.progress(f"{name}: skipped: {reason}")
            self.skipped[name] = str(reason)

    def start_servers(self, classes, password_files=None):
        """Starts the servers that can be started."""
        site = Site(self.folder, password_files or self.password_files, self.module, self.nginx_module)
        servers = []
        for server_class in classes:
            try:
                server = server_class(site)
                server.start()
                servers.append(server)
            except Unavailable as reason:
                self.skip(server_class.label, reason)
        return servers

    @staticmethod
    def stop_servers(servers):
        """Stops them."""
        for server in servers:
            server.stop()


def parse_options():
    """The command line."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds, one of each, for rough numbers")
    parser.add_argument("--only", choices=list(PARTS), action="append", help="run only this part; may be repeated")
    parser.add_argument("--seconds", type=int, help="length of a round (default 2)")
    parser.add_argument("--rounds", type=int, help="number of rounds (default 3)")
    parser.add_argument("--json", default=os.path.join(ROOT, "target", "bench", "results.json"),
                        help="file for all numbers")
    parser.add_argument("--svg", help="file for the chart (default docs/benchmark.svg; "
                                      "a quick run draws none unless this is given)")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--module", default=os.environ.get("ESAUTH_MODULE") or
                        os.path.join(ROOT, "target", "release", "librust_esauth.so"), help="the module to measure")
    parser.add_argument("--nginx-module", default=os.path.join(ROOT, "target", "release", "libngx_http_esauth_module.so"),
                        help="that for nginx")
    return parser.parse_args()


def write(path, text):
    """Writes a file and the folder that it is in."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w") as output:
        output.write(text)


def main():
    """Runs the parts and prints the results."""
    options = parse_options()
    # Exits normally, so that the servers are stopped and the folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        for program in ("wrk", "htpasswd"):
            find_program(program)
    except Unavailable as reason:
        sys.exit(f"error: {reason}")
    if not os.path.exists(options.module):
        sys.exit(f"error: {options.module} is missing; run 'make' first")
    load_before = os.getloadavg()[0]
    bench = Bench(options)
    results = {"machine": {"processors": os.cpu_count(), "system": platform.platform(),
                           "load_before": load_before}, "quick": options.quick,
               "seconds": bench.seconds, "rounds": bench.rounds, "skipped": bench.skipped}
    for part, run in PARTS.items():
        if not options.only or part in options.only:
            results[part] = run(bench)
    results["duration"] = time.monotonic() - bench.begin
    write(options.json, json.dumps(results, indent=2) + "\n")
    print(report.text(results, markdown=options.markdown))
    if results.get("static") and (options.svg or not options.quick):
        path = options.svg or os.path.join(ROOT, "docs", "benchmark.svg")
        write(path, chart.draw(results))
        bench.progress(f"chart: {path}")
    if results.get("scale") and not options.quick:
        path = os.path.join(ROOT, "docs", "look-up.svg")
        write(path, chart.draw_scale(results["scale"]))
        bench.progress(f"chart: {path}")
    bench.progress(f"numbers: {options.json}")
    if Ours.label in bench.skipped or any(report.failures(results)):
        sys.exit("error: something failed; see above")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
