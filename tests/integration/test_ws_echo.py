"""The WebSocket modules of the edge alone, behind ws-echo: what conformance suites ask of a server,
RFC 6455 and permessage-deflate (RFC 7692)."""

import os
import random
import ssl
import tempfile
import unittest
import zlib

import certs
import rawhttp
import ws
from harness import BUILD, Process, TestCase, parse_address
from ws import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_payload, deflate, encode_frame

ECHO_BIN = os.environ.get("ECHO_BIN", os.path.join(BUILD, "tests", "ws-echo"))
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
GOOD = "κόσμε ".encode()


class EchoTestCase(TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.echo = Process(folder.name, "ws-echo", [ECHO_BIN, "--listen", "127.0.0.1:0",
                                                    *cls.options])
        cls.addClassCleanup(cls.stop_echo)
        cls.echo.wait_ready()

    @classmethod
    def stop_echo(cls):
        cls.echo.kill()
        if cls.echo.reports():
            raise AssertionError(cls.echo.reports())

    def open(self, **how):
        client = ws.Client(parse_address(self.echo.ready["listen"][0]), **how)
        self.addCleanup(client.close_socket)
        return client

    def expect(self, client, *messages):
        for opcode, payload in messages:
            if opcode == PONG:
                self.assertEqual(client.recv_frame()[2:], (PONG, payload))
            else:
                self.assertEqual(client.recv_message(), (opcode, payload))

    def expect_end(self, client, code):
        self.assertEqual(client.read_close()[0], code)
        client.expect_end()


class Plain(EchoTestCase):
    def test_messages_of_all_sizes_come_back(self):
        client = self.open()
        for size in (0, 1, 125, 126, 127, 128, 65535, 65536, 1 << 20):
            with self.subTest(size=size):
                payload = b"*" * size
                for opcode in (TEXT, BINARY):
                    client.send_frame(opcode, payload)
                    self.expect(client, (opcode, payload))

    def test_a_message_of_16_mib_comes_back(self):
        client = self.open()
        payload = b"*" * (16 << 20)
        client.send_frame(BINARY, payload, mask=b"\1\2\3\4")
        self.assertEqual(client.recv_message(timeout=6 * rawhttp.DEADLINE_S), (BINARY, payload))

    def test_a_message_may_come_in_pieces_of_any_size(self):
        payload = os.urandom(65536)
        client = self.open()
        for size in (64, 997, 65536):
            frames = [payload[at:at + size] for at in range(0, len(payload), size)]
            data = b"".join(
                encode_frame(CONTINUATION if i else BINARY, frame, fin=i == len(frames) - 1)
                for i, frame in enumerate(frames))
            client.send_bytes(data)
            self.expect(client, (BINARY, payload))

    def test_a_message_may_have_65537_fragments(self):
        """64 KiB in octets, and an empty frame that ends them."""
        def fragments(n):
            return (encode_frame(TEXT, b"x", fin=False) +
                    encode_frame(CONTINUATION, b"x", fin=False) * (n - 2) +
                    encode_frame(CONTINUATION))
        client = self.open()
        client.send_bytes(fragments(65537))
        self.expect(client, (TEXT, b"x" * 65536))
        client.send_bytes(fragments(65538))
        self.expect_end(client, 1008)

    def test_bytes_may_come_one_by_one(self):
        client = self.open()
        for byte in encode_frame(PING, b"p") + encode_frame(TEXT, GOOD):
            client.send_bytes(bytes([byte]))
        self.expect(client, (PONG, b"p"), (TEXT, GOOD))

    def test_what_was_owed_before_an_error_is_sent_before_the_close(self):
        hello = encode_frame(TEXT, b"Hello")
        bad = {
            "reserved bits": encode_frame(TEXT, b"Hello", rsv=4) + encode_frame(PING),
            "an opcode": encode_frame(3) + encode_frame(PING),
            "a control opcode": encode_frame(12, b"Hello") + encode_frame(PING),
            "no start": encode_frame(CONTINUATION, b"x") + hello,
            "no mask": encode_frame(TEXT, b"x", mask=False),
            "the top bit of 64": encode_frame(TEXT, length=1 << 63, length_bytes=8),
            "not the shortest length": encode_frame(TEXT, b"12345", length_bytes=2),
            "a long ping": encode_frame(PING, b"x" * 126),
            "a ping in pieces": encode_frame(PING, b"x", fin=False),
        }
        for what, frames in bad.items():
            with self.subTest(what=what):
                client = self.open()
                client.send_bytes(hello + encode_frame(PING, b"p") + frames)
                self.expect(client, (TEXT, b"Hello"), (PONG, b"p"))
                self.expect_end(client, 1002)

    def test_bad_text_ends_at_its_first_bad_octet(self):
        good, bad = GOOD, b"\xf4\x90\x80\x80"
        whole = encode_frame(TEXT, good + bad + b"rest")
        cut = len(whole) - len(bad + b"rest") + 2  # with the octet that no text could have there
        for what, pieces in {
            "in a later fragment": [encode_frame(TEXT, good, fin=False),
                                    encode_frame(CONTINUATION, bad, fin=False)],
            "in the middle of a frame": [whole[:cut]],
            "byte by byte": [whole[i:i + 1] for i in range(cut)],
        }.items():
            with self.subTest(what=what):
                client = self.open()
                for piece in pieces:
                    client.send_bytes(piece)  # and no more: the message never ends
                self.expect_end(client, 1007)

    def test_close_frames_are_answered_by_their_code(self):
        for code in (1000, 1001, 1002, 1003, 1007, 1014, 3000, 3999, 4000, 4999):
            client = self.open()
            client.send_frame(CLOSE, close_payload(code, b"r" * 123))
            self.expect_end(client, code)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
            client = self.open()
            client.send_frame(CLOSE, close_payload(code))
            self.expect_end(client, 1002)
        client = self.open()
        client.send_bytes(encode_frame(CLOSE, b"") + encode_frame(TEXT, b"too late"))
        self.expect_end(client, 1005)
        client = self.open()
        client.send_frame(CLOSE, close_payload(1000, b"\xce"))
        self.expect_end(client, 1007)

    def test_without_the_option_no_offer_is_taken(self):
        client = self.open(offer="permessage-deflate")
        self.assertIsNone(client.extension)
        client.send_packed(TEXT, b"x")
        self.expect_end(client, 1002)


class Compressed(EchoTestCase):
    options = ("--compression",)

    def offer(self, parameters="", **how):
        return self.open(offer="permessage-deflate" + parameters, **how)

    def test_offers_are_answered_strictly(self):
        for parameters, answer in {
            "": AGREED,
            "; client_max_window_bits": AGREED,
            "; client_no_context_takeover; client_max_window_bits": AGREED,
            "; client_max_window_bits=9": AGREED,
            "; client_max_window_bits=15": AGREED,
            "; server_no_context_takeover": AGREED,
            **{f"; server_max_window_bits={n}": f"{AGREED}; server_max_window_bits={n}"
               for n in range(9, 16)},
            "; server_max_window_bits=8": None,
            "; server_max_window_bits=08": None,
            "; server_max_window_bits=16": None,
            "; server_max_window_bits": None,
            "; unknown": None,
            "; client_no_context_takeover; client_no_context_takeover": None,
            "; client_max_window_bits=\"10\"": AGREED,
            " ; server_max_window_bits = \"1\\2\"": f"{AGREED}; server_max_window_bits=12",
            "; server_max_window_bits=\"8\"": None,
            "; unknown=\"1\"": None,
            "; ".join([""] + [f"p{n}" for n in range(16)]): None,
            "; unknown, permessage-deflate": AGREED,
            "; server_max_window_bits=8, permessage-deflate; server_max_window_bits=9":
                AGREED + "; server_max_window_bits=9",
        }.items():
            with self.subTest(parameters=parameters):
                client = self.offer(parameters)
                self.assertEqual(client.extension, answer)
                client.send_text("plain")
                self.expect(client, (TEXT, b"plain"))
                self.assertEqual(client.packed_frames, 0 if answer is None else 1)

    def test_messages_come_back_in_every_window_and_size(self):
        dice = random.Random(3)
        text = " ".join(dice.choice(("sphinx", "quartz", "judge", "vow")) for _ in range(30000))
        for bits in (9, 10, 12, 15):
            client = self.offer(f"; server_max_window_bits={bits}; client_max_window_bits={bits}",
                                window_bits=bits)
            for size in (0, 1, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072):
                for opcode, message in ((TEXT, text[:size].encode()),
                                        (BINARY, dice.randbytes(size))):
                    client.send_packed(opcode, message, window_bits=bits)
                    self.expect(client, (opcode, message))

    def test_a_packed_message_may_come_in_fragments_with_pings_between(self):
        packed = deflate(GOOD * 1000)
        for size in (1, 7, len(packed)):
            client = self.offer()
            pieces = [packed[at:at + size] for at in range(0, len(packed), size)]
            for i, piece in enumerate(pieces):
                client.send_frame(CONTINUATION if i else TEXT, piece, fin=False,
                                  rsv=0 if i else 4)
                if i < 3:
                    client.send_frame(PING, b"p")
                    self.expect(client, (PONG, b"p"))
            client.send_frame(CONTINUATION)
            self.expect(client, (TEXT, GOOD * 1000))

    def test_every_kind_of_block_is_read(self):
        client = self.offer()
        for packed in (
            b"\xf2\x48\xcd\xc9\xc9\x07\x00",
            b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
            b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
            b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
            deflate(b"Hello", flush=zlib.Z_FINISH),
            deflate(b"Hello", level=0),
        ):
            client.send_frame(TEXT, packed, rsv=4)
            self.expect(client, (TEXT, b"Hello"))
        client.send_frame(TEXT, b"not packed")
        self.expect(client, (TEXT, b"not packed"))

    def test_rsv1_is_for_the_first_frame_of_a_data_message(self):
        for what, frames in {
            "a continuation": encode_frame(TEXT, b"\xf2", fin=False, rsv=4) +
                              encode_frame(CONTINUATION, b"\x00", rsv=4),
            "a ping": encode_frame(PING, rsv=4),
            "a pong": encode_frame(PONG, rsv=4),
            "a close": encode_frame(CLOSE, close_payload(1000), rsv=4),
            "RSV2 beside it": encode_frame(TEXT, deflate(b"x"), rsv=6),
        }.items():
            with self.subTest(what=what):
                client = self.offer()
                client.send_bytes(encode_frame(TEXT, deflate(b"first"), rsv=4) + frames)
                self.expect(client, (TEXT, b"first"))
                self.expect_end(client, 1002)

    def test_what_cannot_be_inflated_is_refused(self):
        packed = deflate(b"a message of some length " * 40)
        for what, data in {
            "noise": b"\xff\xfe\xfd\xfc",
            "a cut message": packed[:len(packed) // 2],
            "the tail still on it": packed + b"\x00\x00\xff\xff",
            "nothing": b"",
            "a distance too far": b"\xf2\x00\x11\x00\x00",
            "bad UTF-8": deflate(b"\xce\xba\xff"),
            "half a letter": deflate(b"\xce"),
        }.items():
            with self.subTest(what=what):
                client = self.offer()
                client.send_frame(TEXT, data, rsv=4)
                self.expect_end(client, 1007)

    def test_a_message_knows_nothing_of_the_one_before(self):
        client = self.offer()
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        for code in (None, 1007):  # the second refers to the first
            packed = packer.compress(b"the same words, all of them") + packer.flush(
                zlib.Z_SYNC_FLUSH)
            client.send_frame(TEXT, packed[:-4], rsv=4)
            if code is None:
                self.expect(client, (TEXT, b"the same words, all of them"))
            else:
                self.expect_end(client, code)

    def test_many_connections_share_the_inflater(self):
        clients = [self.offer() for _ in range(8)]
        halves = [(deflate(b"%d" % i * 500)) for i in range(8)]
        for client, packed in zip(clients, halves):
            client.send_frame(TEXT, packed[:3], fin=False, rsv=4)
        for client, packed in zip(clients, halves):
            client.send_frame(CONTINUATION, packed[3:])
        for i, client in enumerate(clients):
            self.expect(client, (TEXT, b"%d" % i * 500))

    def test_a_message_of_16_mib_comes_back(self):
        client = self.offer()
        message = b"0123456789abcdef" * (1 << 20)
        client.send_packed(BINARY, message, level=1)
        self.assertEqual(client.recv_message(timeout=6 * rawhttp.DEADLINE_S), (BINARY, message))


@unittest.skipIf(certs.missing(), certs.missing())
class OverTls(Plain):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        cls.addClassCleanup(folder.cleanup)
        authority = certs.Authority(folder.name)
        cls.options = (*cls.options, "--tls", *authority.issue("echo"))
        cls.context = ssl.create_default_context(cafile=authority.path)
        super().setUpClass()

    def open(self, **how):
        return super().open(tls=self.context, **how)

    def test_who_speaks_no_tls_is_not_answered_in_the_clear(self):
        stream = rawhttp.Stream(parse_address(self.echo.ready["listen"][0]))
        self.addCleanup(stream.close)
        stream.send(rawhttp.request("/", fields=ws.handshake_fields()))
        self.assertNotIn(b"HTTP", stream.take_all())


class CompressedOverTls(OverTls, Compressed):
    options = ("--compression",)
    test_without_the_option_no_offer_is_taken = None


class Usage(unittest.TestCase):
    def test_it_says_what_it_wants(self):
        with tempfile.TemporaryDirectory() as folder:
            for words in ([], ["--listen"], ["--listen", "nowhere"], ["--compression"],
                          ["--listen", "127.0.0.1:0", "--fast"],
                          ["--listen", "127.0.0.1:0", "--tls", "one"]):
                echo = Process(folder, "ws-echo", [ECHO_BIN, *words])
                self.assertEqual(echo.wait(rawhttp.DEADLINE_S), 2)
                self.assertIn("usage:", echo.text())

    def test_it_says_what_is_wrong_with_a_certificate(self):
        with tempfile.TemporaryDirectory() as folder:
            echo = Process(folder, "ws-echo", [ECHO_BIN, "--listen", "127.0.0.1:0", "--tls",
                                               "/nowhere/cert", "/nowhere/key"])
            self.assertEqual(echo.wait(rawhttp.DEADLINE_S), 1)
            self.assertIn("/nowhere/cert", echo.text())


if __name__ == "__main__":
    unittest.main()
