"""The JavaScript client: its own tests under node's runner, and against real edges."""

import glob
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import time
import unittest
from urllib.parse import urlencode

from harness import BUILD, DEADLINE_S, ROOT, SLOW, ClusterTestCase, TestCase
from test_browsers import ChromiumBrowser, FirefoxBrowser, PageServer
from test_node_clients import MODULES, NodeClient, missing

TESTS = os.path.join(ROOT, "tests", "client", "weirjs")
MODULES_NEEDED = ("ws", "protobufjs", "typescript")


def not_here():
    if missing():
        return missing()
    for name in MODULES_NEEDED:
        if not os.path.isdir(os.path.join(MODULES, name)):
            return f"node's {name} is not installed (tests/run fetches it)"
    return None


class Client(NodeClient):
    """weir.js in a process of its own; what happens is kept."""

    def __init__(self, urls, **options):
        super().__init__("weirjs/driven.mjs", json.dumps({"urls": urls, **options}))
        self.seen = []

    def next(self, what):
        """What happened next, with what is in its value beside it."""
        try:
            got = self.events.get(timeout=3 * DEADLINE_S)
        except queue.Empty as e:
            raise AssertionError(f"no {what} after {self.seen[-20:]}") from e
        self.seen.append(got)
        return {**got, **(got.get("value") or {}), "event": got["event"]}

    def wait_for(self, event, **fields):
        """The next such event."""
        wanted = {"event": event, **fields}
        while True:
            got = self.next(wanted)
            if all(got.get(name) == value for name, value in wanted.items()):
                return got

    def answer(self, call):
        while True:
            got = self.next(f"answer to {call}")
            if got["event"] in ("done", "failed") and got["call"] == call:
                return got

    def call(self, call, **arguments):
        self.act(call=call, **arguments)
        got = self.answer(call)
        if got["event"] == "failed":
            raise AssertionError(f"{call} failed: {got}")
        return got

    def fail(self, call, **arguments):
        self.act(call=call, **arguments)
        return self.wait_for("failed", call=call)

    def values(self, event):
        return [got["value"] for got in self.seen if got["event"] == event]


def url_of(edge):
    return "ws://%s:%d" % edge.address


class WeirTestMixin:
    codecs = ("json",)  # of one client after the other

    def setUp(self):
        if not_here():
            self.skipTest(not_here())
        self.n_clients = 0
        super().setUp()

    def client(self, cluster, user, edges=(0, 1), **options):
        options.setdefault("token", cluster.token(user))
        options.setdefault("codec", self.codecs[self.n_clients % len(self.codecs)])
        self.n_clients += 1
        client = Client([url_of(cluster.edges[i]) for i in edges], **options)
        self.addCleanup(client.stop)
        return client


class Own(unittest.TestCase):
    """Its tests under node's own runner: one here for each file of theirs."""

    expected_seconds = 20

    def run_file(self, path):
        if not_here():
            self.skipTest(not_here())
        done = subprocess.run(["node", "--test", "--test-reporter=tap", path], capture_output=True,
                              text=True, check=False, timeout=60 * SLOW,
                              env={**os.environ, "NODE_PATH": MODULES})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(int(re.search(r"^# pass (\d+)", done.stdout, re.M)[1]), 0)


def add_own_tests():
    for path in glob.glob(os.path.join(TESTS, "*.test.mjs")):
        name = "test_" + os.path.basename(path).split(".")[0]
        setattr(Own, name, lambda self, path=path: self.run_file(path))


add_own_tests()


class Readme(WeirTestMixin, TestCase):
    expected_seconds = 3

    def test_its_examples_run(self):
        cluster = self.start_cluster(edges=1)
        tokens = {"alice": cluster.token("alice"),
                  "service": cluster.token("service", roles=["admin"])}
        program = os.path.join(TESTS, "readme.mjs")
        done = subprocess.run(["node", program, url_of(cluster.edges[0]), json.dumps(tokens)],
                              capture_output=True, text=True, check=False, timeout=60 * SLOW,
                              env={**os.environ, "NODE_PATH": MODULES})
        self.assertEqual(done.stdout.strip(), "6 examples ran", done.stdout + done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)


