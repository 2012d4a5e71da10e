"""The link against peers nobody here wrote: of a newer version, and of bad will."""

import signal
import time
import unittest

import linkwire
import rawhttp
import ws
from harness import DEADLINE_S, LINK_KEY, TestCase, metrics_of, parse_address, wait_until
from linkwire import data, fields, fixed64, item, varint

# Fields of Item in link.proto.
CLIENT_UP, JOIN, LEAVE, PUBLISH, BROADCAST, REJOIN, SNAPSHOT_END = 1, 3, 4, 5, 6, 10, 11
DELIVERY, JOINED, PUBLISHED, MEMBER_EVENT, REVOCATION_SNAPSHOT = 32, 34, 36, 40, 43
UNKNOWN = 127

BODY_MAX = 786432  # of a frame
NEWER = data(UNKNOWN, "of a newer version")


def client_up(handle=1, user="ann", more=b""):
    return item(CLIENT_UP, fixed64(1, handle) + data(2, "id") + data(3, user) + varint(6, 1) + more)


def publish(room, body="{}", req=1, more=b""):
    return item(PUBLISH, fixed64(1, 1) + varint(2, req) + data(3, room) + data(4, "chat")
                + data(5, body) + more)


def place(room):
    return data(2, data(1, room) + fixed64(2, 1))


def join(room, req=1):
    return item(JOIN, fixed64(1, 1) + varint(2, req) + data(3, room))


