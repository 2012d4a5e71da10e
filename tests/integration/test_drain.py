"""weirctl drain and undrain: an edge is emptied, kept empty, and taken back."""

import fcntl
import pty
import re
import signal
import struct
import subprocess
import termios
import time
import unittest

import rawhttp
from harness import WEIRCTL_BIN, TestCase, wait_until
from rawhttp import SLOW, exchange, request
from ws import handshake_fields

CLIENTS = 40


class Drain(TestCase):
    expected_seconds = 6

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(edges=2)
        self.edge, self.other = self.cluster.edges

    def drain(self, command="drain", *words):
        rows = self.cluster.rows(command, "edge-1", *words)
        self.assertEqual([row["edge"] for row in rows], ["edge-1"])
        return rows[0]

    def draining(self):
        return {row["edge"]: row["draining"] for row in self.cluster.rows("edges")}

    def wait_until_draining(self, expected):
        wait_until(lambda: self.draining() == {"edge-1": expected, "edge-2": False},
                   f"edge-1 says draining={expected}")

    def upgrade(self):
        target = f"/?token={self.cluster.token()}"
        return exchange(self.edge.address, request(target, fields=handshake_fields()))

    def test_clients_go_and_stay_away_until_undrain(self):
        clients = [self.cluster.connect(0, f"user-{i}") for i in range(3)]
        other = self.cluster.connect(1, "other")
        for client in [*clients, other]:
            client.join("room")
        self.assertEqual(self.drain()["connections"], 3)
        for client in clients:
            said = client.expect_close(1012, "restart")
            self.assertTrue(said["reconnect"])
        self.wait_until_draining(True)
        for address in (self.edge.ops, self.edge.address):
            self.assertEqual(rawhttp.get(address, "/ready").status, 503)
            self.assertEqual(rawhttp.get(address, "/health").status, 200)
        refused = self.upgrade()
        self.assertEqual(refused.status, 503)
        self.assertIsNotNone(refused.one("Retry-After"))
        wait_until(lambda: other.publish("room")["members"] == 1, "the others have left")
        self.assertIs(self.drain("undrain")["draining"], False)
        self.wait_until_draining(False)
        self.edge.wait_until_ready()
        back = self.cluster.connect(0, "user-0")
        back.join("room")
        self.assertEqual(back.publish("room")["members"], 2)

    def test_a_rate_paces_it(self):
        clients = [self.cluster.connect(0, f"user-{i}") for i in range(CLIENTS)]
        started = time.monotonic()
        self.drain("drain", "--rate", f"{CLIENTS // 2}/s")
        for client in clients:
            client.expect_close(1012, "restart")
        self.assertGreater(time.monotonic() - started, 1.0)

    def test_a_new_router_learns_that_an_edge_drains(self):
        self.drain()
        self.wait_until_draining(True)
        self.cluster.router.kill()
        self.cluster.restart_router()
        wait_until(lambda: self.draining() == {"edge-1": True, "edge-2": False},
                   "the edge has said it to the new router")

    def test_a_drained_edge_stops_at_once(self):
        self.drain()
        self.wait_until_draining(True)
        self.edge.signal(signal.SIGTERM)
        self.assertEqual(self.edge.wait(), 0)

    def test_what_a_drain_would_do(self):
        for i in range(5):
            self.cluster.connect(0, f"user-{i}")
        row = self.drain("drain", "--rate", "2/s", "--dry-run")
        self.assertEqual((row["draining"], row["connections"], row["seconds"]), (False, 5, 3))
        self.assertEqual(self.draining(), {"edge-1": False, "edge-2": False})

    def test_a_drain_tells_how_it_goes_on(self):
        clients = [self.cluster.connect(0, f"user-{i}") for i in range(30)]
        rows = self.cluster.rows("drain", "edge-1", "--rate", "10/s", "--wait")
        self.assertEqual(rows[-1]["connections"], 0)
        left = [row["connections"] for row in rows]
        self.assertEqual(left, sorted(left, reverse=True))
        self.assertGreater(len(rows), 1)
        for client in clients:
            client.expect_close(1012, "restart")
        self.assertEqual([row["connections"] for row in
                          self.cluster.rows("drain", "edge-1", "--wait")], [0])


