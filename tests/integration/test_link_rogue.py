"""Strangers at the router's port, and edges that come and go all the time: others do not notice."""

import itertools
import os
import resource
import socket
import struct
import unittest

import linkwire
from harness import DEADLINE_S, LINK_KEY, TestCase, metrics_of, parse_address, wait_until
from linkwire import data, fixed64, item
from test_link_peer import SNAPSHOT_END, client_up, join, publish

IDLE = 900
STRANGERS_MAX = 1024
COMINGS = 500  # of each of two edges
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST

STRANGE_WORDS = {
    "http": b"GET / HTTP/1.1\r\nHost: router\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "a scalability protocol": b"\0SP\0\0\x30\0\0" + bytes(64),
    "ssh": b"SSH-2.0-OpenSSH_9.2p1\r\n" + bytes(64),
    "zeros": bytes(4096),
    "all bits": b"\xff" * 4096,
    "a length of four gigabytes": linkwire.HEAD.pack(0xFFFFFFFF, linkwire.HELLO, 0, 0, 0, 0),
    "a hello of a megabyte": linkwire.HEAD.pack(1 << 20, linkwire.HELLO, 0, 0, 0, 0),
    "a wrong checksum": linkwire.frame(linkwire.HELLO, b"hello")[:-1] + b"!",
    "ping": linkwire.frame(linkwire.PING, b"12345678"),
    "an empty hello": linkwire.frame(linkwire.HELLO),
}


class Strangers(TestCase):
    expected_seconds = 8

    def setUp(self):
        self.cluster = self.start_cluster(edges=1, router={"listen": "tcp://127.0.0.1:0",
                                                           "link_timeout": "60s"})
        self.router = self.cluster.router
        self.address = parse_address(self.router.link_url.removeprefix("tcp://"))
        self.client = self.cluster.connect()
        self.client.join("room")
        self.edge_mark = self.cluster.edges[0].mark()
        self.rss = self.resident()

    def resident(self):
        with open(f"/proc/{self.router.popen.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def connect(self):
        sock = socket.create_connection(self.address, timeout=DEADLINE_S)
        self.addCleanup(sock.close)
        return sock

    def assert_ended(self, sock):
        try:
            while sock.recv(1 << 16):
                pass
        except ConnectionError:
            pass

    def assert_unaffected(self):
        seq = self.client.publish("room")["seq"]
        self.client.expect("chat", seq=seq)
        self.assertEqual([row["edge"] for row in self.cluster.rows("edges")], ["edge-1"])
        said = [line for line in self.cluster.edges[0].lines[self.edge_mark:] if "link_" in line]
        self.assertEqual(said, [])

    def test_what_is_no_edge_is_cut_off(self):
        for name, words in STRANGE_WORDS.items():
            with self.subTest(name=name):
                sock = self.connect()
                sock.sendall(words)
                self.assert_ended(sock)
                self.assert_unaffected()

    def test_hundreds_who_say_nothing_are_dropped_and_an_edge_gets_in_meanwhile(self):
        allow_descriptors()
        idle = [self.connect() for _ in range(IDLE)]
        self.cluster.start_edge("edge-2")
        self.cluster.connect(1, "bob").join("room")
        self.assertEqual(self.client.publish("room")["members"], 2)
        for sock in idle:
            self.assert_ended(sock)
        self.assertLess(self.resident() - self.rss, 64 << 20)

    def test_more_strangers_than_are_borne_are_turned_away_and_it_recovers(self):
        allow_descriptors()
        crowd = [self.connect() for _ in range(STRANGERS_MAX + 100)]
        self.assert_unaffected()
        for sock in crowd:
            self.assert_ended(sock)
        self.cluster.start_edge("edge-2")

    def test_a_hello_that_was_overheard_opens_nothing(self):
        overheard = linkwire.edge(self.address, LINK_KEY, name="honest")
        self.addCleanup(overheard.close)
        replay = linkwire.Link(self.connect())
        replay.expect(linkwire.CHALLENGE)
        replay.send(linkwire.HELLO, overheard.hello, ack=0)
        replay.expect_end("bad_key")
        overheard.batch(client_up(), join("room"))
        wait_until(lambda: self.client.publish("room")["members"] == 2, "the honest one is served")

    def test_a_wrong_key_and_a_taken_name_are_refused_and_the_owner_stays(self):
        linkwire.edge(self.address, b"x" * 32, admitted=False).expect_end("bad_key")
        linkwire.edge(self.address, LINK_KEY, name="edge-1",
                      admitted=False).expect_end("duplicate_name")
        self.assert_unaffected()


class ComeAndGo(TestCase):
    """Two edges that connect and end as fast as they can: a new connection of the same edge, the end
    of it in the middle of anything, by FIN, RST or goodbye."""

    expected_seconds = 12

    def test_edges_that_come_and_go_leave_nothing_behind(self):
        cluster = self.start_cluster(edges=1, router={"listen": "tcp://127.0.0.1:0",
                                                      "link_timeout": "60s"})
        router = cluster.router
        address = parse_address(router.link_url.removeprefix("tcp://"))
        client = cluster.connect()
        client.join("room")
        before = descriptors(router)
        names = {name: os.urandom(16) for name in ("left", "right")}
        ends = itertools.cycle((self.fin, self.rst, self.goodbye, self.half_a_frame))
        for n in range(COMINGS):
            for (name, boot), end in zip(names.items(), ends):
                link = linkwire.edge(address, LINK_KEY, name=name, boot=boot)
                link.batch(client_up(handle=n + 1, user=name), item(SNAPSHOT_END, b""))
                end(link)
            if n % 50 == 0:
                client.expect("chat", seq=client.publish("room")["seq"])
        for name, boot in names.items():
            self.goodbye(linkwire.edge(address, LINK_KEY, name=name, boot=boot))
        wait_until(lambda: len(cluster.rows("edges")) == 1, "those who came are gone")
        self.assertEqual(client.publish("room")["members"], 1)
        self.assertEqual(metrics_of(router.ops)["weir_router_members"], 1)
        wait_until(lambda: descriptors(router) == before, "their descriptors are closed")
        cluster.start_edge("left")

    @staticmethod
    def fin(link):
        link.close()

    @staticmethod
    def rst(link):
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        link.close()

    @staticmethod
    def goodbye(link):
        link.send(linkwire.GOAWAY, data(1, "leaving"))
        link.expect_end()  # who closes with something unread sends RST, and is not heard
        link.close()

    @staticmethod
    def half_a_frame(link):
        link.socket.sendall(linkwire.frame(linkwire.BATCH, publish("room") + fixed64(1, 1))[:40])
        link.close()


def descriptors(process):
    return len(os.listdir(f"/proc/{process.popen.pid}/fd"))


def allow_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))


if __name__ == "__main__":
    unittest.main()
