"""The load of `run`'s lane `api`: publishes by HTTP, and readers of server-sent events.

One process, one thread, sockets and ready-made bytes, so that it leaves most of the machine to the servers.
Every answer is looked at, and each room must have counted as many messages as were published to it.
"""

import json
import re
import resource
import selectors
import socket
import time

import servers
from servers import harness

CONNECTIONS = 16
BODY_BYTES = 128
ONE_BY_ONE = 2000
READERS = 5000
READERS_A_ROOM = 10
ANSWER_BYTES = 65536
PATIENCE_S = 30


class Publisher:
    """A keep-alive connection that publishes to a room of its own."""

    def __init__(self, server, address, name):
        message = {"type": "chat", "text": ""}
        message["text"] = "x" * (BODY_BYTES - len(json.dumps(message)))
        body = json.dumps(message)
        self.request = (f"POST /v1/rooms/{name}/messages HTTP/1.1\r\nHost: {address}\r\n"
                        f"Authorization: Bearer {server.token(name)}\r\n"
                        "Content-Type: application/json\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
        self.socket = socket.create_connection(harness.parse_address(address), PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.n_sent = 0
        self.answer = b""

    def send(self):
        self.n_sent += 1
        self.answer = b""
        self.socket.sendall(self.request)

    def take(self):
        """True if the answer is all there."""
        data = self.socket.recv(ANSWER_BYTES)
        self.answer += data
        if not data or not self.answer.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"a publish is answered with {self.answer!r}")
        return self.answer.endswith(b"}")

    def end(self):
        """Every message has its place, and no other."""
        seq = json.loads(self.answer.partition(b"\r\n\r\n")[2])["seq"]
        if seq != self.n_sent:
            raise SystemExit(f"{self.n_sent} publishes came to seq {seq}")
        self.socket.close()


def keep_busy(publishers, duration_s):
    """Each has one request under way. Returns (publishes, seconds)."""
    with selectors.DefaultSelector() as selector:
        for publisher in publishers:
            selector.register(publisher.socket, selectors.EVENT_READ, publisher)
            publisher.send()
        begun = time.monotonic()
        n, open_ones = 0, len(publishers)
        while open_ones > 0:
            ending = time.monotonic() - begun >= duration_s
            for key, _ in selector.select(PATIENCE_S):
                if key.data.take():
                    n += 1
                    if ending:
                        open_ones -= 1
                        selector.unregister(key.fileobj)
                    else:
                        key.data.send()
        return n, time.monotonic() - begun


def publish_many(server, duration_s):
    """(publishes a second, [CPU us a publish of each process])"""
    address = server.addresses[0]
    publishers = [Publisher(server, address, f"many-{i}") for i in range(CONNECTIONS)]
    keep_busy(publishers, 0.5)
    before = [servers.cpu_s([pid]) for pid in server.pids]
    n, taken_s = keep_busy(publishers, duration_s)
    each = [(servers.cpu_s([pid]) - was) / n * 1e6 for pid, was in zip(server.pids, before)]
    for publisher in publishers:
        publisher.end()
    return n / taken_s, each


def publish_one_by_one(server):
    """[ms of each], ascending."""
    publisher = Publisher(server, server.addresses[0], "single")
    taken = []
    for _ in range(ONE_BY_ONE):
        begun = time.perf_counter()
        publisher.send()
        while not publisher.take():
            pass
        taken.append((time.perf_counter() - begun) * 1000)
    publisher.end()
    return sorted(taken)


def open_reader(cluster, address, i):
    reader = socket.create_connection(harness.parse_address(address), PATIENCE_S)
    reader.sendall((f"GET /v1/rooms/readers-{i // READERS_A_ROOM}/events HTTP/1.1\r\n"
                    f"Host: {address}\r\nAccept: text/event-stream\r\n"
                    f"Authorization: Bearer {cluster.token(f'reader-{i}')}\r\n\r\n").encode())
    return reader


def wait_until_joined(reader):
    answer = b""
    while not re.search(rb"event: joined\n.*\n\n", answer):
        data = reader.recv(ANSWER_BYTES)
        answer += data
        if not data:
            raise SystemExit(f"a reader is answered with {answer!r}")


def readers_memory(server):
    """[bytes a reader of each process]"""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    before = [servers.pss(pid) for pid in server.pids]
    readers = []
    for i in range(READERS):
        readers.append(open_reader(server.cluster, server.addresses[0], i))
        wait_until_joined(readers[-1])
    each = [(servers.pss(pid) - was) / READERS for pid, was in zip(server.pids, before)]
    for reader in readers:
        reader.close()
    return each
