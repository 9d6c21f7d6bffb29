"""What EsAuthRoles costs: a request through httpd with and without it, and the verdict alone.

Both requests have the same credentials and go to the same back end, a second httpd with a small file for each target.
Compared are the fastest twentieths: four processes take part in a request, and other work on the machine only adds to it."""

import os
import re
import subprocess

from credentials import authorization
from load import Failed
from servers import BODY, Httpd, Ours
from turns_part import times_in_turn

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
# What is asked without EsAuthRoles and with it: the same is sent.
CASES = {
    "a document": ("shop0-1/_doc/1", "shop0-1/_doc/1", "one"),
    "a search whose names are narrowed": ("shop0-*/_search", "_search", "one"),
    "a document, user in 1,000 of 10,000 roles": ("shop999-1/_doc/1", "shop999-1/_doc/1", "many"),
}
VERDICT = re.compile(r"(.+): ([0-9.]+) (µs|MB/s|KiB)$")


class LightBackEnd(Httpd):
    """A back end that answers from files."""

    key, label = "roles-back-end", "httpd as the back end"

    def configuration(self):
        for target in {sent for sent, _, _ in CASES.values()}:
            path = os.path.join(self.folder, "site", target)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as output:
                output.write(BODY)
        site = os.path.join(self.folder, "site")
        return super().configuration().replace(f'DocumentRoot "{self.site.root}"', f'DocumentRoot "{site}"').replace(
            "<Location /open/>", "<Location />")


class Judging(Ours):
    """Sections with roles, and one without, for the same user."""

    key, label = "roles", "httpd, rust_esauth, EsAuthRoles"
    cases = []

    def configuration(self):
        groups = {"one": range(1), "many": range(1000)}
        user = self.site.password_line("bcrypt5")[0]
        sections = []
        for section in ("plain", *groups):
            roles = ""
            if section in groups:
                path = os.path.join(self.folder, section)
                with open(path + ".groups", "w") as output:
                    output.writelines(f"role-{number}: {user}\n" for number in groups[section])
                roles = f'AuthGroupFile "{path}.groups"\n    EsAuthRoles "{self.folder}/roles.yml"'
            sections.append(f"""ProxyPass /{section}/ {self.backend}/
<Location /{section}/>
    AuthType Basic
    AuthName bench
    AuthUserFile "{self.site.password_files['bcrypt5']}"
    {roles}
    Require valid-user
</Location>
""")
        with open(os.path.join(self.folder, "roles.yml"), "w") as output:
            output.writelines(f"role-{number}:\n  indices:\n    - names: [ 'shop{number}-*' ]\n      privileges: [ read, write ]\n"
                              for number in range(10_000))
        return super().configuration() + "".join(sections)


def request(section, target):
    """The bytes of a request."""
    return f"GET /{section}/{target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization()}\r\n\r\n".encode()


def through_httpd(bench):
    """The time that EsAuthRoles adds to a request, in microseconds, of each round."""
    backends = bench.start_servers([LightBackEnd])
    if not backends:
        return {}
    Judging.backend = f"http://127.0.0.1:{backends[0].port}"
    servers = bench.start_servers([Judging])
    result = {"added_us": {}, "plain_us": []}
    try:
        for _ in range(3 * bench.rounds if servers else 0):
            for case, (sent, asked, section) in CASES.items():
                plain = request("plain", sent)
                times = times_in_turn(servers[0].port, [plain, request(section, asked), plain], bench.turns)
                before, judged, after = (sorted(found)[len(found) // 20] for found in times)
                result["plain_us"].append((before + after) / 2)
                result["added_us"].setdefault(case, []).append(judged - (before + after) / 2)
                bench.progress(f"roles: {case}: {result['plain_us'][-1]:.1f} us, with EsAuthRoles "
                               f"+{result['added_us'][case][-1]:.2f}")
    except Failed as problem:
        result["failed"] = str(problem)
    bench.stop_servers(servers + backends)
    return result


def alone(bench):
    """The figures of the crate's own benchmark, by what they measure."""
    bench.progress("roles: the verdict alone")
    done = subprocess.run(["cargo", "bench", "--quiet", "--locked", "-p", "esauth_roles", "--bench", "judge"], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return {"failed": (done.stderr.strip().splitlines() or ["cargo bench says nothing"])[-1]}
    found = filter(None, map(VERDICT.match, done.stdout.splitlines()))
    return {"figures": [(what, float(number), unit) for what, number, unit in (match.groups() for match in found)]}


def run(bench):
    """Both, one after the other."""
    return {"httpd": through_httpd(bench), "verdict": alone(bench)}
