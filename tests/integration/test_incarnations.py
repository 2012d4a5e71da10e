"""An edge ends and is started again under its name: that one is let in at once, a second living one not.

What tells these apart is the link of the first. The kernel closes it when a process dies; a living edge
whose link was cut dials again within moments.
"""

import os
import subprocess
import sys
import threading
import time
import unittest

import certs
import linkwire
from harness import (EDGE_BIN, LINK_KEY, ROOT, Edge, TestCase, option_words, parse_address,
                     wait_until)
from rawhttp import SLOW
from test_link_peer import SNAPSHOT_END, client_up, join

sys.path.insert(0, os.path.join(ROOT, "tests", "faults"))
from proxy import Proxy  # noqa: E402

READY_S = 0.5  # from the start of the program until /ready says so
BUSY_S = 2  # the same when the machine is; an edge that has to wait for link-timeout takes six
RESTARTS = 20
LINK_TIMEOUT_S = 3
PID_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child")


def can_unshare():
    done = subprocess.run([*PID_NAMESPACE, "true"], capture_output=True, check=False)
    return done.returncode == 0


class Restarted(TestCase):
    expected_seconds = 8

    def start_again(self, cluster, name, **options):
        """The next incarnation, in the place of the first edge; how long it took."""
        begun = time.monotonic()
        edge = cluster.spawn_edge(name, **options).wait_ready()
        wait_until(edge.is_ready, f"{name} is ready again")
        cluster.edges[0] = edge
        return time.monotonic() - begun

    def assert_quick(self, took):
        self.assertLess(sorted(took)[len(took) // 2], READY_S * SLOW, took)
        self.assertLess(max(took), BUSY_S * SLOW, took)

    def test_killed_twenty_times_in_a_row(self):
        cluster = self.start_cluster(edges=2)
        watcher = cluster.connect(1, "watcher")
        watcher.join("room", presence=True)
        took = []
        for n in range(RESTARTS):
            members = [cluster.connect(0, name) for name in ("alice", "bob")]
            for member in members:
                member.join("room")
                watcher.expect("member:join", room="room", user=member.connected["user"])
            self.assertEqual(watcher.publish("room", str(n))["members"], 3)
            for one in (watcher, *members):
                one.expect("chat", text=str(n), seq=n + 1)
            cluster.edges[0].kill()
            took.append(self.start_again(cluster, "edge-1"))
            self.assertEqual({watcher.expect("member:leave", room="room")["user"]
                              for _ in members}, {"alice", "bob"})
            watcher.expect_nothing()
        self.assert_quick(took)
        self.assertEqual({row["edge"] for row in cluster.rows("edges")}, {"edge-1", "edge-2"})

    def test_ended_by_sigterm(self):
        cluster = self.start_cluster(edges=2, edge={"drain_timeout": "0s"})
        watcher = cluster.connect(1, "watcher")
        watcher.join("room", presence=True)
        took = []
        for _ in range(5):
            cluster.connect(0, "alice").join("room")
            watcher.expect("member:join", user="alice")
            cluster.edges[0].stop()
            took.append(self.start_again(cluster, "edge-1"))
            watcher.expect("member:leave", user="alice")
        self.assert_quick(took)

    def test_killed_with_a_key_of_its_own(self):
        cluster = self.start_cluster(edges=0)
        mine, other = cluster.write("a.key", b"a" * 32), cluster.write("b.key", b"b" * 32)
        cluster.router.stop()
        cluster.router = cluster.start_router(link_key_file=[f"a={mine}", f"b={other}"])
        edge = cluster.start_edge("a", link_key_file=mine)
        edge.kill()
        thief = cluster.spawn_edge("a", link_key_file=other).wait_ready()
        thief.wait_for_line("bad_key")
        self.assertFalse(thief.is_ready())
        self.assertLess(self.start_again(cluster, "a", link_key_file=mine), BUSY_S * SLOW)
        self.assertFalse(thief.is_ready())

    @unittest.skipIf(certs.missing(), certs.missing())
    def test_killed_behind_a_tls_link(self):
        cluster = self.start_cluster(edges=0)
        cluster.router.stop()
        authority = certs.Authority(cluster.folder)
        for name in ("router", "edge"):
            authority.issue(name, "127.0.0.1", names="")
        files = {name: certs.link_options(cluster.folder, name, "ca")
                 for name in ("router", "edge")}
        cluster.router = cluster.start_router(listen="tls+tcp://127.0.0.1:0", **files["router"])
        cluster.start_edge("a", **files["edge"])
        took = []
        for _ in range(5):
            cluster.edges[0].kill()
            took.append(self.start_again(cluster, "a", **files["edge"]))
        self.assert_quick(took)

    @unittest.skipUnless(can_unshare(), "needs a namespace of process ids")
    def test_killed_in_a_container_where_its_default_name_stays(self):
        cluster = self.start_cluster(edges=1)
        argv = [*PID_NAMESPACE, EDGE_BIN, *option_words(
            {**cluster.edge_options, "router": [cluster.router.link_url]})]
        names, took = set(), []
        for n in range(3):
            begun = time.monotonic()
            edge = self.start_process(Edge(cluster.folder, f"contained-{n}", argv, wrap=False))
            edge.wait_ready()
            wait_until(edge.is_ready, "it is ready")
            took.append(time.monotonic() - begun)
            names |= {row["edge"] for row in cluster.rows("edges")} - {"edge-1"}
            edge.kill()
        self.assertEqual(len(names), 1, names)
        self.assertRegex(names.pop(), "-1$")
        self.assert_quick(took)


class Closing(TestCase):
    """The old edge is one that these tests speak for."""

    expected_seconds = 8

    def setUp(self):
        self.cluster = self.start_cluster(edges=1, router={
            "listen": "tcp://127.0.0.1:0", "link_timeout": f"{LINK_TIMEOUT_S}s"})
        self.address = parse_address(self.cluster.router.link_url.removeprefix("tcp://"))
        self.watcher = self.cluster.connect(0, "watcher")
        self.watcher.join("room", presence=True)

    def old_edge(self, boot=None):
        link = linkwire.edge(self.address, LINK_KEY, name="twin", boot=boot)
        link.batch(client_up(user="alice"), join("room"), linkwire.item(SNAPSHOT_END, b""))
        self.watcher.expect("member:join", user="alice")
        self.addCleanup(link.close)
        return link

    def test_a_close_that_the_router_sees_late(self):
        old = self.old_edge()
        timer = threading.Timer(0.15 * SLOW, old.close)
        timer.start()
        begun = time.monotonic()
        edge = self.cluster.spawn_edge("twin").wait_ready()
        wait_until(edge.is_ready, "it is ready")
        timer.join()
        self.assertLess(time.monotonic() - begun, 2 * READY_S * SLOW)
        self.watcher.expect("member:leave", user="alice")

    def test_a_link_that_nobody_closed_keeps_the_name_until_it_was_silent_for_long(self):
        old = self.old_edge()
        silent_since = time.monotonic()
        edge = self.cluster.spawn_edge("twin").wait_ready()
        old.expect_end()  # closed by the router, at half the time: that is no sign of a death
        linkwire.edge(self.address, LINK_KEY, name="twin",
                      admitted=False).expect_end("duplicate_name")
        self.assertFalse(edge.is_ready())
        wait_until(edge.is_ready, "it gets the name in the end")
        self.assertGreater(time.monotonic() - silent_since, LINK_TIMEOUT_S - 0.1)
        self.watcher.expect("member:leave", user="alice")

    def test_one_that_was_only_cut_does_not_get_its_name_back_from_a_living_successor(self):
        def hello(boot, **how):
            link = linkwire.edge(self.address, LINK_KEY, name="twin", boot=boot, **how)
            self.addCleanup(link.close)
            return link

        old, new = os.urandom(16), os.urandom(16)
        self.old_edge(old).close()
        successor = hello(new)
        self.watcher.expect("member:leave", user="alice")
        hello(old, admitted=False).expect_end("duplicate_name")
        while "edge_name_shared" not in self.cluster.router.text():
            successor.send(linkwire.PONG, successor.expect(linkwire.PING))
        successor.close()
        hello(old, admitted=False).expect_end("duplicate_name")
        hello(new)

    def test_two_successors_of_which_one_is_let_in(self):
        self.old_edge().close()
        twins = [self.cluster.spawn_edge("twin") for _ in range(2)]
        for twin in twins:
            twin.wait_ready()
        wait_until(lambda: any(twin.is_ready() for twin in twins), "one is let in")
        self.cluster.router.wait_for_line("edge_name_shared")
        self.watcher.expect("member:leave", user="alice")
        self.assertEqual([twin.is_ready() for twin in twins].count(True), 1)


class TwoAlive(TestCase):
    expected_seconds = 8

    def test_cuts_do_not_pass_a_name_from_one_living_edge_to_another(self):
        cluster = self.start_cluster(edges=0, router={"link_timeout": f"{LINK_TIMEOUT_S}s"})
        target = parse_address(cluster.router.link_url.removeprefix("tcp://"))
        proxies = [Proxy(target), Proxy(target)]
        first = cluster.start_edge("twin", router=[proxies[0].url])
        client = cluster.connect(first)
        client.join("room")
        second = cluster.spawn_edge("twin", router=[proxies[1].url]).wait_ready()
        cluster.router.wait_for_line(" error edge_name_shared edge=twin")
        for n in range(20):
            proxies[n % 2].cut(reset=n % 4 < 2)
            time.sleep(0.2)
            self.assertFalse(second.is_ready())
        wait_until(first.is_ready, "the first keeps the name")
        client.expect("chat", seq=client.publish("room")["seq"])
        self.assertIn("link_goaway", second.text())
        first.kill()
        wait_until(second.is_ready, "the second gets it when the first was silent for long")
        shared = [line for line in cluster.router.lines if "edge_name_shared" in line]
        self.assertLessEqual(len(shared), 3, shared)


if __name__ == "__main__":
    unittest.main()
