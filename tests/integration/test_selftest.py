"""The test tools tested: the client against a tiny server, tokens against known vectors."""

import contextlib
import json
import os
import socket
import sys
import tempfile
import threading
import unittest

import jwts
import rawhttp
import ws

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import tally


class ScriptedServer:
    """Accepts one connection, answers the handshake and hands the socket to `script`."""

    def __init__(self, script, status_line="HTTP/1.1 101 Switching Protocols"):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.script = script
        self.status_line = status_line
        self.head = b""
        self.failure = None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            connection, _ = self.listener.accept()
            with connection:
                while b"\r\n\r\n" not in self.head:
                    self.head += connection.recv(4096)
                key = next(line.split(": ")[1] for line in self.head.decode().split("\r\n")
                           if line.startswith("Sec-WebSocket-Key"))
                connection.sendall((f"{self.status_line}\r\nUpgrade: websocket\r\n"
                                    f"Sec-WebSocket-Accept: {ws.accept_for(key)}\r\n\r\n").encode())
                self.script(connection)
        except BaseException as e:  # told to the test by finish()
            self.failure = e

    def finish(self):
        self.thread.join(rawhttp.DEADLINE_S)
        self.listener.close()
        if self.failure:
            raise self.failure


@contextlib.contextmanager
def serving(script, **how):
    server = ScriptedServer(script, **how)
    try:
        yield server
    finally:
        server.finish()


def unmasked(opcode, payload=b"", **how):
    return ws.encode_frame(opcode, payload, mask=False, **how)


