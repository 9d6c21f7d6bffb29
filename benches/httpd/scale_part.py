"""The cost of the number of users, groups and members: the engine's own benchmark, for its numbers and the chart."""

import json
import os
import subprocess

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


def run(bench):
    """The numbers of `cargo bench --bench scale`."""
    path = os.path.join(bench.folder, "scale.json")
    bench.progress("scale: one to a million users, members and groups")
    subprocess.run(["cargo", "bench", "--quiet", "-p", "esauth_engine", "--bench", "scale"], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL, env={**os.environ, "ESAUTH_SCALE_JSON": path})
    with open(path) as found:
        return json.load(found)
