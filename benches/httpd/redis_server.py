"""A real server of Redis that can be lost in many ways, and what may answer in its place."""

import os
import signal
import socket
import subprocess
import threading
import time

from processes import Process, find_program, free_port

RESTORE_SECONDS = 1
GARBAGE = b"\x00\xff HTTP/1.1 200 OK\r\n\r\n" * 8
# A password's entry with an end in the far future, by somebody without the key.
ENTRY = b"$40\r\n\xff\xff\xff\xff\xff\xff\xff\x7f" + b"0" * 32 + b"\r\n"
YES = {b"GET": ENTRY, b"EVALSHA": ENTRY, b"SET": b"+OK\r\n", b"DEL": b":1\r\n", b"SELECT": b"+OK\r\n",
       b"LOAD": b"$40\r\n" + b"0" * 40 + b"\r\n"}


def yes(data):
    """The answers of an attacker that says of every password that it is right, and of every attempt that it is allowed."""
    return b"".join(YES[word] for word in data.split(b"\r\n") if word in YES)


class Impostor:
    """Listens at an address, and answers whatever comes by a function."""

    def __init__(self, port, answer):
        self.answer, self.connections = answer, []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        """Each connection has a thread."""
        try:
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self.serve, args=[connection], daemon=True).start()
        except OSError:
            pass

    def serve(self, connection):
        """One connection, until either side ends it."""
        try:
            while data := connection.recv(65536):
                connection.sendall(self.answer(data))
        except OSError:
            pass

    def stop(self):
        """Closes all."""
        for each in [self.listener, *self.connections]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()


class Redis:
    """The server, without persistence."""

    def __init__(self, folder):
        self.program, self.folder, self.port = find_program("redis-server"), folder, free_port()
        self.process = self.impostor = self.flushing = self.last = None
        self.start()

    def url(self):
        """Its address for EsAuthFleet."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self):
        """Starts it, empty."""
        self.process = Process([self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                                "--maxmemory-policy", "noeviction", "--dir", self.folder],
                               os.path.join(self.folder, "redis.log"), self.folder)
        self.process.wait_for_port(self.port)

    def kill(self):
        """Ends it at once."""
        self.process.popen.kill()
        self.process.stop()

    def ask(self, *words):
        """Sends it a command."""
        subprocess.run([find_program("redis-cli"), "-p", str(self.port), *words], check=True, capture_output=True)

    def lose(self, how):
        """Takes it away, in one of the ways of fleet_part.LOSSES."""
        if how == "nothing":
            return
        if how == "killed":
            self.kill()
        elif how == "refused":
            # With this connection it has as many as it takes, and the others are ended.
            self.last = socket.create_connection(("127.0.0.1", self.port))
            self.last.sendall(b"CONFIG SET maxclients 1\r\nCLIENT KILL TYPE normal\r\n")
        elif how == "paused":
            os.kill(self.process.popen.pid, signal.SIGSTOP)
        elif how == "flushed":
            self.flushing = threading.Event()
            threading.Thread(target=self.flush, args=[self.flushing], daemon=True).start()
        elif how == "full":
            self.ask("CONFIG", "SET", "maxmemory", "1")
        else:
            self.kill()
            self.impostor = Impostor(self.port, yes if how == "says-yes" else lambda _: GARBAGE)

    def flush(self, ends):
        """Empties it fifty times a second."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            while not ends.wait(0.02):
                connection.sendall(b"FLUSHALL\r\n")
                connection.recv(100)

    def restore(self, how):
        """Undoes it."""
        if how == "paused":
            os.kill(self.process.popen.pid, signal.SIGCONT)
        elif how == "refused":
            self.last.sendall(b"CONFIG SET maxclients 10000\r\n")
            self.last.close()
        elif how == "flushed":
            self.flushing.set()
        elif how == "full":
            self.ask("CONFIG", "SET", "maxmemory", "0")
        elif how != "nothing":
            if self.impostor:
                self.impostor.stop()
                self.impostor = None
            self.start()
        # Until a child has connected again: it tries to after 0.25 s, 0.75 s, 1.75 s.
        time.sleep(RESTORE_SECONDS)

    def stop(self):
        """Ends it, in whatever state."""
        if self.flushing:
            self.flushing.set()
        if self.impostor:
            self.impostor.stop()
            self.impostor = None
        self.kill()
