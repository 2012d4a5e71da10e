"""What the attacks share: programs with the options that a new installation has, and bystanders.

An attack is one user with a good token, or one edge with a good key, that does what the protocol
allows. It is judged by what others feel: two bystanders on both edges must lose nothing, keep their
connections, and wait at most three times as long as before.
"""

import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import harness  # noqa: E402
import linkwire  # noqa: E402
import rawhttp  # noqa: E402
import ws  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
QUIET_S = 1.5
P99_FACTOR = 3
P99_FLOOR_MS = 60 * rawhttp.SLOW  # below it a busy machine decides, not the gateway


def p99(samples):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] if ordered else float("inf")


class Bystanders:
    def __init__(self, cluster):
        who = ["{}@{}:{}".format(cluster.token(user), *edge.address)
               for user, edge in zip(("bystander-1", "bystander-2"), cluster.edges)]
        self.popen = subprocess.Popen([sys.executable, os.path.join(HERE, "bystander.py"), *who],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.popen.stdout.readline() != "ready\n":
            raise AssertionError("the bystanders could not come in")

    def mark(self):
        self.popen.stdin.write("mark\n")
        self.popen.stdin.flush()
        return json.loads(self.popen.stdout.readline())

    def stop(self):
        self.popen.stdin.close()
        self.popen.wait()
        self.popen.stdout.close()


class Reader:
    """A member that reads `rate` bytes a second and looks at nothing but the end."""

    def __init__(self, client, rate):
        self.client = client
        self.rate = rate
        self.bytes = 0
        self.tail = b""
        self.ended = False
        self._stop = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        peer = self.client.stream.socket
        peer.settimeout(0.05)
        begun = time.monotonic()
        while not self._stop and not self.ended:
            allowed = int((time.monotonic() - begun) * self.rate) - self.bytes
            if allowed < 4096:
                time.sleep(0.02)
                continue
            try:
                data = peer.recv(min(allowed, 65536))
            except TimeoutError:
                continue
            except OSError:
                data = b""
            self.ended = not data
            self.bytes += len(data)
            self.tail = (self.tail + data)[-256:]

    def stop(self):
        self._stop = True
        self._thread.join()


CLIENT_UP, CLIENT_DOWN, JOIN, LEAVE, PUBLISH, BROADCAST = 1, 2, 3, 4, 5, 6
REJOIN, SNAPSHOT_END = 10, 11


class Population:
    """An edge of its own that says of many users that each is in the same many rooms, and then only
    answers that it lives. All of it must fit a link's window."""

    def __init__(self, cluster, users, rooms, presence=False, prefix="room-"):
        self.rooms = [f"{prefix}{i}" for i in range(rooms)]
        address = harness.parse_address(cluster.router.link_url.removeprefix("tcp://"))
        self.link = linkwire.edge(address, harness.LINK_KEY, "population")
        self.link.check = False
        places = b"".join(
            linkwire.data(2, linkwire.data(1, room) + (linkwire.varint(5, 1) if presence else b""))
            for room in self.rooms)
        for start in range(1, users + 1, 50):
            handles = range(start, min(start + 50, users + 1))
            self.link.batch(*(self.client_up(handle) for handle in handles), *(
                linkwire.item(REJOIN, linkwire.fixed64(1, handle) + places) for handle in handles))
        self.link.batch(linkwire.item(SNAPSHOT_END, linkwire.varint(1, 0)))
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    @staticmethod
    def client_up(handle, more=b""):
        return linkwire.item(CLIENT_UP, linkwire.fixed64(1, handle) + linkwire.data(2, f"p{handle}")
                             + linkwire.data(3, f"user-{handle}") + more)

    def _live(self):
        try:
            while True:
                kind, body = self.link.receive()
                if kind == linkwire.PING:
                    self.link.send(linkwire.PONG, body)
        except (linkwire.Closed, OSError):
            pass

    def stop(self):
        self.link.socket.shutdown(2)
        self._thread.join()
        self.link.close()


class Attack(harness.TestCase):
    """`self.cluster`: a router and two edges; only the limit of connections' messages may differ."""

    expected_seconds = 8
    router_options = {}
    edge_options = {}

    def setUp(self):
        self.cluster = self.start_cluster(
            router={"listen": "tcp://127.0.0.1:0",
                    **dict.fromkeys(harness.WITHOUT_LIMITS["router"]), **self.router_options},
            edge={**dict.fromkeys(harness.WITHOUT_LIMITS["edge"]), **self.edge_options})
        self.bystanders = Bystanders(self.cluster)
        self.addCleanup(self.bystanders.stop)

    def population(self, *what, **how):
        one = Population(self.cluster, *what, **how)
        self.addCleanup(one.stop)
        return one

    def reader(self, rate, edge=0, user="reader", room="lobby"):
        client = self.cluster.connect(edge, user, receive_buffer=65536)
        client.join(room)
        reader = Reader(client, rate)
        self.addCleanup(reader.stop)
        return reader

    def slow_closes(self):
        """How many clients were closed because too much waited for them."""
        name = 'weir_edge_closes_total{reason="slow_consumer"}'
        return sum(harness.metrics_of(edge.ops).get(name, 0) for edge in self.cluster.edges)

    def quiet(self):
        """What the bystanders feel before the attack."""
        self.bystanders.mark()
        time.sleep(QUIET_S)
        self.before = self.bystanders.mark()

    def judge(self):
        """What they felt since quiet()."""
        during = self.bystanders.mark()
        before, now = p99(self.before["ms"]), p99(during["ms"])
        print(f"{self.id()}: bystanders' p99 {before:.1f} ms before, {now:.1f} ms during "
              f"({len(during['ms'])} messages, {during['lost']} lost)", file=sys.stderr)
        self.assertIsNone(during["closed"], "a bystander was closed")
        self.assertEqual(during["lost"], 0, "a bystander lost something")
        self.assertLessEqual(now, max(P99_FACTOR * before, P99_FLOOR_MS))


def flood(client, messages):
    """Sends all of it at once; False if the client was closed meanwhile."""
    try:
        client.send_bytes(b"".join(ws.encode_frame(ws.TEXT, json.dumps(m).encode())
                                   for m in messages))
    except rawhttp.EndOfStream:
        return False
    return True


def answers(client, n):
    """The answers to messages with the ids 0 to n - 1, as far as the client got them."""
    found = {}
    try:
        while len(found) < n:
            message = client.next()
            if message["type"] in ("ack", "error", "joined", "presence", "history"):
                found[message.get("id")] = message
    except (ws.Closed, rawhttp.EndOfStream):
        pass
    return [found[i] for i in sorted(i for i in found if i is not None)]
