"""Starts, watches and stops the measured servers."""

import atexit
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

running = []


class Unavailable(Exception):
    """A server that is missing or does not start; it is skipped with this message."""


def free_port():
    """A TCP port of the loopback interface that nobody listens on.

    A connection to it was just closed from the server's side, so the kernel gives it to nobody else for a minute (TIME_WAIT),
    but a server, which sets SO_REUSEADDR, can listen on it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        probe.listen()
        with socket.create_connection(probe.getsockname()) as client:
            probe.accept()[0].close()
            client.recv(1)
        return probe.getsockname()[1]


def identity():
    """Arguments of subprocess to run a program without privileges, if we are root."""
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def hand_over(path):
    """Gives a folder and its content to the user that the servers run as."""
    who = identity()
    if not who:
        return
    for folder, _, names in os.walk(path):
        for name in [folder] + [os.path.join(folder, name) for name in names]:
            os.chown(name, who["user"], who["group"])


def scratch_folder():
    """A temporary folder that the servers' user can enter; removed at exit."""
    path = tempfile.mkdtemp(prefix="esauth-bench.", dir=os.environ.get("TMPDIR") or "/tmp")
    os.chmod(path, 0o755)
    # Registered before the stopping of the servers, and so run after it.
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    atexit.register(stop_all)
    return path


def stop_all():
    """Stops all programs that we started."""
    for process in list(running):
        process.stop()


def find_program(*names):
    """The first of these programs that is installed, also outside the PATH of unprivileged users."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin"
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise Unavailable(f"{names[0]} is not installed")


class Process:
    """A program in its own process group, with its output in a file."""

    def __init__(self, command, log, folder, as_nobody=True, stdin=subprocess.DEVNULL):
        self.log = log
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(
                command, stdin=stdin, stdout=output, stderr=output, cwd=folder,
                env={**os.environ, "HOME": folder} if as_nobody else None,
                start_new_session=True, **(identity() if as_nobody else {}))
        running.append(self)

    def ended(self):
        """Whether the program has ended."""
        return self.popen.poll() is not None

    def log_tail(self):
        """Its last line of output."""
        with open(self.log, errors="replace") as lines:
            return (lines.read().strip().splitlines() or ["it wrote nothing"])[-1]

    def wait_for_port(self, port, seconds=60):
        """Waits until the server accepts connections."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.ended():
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        words = self.log_tail()
        self.stop()
        raise Unavailable(f"it does not start: {words}")

    def cpu_ticks(self):
        """The processor time of the whole process group, in clock ticks."""
        total = 0
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as stat:
                    # The fields after the command's name, which may contain blanks: state, parent, group, …
                    fields = stat.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == self.popen.pid:
                total += int(fields[11]) + int(fields[12])
        return total

    def settle(self, seconds=20):
        """Waits until the server has finished the requests of disconnected clients."""
        deadline = time.monotonic() + seconds
        before = self.cpu_ticks()
        while time.monotonic() < deadline:
            time.sleep(0.1)
            now = self.cpu_ticks()
            if now - before <= 1:
                return
            before = now

    def stop(self):
        """Ends the program and its process group."""
        if self not in running:
            return
        running.remove(self)
        if self.popen.stdin:
            self.popen.stdin.close()
        if not self.ended():
            self.popen.terminate()
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()
