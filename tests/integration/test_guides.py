"""The guides of deploy/guides, executed: each piece of code in them runs as it stands."""

import json
import os
import re
import shutil
import subprocess
import unittest

import ws
from harness import ROOT, SLOW, TOKEN_BIN, TestCase, environment
from test_node_clients import MODULES, missing

GUIDES = os.path.join(ROOT, "deploy", "guides")
CLIENT = os.path.join(ROOT, "edge", "web", "weir.js")


def blocks(guide, language):
    with open(os.path.join(GUIDES, guide), encoding="utf-8") as f:
        return re.findall(rf"^```{language}\n(.*?)^```$", f.read(), re.MULTILINE | re.DOTALL)


@unittest.skipIf(missing(), missing())
class GuideTestCase(TestCase):
    def setUp(self):
        self.cluster = self.start_cluster(edges=2)
        self.folder = self.cluster.folder
        shutil.copy(CLIENT, self.folder)
        # What Node has from version 22 on, and every browser.
        self.cluster.write("websocket.cjs", "globalThis.WebSocket = require("
                                            f"{os.path.join(MODULES, 'ws')!r});\n")
        edge = self.cluster.edges[0].address
        self.variables = {
            "WEIR_URL": f"ws://127.0.0.1:{edge[1]}", "WEIR_HTTP": f"http://127.0.0.1:{edge[1]}",
            "WEIR_KEY": os.path.join(self.folder, "jwt.key"),
            "WEIR_TOKEN": self.cluster.token("alice"),
            "WEIR_ADMIN_TOKEN": self.cluster.token("backend", roles=["admin"])}

    def environment(self):
        return {**environment(self.folder), **self.variables}

    def spawn(self, code, name="guide.mjs"):
        path = self.cluster.write(name, code)
        popen = subprocess.Popen(
            ["node", "--require", os.path.join(self.folder, "websocket.cjs"), path],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=self.environment(), cwd=self.folder)
        self.addCleanup(popen.stdout.close)
        self.addCleanup(popen.wait)
        self.addCleanup(popen.kill)
        return popen

    def run_node(self, code, name="guide.mjs"):
        popen = self.spawn(code, name)
        output, _ = popen.communicate(timeout=20 * SLOW)
        self.assertEqual(popen.returncode, 0, output)
        return output


class FirstRoom(GuideTestCase):
    expected_seconds = 4

    def test_the_client_prints_what_the_guide_says(self):
        code, _ = blocks("first-room.md", "js")
        bob = self.cluster.connect(1, "bob")
        bob.join("tea")
        output = self.run_node(code, "first.mjs")
        self.assertEqual(output.splitlines(),
                         ["alice: milk?", "number 1 in the room, sent to 2 connections"])
        bob.expect("chat", user="alice", text="milk?", seq=1)

    def test_a_message_from_a_backend(self):
        bob = self.cluster.connect(1, "bob")
        bob.join("tea")
        command = next(block for block in blocks("first-room.md", "sh") if "curl" in block)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True,
                              timeout=20 * SLOW, check=False, env=self.environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        bob.expect("chat", user="alice", text="hello from a backend")

    def test_a_token_of_ones_own(self):
        _, code = blocks("first-room.md", "js")
        self.cluster.write("tokens.mjs", code)
        token = self.run_node("import { makeToken } from './tokens.mjs';\n"
                              "console.log(makeToken('carol', { roles: ['admin'] }));\n").strip()
        client = self.cluster.connect(token=token)
        self.assertEqual((client.connected["user"], client.connected["roles"]),
                         ("carol", ["admin"]))


