"""Clients that others wrote, each over TCP and TLS, with compression and without: a long message goes
to them and comes back whole and in fragments.

The peer is ours and sits on an edge of its own, so the bytes that the client's edge counts are the
client's, and show whether what was agreed on is also what went over the wire."""

import codecs
import json
import os
import re
import shutil
import subprocess
import unittest

import test_browsers as browsers
import test_node_clients as node
import test_python_websockets as python
import test_tls as tls
from harness import ROOT, SLOW, metrics_of, wait_until

CLIENTS = os.path.join(ROOT, "tests", "client")
TEXT = "Grüße, \U0001f30d and the same words again; " * 1000
SIZE = len(TEXT.encode())
PATIENCE_S = 60 * SLOW  # programs of this size are slow to start where others work too
SHARED, OFF, PEER = 0, 1, 2  # the edges


class Interop(tls.TlsTestCase):
    """A conversation, the same with all clients; the client's half is told in client/interop.js."""

    expected_seconds = 10
    n_edges = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.start_edge("edge-off", compression="off")
        cls.cluster.start_edge("edge-peer")

    def url(self, scheme, edge, user, **words):
        chosen = self.cluster.edges[edge]
        port = (chosen.tls_address if scheme == "wss" else chosen.address)[1]
        words["token"] = self.cluster.token(user)
        return f"{scheme}://127.0.0.1:{port}/?" + "&".join(f"{k}={v}" for k, v in words.items())

    def environment(self):
        """In which programs trust our certificates."""
        authority = self.files.authority.path
        return {**os.environ, "NODE_PATH": node.MODULES, "NODE_EXTRA_CA_CERTS": authority,
                "SSL_CERT_FILE": authority, "CURL_CA_BUNDLE": authority}

    def bytes_of(self, edge):
        metrics = metrics_of(self.cluster.edges[edge].ops)
        return [metrics[f'weir_edge_bytes_total{{direction="{way}"}}'] for way in ("in", "out")]

    def connections_of(self, edge):
        return metrics_of(self.cluster.edges[edge].ops)["websocket_active_connections"]

    def check_agreement(self, room, user, compressed):
        row, = (r for r in self.cluster.rows("members", room) if r["user"] == user)
        self.assertIs(row["compressed"], compressed)

    def check_bytes(self, edge, before, least, compressed):
        """The whole text was `least` times on the wire (in, out) if nothing was compressed."""
        def went():
            return [now - then for now, then in zip(self.bytes_of(edge), before)]

        wait_until(lambda: self.connections_of(edge) == 0, "the client has left", PATIENCE_S)
        if compressed:
            for direction, count in zip(("in", "out"), went()):
                self.assertLess(count, SIZE, direction)
        else:
            wait_until(lambda: all(count >= n * SIZE for count, n in zip(went(), least)),
                       "all bytes are counted", PATIENCE_S)

    def converse(self, start, scheme, edge, compressed, repeats):
        """`start(url, room)` starts the client and returns what waits for its orderly end; in
        messages of the types `repeats` it repeats what it hears."""
        room = f"{self.room}-{scheme}-{edge}-{compressed}"[-100:]
        before = self.bytes_of(edge)
        peer = self.connect(PEER, "peer")
        peer.join(room)
        wait_for_end = start(self.url(scheme, edge, "guest", autojoin=0), room)
        here = peer.wait_for("here", PATIENCE_S)
        self.assertEqual("permessage-deflate" in here["extensions"], compressed, here)
        self.check_agreement(room, "guest", compressed)
        peer.publish(room, TEXT)
        for kind in repeats:
            self.assertEqual(peer.wait_for(kind, PATIENCE_S)["text"], TEXT)
        peer.publish(room, type="bye")
        wait_for_end()
        peer.close()
        self.check_bytes(edge, before, (len(repeats), 1 + len(repeats)), compressed)


