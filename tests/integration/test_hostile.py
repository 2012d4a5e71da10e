"""Very many hostile handshakes and frames: what the fuzzers have found, through real sockets.

TEST_HOSTILE is how many (20000 if it is not set)."""

import os
import random
import socket
import unittest

import rawhttp
from harness import ROOT, TestCase, memory_kib, metrics_of, sanitized, wait_until
from rawhttp import request
from ws import TEXT, encode_frame, handshake_fields

HOSTILE = int(os.environ.get("TEST_HOSTILE", "20000"))
WARM_UP = 4000
ROOM = "of alice and bob, whom no corpus knows"
BATCH = 64  # connections at once
FRAMES = 15  # of one connection; at the twentieth bad message it would be closed


def corpus(*surfaces):
    found = []
    for surface in surfaces:
        folder = os.path.join(ROOT, "tests", "fuzz", "corpus", surface)
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as f:
                found.append(f.read())
    return found


class Hostile(TestCase):
    expected_seconds = 20

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(edges=1, edge={"log_level": "warn"})
        self.edge = self.cluster.edges[0]
        self.rng = random.Random(1)
        self.heads = corpus("http_head", "http_upgrade")
        self.streams = corpus("ws_session")
        self.messages = corpus("client_json")
        self.good = request(f"/?token={self.cluster.token('eve')}&autojoin=0",
                            fields=handshake_fields())
        self.alice, self.bob = self.cluster.connect(user="alice"), self.cluster.connect(user="bob")
        for client in (self.alice, self.bob):
            client.join(ROOM)

    def damaged(self, data):
        """As it is, or with one byte changed."""
        if not data or self.rng.random() < 0.5:
            return data
        at = self.rng.randrange(len(data))
        return data[:at] + bytes([self.rng.randrange(256)]) + data[at + 1:]

    def attack(self):
        """(bytes for one connection, how many hostile things they are)."""
        kind = self.rng.randrange(3)
        if kind == 0:
            return self.damaged(self.rng.choice(self.heads)), 1
        if kind == 1:
            return self.good + self.damaged(self.rng.choice(self.streams)), 1
        frames = b"".join(encode_frame(TEXT, self.damaged(self.rng.choice(self.messages)),
                                       mask=b"\1\2\3\4") for _ in range(FRAMES))
        return self.good + frames, FRAMES

    def throw_batch(self):
        """Opens BATCH connections, says all at once, and waits until each has been answered."""
        n, peers = 0, []
        for _ in range(BATCH):
            data, things = self.attack()
            n += things
            peer = socket.create_connection(self.edge.address, timeout=rawhttp.DEADLINE_S)
            peers.append(peer)
            try:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has had enough
        for peer in peers:
            with peer:
                try:
                    while peer.recv(65536):
                        pass
                except ConnectionError:
                    pass
        return n

    def throw(self, least):
        n = 0
        while n < least:
            n += self.throw_batch()
            ack = self.alice.publish(ROOM, str(n))
            self.assertEqual(ack["members"], 2)
            for client in (self.alice, self.bob):
                client.expect("chat", text=str(n))
        wait_until(lambda: metrics_of(self.edge.ops)["websocket_active_connections"] == 2,
                   "all have gone")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.edge.popen.pid}/fd"))

    def test_nothing_is_left_of_them(self):
        self.throw(WARM_UP)
        files, memory = self.descriptors(), memory_kib(self.edge)
        router = memory_kib(self.cluster.router)
        self.throw(HOSTILE)
        wait_until(lambda: self.descriptors() <= files, "descriptors are closed")
        print(f"edge: {memory} KiB, then {memory_kib(self.edge)}; router: {router} KiB, then "
              f"{memory_kib(self.cluster.router)}")
        if not sanitized():
            self.assertLess(memory_kib(self.edge) - memory, 4096)
            self.assertLess(memory_kib(self.cluster.router) - router, 8192)


if __name__ == "__main__":
    unittest.main()