class EdgePeers(TestCase):
    """Edges of ours against a real router."""

    expected_seconds = 12

    def setUp(self):
        self.cluster = self.start_cluster(edges=0, router={"listen": "tcp://127.0.0.1:0"})
        self.router = self.cluster.router

    def edge(self, **how):
        address = parse_address(self.router.link_url.removeprefix("tcp://"))
        link = linkwire.edge(address, LINK_KEY, **how)
        self.addCleanup(link.close)
        return link

    def assert_serves(self):
        link = self.edge(name="honest")
        link.batch(client_up(), publish("room"))
        link.expect_item(PUBLISHED)
        link.send(linkwire.GOAWAY, data(1, "leaving"))
        link.expect_end()

    def assert_cut_off(self, link, name):
        link.expect_end("protocol")
        self.router.wait_for_line(f"edge_malformed edge={name}$")

    def test_a_newer_edge_is_served_and_what_is_new_is_ignored(self):
        link = self.edge(minor=linkwire.MINOR + 1, hello=NEWER)
        link.batch(client_up(more=NEWER), item(UNKNOWN, fixed64(1, 1)), join("room"),
                   publish("room", req=2, more=NEWER))
        self.assertEqual(link.expect_item(DELIVERY)[1], [b"room"])
        self.assertEqual(link.expect_item(PUBLISHED)[2], [2])
        link.batch(item(UNKNOWN, b""), publish("room", req=3))
        self.assertEqual(link.expect_item(PUBLISHED)[2], [3])
        counted = metrics_of(self.router.ops)
        self.assertEqual(counted['weir_router_ignored_items_total{reason="unknown_kind"}'], 2)

    def fill_rooms(self):
        """An edge with far more members than the router takes out in one turn."""
        places = b"".join(place(f"r{n}") for n in range(1000))
        link = self.edge(name="large")
        link.check = False
        for first in (1, 31, 61):
            link.batch(*(client_up(handle) + item(REJOIN, fixed64(1, handle) + places)
                         for handle in range(first, first + 30)))
            answers = 0
            while answers < 30000:
                answers += len(fields(link.expect(linkwire.BATCH)).get(1, []))
                link.send(linkwire.ACK)
        self.assertEqual(metrics_of(self.router.ops)["weir_router_members"], 90000)
        return link

    def assert_comes_to_empty_rooms(self, again):
        again.batch(client_up(), join("r0"))
        joined = again.expect_item(JOINED)
        self.assertEqual((joined[3], joined[6]), ([b"r0"], [1]))  # room and members
        self.assertEqual(self.cluster.rows("edges")[0]["members"], 1)

    def test_an_edge_that_left_comes_back_only_when_all_its_members_are_out_of_their_rooms(self):
        link = self.fill_rooms()

        def leave():
            link.send(linkwire.GOAWAY, data(1, "leaving"))
            link.expect_end()

        self.assert_comes_to_empty_rooms(self.edge(name="large", before_hello=leave))

    def test_the_next_process_of_a_killed_edge_comes_in_when_all_members_are_out(self):
        link = self.fill_rooms()


        def die():
            link.close()
            wait_until(lambda: self.cluster.rows("edges")[0]["silent"], "the router has seen it")

        # Its HELLO is what takes the last one's members out, so it is there before that has ended.
        self.assert_comes_to_empty_rooms(self.edge(name="large", before_hello=die))

    def test_a_router_that_stood_still_blames_no_edge_for_the_silence(self):
        timeout_s = 4
        self.cluster = self.start_cluster(edges=0, router={"listen": "tcp://127.0.0.1:0",
                                                           "link_timeout": f"{timeout_s}s"})
        self.router = self.cluster.router
        link = self.edge()
        link.batch(client_up(), join("room"))
        link.expect_item(JOINED)
        self.router.signal(signal.SIGSTOP)
        time.sleep(timeout_s + 1)
        self.router.signal(signal.SIGCONT)
        time.sleep(0.3)  # a few looks at who is silent
        link.batch(publish("room"))
        link.expect_item(PUBLISHED)

    def test_an_edge_two_versions_ahead_is_refused(self):
        self.edge(minor=linkwire.MINOR + 2, admitted=False).expect_end("version")

    def test_a_message_that_would_not_fit_a_frame_to_others_ends_the_link(self):
        room = BODY_MAX - 4000  # a delivery is larger than the publish it is made from
        for kind, what in ((PUBLISH, fixed64(1, 1) + varint(2, 1) + data(3, "room")
                            + data(4, "chat") + data(5, "{" + " " * room + "}")),
                           (BROADCAST, fixed64(1, 1) + varint(2, 1) + data(3, "chat")
                            + data(4, "{" + " " * room + "}"))):
            with self.subTest(kind=kind):
                link = self.edge(name=f"large-{kind}")
                username = data(4, "u" * 8192)
                link.batch(client_up(more=username), join("room"))
                link.expect_item(JOINED)
                link.batch(item(kind, what))
                self.assert_cut_off(link, f"large-{kind}")
                self.assert_serves()

    def test_what_no_edge_says_ends_the_link(self):
        long = "x" * 100000
        rows = {
            "rejoin-of-an-impossible-room": (
                client_up(), item(REJOIN, fixed64(1, 1) + data(2, data(1, long)))),
            "user-without-a-name": (client_up(user=""),),
            "request-of-nobody": (item(LEAVE, fixed64(1, 0) + data(3, "room")),),
            "item-of-the-other-direction": (item(DELIVERY, data(1, "room")),),
            "no-batch": (data(2, "x"),),
        }
        for name, items in rows.items():
            with self.subTest(name=name):
                link = self.edge(name=name)
                link.batch(*items)
                self.assert_cut_off(link, name)
        self.assert_serves()

    def test_frames_out_of_turn_end_the_link(self):
        rows = {
            "batch-of-the-future": lambda link: link.send(linkwire.BATCH, b"", seq=7),
            "batch-zero": lambda link: link.send(linkwire.BATCH, b"", seq=0),
            "ack-of-the-future": lambda link: link.send(linkwire.ACK, ack=1 << 63),
            "hello-twice": lambda link: link.send(linkwire.HELLO),
            "challenge": lambda link: link.send(linkwire.CHALLENGE),
        }
        for name, act in rows.items():
            with self.subTest(name=name):
                link = self.edge(name=name)
                act(link)
                self.assert_cut_off(link, name)
        self.assert_serves()

    def test_openings_that_lack_something_are_refused(self):
        rows = {
            "too many rights": b"".join(data(11, varint(1, 1) + data(2, f"r{n}"))
                                        for n in range(1000)),
            "impossible lobby": data(12, "x" * 200),
            "window of nothing": varint(9, 0),
            "window smaller than a frame": varint(9, BODY_MAX),
            "no name": data(3, ""),
            "short boot id": data(4, "boot"),
        }
        for name, hello in rows.items():
            with self.subTest(name=name):
                self.edge(hello=hello, admitted=False).expect_end("protocol")
        self.assert_serves()


