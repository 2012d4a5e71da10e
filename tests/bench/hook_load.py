"""The load of `run`'s lane `webhooks`: rooms that talk, and an endpoint that is told of each message.

The endpoint is a process of its own that answers 204 as soon as it has read a request; it checks that the
numbers of the events follow each other.
"""

import base64
import multiprocessing
import os
import re
import socket
import subprocess
import tempfile
import time

import servers
from servers import harness

ROOMS = ["rooms", "--rooms", "100", "--members", "2", "--window", "2000"]
BENCH = os.path.join(harness.BUILD, "tests", "bench", "weir-bench")
CHUNK = 1 << 20
PATIENCE_S = 60


def read_request(stream, rest):
    """(body, what came behind it); an empty body at the end of the stream."""
    while b"\r\n\r\n" not in rest:
        data = stream.recv(CHUNK)
        if not data:
            return b"", b""
        rest += data
    head, _, rest = rest.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
    while len(rest) < length:
        rest += stream.recv(CHUNK)
    return rest[:length], rest[length:]


def receive(listener, counts):
    """counts: events, and how many were not where the last request ended."""
    following = 1
    while True:
        stream, _ = listener.accept()
        rest = b""
        while True:
            body, rest = read_request(stream, rest)
            if not body:
                break
            first = int(re.search(rb'"first":(\d+)', body)[1])
            n = len(re.findall(rb'\{"n":\d+,"type":"message\.published"', body))
            counts[0] += n
            counts[1] += first != following
            following = first + n
            stream.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


def delivered(server):
    rows = harness.metrics_of(server.cluster.router.ops)
    return [int(rows[f'weir_router_webhook_events_total{{result="{result}"}}'])
            for result in ("delivered", "dropped")]


def wait_until_sent(server):
    deadline = time.monotonic() + PATIENCE_S
    while harness.metrics_of(server.cluster.router.ops)["weir_router_webhook_queue_bytes"] > 0:
        if time.monotonic() > deadline:
            raise SystemExit("the queue of webhooks does not become empty")
        time.sleep(0.01)


def run(duration_s):
    """(events a second, router's CPU us a message, events dropped, requests out of place)"""
    listener = socket.create_server(("127.0.0.1", 0))
    counts = multiprocessing.Array("q", 2, lock=False)
    receiver = multiprocessing.Process(target=receive, args=(listener, counts), daemon=True)
    receiver.start()
    folder = tempfile.TemporaryDirectory(prefix="bench-")
    key = os.path.join(folder.name, "hook.key")
    with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as f:
        f.write("whsec_" + base64.b64encode(os.urandom(32)).decode())
    server = servers.Weir(router={
        "webhook_url": "http://127.0.0.1:{}/".format(listener.getsockname()[1]),
        "webhook_events": ["message.published"], "webhook_key_file": [key]})
    try:
        argv = [BENCH, *ROOMS, "--progress", "no", "--duration", f"{duration_s}s", "--key", server.key]
        for address in server.addresses:
            argv += ["--edge", address]
        begun, cpu = time.monotonic(), servers.cpu_s(server.pids[:1])
        subprocess.run(argv, stdout=subprocess.DEVNULL, check=True, timeout=PATIENCE_S)
        wait_until_sent(server)
        taken_s, cpu = time.monotonic() - begun, servers.cpu_s(server.pids[:1]) - cpu
        n, dropped = delivered(server)
        if n != counts[0]:
            raise SystemExit(f"{n} events were taken, {counts[0]} were received")
        return n / taken_s, cpu / n * 1e6, dropped, counts[1]
    finally:
        server.stop()
        receiver.kill()
        receiver.join()
        listener.close()
        folder.cleanup()