class Rebalance(TestCase):
    expected_seconds = 4

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(edges=2)
        self.clients = [self.cluster.connect(0, f"user-{i}") for i in range(40)]
        self.others = [self.cluster.connect(1, f"other-{i}") for i in range(10)]

    def test_what_it_would_do(self):
        rows = self.cluster.rows("rebalance", "--dry-run")
        self.assertEqual({row["edge"]: (row["connections"], row["surplus"]) for row in rows},
                         {"edge-1": (40, 15), "edge-2": (10, 0)})
        self.assertEqual(len(self.cluster.rows("clients")), 50)

    def test_the_fullest_edge_gives_what_is_above_the_mean(self):
        started = time.monotonic()
        rows = self.cluster.rows("rebalance", "--rate", "10/s")
        self.assertGreater(time.monotonic() - started, 0.9)
        self.assertEqual([(row["moved"], row["left"]) for row in rows], [(10, 5), (15, 0)])
        def at_first():
            return [row for row in self.cluster.rows("clients", "--edge", "edge-1")]
        wait_until(lambda: len(at_first()) == 25, "those moved are gone")
        moved = {client.connected["clientId"] for client in self.clients} - \
            {row["client"] for row in at_first()}
        for client in self.clients:
            if client.connected["clientId"] in moved:
                said = client.expect_close(1012, "restart")
                self.assertEqual(said["after"], [100, 5000])
        self.assertEqual(len(self.cluster.rows("clients", "--edge", "edge-2")), 10)

    def test_a_bar_on_a_terminal(self):
        shown = self.cluster.weirctl_on_terminal(80, "rebalance", "--rate", "10/s")
        bars = re.findall("\r\x1b\\[K\\[(#*)(-*)\\] +([0-9]+) %  ([^\r\n]*)", shown)
        self.assertEqual([(bar[2], bar[3]) for bar in bars],
                         [("66", "10 connections moved, 5 to go"),
                          ("100", "15 connections moved, 0 to go")], shown)
        self.assertEqual([len(bar[0]) for bar in bars], [16, 24])
        self.assertTrue(shown.endswith("0 to go\n"), shown)

    def test_lines_on_a_narrow_terminal(self):
        shown = self.cluster.weirctl_on_terminal(40, "rebalance", "--rate", "10/s")
        self.assertNotIn("\x1b", shown)
        self.assertEqual(len(shown.splitlines()), 2)

    def test_it_ends_with_who_asks_and_the_next_goes_on(self):
        ours, its = pty.openpty()
        argv = [WEIRCTL_BIN, "--admin", self.cluster.router.admin_url, "rebalance", "--rate", "5/s"]
        with open(ours, "rb", buffering=0) as terminal, open(its, "wb", buffering=0) as stdout:
            fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            asking = subprocess.Popen(argv, stdout=stdout)
            self.addCleanup(asking.wait)
            self.addCleanup(asking.kill)
            shown = terminal.read(4096)
            asking.send_signal(signal.SIGINT)
            self.assertEqual(asking.wait(10 * SLOW), 0)
            shown += terminal.read(4096)
        self.assertIn(b"5 connections moved, 10 to go", shown)
        self.assertTrue(shown.endswith(b"\n"), shown)
        wait_until(lambda: len(self.cluster.rows("clients", "--edge", "edge-1")) <= 35, "they go")
        left = sum(row["surplus"] for row in self.cluster.rows("rebalance", "--dry-run"))
        self.assertGreater(left, 0)
        self.assertEqual(self.cluster.rows("rebalance")[-1]["left"], 0)

    def test_an_even_fleet_is_left_alone(self):
        self.others += [self.cluster.connect(1, f"more-{i}") for i in range(30)]
        self.assertEqual([(row["moved"], row["left"]) for row in self.cluster.rows("rebalance")],
                         [(0, 0)])

    def test_a_draining_edge_counts_for_nothing(self):
        self.cluster.rows("drain", "edge-2")
        wait_until(lambda: self.cluster.rows("edge", "edge-2")[0]["draining"], "it drains")
        self.assertEqual([(row["edge"], row["surplus"]) for row in
                          self.cluster.rows("rebalance", "--dry-run")], [("edge-1", 0)])


if __name__ == "__main__":
    unittest.main()