class ClientAgainstATinyServer(unittest.TestCase):
    def test_rfc_6455_section_5_7_vectors(self):
        key = bytes.fromhex("37fa213d")
        for frame, wanted in (
                (ws.encode_frame(ws.TEXT, b"Hello", mask=False), "810548656c6c6f"),
                (ws.encode_frame(ws.TEXT, b"Hello", mask=key), "818537fa213d7f9f4d5158"),
                (ws.encode_frame(ws.TEXT, b"Hel", fin=False, mask=False), "010348656c"),
                (ws.encode_frame(ws.CONTINUATION, b"lo", mask=False), "80026c6f"),
                (ws.encode_frame(ws.PING, b"Hello", mask=False), "890548656c6c6f")):
            self.assertEqual(frame.hex(), wanted)
        self.assertEqual(ws.encode_frame(ws.BINARY, b"x" * 256, mask=False)[:4].hex(), "827e0100")
        self.assertEqual(ws.encode_frame(ws.BINARY, b"x" * 65536, mask=False)[:10].hex(),
                         "827f0000000000010000")
        self.assertEqual(ws.accept_for("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")

    def test_a_frame_can_lie_about_its_length(self):
        self.assertEqual(ws.encode_frame(ws.TEXT, b"ab", mask=False, length=5, length_bytes=8),
                         bytes.fromhex("817f0000000000000005") + b"ab")

    def test_it_reassembles_fragments_and_answers_pings(self):
        def script(connection):
            connection.sendall(unmasked(ws.TEXT, b'{"type":', fin=False) + unmasked(ws.PING, b"p")
                               + unmasked(ws.CONTINUATION, b'"a"}'))
            pong = ws.encode_frame(ws.PONG, b"p", mask=b"\0\0\0\0")
            got = connection.recv(100)
            self.assertEqual(got[0], pong[0])
            self.assertEqual(ws.apply_mask(got[6:], got[2:6]), b"p")

        with serving(script) as server:
            client = ws.Client(server.address, token="a.b")
            client.expect("a")
            client.expect_end()
        self.assertIn(b"GET /?token=a.b HTTP/1.1\r\n", server.head)

    def test_an_answer_is_found_by_its_id_and_the_rest_is_kept(self):
        def script(connection):
            for message in ({"type": "chat", "n": 1}, {"type": "ack", "id": "q1"}, {"type": "x"}):
                connection.sendall(unmasked(ws.TEXT, json.dumps(message).encode()))
            connection.recv(1000)

        with serving(script) as server:
            client = ws.Client(server.address)
            client.ask_for("ack", type="chat")
            client.expect("chat", n=1)
            with self.assertRaises(AssertionError):
                client.expect("y")
            client.close_socket()

    def test_close_reasons_are_checked(self):
        for reason, fault in (
                (b'{"reason":"restart","reconnect":true,"after":[1,2]}', None),
                (b'{"reason": "restart","reconnect":true}', "not compact"),
                (b'{"reason":"restart"}', "missing"),
                (b'{"reason":"policy","reconnect":true}', "not restart"),
                (b'{"reason":"restart","reconnect":true,"x":"' + b"y" * 100 + b'"}', "bytes")):
            def script(connection, reason=reason):
                connection.sendall(unmasked(ws.CLOSE, ws.close_payload(1012, reason)))

            with self.subTest(reason=reason), serving(script) as server:
                client = ws.Client(server.address)
                if fault is None:
                    client.expect_close(1012, "restart")
                else:
                    with self.assertRaisesRegex(AssertionError, fault):
                        client.expect_close(1012, "restart")
                client.close_socket()

    def test_a_masked_server_frame_is_an_error(self):
        def script(connection):
            connection.sendall(ws.encode_frame(ws.TEXT, b"{}"))

        with serving(script) as server:
            client = ws.Client(server.address)
            with self.assertRaisesRegex(AssertionError, "masked"):
                client.next()
            client.close_socket()

    def test_a_refusal_is_told(self):
        def script(_connection):
            pass

        with serving(script, status_line="HTTP/1.1 503 Busy") as server:
            with self.assertRaises(ws.Refused) as caught:
                ws.Client(server.address)
        self.assertEqual(caught.exception.response.status, 503)


class Tokens(unittest.TestCase):
    def test_rfc_7515_appendix_a_1(self):
        key = bytes.fromhex(
            "0323354b2b0fa5bc837e0665777ba68f5ab328e6f054c928a90f84b2d2502ebf"
            "d3fb5a92d20647ef968ab4c377623d223d2e2172052e4f08c0cd9af567d080a3")
        token = jwts.make_raw(key, b'{"typ":"JWT",\r\n "alg":"HS256"}',
                              b'{"iss":"joe",\r\n "exp":1300819380,\r\n '
                              b'"http://example.com/is_root":true}')
        self.assertEqual(token.split(".")[2], "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")

    def test_a_claim_of_none_is_left_out(self):
        payload = jwts.make(b"k" * 32, {"sub": "a", "exp": None}).split(".")[1]
        self.assertEqual(payload, jwts.encode_segment(b'{"sub": "a"}'))


class Tally(unittest.TestCase):
    JUNIT = """<testsuites><testsuite name="weir.weir:unit / map">
        <testcase name="grows"/><testcase name="shrinks"><failure/></testcase>
        <testcase name="later"><skipped/></testcase></testsuite>
        <testsuite name="weir.weir:unit / buf"><testcase name="appends"/></testsuite>
        <testsuite name="weir"><testcase name="weir:lint / text"><failure/></testcase></testsuite>
        </testsuites>"""

    def count(self, *results):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "testlog.junit.xml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(self.JUNIT)
            with open(os.path.join(folder, "testlog.json"), "w", encoding="utf-8") as f:
                for name, result in results:
                    f.write(json.dumps({"name": name, "result": result}) + "\n")
            return tally.count(path)

    def test_assertions_are_counted(self):
        self.assertEqual(
            self.count(("weir:unit / map", "FAIL"), ("weir:unit / buf", "OK"),
                       ("weir:lint / text", "FAIL")),
            {"passed": 2, "failed": 2, "skipped": 1})

    def test_a_program_that_died_after_good_assertions_counts_as_failed(self):
        self.assertEqual(
            self.count(("weir:unit / map", "FAIL"), ("weir:unit / buf", "ERROR"),
                       ("weir:lint / text", "FAIL")),
            {"passed": 2, "failed": 3, "skipped": 1})


if __name__ == "__main__":
    unittest.main()