class Talk(WeirTestMixin, ClusterTestCase):
    expected_seconds = 10

    def test_two_clients_talk_over_two_edges(self):
        alice = self.client(self.cluster, "alice", (0,))
        bob = self.client(self.cluster, "bob", (1,))
        self.assertEqual(alice.wait_for("connected")["user"], "alice")
        alice.call("join", room=self.room)
        self.assertEqual(bob.call("join", room=self.room)["members"], 2)
        ack = alice.call("publish", room=self.room, args=["chat", {"text": "milk?"}])
        self.assertEqual((ack["seq"], ack["members"]), (1, 2))
        for client in (alice, bob):
            if not client.values("message"):
                client.wait_for("message")
            self.assertEqual(client.values("message")[0]["text"], "milk?")

    def test_what_one_may_ask_is_answered(self):
        alice = self.client(self.cluster, "alice", (0,))
        alice.call("join", room=self.room, presence=True)
        for n in (1, 2, 3):
            alice.call("publish", room=self.room, args=[{"type": "chat", "n": n}])
        history = alice.call("history", room=self.room, args=[{"before": 3, "limit": 1}])
        self.assertEqual([m["n"] for m in history["messages"]], [2])
        bob = self.client(self.cluster, "bob", (1,))
        bob.call("join", room=self.room)
        alice.wait_for("member:join", user="bob")
        self.assertEqual(alice.call("presence", room=self.room)["users"], 2)
        bob.call("publish", room=self.room, args=["typing"])
        self.assertNotIn("seq", alice.wait_for("message", type="typing"))
        bob.call("leave", room=self.room)
        alice.wait_for("member:leave", user="bob")
        alice.call("leave", room=self.room)

    def test_direct_messages_and_broadcasts(self):
        root = self.client(self.cluster, "root", (0,),
                           token=self.cluster.token("root", roles=["admin"]))
        bob = self.client(self.cluster, "bob", (1,), events=["notice", "admin:broadcast"])
        bob.call("join", room="user:bob")
        root.call("direct", args=["bob", "note", {"text": "psst"}])
        self.assertEqual(bob.wait_for("message", type="note")["text"], "psst")
        root.call("direct", args=["bob", "direct", {"text": "again"}])
        self.assertEqual(bob.wait_for("message", type="direct")["text"], "again")
        root.call("broadcast", args=["notice", {"text": "all hands"}])
        self.assertEqual(bob.wait_for("notice")["text"], "all hands")
        self.assertEqual(bob.fail("broadcast", args=["notice", {}])["code"], "forbidden")

    def test_a_refused_join_says_what_is_missing(self):
        token = self.cluster.token("alice", weir={"join": ["tea"], "publish": ["*"]})
        alice = self.client(self.cluster, "alice", token=token)
        self.assertEqual(alice.fail("join", room=self.room)["code"], "forbidden")

    def test_an_expiring_token_is_renewed_and_the_connection_stays(self):
        soon = int(time.time()) + 3
        alice = self.client(self.cluster, "alice", asks=True,
                            token=self.cluster.token("alice", exp=soon))
        alice.wait_for("token?")
        alice.act(token=self.cluster.token("alice", exp=soon + 3600))
        alice.call("join", room=self.room)
        alice.call("renew", args=[self.cluster.token("alice")])
        self.assertEqual(alice.values("state"), [{"state": "open"}])

    def test_an_expired_token_is_replaced_at_the_door(self):
        alice = self.client(self.cluster, "alice", asks=True,
                            token=self.cluster.token("alice", exp=int(time.time()) - 3600))
        alice.wait_for("token?")
        alice.act(token=self.cluster.token("alice"))
        alice.wait_for("connected")

    def test_a_bad_or_missing_token_ends_it(self):
        for token, code in (("x.y.z", 4002), (None, 4001)):
            alice = self.client(self.cluster, "alice", token=token)
            self.assertEqual(alice.wait_for("auth")["code"], code)
            alice.wait_for("close")

    def test_one_who_is_put_out_stays_out(self):
        alice = self.client(self.cluster, "kicked", (0,))
        alice.wait_for("connected")
        self.assertEqual(self.cluster.weirctl("kick", "--user", "kicked")[0], 0)
        end = alice.wait_for("close")
        self.assertEqual((end["code"], end["reason"]), (4004, "revoked"))


class TalkInBinary(Talk):
    codecs = ("proto",)


