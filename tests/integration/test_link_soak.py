"""A TLS link is cut again and again while messages flow, and they are counted.

Each edge reaches the router through a proxy that ends its connection, with FIN or RST, at any moment: in
the middle of a frame, a TLS record or a handshake. NNG's TLS now and then does not notice an end; the
link's own watch on silence has to. A cut that lasts is the end of a session, after which an edge may be
told of a gap; as long as it is resumed, it may not. LINK_SOAK_CUTS is how often each edge is cut.
"""

import os
import random
import sys
import threading
import time
import unittest

import certs
from harness import DEADLINE_S, ROOT, SLOW, TestCase, parse_address, sanitized, wait_until

sys.path.insert(0, os.path.join(ROOT, "tests", "faults"))
from proxy import Proxy  # noqa: E402

CUTS = int(os.environ.get("LINK_SOAK_CUTS", "70"))
WARM_UP_CUTS = 5
PATIENCE_S = DEADLINE_S + 2 * CUTS * SLOW
N_EDGES = 3
N_UNANSWERED = 10  # publishes that each client has under way
ROOM = "room"
# Of these lives a link may get none, some, or a second; a handshake takes about ten milliseconds.
LIVES_S = ((0, 0.02), (0, 0.1), (0.05, 0.2))
KEPT_BYTES = 64 << 20
SLACK_BYTES = 16 << 20


class Cutter(threading.Thread):
    """Cuts a proxy's connection until it has done so `cuts` times."""

    def __init__(self, proxy, seed, cuts):
        super().__init__(daemon=True)
        self.proxy = proxy
        self.rng = random.Random(seed)
        self.left = cuts
        self.start()

    def run(self):
        while self.left > 0:
            time.sleep(self.rng.uniform(*self.rng.choice(LIVES_S)))
            self.left -= self.proxy.cut(reset=self.rng.random() < 0.5)


class Talker(threading.Thread):
    """Publishes as fast as it is answered, until told to stop and all is answered; then has read as much
    as `goal` says there is."""

    def __init__(self, name, client):
        super().__init__(daemon=True)
        self.name = name
        self.client = client
        self.sent = 0
        self.answers = {}  # of the own publishes: n -> message
        self.heard = {}  # seq -> who and which
        self.next_seq = 1
        self.gaps = []
        self.surprises = []
        self.stopping = threading.Event()
        self.start()

    def run(self):
        while not (self.stopping.is_set() and len(self.answers) == self.sent):
            while self.sent - len(self.answers) < N_UNANSWERED and not self.stopping.is_set():
                self.client.send(type="chat", room=ROOM, id=self.sent, text="x" * 500,
                                 what=[self.name, self.sent])
                self.sent += 1
            self.take(self.client.next(PATIENCE_S))

    def take(self, message):
        if message["type"] == "chat" and message["seq"] == self.next_seq:
            self.heard[self.next_seq] = tuple(message["what"])
            self.next_seq += 1
        elif message["type"] == "gap" and message["from"] == self.next_seq:
            self.gaps.append(message)
            self.next_seq = message["to"] + 1
        elif message["type"] in ("ack", "error") and message["id"] not in self.answers:
            self.answers[message["id"]] = message
        else:
            self.surprises.append(message)

    def finish(self):
        self.stopping.set()
        self.join(PATIENCE_S)
        if self.is_alive():
            raise AssertionError(f"{self.name} has {len(self.answers)} answers to {self.sent}")

    def errors(self):
        return [answer for answer in self.answers.values() if answer["type"] == "error"]

    def assert_answers(self, published):
        """`published`: what anybody heard, by seq."""
        seqs = {what: seq for seq, what in published.items()}
        for n, answer in self.answers.items():
            if answer["type"] == "ack":
                what = published.get(answer["seq"], (self.name, n))  # if nobody heard it
                assert what == (self.name, n), (answer, what)
            else:
                assert answer["code"] == "unavailable", answer
                assert answer["outcome"] == "unknown" or (self.name, n) not in seqs, answer

    def read_to(self, seq):
        while self.next_seq <= seq and not self.surprises:
            self.take(self.client.next())


