"""Clients that others wrote, on node's `ws`: what they rely on holds."""

import json
import os
import queue
import shutil
import subprocess
import threading
import time
import unittest

from harness import DEADLINE_S, ROOT, ClusterTestCase, TestCase

CLIENTS = os.path.join(ROOT, "tests", "client")
MODULES = os.path.join(ROOT, "build", "node_modules")


def missing():
    if shutil.which("node") is None:
        return "node is not installed"
    if not os.path.isdir(os.path.join(MODULES, "ws")):
        return "node's ws is not installed (tests/run fetches it)"
    return None


class NodeClient:
    def __init__(self, program, url, **env):
        self.popen = subprocess.Popen(
            ["node", os.path.join(CLIENTS, program), url], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env={**os.environ, "NODE_PATH": MODULES, **env})
        self.events = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with self.popen.stdout as pipe:
            for line in pipe:
                self.events.put(json.loads(line))

    def act(self, **action):
        self.popen.stdin.write(json.dumps(action) + "\n")
        self.popen.stdin.flush()

    def expect(self, event, timeout=DEADLINE_S, **fields):
        try:
            got = self.events.get(timeout=timeout)
        except queue.Empty as e:
            raise TimeoutError(f"no {event}") from e
        wanted = {"event": event, **fields}
        if any(got.get(name) != value for name, value in wanted.items()):
            raise AssertionError(f"{wanted} expected, not {got}")
        return got

    def expect_message(self, message_type, **fields):
        message = self.expect("message")["message"]
        wanted = {"type": message_type, **fields}
        if any(message.get(name) != value for name, value in wanted.items()):
            raise AssertionError(f"{wanted} expected, not {message}")
        return message

    def wait_for_message(self, message_type, **fields):
        deadline = time.monotonic() + DEADLINE_S
        while True:
            got = self.events.get(timeout=max(deadline - time.monotonic(), 0.01))
            message = got.get("message")
            if isinstance(message, dict) and message["type"] == message_type and all(
                    message.get(name) == value for name, value in fields.items()):
                return message

    def stop(self):
        self.popen.stdin.close()
        try:
            self.popen.wait(5)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class NodeTestMixin:
    def start(self, program, address, token):
        url = f"ws://{address[0]}:{address[1]}" + (f"?token={token}" if token else "")
        client = NodeClient(program, url)
        self.addCleanup(client.stop)
        return client

    def setUp(self):
        if missing():
            self.skipTest(missing())
        super().setUp()


class NodeClients(NodeTestMixin, ClusterTestCase):
    expected_seconds = 5

    def node(self, program, edge=0, user="node"):
        client = self.start(program, self.cluster.edges[edge].address, self.cluster.token(user))
        client.expect("open")
        client.connected = client.expect_message("connected")
        return client

    def test_the_first_frame_is_connected_with_id_and_time(self):
        for program in ("doubling.js", "patient.js"):
            message = self.node(program).connected
            self.assertIsInstance(message["clientId"], str)
            self.assertIsInstance(message["timestamp"], int)

    def test_chat_reaches_everybody_with_sender_text_and_time(self):
        one, two = self.node("doubling.js", 0, "one"), self.node("patient.js", 1, "two")
        two.wait_for_message("joined", room="lobby")
        for n, (sender, other) in enumerate(((one, two), (two, one))):
            sender.act(send={"type": "chat", "text": f"hello {n}"})
            for client in (sender, other):
                message = client.wait_for_message("chat", text=f"hello {n}")
                self.assertEqual(message["from"], sender.connected["clientId"])
                self.assertIsInstance(message["timestamp"], int)

    def test_typing_reaches_the_others_only(self):
        one, two = self.node("doubling.js", 0, "one"), self.node("doubling.js", 1, "two")
        one.act(send={"type": "typing"})
        two.expect_message("typing", **{"from": one.connected["clientId"]})
        two.act(send={"type": "chat", "text": "go on"})
        one.expect_message("chat", text="go on")

    def test_what_is_not_json_is_answered(self):
        one = self.node("doubling.js")
        one.act(raw="hello?")
        one.expect_message("error", message="Invalid message format")
        one.act(send={"type": "admin:broadcast", "text": "x"})
        one.expect_message("error", message="Insufficient permissions")

    def test_types_without_a_handler_do_no_harm(self):
        one = self.node("doubling.js")
        one.act(send={"type": "join", "room": "quiet"})
        one.act(send={"type": "chat", "text": "still here"})
        one.expect_message("chat", text="still here")

    def test_no_token_and_a_bad_one_are_told_by_code(self):
        expired = self.cluster.token("node", exp=int(time.time()) - 3600)
        for program in ("doubling.js", "patient.js"):
            for token, code in ((None, 4001), ("x.y.z", 4002), (expired, 4002)):
                with self.subTest(program=program, code=code):
                    client = self.start(program, self.cluster.edges[0].address, token)
                    client.expect("open")
                    reason = json.loads(client.expect("close", code=code)["reason"])
                    self.assertIs(reason["reconnect"], False)
                    client.expect("retry", delay=1000)
                    client.stop()


class Reconnecting(NodeTestMixin, TestCase):
    expected_seconds = 8

    def test_they_come_back_after_the_edge_did(self):
        cluster = self.start_cluster(edges=1, router={"link_timeout": "1s"},
                                     edge={"drain_timeout": "2s"})
        address = cluster.edges[0].address
        clients = [self.start(program, address, cluster.token("node"))
                   for program in ("doubling.js", "patient.js")]
        for client in clients:
            client.expect("open")
            client.wait_for_message("connected")
        cluster.edges[0].stop()
        for client in clients:
            while client.events.get(timeout=DEADLINE_S)["event"] != "close":
                pass
            client.expect("retry", delay=1000)
        cluster.start_edge("edge-again", listen="%s:%d" % address)
        for client in clients:
            client.wait_for_message("connected")
        clients[0].act(send={"type": "chat", "text": "back"})
        clients[1].wait_for_message("chat", text="back")

    def test_a_killed_edge_is_an_abnormal_close(self):
        cluster = self.start_cluster(edges=1)
        client = self.start("patient.js", cluster.edges[0].address, cluster.token("node"))
        client.expect("open")
        client.wait_for_message("joined", room="lobby")
        cluster.edges[0].kill()
        client.expect("close", code=1006)
        client.expect("retry", delay=1000)
        self.assertIn(client.events.get(timeout=DEADLINE_S)["event"], ("failure", "open timeout"))
        client.expect("close", code=1006)
        client.expect("retry", delay=1500)


if __name__ == "__main__":
    unittest.main()