class Loss(WeirTestMixin, TestCase):
    """Programs die while two clients flood a room; each message comes once and in order."""

    expected_seconds = 25
    COUNT = 400

    def flooding(self, cluster, edges=((0, 1), (1, 0))):
        clients = [self.client(cluster, user, where, minDelay=200)
                   for user, where in zip(("alice", "bob"), edges)]
        for client in clients:
            client.call("join", room="tea")
        for client in clients:
            client.act(call="flood", room="tea", count=self.COUNT, every=5)
        for client, other in zip(clients, ("bob", "alice")):
            client.wait_for("message", user=other, n=self.COUNT // 4)
        return clients

    def settled(self, clients):
        return [client.wait_for("done", call="flood")["failed"] for client in clients]

    def assert_all_once_and_in_order(self, clients):
        """Each has had everything that each has published, and nothing twice."""
        wanted = {(user, n) for user in ("alice", "bob") for n in range(1, self.COUNT + 1)}
        for client in clients:
            while len(client.values("message")) < len(wanted):
                client.wait_for("message")
            got = client.values("message")
            self.assertEqual([m["seq"] for m in got], list(range(1, len(wanted) + 1)))
            self.assertEqual({(m["user"], m["n"]) for m in got}, wanted)
            for user in ("alice", "bob"):
                self.assertEqual([m["n"] for m in got if m["user"] == user],
                                 list(range(1, self.COUNT + 1)))
            self.assertEqual(client.values("gap") + client.values("reset"), [])

    def test_an_edge_is_killed(self):
        cluster = self.start_cluster(edges=2, router={"history_messages": 1000})
        clients = self.flooding(cluster)
        cluster.edges[0].kill()
        self.assertEqual(self.settled(clients), [[], []])
        self.assert_all_once_and_in_order(clients)
        self.assertEqual(len(clients[0].values("recovered")), 1)
        self.assertEqual(len(clients[1].values("recovered")), 0)

    def test_an_edge_is_stopped(self):
        cluster = self.start_cluster(edges=2, router={"history_messages": 1000},
                                     edge={"drain_timeout": "1s"})
        clients = self.flooding(cluster)
        cluster.edges[0].stop()
        self.assertEqual(self.settled(clients), [[], []])
        self.assert_all_once_and_in_order(clients)

    def test_a_connection_that_is_dead_is_noticed_and_recovered(self):
        cluster = self.start_cluster(edges=2,
                                     router={"history_messages": 1000, "link_timeout": "60s"},
                                     edge={"heartbeat_interval": "1s", "heartbeat_timeout": "2s"})
        clients = self.flooding(cluster)
        cluster.edges[0].signal(signal.SIGSTOP)
        self.addCleanup(cluster.edges[0].signal, signal.SIGCONT)
        clients[0].wait_for("recovered")
        self.assertEqual(self.settled(clients), [[], []])
        self.assert_all_once_and_in_order(clients)

    def test_the_router_is_restarted(self):
        cluster = self.start_cluster(edges=2, router={"history_messages": 1000})
        clients = self.flooding(cluster)
        cluster.router.stop()
        cluster.restart_router()
        self.assertEqual(self.settled(clients), [[], []])
        for got in self.seen_until_the_end(clients):
            self.assertEqual(len(got), 2 * self.COUNT)

    def test_the_router_is_killed(self):
        cluster = self.start_cluster(edges=2, router={"history_messages": 1000})
        clients = self.flooding(cluster)
        cluster.router.kill()
        cluster.restart_router()
        for failed in self.settled(clients):
            for one in failed:
                self.assertEqual(one, ["unavailable", "unknown"])
        list(self.seen_until_the_end(clients))

    def seen_until_the_end(self, clients):
        """What each has had, nothing twice, when each has had a last message of each."""
        for client in clients:
            client.call("publish", room="tea", args=["chat", {"n": 0}])
        for client in clients:
            while sum(m["n"] == 0 for m in client.values("message")) < 2:
                client.wait_for("message")
            self.assertEqual(len(client.values("reset")), 1)
            self.assertEqual(client.values("recovered") + client.values("gap"), [])
            self.assertEqual(len(client.values("connected")), 1)
            got = [(m["user"], m["n"]) for m in client.values("message") if m["n"]]
            self.assertEqual(len(got), len(set(got)))
            yield got


class LossInBoth(Loss):
    codecs = ("proto", "json")


class BrowserTests:
    """weir.js itself in a browser, on a page of another origin; one speaks the binary codec."""

    expected_seconds = 15
    COUNT = 60

    def test_an_edge_is_killed_under_a_page(self):
        scripts = {"/weir.js": os.path.join(ROOT, "edge", "web", "weir.js")}
        page = PageServer(os.path.join("weirjs", "page.html"), scripts)
        self.addCleanup(page.close)
        cluster = self.start_cluster(edges=2, edge={"allowed_origins": [page.origin]},
                                     router={"history_messages": 1000})
        words = [("edge", url_of(edge)) for edge in cluster.edges]
        words += [(user, cluster.token(user)) for user in ("alice", "bob")]
        self.load(page, urlencode(words))
        self.assertEqual(page.reports.get(timeout=12 * DEADLINE_S), {"event": "half"})
        cluster.edges[0].kill()
        for name in ("alice", "bob"):
            report = page.reports.get(timeout=12 * DEADLINE_S)
            self.assertEqual((report["event"], report.get("name")), ("all", name), report)
            seen = report["seen"]
            self.assertEqual([seq for _, seq, _ in seen], list(range(1, 2 * self.COUNT + 1)))
            for user in ("alice", "bob"):
                self.assertEqual([n for who, _, n in seen if who == user],
                                 list(range(1, self.COUNT + 1)))
            self.assertEqual("waiting" in report["states"], name == "alice")


class Chromium(ChromiumBrowser, BrowserTests, TestCase):
    pass


class Firefox(FirefoxBrowser, BrowserTests, TestCase):
    pass


if __name__ == "__main__":
    unittest.main()
