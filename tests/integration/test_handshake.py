"""The opening handshake and the HTTP around it: what is let in, what is refused and how."""

import base64
import os
import time
import unittest

import rawhttp
import ws
from harness import ClusterTestCase, wait_until
from rawhttp import exchange, request
from ws import handshake_fields


def replaced(name, value):
    """The fields of a good handshake with one changed; None leaves it out."""
    fields = [(n, v) for n, v in handshake_fields() if n != name]
    return fields + ([(name, value)] if value is not None else [])


class HandshakeTestCase(ClusterTestCase):
    def target(self, path="/"):
        return f"{path}?token={self.cluster.token()}"

    def ask(self, data, **how):
        return exchange(self.cluster.edges[0].address, data, **how)

    def handshake(self, fields=None, target=None, **how):
        fields = handshake_fields() if fields is None else fields
        return request(target or self.target(), fields=fields, **how)

    def assert_refused(self, status, data, **how):
        response = self.ask(data, **how)
        self.assertEqual(response.status, status, (data[:200], response.head))
        self.assertIn("close", response.one("Connection").lower().split(", "))
        self.assertNotIn(b"HTTP/1.1", response.body)
        return response

    def assert_accepted(self, data):
        """The handshake in `data` (bytes or pieces) is answered by 101 and a greeting."""
        stream = rawhttp.Stream(self.cluster.edges[0].address)
        self.addCleanup(stream.close)
        for piece in [data] if isinstance(data, bytes) else data:
            stream.send(piece)
        response = rawhttp.read_response(stream)
        self.assertEqual(response.status, 101, response.head)
        self.assertEqual(response.one("Sec-WebSocket-Accept"),
                         ws.accept_for("dGhlIHNhbXBsZSBub25jZQ=="))
        self.assertEqual(response.one("Upgrade").lower(), "websocket")
        self.assertEqual(response.one("Connection").lower(), "upgrade")
        self.assertIsNone(response.one("Sec-WebSocket-Extensions"))
        frame = stream.take(2)
        self.assertEqual(frame[0], 0x80 | ws.TEXT)
        return response


