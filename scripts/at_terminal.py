"""Runs a command at a terminal of its own, as a person would, and types the password whenever it asks for one.

    python3 scripts/at_terminal.py PASSWORD COMMAND...
"""

import os
import pty
import re
import sys
import termios
import time

PROMPT = re.compile(rb"password[^\r\n]*: ?$", re.IGNORECASE)


def wait_until_hidden(terminal):
    """Waits until the terminal does not show what is typed, as programs ask it after they have asked for the password."""
    deadline = time.monotonic() + 5
    while termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < deadline:
        time.sleep(0.005)


def main(password, command):
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    unanswered = b""
    while True:
        try:
            printed = os.read(terminal, 4096)
        except OSError:  # the terminal's other side is closed
            break
        if not printed:
            break
        sys.stdout.buffer.write(printed.replace(b"\r\n", b"\n"))
        unanswered += printed
        if PROMPT.search(unanswered):
            wait_until_hidden(terminal)
            os.write(terminal, password.encode() + b"\n")
            unanswered = b""
    sys.stdout.flush()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