class FromNodeWs(GuideTestCase):
    expected_seconds = 10

    def test_the_page_joins_and_publishes(self):
        code, _ = blocks("from-node-ws.md", "js")
        bob = self.cluster.connect(1, "bob")
        bob.join("tea")
        page = self.spawn(code)
        bob.expect("chat", user="alice", text="from a page")
        self.assertEqual(page.stdout.readline(), "alice: from a page\n")

    def test_the_backend_sends_to_a_room(self):
        _, code = blocks("from-node-ws.md", "js")
        self.cluster.write("send.mjs", code)
        bob = self.cluster.connect(1, "bob")
        bob.join("tea")
        output = self.run_node("import { send } from './send.mjs';\n"
                               "const { seq } = await send('tea', { type: 'price', price: 3 });\n"
                               "console.log(seq);\n")
        self.assertEqual(output, "1\n")
        bob.expect("price", user="backend", price=3)

    def test_the_origins_of_the_table_are_accepted(self):
        # The second one is `http://localhost:*`, for a development server at any port.
        listed = [re.search(r"`allowed-origins = ([^`]+)`", self.row("verifyClient"))[1],
                  re.search(r"`(http:[^`]+)`", self.row("verifyClient"))[1]]
        edge = self.cluster.start_edge("open", allowed_origins=listed)
        for origin in (listed[0], "http://localhost:3000"):
            self.cluster.open(edge, self.variables["WEIR_TOKEN"],
                              fields=[("Origin", origin)]).expect("connected")
        with self.assertRaises(ws.Refused):
            self.cluster.open(edge, self.variables["WEIR_TOKEN"],
                              fields=[("Origin", "https://other.example.org")])

    def test_a_backend_joins_the_pattern_of_the_table(self):
        request = re.search(r"`(\{[^`]+\})`", self.row("psubscribe"))[1]
        backend = self.cluster.connect(token=self.variables["WEIR_ADMIN_TOKEN"])
        backend.send(json.loads(request))
        backend.expect("joined", pattern="chat:*")
        self.cluster.connect(1, "bob").send({"type": "chat", "room": "chat:7", "text": "hello"})
        backend.expect("chat", room="chat:7", user="bob", text="hello")

    def test_a_message_to_one_user_takes_the_right_of_the_table(self):
        right, room = re.search(r"the right `(\w+)` on `(\S+)`", self.row("to one user")).groups()
        bob = self.cluster.connect(1, "bob", autojoin=True)
        bob.expect("joined", room="user:bob")
        bob.expect("joined", room="lobby")
        alice = self.cluster.connect()
        alice.send({"type": "direct", "to": "bob", "text": "psst", "id": 1})
        alice.expect("error", code="forbidden", needs="publish on user:bob")
        token = self.cluster.token("alice", weir={right: [room.replace("USER", "bob")]})
        self.cluster.connect(token=token).send({"type": "direct", "to": "bob", "text": "psst"})
        bob.expect("direct", user="alice", text="psst")

    @staticmethod
    def row(word):
        with open(os.path.join(GUIDES, "from-node-ws.md"), encoding="utf-8") as f:
            (found,) = [line for line in f if line.startswith("|") and word in line]
        return found

    def test_the_token_for_the_backend_is_made_as_it_says(self):
        with open(os.path.join(GUIDES, "from-node-ws.md"), encoding="utf-8") as f:
            words = re.search(r"`(weir-token make [^`]+)`", f.read().replace("\n", " "))[1].split()
        done = subprocess.run([TOKEN_BIN, *words[1:]], capture_output=True, text=True, check=False,
                              timeout=20 * SLOW, cwd=self.folder, env=self.environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        client = self.cluster.connect(token=done.stdout.strip())
        self.assertEqual(client.connected["roles"], ["admin"])

    def test_a_receive_timer_of_two_seconds_fires_again_and_again(self):
        # So the guide says that it must go: an idle room is silent for longer.
        impatient = """
const url = `${process.env.WEIR_URL}?token=${process.env.WEIR_TOKEN}&autojoin=0`;
let opened = 0;
function connect() {
  const socket = new WebSocket(url);
  let timer;
  const arm = () => { clearTimeout(timer); timer = setTimeout(() => socket.close(), 2000); };
  socket.onopen = () => { opened++; arm(); };
  socket.onmessage = arm;
  socket.onclose = () => (opened < 3 ? connect() : console.log(`opened ${opened} times`));
}
connect();
"""
        self.assertEqual(self.run_node(impatient), "opened 3 times\n")


class FromSocketIo(GuideTestCase):
    def test_the_client_publishes_and_hears(self):
        (code,) = blocks("from-socket-io.md", "js")
        bob = self.cluster.connect(1, "bob")
        bob.join("team:7")
        self.assertEqual(self.run_node(code), "tea costs 3\n")
        bob.expect("price", item="tea", price=3)


if __name__ == "__main__":
    unittest.main()
