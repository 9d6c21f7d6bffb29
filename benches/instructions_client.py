"""Sends requests to the httpd whose instructions are counted, then ends it: FOLDER PORT COUNT keep-alive|close LOCATION."""

import base64
import http.client
import os
import signal
import sys
import time

folder, port, count, mode, location = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
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


connection = connect()
while not os.path.exists(pid_file):
    time.sleep(0.1)
with open(pid_file, encoding="ascii") as file:
    pid = int(file.read())
statuses = set()
for _ in range(count):
    connection.request("GET", f"/{location}/page", headers=headers)
    answer = connection.getresponse()
    answer.read()
    statuses.add(answer.status)
    if mode == "close":
        connection.close()
connection.close()
os.kill(pid, signal.SIGTERM)
sys.exit(0 if statuses == {200} else f"answers: {statuses}")
