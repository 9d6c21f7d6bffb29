"""The user of the load, and the password files of every scheme."""

import base64
import os
import random
import subprocess

from processes import find_program

USER = "bench"
PASSWORD = "open-sesame"
MANY = 100_000
MILLION = 1_000_000

# The measured cases: name → (words for the table, scheme, number of users).
CASES = {
    "bcrypt5": ("bcrypt 5", "bcrypt5", 1),
    "bcrypt10": ("bcrypt 10", "bcrypt10", 1),
    "apr1": ("$apr1$", "apr1", 1),
    "sha": ("{SHA}", "sha", 1),
    "sha-many": ("{SHA}, 100,000 users", "sha", MANY),
    "bcrypt10-many": ("bcrypt 10, 100,000 users", "bcrypt10", MANY),
    "bcrypt10-million": ("bcrypt 10, 1,000,000 users", "bcrypt10", MILLION),
}
ONE_USER = [case for case, (_, _, users) in CASES.items() if users == 1]
# With more users, a server that reads the whole file at every request would take minutes for a round.
UP_TO_MANY = [case for case, (_, _, users) in CASES.items() if users <= MANY]

HTPASSWD_OPTIONS = {"bcrypt5": ["-B", "-C", "5"], "bcrypt10": ["-B", "-C", "10"], "apr1": ["-m"], "sha": ["-s"]}


def hash_password(scheme, user=USER, password=PASSWORD):
    """A line for a password file, made by htpasswd."""
    command = [find_program("htpasswd"), "-nb", *HTPASSWD_OPTIONS[scheme], user, password]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def filler_hash(scheme, rng):
    """A well-formed hash of an unknown password: computing 100,000 real ones would take an hour."""
    if scheme == "sha":
        return "{SHA}" + base64.b64encode(rng.randbytes(20)).decode()
    # Hexadecimal digits belong to crypt's alphabet, too.
    letters = rng.randbytes(26).hex()
    return f"$2y$10${letters[:21]}.{letters[21:51]}."


def write_password_files(folder):
    """Writes one file for each case, with the user of the load in its last line, and returns {case: path}."""
    rng = random.Random(1)
    lines = {scheme: hash_password(scheme) for scheme in HTPASSWD_OPTIONS}
    files = {}
    for case, (_, scheme, users) in CASES.items():
        files[case] = os.path.join(folder, case + ".users")
        with open(files[case], "w") as output:
            for number in range(users - 1):
                output.write(f"user{number:06}:{filler_hash(scheme, rng)}\n")
            output.write(lines[scheme] + "\n")
    return files


def write_many_real_users(path, count):
    """Writes users with bcrypt cost 10 hashes that are all different, and returns their names."""
    names = [f"cold{number}" for number in range(count)]
    with open(path, "w") as output:
        for name in names:
            output.write(hash_password("bcrypt10", user=name) + "\n")
    return names


def authorization(user=USER, password=PASSWORD):
    """The value of the header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
