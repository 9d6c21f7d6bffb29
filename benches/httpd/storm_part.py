"""Simultaneous first requests (200 unless the run is quick) with one credential, on a newly started server."""

import selectors
import socket
import time

from credentials import authorization
from load import Failed
from servers import EVERY_SERVER, NginxOurs, Ours

COUNTED = "esauth: computed a hash"


class OursCounting(Ours):
    """Ours, with a log line for each hash."""

    settings = "LogLevel rust_esauth_module:debug"


class NginxOursCounting(NginxOurs):
    """The same for nginx."""

    log_level = "info"


COUNTING = {Ours: OursCounting, NginxOurs: NginxOursCounting}


def storm(port, path, header, clients, deadline=120):
    """Sends all requests at once; returns the seconds until the last answer, and the status codes."""
    request = (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {header}\r\n"
               "Connection: close\r\n\r\n").encode()
    sockets = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(clients)]
    answers = {client: b"" for client in sockets}
    begin = last = time.perf_counter()
    try:
        for client in sockets:
            client.sendall(request)
        with selectors.DefaultSelector() as selector:
            for client in sockets:
                selector.register(client, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(timeout=1)
                if time.perf_counter() - begin > deadline:
                    raise Failed(f"{len(selector.get_map())} of {clients} had no answer after {deadline} s")
                for key, _ in ready:
                    part = key.fileobj.recv(65536)
                    answers[key.fileobj] += part
                    last = time.perf_counter()
                    if not part:
                        selector.unregister(key.fileobj)
    except OSError as problem:
        raise Failed(f"a connection broke: {problem}") from problem
    finally:
        for client in sockets:
            client.close()
    codes = [answer[9:12].decode(errors="replace") or "none" for answer in answers.values()]
    return last - begin, {code: codes.count(code) for code in set(codes)}


def one_server(server, clients):
    """The numbers of one newly started server."""
    seconds, codes = storm(server.port, "/bcrypt10/hello.txt", authorization(), clients)
    if codes != {"200": clients}:
        raise Failed(f"answers: {codes}")
    server.process.settle()
    result = {"label": server.label, "clients": clients, "seconds": seconds}
    if server.is_ours:
        result["hashes"] = server.log().count(COUNTED)
    return result


def run(bench):
    """Every server in turn, alone."""
    results = {}
    for server_class in EVERY_SERVER:
        if "bcrypt10" not in server_class.cases:
            continue
        for server in bench.start_servers([COUNTING.get(server_class, server_class)]):
            try:
                result = one_server(server, bench.storm_clients)
                hashes = f", {result['hashes']} hashes" if "hashes" in result else ""
                bench.progress(f"storm: {server.label}: last answer after {result['seconds']:.2f} s{hashes}")
            except Failed as problem:
                result = {"label": server.label, "failed": str(problem)}
                bench.progress(f"storm: {server.label}: FAILED: {problem}")
            results[server.key] = result
            bench.stop_servers([server])
    return results