def counts_of(process):
    """(descriptors, threads)."""
    folder = f"/proc/{process.popen.pid}"
    return len(os.listdir(folder + "/fd")), len(os.listdir(folder + "/task"))


def resident(process):
    with open(f"/proc/{process.popen.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@unittest.skipIf(certs.missing(), certs.missing())
class LinkSoak(TestCase):
    expected_seconds = 25

    def setUp(self):
        self.cluster = self.start_cluster(
            edges=0, router={"link_timeout": f"{3 * SLOW:g}s", "history_messages": "1000000",
                             "history_bytes": KEPT_BYTES, "history_total": 2 * KEPT_BYTES},
            edge={"lobby": "", "publish_timeout": f"{PATIENCE_S:g}s", "log_level": "error",
                  "queue_limit": KEPT_BYTES})
        self.cluster.router.stop()
        folder = self.cluster.folder
        authority = certs.Authority(folder)
        authority.issue("router", "127.0.0.1", names="")
        authority.issue("edge", "edge", names="")
        self.cluster.router = self.cluster.start_router(
            listen="tls+tcp://127.0.0.1:0", **certs.link_options(folder, "router"))
        target = parse_address(self.cluster.router.link_url.partition("//")[2])
        self.proxies = [Proxy(target) for _ in range(N_EDGES)]
        for i, proxy in enumerate(self.proxies):
            self.cluster.start_edge(f"edge-{i}", router=["tls+" + proxy.url],
                                    **certs.link_options(folder, "edge"))
        self.programs = [self.cluster.router, *self.cluster.edges]

    def cut(self, cuts):
        cutters = [Cutter(proxy, f"{i} {cuts}", cuts) for i, proxy in enumerate(self.proxies)]
        for cutter in cutters:
            cutter.join(PATIENCE_S)
            self.assertFalse(cutter.is_alive(), f"{cutter.left} cuts were still to be made")
        for edge in self.cluster.edges:
            edge.wait_until_ready(PATIENCE_S)

    def assert_counts_return(self, before):
        for program, counts in zip(self.programs, before):
            try:
                wait_until(lambda program=program, counts=counts: counts_of(program) == counts, "")
            except AssertionError:
                self.assertEqual(counts_of(program), counts, program.name)

    def sessions(self, i):
        return sum(f"edge_up edge=edge-{i} session=new" in line
                   for line in self.cluster.router.lines)

    def test_nothing_is_lost_twice_or_leaked_over_hundreds_of_cuts(self):
        clients = [self.cluster.connect(i, f"user-{i}") for i in range(N_EDGES)]
        for client in clients:
            client.join(ROOM)
        counts = [counts_of(program) for program in self.programs]
        self.cut(WARM_UP_CUTS)
        self.assert_counts_return(counts)
        memory = [resident(program) for program in self.programs]

        talkers = [Talker(f"talker-{i}", client) for i, client in enumerate(clients)]
        self.cut(CUTS)
        for talker in talkers:
            talker.finish()
        end = clients[0].publish(ROOM, what=["end", 0])["seq"]
        for talker in talkers:
            talker.read_to(end)

        for i, talker in enumerate(talkers):
            self.assertEqual(talker.surprises[:3], [])
            if self.sessions(i) == 1:
                self.assertEqual((talker.gaps, talker.errors()), ([], []))
        published = {}
        for talker in talkers:
            for seq, what in talker.heard.items():
                self.assertEqual(published.setdefault(seq, what), what)
        self.assertEqual(len(set(published.values())), len(published), "published twice")
        for talker in talkers:
            talker.assert_answers(published)
        self.assert_counts_return(counts)
        if not sanitized():  # it keeps what was freed
            kept = end * 1000  # more than a message costs the history and the edges
            for program, before in zip(self.programs, memory):
                self.assertLess(resident(program) - before, SLACK_BYTES + kept, program.name)


if __name__ == "__main__":
    unittest.main()