class RouterPeers(TestCase):
    """Routers of ours against a real edge."""

    expected_seconds = 6

    def setUp(self):
        self.cluster = self.start_cluster(edges=0)
        self.peer = linkwire.Router(LINK_KEY)
        self.addCleanup(self.peer.close)
        self.edge = self.cluster.spawn_edge("edge", router=[self.peer.url], lobby="").wait_ready()

    def admit(self, **how):
        """The edge's next connection, with one client on it and that client's handle."""
        link = self.peer.accept(**how)
        self.addCleanup(link.close)
        link.expect_item(SNAPSHOT_END)
        link.batch(item(REVOCATION_SNAPSHOT, varint(2, 1)))  # none, and these are all
        return link

    def try_connect(self):
        try:
            return self.cluster.connect(self.edge)
        except ws.Refused:
            return None

    def meet_client(self, link):
        client = wait_until(self.try_connect, "the edge admits clients")
        handle = link.expect_item(CLIENT_UP)[1][0]
        return client, handle

    def test_a_newer_router_serves_and_what_is_new_is_ignored(self):
        link = self.admit(minor=linkwire.MINOR + 1, ack=NEWER)
        client, handle = self.meet_client(link)
        client.send(type="join", room="room", id="j")
        req = link.expect_item(JOIN)[2][0]
        link.batch(item(UNKNOWN, fixed64(1, handle)),
                   item(JOINED, fixed64(1, handle) + varint(2, req) + data(3, "room")
                        + fixed64(4, 77) + varint(6, 1) + NEWER))
        client.wait_for("joined", id="j")
        link.batch(item(UNKNOWN, b""), item(DELIVERY, data(1, "room") + fixed64(2, 77)
                                            + varint(3, 1) + data(5, "chat") + data(9, "{}")
                                            + NEWER))
        client.expect("chat", seq=1)
        wait_until(lambda: metrics_of(self.edge.ops)["weir_edge_unknown_items_total"] == 2,
                   "both items are counted")

    def test_a_router_two_versions_ahead_is_not_met(self):
        with self.assertRaises(linkwire.Closed):
            self.peer.accept(minor=linkwire.MINOR + 2)
        self.edge.wait_for_line("link_refused.*version")

    def test_what_no_router_says_ends_the_link_and_the_next_is_met(self):
        rows = {
            "joined to a room without a name": lambda client: item(
                JOINED, fixed64(1, client) + fixed64(4, 1)),
            "joined to an impossible room": lambda client: item(
                JOINED, fixed64(1, client) + data(3, "x" * 70000) + fixed64(4, 1)),
            "member of an impossible name": lambda client: item(
                MEMBER_EVENT, data(1, "room") + varint(2, 1) + data(3, "x" * 70000)),
            "item cut off": lambda client: data(1, b"\x82\x02\x7f"),
        }
        for name, make in rows.items():
            with self.subTest(name=name):
                link = self.admit()
                client, handle = self.meet_client(link)
                link.batch(make(handle))
                link.expect_end()
                client.ask_for("pong", type="ping")
                client.close_socket()
        self.assertTrue(self.edge.running())

    def test_frames_out_of_turn_end_the_link(self):
        rows = {
            "batch of the future": lambda link: link.send(linkwire.BATCH, b"", seq=7),
            "ack of the future": lambda link: link.send(linkwire.ACK, ack=1 << 63),
            "hello": lambda link: link.send(linkwire.HELLO),
            "challenge again": lambda link: link.send(linkwire.CHALLENGE),
            "answer again": lambda link: link.send(linkwire.HELLO_ACK),
        }
        for name, act in rows.items():
            with self.subTest(name=name):
                link = self.admit()
                act(link)
                link.expect_end()
        self.admit()
        self.assertEqual(rawhttp.get(self.edge.ops, "/health").status, 200)

    def test_answers_to_nobody_and_to_another_question_are_harmless(self):
        link = self.admit()
        client, handle = self.meet_client(link)
        client.send(type="join", room="room", id="j")
        req = link.expect_item(JOIN)[2][0]
        link.batch(item(PUBLISHED, fixed64(1, handle) + varint(2, req)),  # it had asked to join
                   item(PUBLISHED, fixed64(1, handle) + varint(2, req)),
                   item(PUBLISHED, fixed64(1, handle) + varint(2, 1 << 60)),
                   item(JOINED, fixed64(1, 1 << 56 | 5) + data(3, "room")),
                   item(DELIVERY, data(1, "nowhere") + fixed64(2, 1) + varint(3, 5)),
                   item(DELIVERY, b""))
        link.send(linkwire.PING, b"12345678")
        self.assertEqual(link.expect(linkwire.PONG), b"12345678")
        client.wait_for("ack", id="j", timeout=DEADLINE_S)
        client.ask_for("pong", type="ping")


if __name__ == "__main__":
    unittest.main()