class Handshake(HandshakeTestCase):
    n_edges = 1

    def test_both_paths_are_accepted(self):
        for path in ("/", "/ws"):
            self.assert_accepted(self.handshake(target=self.target(path)))

    def test_other_paths_are_not_found(self):
        for path in ("/x", "/ws/", "/ws/x", "/..%2f", "/../ws", "//", "/WS"):
            with self.subTest(path=path):
                self.assert_refused(404, self.handshake(target=self.target(path)))

    def test_the_target_may_be_a_whole_url(self):
        for url in ("http://weir.test/ws", "http://elsewhere:1/", "HTTPS://[::1]/ws",
                    "http://weir.test"):
            with self.subTest(url=url):
                self.assert_accepted(self.handshake(target=self.target(url)))
        for url in ("ws://weir.test/ws", "http://user@weir.test/", "http:///ws", "weir.test/ws"):
            with self.subTest(url=url):
                self.assert_refused(400, self.handshake(target=self.target(url)))
        self.assert_refused(404, self.handshake(target="http://weir.test/x"))
        self.assertEqual(self.ask(request("http://weir.test/health")).status, 200)

    def test_a_plain_get_is_told_to_upgrade(self):
        for path in ("/", "/ws"):
            response = self.assert_refused(426, request(self.target(path)))
            self.assertEqual(response.one("Sec-WebSocket-Version"), "13")

    def test_other_methods_are_not_allowed(self):
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "get"):
            with self.subTest(method=method):
                response = self.ask(self.handshake(method=method))
                self.assertIn(response.status, (400, 405))

    def test_the_key_is_16_bytes_and_there_is_one(self):
        for key in (None, "", "AAAA", base64.b64encode(b"x" * 15).decode(),
                    base64.b64encode(b"x" * 17).decode(), "dGhlIHNhbXBsZSBub25jZQ",
                    "dGhlIHNhbXBsZSBub25j*Q=="):
            with self.subTest(key=key):
                self.assert_refused(400, self.handshake(replaced("Sec-WebSocket-Key", key)))
        self.assert_refused(400, self.handshake(
            handshake_fields() + [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]))

    def test_only_version_13_is_spoken(self):
        for version in ("8", "13, 8", "013", "", None):
            with self.subTest(version=version):
                fields = replaced("Sec-WebSocket-Version", version)
                response = self.assert_refused(426, self.handshake(fields))
                self.assertEqual(response.one("Sec-WebSocket-Version"), "13")

    def test_letter_case_and_lists_are_read_as_http_says(self):
        for name, value in (("Connection", "keep-alive, Upgrade"), ("Connection", "UPGRADE"),
                            ("Connection", "upgrade ,x"), ("Upgrade", "WebSocket"),
                            ("Upgrade", "foo, websocket")):
            with self.subTest(name=name, value=value):
                self.assert_accepted(self.handshake(replaced(name, value)))
        upper = [(name.upper(), value) for name, value in handshake_fields()]
        self.assert_accepted(self.handshake(upper))

    def test_upgrade_and_connection_are_both_needed(self):
        for name, value in (("Connection", None), ("Connection", "close"),
                            ("Connection", "upgraded"), ("Upgrade", None), ("Upgrade", "h2c")):
            with self.subTest(name=name, value=value):
                response = self.ask(self.handshake(replaced(name, value)))
                self.assertIn(response.status, (400, 426))

    def test_a_refusal_says_in_a_line_what_is_wrong(self):
        for status, fields, why in (
                (400, replaced("Connection", "close"), b"Connection does not name upgrade\n"),
                (400, handshake_fields(subprotocols=["x"]),
                 b"none of the offered subprotocols is supported\n"),
                (426, replaced("Sec-WebSocket-Version", "8"),
                 b"only WebSocket version 13 is supported\n")):
            with self.subTest(why=why):
                self.assertEqual(self.assert_refused(status, self.handshake(fields)).body, why)

    def test_other_versions_of_http_are_refused(self):
        response = self.ask(self.handshake(version="HTTP/1.0"))
        self.assertIn(response.status, (400, 426))
        self.assertIn(self.ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status, (400, 505))
        self.assertIn(self.ask(b"GET / HTTP/3.7\r\nHost: a\r\n\r\n").status, (400, 505))

    def test_there_is_one_good_host(self):
        good = handshake_fields()
        for fields in (good, good + [("Host", "a"), ("Host", "a")], good + [("Host", "a b")],
                       good + [("Host", "")], good + [("Host", "a/b")]):
            with self.subTest(fields=fields[4:]):
                self.assert_refused(400, self.handshake(fields, host=None))

    def test_malformed_fields_are_refused_and_nothing_after_is_read(self):
        for line in (b"Key : v", b"X: a\r\n folded", b"X: a\rb", b"X: a\0b", b": v", b"X", b" X: a",
                     b"X: a\nY: b", b"X\x01: a", b"X: \x7f"):
            head = self.handshake()[:-2] + line + b"\r\n\r\n"
            for after in (b"", self.handshake()):
                with self.subTest(line=line, after=bool(after)):
                    self.assert_refused(400, head + after)

    def test_bodies_are_refused_however_they_are_announced(self):
        hidden = request("/health")
        for fields in ([("Content-Length", "10")], [("Content-Length", str(len(hidden)))],
                       [("Transfer-Encoding", "chunked")], [("Transfer-Encoding", "xchunked")],
                       [("Content-Length", "5"), ("Content-Length", "6")],
                       [("Content-Length", "+5")], [("Content-Length", "5,5")],
                       [("Content-Length", "-1")], [("Content-Length", "99999999999999999999")],
                       [("Content-Length", "5"), ("Transfer-Encoding", "chunked")]):
            with self.subTest(fields=fields):
                data = self.handshake(handshake_fields() + fields) + hidden
                self.assert_refused(400, data)

    def test_a_length_of_zero_is_no_body(self):
        self.assert_accepted(self.handshake(handshake_fields() + [("Content-Length", "0")]))

    def test_a_failed_handshake_ends_the_connection(self):
        bad = self.handshake(replaced("Sec-WebSocket-Version", "8"))
        self.assert_refused(426, bad + request("/health"))

    def test_a_long_request_line_is_refused(self):
        self.assert_refused(414, request("/?x=" + "y" * 9000, fields=handshake_fields()))

    def test_a_large_head_is_refused(self):
        many = handshake_fields() + [("X", "y")] * 65
        large = handshake_fields() + [("X", "y" * 1000)] * 17
        for fields in (many, large):
            self.assert_refused(431, self.handshake(fields))

    def test_long_lists_are_refused_or_read_in_no_time(self):
        for name, last in (("Connection", "Upgrade"), ("Upgrade", "websocket"),
                           ("Sec-WebSocket-Protocol", "weir.v1.json"),
                           ("Sec-WebSocket-Extensions", "x-unknown")):
            with self.subTest(name=name):
                self.assert_refused(431, self.handshake(replaced(name, "," * 65000 + last)))
                started = time.monotonic()
                self.assert_accepted(self.handshake(replaced(name, "," * 14000 + last)))
                self.assertLess(time.monotonic() - started, 1 * rawhttp.SLOW)

    def test_a_head_may_come_in_any_pieces(self):
        head = self.handshake()
        self.assert_accepted([head[i:i + 1] for i in range(len(head))])
        for split in range(1, len(head), 7):
            self.assert_accepted([head[:split], head[split:]])

    def test_frames_in_the_segment_of_the_head_are_read(self):
        early = ws.encode_frame(ws.TEXT, b'{"type":"ping","id":"early"}')
        client = self.open(token=self.cluster.token(), target="/?autojoin=0", early=early)
        client.expect("connected")
        client.expect("pong", id="early")

    def test_an_extension_that_is_not_known_is_not_confirmed(self):
        for offer in ("x-unknown; a=b", 'x ; y = "z"', "x,, y;z", "permessage-deflate; unknown",
                      "permessage-deflate; client_max_window_bits=7"):
            with self.subTest(offer=offer):
                fields = handshake_fields() + [("Sec-WebSocket-Extensions", offer)]
                self.assert_accepted(self.handshake(fields))

    def test_malformed_extensions_fail_the_handshake(self):
        for offer in ("", ",", ";", "permessage-deflate;", "permessage-deflate; x=", "a b", "x=1",
                      '"permessage-deflate"', 'x; y="1', 'x; y=""', 'x; y="a b"', 'x; y="a,b"',
                      "permessage-deflate, x;", "x;; y", "permessage-deflate; =1"):
            with self.subTest(offer=offer):
                fields = handshake_fields() + [("Sec-WebSocket-Extensions", offer)]
                refusal = self.assert_refused(400, self.handshake(fields))
                self.assertEqual(refusal.body, b"malformed Sec-WebSocket-Extensions\n")

    def test_health_and_ready_are_served_here_too(self):
        for path in ("/health", "/ready"):
            with self.subTest(path=path):
                self.assertEqual(self.ask(request(path)).status, 200)
                self.assertEqual(self.ask(request(path, method="HEAD")).body, b"")

    def test_metrics_are_not(self):
        self.assertEqual(self.ask(request("/metrics")).status, 404)


