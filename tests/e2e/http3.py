"""HTTP/3 through nginx with the module: many requests as streams of one QUIC connection.

Run by scripts/e2e.sh, which sets ESAUTH_URL, ESAUTH_CA, ESAUTH_USER and ESAUTH_REFUSED (written "user:password"), and
ESAUTH_METRICS_URL.
"""

import asyncio
import base64
import os
import re
import sys
import urllib.request
import uuid
from collections import namedtuple
from urllib.parse import urlsplit

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration

SERVER = urlsplit(os.environ["ESAUTH_URL"])
USER, REFUSED = os.environ["ESAUTH_USER"], os.environ["ESAUTH_REFUSED"].split()
NAME = USER.split(":")[0]
# For this run only: the back end may be the user's.
INDEX = f"/http3-e2e-{uuid.uuid4().hex}"
PATIENCE = 60

Answer = namedtuple("Answer", "status headers body")


class Http3(QuicConnectionProtocol):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.http = H3Connection(self._quic)
        self.waiting = {}
        self.parts = {}

    def send(self, method, target, user=None, body=None):
        """Sends a request, and returns its stream."""
        stream = self._quic.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "https"), (":authority", SERVER.netloc), (":path", target)]
        if user:
            fields.append(("authorization", "Basic " + base64.b64encode(user.encode()).decode()))
        if body is not None:
            fields += [("content-type", "application/json"), ("content-length", str(len(body)))]
        self.waiting[stream] = self._loop.create_future()
        self.parts[stream] = [[], b""]
        self.http.send_headers(stream, [(name.encode(), value.encode()) for name, value in fields], body is None)
        if body is not None:
            self.http.send_data(stream, body, True)
        self.transmit()
        return stream

    def cancel(self, stream):
        self._quic.reset_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        self._quic.stop_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        self.transmit()
        del self.waiting[stream], self.parts[stream]

    async def answer(self, stream):
        return await asyncio.wait_for(self.waiting[stream], PATIENCE)

    async def ask(self, *request, **options):
        return await self.answer(self.send(*request, **options))

    def quic_event_received(self, event):
        for received in self.http.handle_event(event):
            part = self.parts.get(received.stream_id) if isinstance(received, (HeadersReceived, DataReceived)) else None
            if part is None:
                continue
            if isinstance(received, HeadersReceived):
                part[0] = received.headers
            else:
                part[1] += received.data
            waiting = self.waiting[received.stream_id]
            if received.stream_ended and not waiting.done():
                headers = {name.decode(): value.decode() for name, value in part[0]}
                waiting.set_result(Answer(int(headers[":status"]), headers, part[1]))


def open_connection():
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=SERVER.hostname)
    configuration.load_verify_locations(os.environ["ESAUTH_CA"])
    return connect("127.0.0.1", SERVER.port, configuration=configuration, create_protocol=Http3)


def metric(name):
    """The sum of a metric's values."""
    with urllib.request.urlopen(os.environ["ESAUTH_METRICS_URL"], timeout=PATIENCE) as page:
        text = page.read().decode()
    values = re.findall(rf"^rust_esauth_{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
    assert values, f"no {name} among the metrics"
    return sum(map(float, values))


def guess():
    """A wrong password that nobody has sent before."""
    return f"{NAME}:{uuid.uuid4().hex}"


def check(answer, status):
    assert answer.status == status, (answer.status, status, answer.body[:300])
    return answer


async def without_credentials_the_answer_asks_for_them(http3):
    assert check(await http3.ask("GET", "/_cluster/health"), 401).headers["www-authenticate"] == 'Basic realm="Elasticsearch server"'


async def refused_credentials_get_401(http3):
    for user in REFUSED:
        check(await http3.ask("GET", "/_cluster/health", user), 401)


async def right_credentials_reach_the_back_end(http3):
    assert b'"cluster_name"' in check(await http3.ask("GET", "/_cluster/health", USER), 200).body


async def options_needs_no_credentials(http3):
    check(await http3.ask("OPTIONS", "/_cluster/health"), 200)


async def a_document_is_written_by_the_right_user_only(http3):
    document = b'{"name": "red shirt", "text": "%s"}' % (b"x" * 100_000)
    for user in [None, *REFUSED]:
        check(await http3.ask("PUT", f"{INDEX}/_doc/1?refresh=true", user, document), 401)
    check(await http3.ask("GET", f"{INDEX}/_doc/1", USER), 404)
    check(await http3.ask("PUT", f"{INDEX}/_doc/1?refresh=true", USER, document), 201)
    assert len(check(await http3.ask("GET", f"{INDEX}/_doc/1", USER), 200).body) > 100_000
    check(await http3.ask("DELETE", INDEX, USER), 200)


async def each_stream_gets_the_verdict_on_its_own_credentials(http3):
    users = [USER, None, REFUSED[0], USER, REFUSED[-1], guess()] * 10
    streams = [http3.send("GET", "/_cluster/health", user) for user in users]
    for user, stream in zip(users, streams):
        check(await http3.answer(stream), 200 if user == USER else 401)


async def streams_with_one_new_credential_cost_one_hash(http3):
    before, user = metric("hashes_total"), guess()
    for stream in [http3.send("GET", "/_cluster/health", user) for _ in range(40)]:
        check(await http3.answer(stream), 401)
    assert metric("hashes_total") - before == 1, metric("hashes_total") - before


async def streams_cancelled_while_they_wait_leave_the_queue(http3):
    for _ in range(5):
        for stream in [http3.send("GET", "/_cluster/health", guess()) for _ in range(20)]:
            http3.cancel(stream)
        check(await http3.ask("GET", "/_cluster/health", USER), 200)
    for _ in range(100):
        if metric("hashes_running") + metric("credentials_waiting") == 0:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("hashes are running or waited for although nobody asks")


async def a_connection_that_ends_leaves_the_queue_and_the_next_one_works(http3):
    async with open_connection() as other:
        for _ in range(20):
            other.send("GET", "/_cluster/health", guess())
    check(await http3.ask("GET", "/_cluster/health", USER), 200)
    async with open_connection() as other:
        check(await other.ask("GET", "/_cluster/health", USER), 200)


TESTS = (
    without_credentials_the_answer_asks_for_them,
    refused_credentials_get_401,
    right_credentials_reach_the_back_end,
    options_needs_no_credentials,
    a_document_is_written_by_the_right_user_only,
    each_stream_gets_the_verdict_on_its_own_credentials,
    streams_with_one_new_credential_cost_one_hash,
    streams_cancelled_while_they_wait_leave_the_queue,
    a_connection_that_ends_leaves_the_queue_and_the_next_one_works,
)


async def main():
    print(f"1..{len(TESTS)}")
    failed = False
    for test in TESTS:
        name = test.__name__.replace("_", " ")
        try:
            async with open_connection() as http3:
                await test(http3)
            print(f"ok {name}")
        except Exception as error:  # whatever it is, the others run
            failed = True
            print(f"not ok {name}: {error!r}")
    return failed


sys.exit(asyncio.run(main()))