class ProgramTests:
    """Programs that may refuse compression, and send fragments."""

    def program(self):
        raise NotImplementedError

    def start(self, how):
        def start(url, room):
            popen = subprocess.Popen([*self.program(), url, room, how], stdin=subprocess.DEVNULL,
                                     env=self.environment())
            self.addCleanup(popen.wait)
            self.addCleanup(popen.kill)
            return lambda: self.assertEqual(popen.wait(PATIENCE_S), 0)

        return start

    def test_messages_are_compressed_if_both_want_it(self):
        for scheme in ("ws", "wss"):
            for how, edge in (("deflate", SHARED), ("plain", SHARED), ("deflate", OFF)):
                with self.subTest(scheme=scheme, client=how, edge=edge):
                    self.converse(self.start(how), scheme, edge,
                                  how == "deflate" and edge == SHARED, ("whole", "fragments"))


@unittest.skipIf(node.missing(), node.missing())
class NodeWs(ProgramTests, Interop):
    def program(self):
        return ["node", os.path.join(CLIENTS, "interop.js")]


@unittest.skipIf(python.interpreter() is None, "python3-websockets is not installed")
class PythonWebsockets(ProgramTests, Interop):
    def program(self):
        return [python.interpreter(), os.path.join(CLIENTS, "interop.py")]


class PageTests:
    """Pages, which have no say in it, and send messages whole."""

    @classmethod
    def setUpClass(cls):
        cls.page = browsers.PageServer("interop.html")
        cls.addClassCleanup(cls.page.close)
        cls.edge_options = {**cls.edge_options, "allowed_origins": [cls.page.origin]}
        super().setUpClass()
        cls.certificates = [(edge.tls_address, cls.files.cert) for edge in cls.cluster.edges]

    def start(self, url, room):
        self.page.work.put({"url": url, "room": room})

        def wait_for_end():
            said = self.page.reports.get(timeout=PATIENCE_S)
            self.assertEqual(said, {"name": room, "event": "close", "code": 1000, "clean": True})

        return wait_for_end

    def test_messages_are_compressed_if_the_edge_wants_it(self):
        self.load(self.page)
        for scheme in ("ws", "wss"):
            for edge in (SHARED, OFF):
                with self.subTest(scheme=scheme, edge=edge):
                    self.converse(self.start, scheme, edge, edge == SHARED, ("whole",))


class Chromium(browsers.ChromiumBrowser, PageTests, Interop):
    pass


class Firefox(browsers.FirefoxBrowser, PageTests, Interop):
    pass


def curl_lacks():
    if shutil.which("curl") is None:
        return "curl is not installed"
    told = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout
    protocols = re.search(r"^Protocols: (.*)$", told, re.MULTILINE).group(1).split()
    if {"ws", "wss"} <= set(protocols):
        return None
    return f"curl {told.split()[1]} is built without WebSocket (8.11 and later have it)"


def messages_in(pipe):
    """The JSON texts that come, with nothing between them."""
    decode, read = codecs.getincrementaldecoder("utf-8")().decode, json.JSONDecoder().raw_decode
    text = ""
    for data in iter(lambda: pipe.read1(65536), b""):
        text += decode(data)
        try:
            while text:
                message, end = read(text)
                text = text[end:]
                yield message
        except ValueError:
            pass  # its rest is to come


@unittest.skipIf(curl_lacks(), curl_lacks())
class Curl(Interop):
    """It knows no compression, and as a program it only listens, here in the lobby."""

    def hear(self, popen, kind):
        for message in messages_in(popen.stdout):
            if message["type"] == kind:
                return message
        return self.fail(f"curl ended with {popen.wait()}, no {kind}")

    def test_it_hears_a_long_message_as_it_is(self):
        peer = self.connect(PEER, "peer")
        for scheme in ("ws", "wss"):
            with self.subTest(scheme=scheme):
                before, user = self.bytes_of(SHARED), f"guest-{scheme}"
                url = self.url(scheme, SHARED, user)
                with subprocess.Popen(["curl", "--silent", "--no-buffer", "--max-time",
                                       str(PATIENCE_S), url], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, env=self.environment()) as popen:
                    try:
                        self.hear(popen, "joined")
                        self.check_agreement("lobby", user, False)
                        peer.publish("lobby", TEXT)
                        self.assertEqual(self.hear(popen, "chat")["text"], TEXT)
                    finally:
                        popen.kill()
                self.check_bytes(SHARED, before, (0, 1), False)


if __name__ == "__main__":
    unittest.main()
