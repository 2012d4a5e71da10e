"""Frames as RFC 6455 has them, and every way to get them wrong."""

import time
import unittest

import rawhttp
import ws
from harness import ClusterTestCase, metrics_of, wait_until
from ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, encode_frame

PROTOCOL_ERROR = (1002, "protocol_error")
BAD_UTF8 = (1007, "bad_utf8")


class Frames(ClusterTestCase):
    n_edges = 1

    def assert_closes(self, code_and_reason, *frames):
        """A connection that sends these bytes is closed so; returns the reason's object."""
        client = self.connect()
        try:
            for frame in frames:
                client.send_bytes(frame)
        except rawhttp.EndOfStream:
            pass  # closed in the middle
        return client.expect_close(*code_and_reason)

    def test_mistakes_of_one_frame_are_protocol_errors(self):
        text = b'{"type":"ping"}'
        cases = {
            "no mask": encode_frame(TEXT, text, mask=False),
            "no mask on a ping": encode_frame(PING, b"", mask=False),
            "no mask on a close": encode_frame(CLOSE, close_payload(1000), mask=False),
            "reserved bit 1": encode_frame(TEXT, text, rsv=4),
            "reserved bit 2": encode_frame(TEXT, text, rsv=2),
            "reserved bit 3": encode_frame(TEXT, text, rsv=1),
            "a long ping": encode_frame(PING, b"x" * 126),
            "a fragmented ping": encode_frame(PING, b"x", fin=False),
            "a fragmented close": encode_frame(CLOSE, close_payload(1000), fin=False),
            "5 bytes in 16 bits": encode_frame(TEXT, b"12345", length_bytes=2),
            "300 bytes in 64 bits": encode_frame(TEXT, b"x" * 300, length_bytes=8),
            "the highest bit of 64": encode_frame(TEXT, b"x", length=1 << 63, length_bytes=8),
            "a continuation of nothing": encode_frame(CONTINUATION, text),
            "text within a text": encode_frame(TEXT, text, fin=False) + encode_frame(TEXT, text),
            **{f"opcode {n}": encode_frame(n, b"") for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
        }
        for what, frame in cases.items():
            with self.subTest(what=what):
                said = self.assert_closes(PROTOCOL_ERROR, frame)
                self.assertFalse(said["reconnect"])

    def test_a_mistake_is_seen_byte_by_byte_too(self):
        frame = encode_frame(TEXT, b"12345", rsv=2)
        self.assert_closes(PROTOCOL_ERROR, *[frame[i:i + 1] for i in range(len(frame))])

    def test_messages_may_come_in_any_pieces(self):
        client = self.connect()
        frames = encode_frame(TEXT, b'{"type":"ping","id":"a"}') + encode_frame(
            TEXT, b'{"type":"ping",', fin=False) + encode_frame(CONTINUATION, b'"id":"b"}')
        for size in (1, 2, 3, 5, 7, len(frames)):
            for start in range(0, len(frames), size):
                client.send_bytes(frames[start:start + size])
            client.expect("pong", id="a")
            client.expect("pong", id="b")

    def test_a_ping_between_fragments_is_answered_at_once(self):
        client = self.connect()
        client.send_frame(TEXT, b'{"type":"ping"', fin=False)
        client.send_frame(PING, b"now")
        self.assertEqual(client.recv_frame()[2:], (PONG, b"now"))
        client.send_frame(CONTINUATION, b"}")
        client.expect("pong")

    def test_pings_of_every_size_come_back(self):
        client = self.connect()
        for payload in (b"", b"x", b"\0\xff" * 62, b"x" * 125):
            client.send_frame(PING, payload)
            self.assertEqual(client.recv_frame()[2:], (PONG, payload))

    def test_unasked_pongs_are_ignored(self):
        client = self.connect()
        client.send_frame(PONG, b"x")
        client.ask_for("pong", type="ping")

    def test_a_declared_length_beyond_the_limit_closes_at_once(self):
        for length in (102401, 1 << 20, 1 << 62):
            with self.subTest(length=length):
                self.assert_closes((1009, "too_big"),
                                   encode_frame(TEXT, b"", length=length, length_bytes=8))

    def test_the_limit_counts_all_fragments(self):
        part = encode_frame(CONTINUATION, b"x" * 50000, fin=False)
        self.assert_closes((1009, "too_big"), encode_frame(TEXT, b"{", fin=False), part, part, part)

    def test_the_sixty_fifth_fragment_closes(self):
        for payload in (b"", b" "):
            with self.subTest(payload=payload):
                client = self.connect()
                client.send_frame(TEXT, b'{"type":"ping"}', fin=False)
                for _ in range(62):
                    client.send_frame(CONTINUATION, payload, fin=False)
                client.send_frame(CONTINUATION, payload)  # the 64th is fine
                client.expect("pong")
                self.assert_closes((1008, "policy"), encode_frame(TEXT, b"", fin=False),
                                   *[encode_frame(CONTINUATION, payload, fin=False)] * 64)

    def test_text_must_be_utf_8(self):
        for what, data in {"overlong": b"\xc0\x80", "overlong 3": b"\xe0\x80\x80",
                           "surrogate": b"\xed\xa0\x80", "too high": b"\xf4\x90\x80\x80",
                           "alone": b"\x80", "cut off": b"abc\xe2\x82", "ff": b"\xff",
                           "five bytes": b"\xf8\x88\x80\x80\x80"}.items():
            with self.subTest(what=what):
                self.assert_closes(BAD_UTF8, encode_frame(TEXT, data))

    def test_the_first_bad_byte_closes_without_waiting_for_the_rest(self):
        self.assert_closes(BAD_UTF8, encode_frame(TEXT, b"\xce\xba\xff", fin=False))
        self.assert_closes(BAD_UTF8, encode_frame(TEXT, b"\xf4\x90", length=1000, length_bytes=2))

    def test_a_character_may_be_split_between_fragments(self):
        client = self.connect()
        client.join("é")
        data = '{"type":"leave","room":"é","id":"€"}'.encode()
        for i in range(1, len(data)):
            client.send_frame(TEXT, data[:i], fin=False)
            client.send_frame(CONTINUATION, data[i:])
            client.next()

    def test_a_bad_character_split_between_fragments_closes(self):
        self.assert_closes(BAD_UTF8, encode_frame(TEXT, b"\xed", fin=False),
                           encode_frame(CONTINUATION, b"\xa0\x80", fin=False))

    def test_binary_is_not_spoken_here(self):
        self.assert_closes((1003, "unsupported_data"), encode_frame(BINARY, b'{"type":"ping"}'))

    def test_a_good_close_is_echoed_and_the_server_ends_the_stream(self):
        for payload in (b"", close_payload(1000), close_payload(1001, b"bye"), close_payload(3000),
                        close_payload(4999, b"x" * 123), close_payload(1014)):
            with self.subTest(payload=payload[:10]):
                client = self.connect()
                client.send_frame(CLOSE, payload)
                frame = client.recv_frame()
                self.assertEqual(frame.opcode, CLOSE)
                if payload:
                    self.assertIn(frame.payload[:2], (payload[:2], close_payload(1000)))
                client.expect_end()

    def test_a_bad_close_is_a_protocol_error(self):
        for payload in (b"\x03", *[close_payload(code) for code in (
                0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535)]):
            with self.subTest(payload=payload):
                self.assert_closes(PROTOCOL_ERROR, encode_frame(CLOSE, payload))

    def test_a_close_reason_must_be_utf_8(self):
        self.assert_closes(BAD_UTF8, encode_frame(CLOSE, close_payload(1000, b"\xff")))

    def test_data_after_a_close_is_ignored(self):
        client = self.connect()
        client.join(self.room)
        client.send_bytes(encode_frame(CLOSE, close_payload(1000))
                          + encode_frame(TEXT, b'{"type":"ping"}') + b"\xff" * 100)
        client.expect_close(1000, end=False)
        client.expect_end()

    def test_a_flood_of_pings_closes(self):
        client = self.connect()
        try:
            for _ in range(100):
                client.send_bytes(encode_frame(PING, b"x") * 100)
        except rawhttp.EndOfStream:
            pass
        client.expect_close(1008, "policy")

    def test_bad_clients_do_not_disturb_others(self):
        alice, bob = self.connect(), self.connect(0, "bob")
        for client in (alice, bob):
            client.join(self.room)
        for frame in (encode_frame(TEXT, b"x", mask=False), encode_frame(3), encode_frame(
                TEXT, b"\xff"), encode_frame(TEXT, b"", length=1 << 62, length_bytes=8)):
            self.connect(0, "eve").send_bytes(frame)
            alice.publish(self.room, "still here")
            bob.expect("chat", text="still here")


class UnansweredClose(ClusterTestCase):
    n_edges = 1
    expected_seconds = 7

    def test_a_client_that_never_answers_a_close_is_cut_off(self):
        client = self.connect()
        started = time.monotonic()
        client.send_frame(BINARY, b"")
        client.expect_close(1003, "unsupported_data", end=False)
        client.expect_end(timeout=10 * rawhttp.SLOW)
        self.assertLess(time.monotonic() - started, 6 * rawhttp.SLOW)


class CutConnections(ClusterTestCase):
    n_edges = 1

    def test_a_client_cut_off_in_the_middle_of_a_frame_is_gone(self):
        address = self.cluster.edges[0].ops

        def active():
            return metrics_of(address)["websocket_active_connections"]

        for how in ("reset", "close", "half_close"):
            with self.subTest(how=how):
                client = self.connect()
                self.assertEqual(active(), 1)
                client.send_bytes(encode_frame(TEXT, b"x" * 1000)[:500])
                getattr(client.stream, how)()
                wait_until(lambda: active() == 0, "no active connection")


if __name__ == "__main__":
    unittest.main()
