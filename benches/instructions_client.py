"""Sends requests to the httpd whose instructions are counted, then ends it: FOLDER PORT BACK-END-PORT COUNT keep-alive|close PATH.

It is also the back end for what httpd passes on.
"""

import base64
import http.client
import os
import signal
import socket
import sys
import threading
import time

folder, port, back_end_port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
mode, path = sys.argv[5], sys.argv[6]
pid_file = os.path.join(folder, "pid")
headers = {"Authorization": "Basic " + base64.b64encode(b"alice:secret").decode()}
if mode == "close":
    headers["Connection"] = "close"


def connect():
    """A connection to the server, which takes seconds to start under Callgrind."""
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.connect()
            return connection
        except OSError:
            time.sleep(0.1)
    sys.exit("httpd does not start")


def answer_as_back_end():
    """The same answer to every request; one connection after the other."""
    with socket.create_server(("127.0.0.1", back_end_port)) as listener:
        while True:
            with listener.accept()[0] as peer:
                received = b""
                while data := peer.recv(65536):
                    received += data
                    while b"\r\n\r\n" in received:
                        received = received.split(b"\r\n\r\n", 1)[1]
                        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\npage\n")


threading.Thread(target=answer_as_back_end, daemon=True).start()
connection = connect()
while not os.path.exists(pid_file):
    time.sleep(0.1)
with open(pid_file, encoding="ascii") as file:
    pid = int(file.read())
statuses = set()
for _ in range(count):
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    statuses.add(answer.status)
    if mode == "close":
        connection.close()
connection.close()
os.kill(pid, signal.SIGTERM)
sys.exit(0 if statuses == {200} else f"answers: {statuses}")
