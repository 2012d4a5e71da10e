"""permessage-deflate on the edge: one compressed message shared by all who agreed on it, limits on
what is inflated, offers that are declined without harm."""

import json
import random
import resource
import unittest

from harness import ClusterTestCase, memory_kib, metrics_of, sanitized, wait_until
from rawhttp import EndOfStream
from ws import BINARY, CONTINUATION, PING, PONG, TEXT, deflate, encode_frame

OFFER = "permessage-deflate; client_max_window_bits"
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
THRESHOLD = 512
MAX_MESSAGE = 102400
CROWD = 2000
CONNECTION_KIB = 2
LONG = "the same words again and again, " * 40


def chat(room, text, **fields):
    return json.dumps({"type": "chat", "room": room, "text": text, **fields}).encode()


def chat_of(room, size):
    empty = chat(room, "")
    return chat(room, "a" * (size - len(empty)))


class Compression(ClusterTestCase):
    n_edges = 1

    def packing(self, user="alice", offer=OFFER, **how):
        return self.connect(0, user, offer=offer, window_bits=12, **how)

    def test_offers_are_taken_or_declined_and_the_connection_works(self):
        for offer, answer in {
            OFFER: AGREED,
            "permessage-deflate": AGREED,
            "permessage-deflate; client_no_context_takeover; client_max_window_bits": AGREED,
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12":
                AGREED + "; server_max_window_bits=12",
            "permessage-deflate; server_max_window_bits=15": AGREED + "; server_max_window_bits=12",
            "permessage-deflate; server_max_window_bits=11": None,
            "permessage-deflate; server_max_window_bits=8": None,
            "permessage-deflate; server_max_window_bits=08": None,
            "permessage-deflate; unknown": None,
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover": None,
            "permessage-deflate; server_max_window_bits=\"12\"":
                AGREED + "; server_max_window_bits=12",
            "permessage-deflate; unknown=\"12\"": None,
            "; ".join(["permessage-deflate"] + [f"p{n}" for n in range(16)]): None,
            "permessage-deflate; unknown, permessage-deflate": AGREED,
            "x-other": None,
        }.items():
            with self.subTest(offer=offer):
                client = self.packing(offer=offer)
                self.assertEqual(client.extension, answer)
                client.ask_for("pong", type="ping")

    def test_a_room_hears_it_compressed_or_not_as_each_member_agreed(self):
        members = [self.packing("alice"), self.connect(0, "bob"), self.packing("carol")]
        for member in members:
            member.join(self.room)
        before = [member.packed_frames for member in members]
        seq = members[1].publish(self.room, LONG)["seq"]
        for member in members:
            message = member.wait_for("chat", seq=seq)
            self.assertEqual(message["text"], LONG)
        packed = [m.packed_frames - b for m, b in zip(members, before)]
        self.assertEqual(packed, [1, 0, 1])

    def test_messages_below_the_threshold_stay_as_they_are(self):
        alice = self.packing()
        alice.join(self.room)
        before = alice.packed_frames
        alice.publish(self.room, "short")
        alice.wait_for("chat")
        self.assertEqual(alice.packed_frames, before)
        alice.publish(self.room, "a" * THRESHOLD)
        alice.wait_for("chat")
        self.assertEqual(alice.packed_frames, before + 1)

    def test_answers_over_the_threshold_are_compressed_too(self):
        bob = self.connect(0, "bob")
        for _ in range(5):
            bob.publish(self.room, LONG)
        alice = self.packing()
        first = alice.join(self.room, since={"epoch": bob.publish(self.room)["epoch"], "seq": 0})
        self.assertEqual(len(first["messages"]), 6)
        self.assertEqual(alice.packed_frames, 1)
        history = alice.ask_for("history", type="history", room=self.room)
        self.assertEqual(history["messages"], first["messages"])
        self.assertEqual(alice.packed_frames, 2)

    def test_compressed_messages_are_read_whole_and_in_fragments(self):
        alice = self.packing()
        alice.join(self.room)
        alice.send_packed(TEXT, chat(self.room, "κόσμε"))
        self.assertEqual(alice.wait_for("chat")["text"], "κόσμε")
        packed = deflate(chat(self.room, LONG))
        alice.send_frame(TEXT, packed[:5], fin=False, rsv=4)
        alice.send_frame(PING, b"between")
        self.assertEqual(alice.recv_frame()[2:], (PONG, b"between"))
        alice.send_frame(CONTINUATION, packed[5:])
        self.assertEqual(alice.wait_for("chat")["text"], LONG)
        alice.send(json.loads(chat(self.room, "not packed")))
        self.assertEqual(alice.wait_for("chat")["text"], "not packed")

    def test_the_limit_is_on_what_is_inflated(self):
        alice = self.packing()
        alice.join(self.room)
        alice.send_packed(TEXT, chat_of(self.room, MAX_MESSAGE))
        self.assertGreater(len(alice.wait_for("chat")["text"]), MAX_MESSAGE - 200)
        alice.send_packed(TEXT, chat_of(self.room, MAX_MESSAGE + 1))
        alice.expect_close(1009, "too_big")

    def test_a_message_of_the_limit_may_be_longer_when_it_is_packed(self):
        dice = random.Random(1)
        alice = self.packing()
        message = dice.randbytes(MAX_MESSAGE)
        packed = deflate(message)
        self.assertGreater(len(packed), MAX_MESSAGE)
        alice.send_frame(BINARY, packed, rsv=4)
        alice.expect_close(1003, "unsupported_data")  # it was read; it is not text

    def test_a_bomb_is_refused(self):
        alice = self.packing()
        bomb = deflate(b"\0" * (64 << 20), level=9)
        self.assertLess(len(bomb), 70000)
        alice.send_frame(TEXT, bomb, rsv=4)
        alice.expect_close(1009, "too_big")

    def test_what_cannot_be_inflated_is_bad_utf8(self):
        packed = deflate(LONG.encode())
        for what, data in {
            "noise": b"\xff\xfe\xfd",
            "cut": packed[:len(packed) // 2],
            "a distance too far": b"\xf2\x00\x11\x00\x00",
            "nothing": b"",
            "bad text": deflate(b'{"type":"ping\xff"}'),
        }.items():
            with self.subTest(what=what):
                alice = self.packing()
                alice.send_frame(TEXT, data, rsv=4)
                alice.expect_close(1007, "bad_utf8")

    def test_rsv1_elsewhere_is_a_protocol_error(self):
        for frames in (encode_frame(PING, rsv=4),
                       encode_frame(TEXT, b"\xf2", fin=False, rsv=4) +
                       encode_frame(CONTINUATION, b"\x00", rsv=4)):
            alice = self.packing()
            alice.send_bytes(frames)
            alice.expect_close(1002, "protocol_error")
        bob = self.connect(0, "bob")
        bob.send_packed(TEXT, b'{"type":"ping"}')
        bob.expect_close(1002, "protocol_error")

    def test_weirctl_says_who_agreed(self):
        alice, bob = self.packing("alice"), self.connect(0, "bob")
        alice.join(self.room)
        bob.join(self.room)
        rows = {row["user"]: row["compressed"] for row in self.cluster.rows("members", self.room)}
        self.assertEqual(rows, {"alice": True, "bob": False})


class InflatedRate(ClusterTestCase):
    """Bytes are counted as they are when inflated, so a bomb just under the limit is as dear as
    what it becomes."""

    n_edges = 1
    edge_options = {"rate_bytes": f"1000/s burst {2 * MAX_MESSAGE}"}

    def test_inflated_bytes_count_against_the_rate(self):
        alice = self.connect(offer=OFFER, window_bits=12)
        packed = encode_frame(TEXT, deflate(chat_of(self.room, MAX_MESSAGE), level=9), rsv=4)
        self.assertLess(len(packed), 1000)
        try:
            alice.send_bytes(packed * 400)
        except EndOfStream:
            pass  # it was closed before it had read them all
        alice.expect_close(4009, "rate_limited")


class Off(ClusterTestCase):
    n_edges = 1
    edge_options = {"compression": "off"}

    def test_no_offer_is_taken(self):
        alice = self.connect(offer=OFFER)
        self.assertIsNone(alice.extension)
        alice.send_packed(TEXT, b'{"type":"ping"}')
        alice.expect_close(1002, "protocol_error")


class Bytes(ClusterTestCase):
    n_edges = 1
    edge_options = {"compression_threshold": "0", "threads": "2"}

    def sent(self):
        return metrics_of(self.cluster.edges[0].ops)['weir_edge_bytes_total{direction="out"}']

    def test_it_saves_bytes_on_the_wire(self):
        members = [self.connect(0, f"user{i}", offer=OFFER, window_bits=12) for i in range(6)]
        for member in members:
            member.join(self.room)
        before = self.sent()
        members[0].publish(self.room, "a" * 20000)
        for member in members:
            self.assertEqual(member.wait_for("chat")["text"], "a" * 20000)
        wait_until(lambda: self.sent() > before, "what was sent is counted")
        self.assertLess(self.sent() - before, 6 * 2000)


@unittest.skipIf(sanitized(), "a sanitizer keeps what was freed, so memory says nothing")
class Memory(ClusterTestCase):
    """No offer here renounces a window. With windows kept, zlib would hold 80 KiB to compress for a
    connection, and up to 39 KiB to inflate what it sends."""

    expected_seconds = 6
    n_edges = 1

    def setUp(self):
        super().setUp()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(3 * CROWD, limits[1]), limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)

    def pack_and_unpack(self, count):
        """So many connections, each of which has sent and received something compressed."""
        question = {"type": "history", "room": self.room}
        for i in range(count):
            client = self.connect(0, f"user{i}", offer=OFFER, window_bits=12)
            client.send_packed(TEXT, json.dumps(question).encode())
            self.assertEqual(client.expect("history")["messages"][0]["text"], LONG)
            self.assertEqual(client.packed_frames, 1)

    def test_a_connection_that_would_keep_its_windows_costs_as_little_as_any(self):
        self.connect(0, "author").publish(self.room, LONG)
        edge = self.cluster.edges[0]
        self.pack_and_unpack(100)  # what is made once for a thread is there now
        before = memory_kib(edge)
        self.pack_and_unpack(CROWD)
        wait_until(lambda: metrics_of(edge.ops)["websocket_active_connections"] == CROWD + 101,
                   "all are there")
        self.assertLess(memory_kib(edge) - before, CROWD * CONNECTION_KIB)


if __name__ == "__main__":
    unittest.main()