class Subprotocols(HandshakeTestCase):
    n_edges = 1

    def test_json_is_chosen_if_it_is_offered(self):
        for offer in (["weir.v1.json"], ["x", "weir.v1.json", "y"]):
            with self.subTest(offer=offer):
                response = self.assert_accepted(self.handshake(handshake_fields(subprotocols=offer)))
                self.assertEqual(response.one("Sec-WebSocket-Protocol"), "weir.v1.json")

    def test_none_offered_means_json_and_none_is_named(self):
        self.assertIsNone(self.assert_accepted(self.handshake()).one("Sec-WebSocket-Protocol"))

    def test_only_unknown_ones_are_refused(self):
        for offer in (["x"], ["weir.v2.json"], ["Weir.V1.Json"], ["weir.v2.proto"]):
            with self.subTest(offer=offer):
                self.assert_refused(400, self.handshake(handshake_fields(subprotocols=offer)))

    def test_the_token_may_come_as_a_subprotocol_and_is_never_repeated(self):
        token = self.cluster.token()
        for offer in (["weir.v1.json", f"bearer.{token}"], [f"bearer.{token}", "weir.v1.json"]):
            fields = handshake_fields(subprotocols=offer)
            response = self.assert_accepted(self.handshake(fields, target="/"))
            self.assertEqual(response.one("Sec-WebSocket-Protocol"), "weir.v1.json")
            self.assertNotIn(token.encode(), response.head)

    def test_bearer_needs_a_token_and_a_subprotocol_beside_it(self):
        for offer in ([f"bearer.{self.cluster.token()}"], ["weir.v1.json", "bearer."]):
            with self.subTest(offer=offer):
                fields = handshake_fields(subprotocols=offer)
                self.assert_refused(400, self.handshake(fields, target="/"))


class TokenPlaces(HandshakeTestCase):
    n_edges = 1

    def test_the_authorization_field_is_a_place_for_it(self):
        for scheme in ("Bearer", "bearer"):
            fields = [("Authorization", f"{scheme} {self.cluster.token()}")]
            self.open(fields=fields).expect("connected")

    def test_the_same_token_in_several_places_is_fine(self):
        token = self.cluster.token()
        client = self.open(token=token, fields=[("Authorization", f"Bearer {token}")],
                           subprotocols=["weir.v1.json", f"bearer.{token}"])
        client.expect("connected")

    def test_different_tokens_are_refused(self):
        one, other = self.cluster.token("a"), self.cluster.token("b")
        good = handshake_fields()
        json_and = ["weir.v1.json", f"bearer.{other}"]
        for target, fields in (
                (f"/?token={one}", good + [("Authorization", f"Bearer {other}")]),
                (f"/?token={one}", handshake_fields(subprotocols=json_and)),
                ("/", handshake_fields(subprotocols=json_and)
                 + [("Authorization", f"Bearer {one}")]),
                (f"/?token={one}&token={other}", good),
                (f"/?token={one}&token={one}", good)):
            with self.subTest(target=target[:20], fields=fields[4:]):
                self.assert_refused(400, request(target, fields=fields))

    def test_a_token_with_percent_signs_is_decoded_strictly(self):
        token = self.cluster.token()
        encoded = token.replace(".", "%2E").replace("e", "%65")
        self.open(target=f"/?token={encoded}").expect("connected")
        for bad in ("%00", "%zz", "%", "%4", "abc%"):
            with self.subTest(bad=bad):
                self.assert_refused(400, self.handshake(target=f"/?token={bad}"))


class Logs(HandshakeTestCase):
    """At the level that says most."""

    n_edges = 1
    router_options = {"log_level": "debug"}
    edge_options = {"log_level": "debug"}

    def offer_in_each_place(self, token, take):
        take(self.open(token=token))
        take(self.open(fields=[("Authorization", f"Bearer {token}")]))
        take(self.open(subprotocols=["weir.v1.json", f"bearer.{token}"]))

    def renew(self, token, answer):
        client = self.connect()
        client.send(type="auth", token=token)
        answer(client)

    def test_tokens_are_in_no_log(self):
        good, other = self.cluster.token("alice"), self.cluster.token("bob")
        forged = good[:-6] + ("AAAAAA" if not good.endswith("AAAAAA") else "BBBBBB")
        expired = self.cluster.token("alice", exp=1)
        self.offer_in_each_place(good, lambda client: client.expect("connected"))
        self.renew(good, lambda client: client.expect("ack"))
        for bad in (forged, expired):
            self.offer_in_each_place(bad, lambda client: client.expect_close(4002))
            self.renew(bad, lambda client: client.expect_close(4002))
        self.renew(other, lambda client: client.expect_close(4002))
        self.assert_refused(404, self.handshake(target=f"/nowhere?token={good}"))
        self.assert_refused(400, self.handshake(target=f"/?token={good}&token={other}"))
        self.assert_refused(400, self.handshake(target=f"/?token={good}%zz"))
        self.connect(user="last")
        self.cluster.edges[0].wait_for_line(" opened .*user=last")  # lines come in order
        for token in (good, other, forged, expired):
            for part in token.split(".")[1:]:
                for process in self.cluster.processes:
                    self.assertNotIn(part[:16], process.text())


class Origins(HandshakeTestCase):
    n_edges = 1
    edge_options = {"allowed_origins": ["https://good.example", "https://other.example:8443"]}

    def origin(self, value):
        return handshake_fields() + [("Origin", value)]

    def test_listed_origins_and_the_same_host_are_allowed(self):
        for value in ("https://good.example", "https://other.example:8443", "http://weir.test"):
            with self.subTest(origin=value):
                self.assert_accepted(self.handshake(self.origin(value)))

    def test_no_origin_is_allowed(self):
        self.assert_accepted(self.handshake())

    def test_all_others_are_forbidden(self):
        for value in ("https://evil.example", "null", "https://good.example.evil.example",
                      "http://good.example", "https://good.example:8443", "https://other.example",
                      "https://xgood.example", "https://good.example/", "good.example", ""):
            with self.subTest(origin=value):
                self.assert_refused(403, self.handshake(self.origin(value)))


class OtherOrigins(HandshakeTestCase):
    """/health and /ready, asked for by a page in a browser."""

    n_edges = 1
    edge_options = {"allowed_origins": ["https://good.example"]}
    allow_origin = "Access-Control-Allow-Origin"

    def page(self, path="/health", origin="https://good.example", method="GET", fields=()):
        return self.ask(request(path, method=method, fields=[("Origin", origin), *fields]))

    def test_a_listed_page_may_read_the_answer(self):
        for path in ("/health", "/ready"):
            response = self.page(path)
            self.assertEqual(response.status, 200)
            self.assertEqual(response.one(self.allow_origin), "https://good.example")
            self.assertEqual(response.one("Vary"), "Origin")

    def test_others_get_it_without_leave_to_read_it(self):
        for origin in ("https://evil.example", "null", "https://good.example.evil.example"):
            response = self.page(origin=origin)
            self.assertEqual((response.status, response.one(self.allow_origin)), (200, None))

    def test_a_browser_may_ask_before_it_fetches(self):
        wish = [("Access-Control-Request-Method", "GET"),
                ("Access-Control-Request-Headers", "authorization")]
        response = self.page(method="OPTIONS", fields=wish)
        self.assertEqual((response.status, response.body), (204, b""))
        self.assertEqual(response.one(self.allow_origin), "https://good.example")
        self.assertIn("GET", response.one("Access-Control-Allow-Methods"))
        self.assertEqual(response.one("Access-Control-Allow-Headers"), "authorization")
        response = self.page(method="OPTIONS", fields=wish, origin="https://evil.example")
        self.assertEqual((response.status, response.one(self.allow_origin)), (403, None))

    def test_other_methods_are_not_allowed(self):
        response = self.page(method="POST")
        self.assertEqual(response.status, 405)
        self.assertEqual(response.one("Allow"), "GET, HEAD, OPTIONS")


class SlowHandshakes(HandshakeTestCase):
    n_edges = 1
    edge_options = {"handshake_timeout": "700ms"}
    expected_seconds = 4

    def read_end(self, stream):
        """What a server sends to one that dawdles: a 408 or nothing."""
        data = stream.take_all()
        self.assertTrue(data == b"" or data.startswith(b"HTTP/1.1 408 "), data)

    def test_silence_is_ended(self):
        started = time.monotonic()
        stream = rawhttp.Stream(self.cluster.edges[0].address)
        self.read_end(stream)
        self.assertGreaterEqual(time.monotonic() - started, 0.6)

    def test_a_byte_now_and_then_does_not_help(self):
        started = time.monotonic()
        stream = rawhttp.Stream(self.cluster.edges[0].address)
        stream.socket.settimeout(0.1)
        ended = False
        for byte in self.handshake():
            try:
                stream.send(bytes([byte]))
                if not stream.socket.recv(1000):
                    ended = True
            except TimeoutError:
                continue
            except (rawhttp.EndOfStream, ConnectionResetError):
                ended = True
            if ended:
                break
        self.assertTrue(ended)
        self.assertGreaterEqual(time.monotonic() - started, 0.6)

    def test_others_connect_while_many_dawdle(self):
        streams = [rawhttp.Stream(self.cluster.edges[0].address) for _ in range(200)]
        for stream in streams:
            stream.send(b"GET / HT")
        started = time.monotonic()
        self.connect().ask_for("pong", type="ping")
        self.assertLess(time.monotonic() - started, 1 * rawhttp.SLOW)
        for stream in streams:
            self.read_end(stream)
            stream.close()

    def test_a_half_close_after_the_head_is_answered(self):
        response = self.ask(request("/health"), half_close=True)
        self.assertEqual(response.status, 200)


class Descriptors(HandshakeTestCase):
    n_edges = 1

    def test_refused_handshakes_leave_nothing_open(self):
        folder = f"/proc/{self.cluster.edges[0].popen.pid}/fd"
        before = len(os.listdir(folder))
        for _ in range(50):
            self.assert_refused(404, self.handshake(target="/x"))
        reset = rawhttp.Stream(self.cluster.edges[0].address)
        reset.send(b"GET / HTTP/1.1\r\n")
        reset.reset()
        wait_until(lambda: len(os.listdir(folder)) <= before, "descriptors are closed")


if __name__ == "__main__":
    unittest.main()
