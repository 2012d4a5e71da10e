"""Pings from the gateway, and what silence leads to."""

import signal
import time
import unittest

import rawhttp
import ws
from harness import ClusterTestCase, metrics_of, wait_until


class Heartbeat(ClusterTestCase):
    n_edges = 1
    edge_options = {"heartbeat_interval": "1s", "heartbeat_timeout": "2s"}
    expected_seconds = 8

    def test_the_intervals_are_told(self):
        self.assertEqual(self.connect().connected["heartbeat"], {"interval": 1, "timeout": 2})

    def test_one_who_answers_pings_stays(self):
        alice = self.connect()
        started = time.monotonic()
        for _ in range(3):
            frame = alice.recv_frame()
            self.assertEqual(frame.opcode, ws.PING)
            alice.send_frame(ws.PONG, frame.payload)
        took = time.monotonic() - started
        self.assertGreater(took, 2)
        self.assertLess(took, 3 + 1 * rawhttp.SLOW)
        alice.ask_for("pong", type="ping")

    def test_silence_ends_the_connection_without_a_close_frame(self):
        alice = self.connect()
        started = time.monotonic()
        alice.auto_pong = False
        with self.assertRaises(rawhttp.EndOfStream):
            alice.next()
        took = time.monotonic() - started
        self.assertGreaterEqual(took, 1.5)
        self.assertLess(took, 2 + 1 * rawhttp.SLOW)
        closes, ops = 'weir_edge_closes_total{reason="heartbeat"}', self.cluster.edges[0].ops
        wait_until(lambda: metrics_of(ops)[closes] == 1, "the close is counted")

    def test_any_frame_is_a_sign_of_life(self):
        alice = self.connect()
        alice.auto_pong = False
        started = time.monotonic()
        while time.monotonic() - started < 3:
            alice.ask_for("pong", type="ping")
            time.sleep(0.1)

    def test_an_edge_that_was_stopped_does_not_blame_its_clients(self):
        alice = self.connect()
        edge = self.cluster.edges[0]
        edge.signal(signal.SIGSTOP)
        time.sleep(2.5)  # longer than the timeout, during which alice cannot be heard
        edge.signal(signal.SIGCONT)
        alice.ask_for("pong", type="ping")
        wait_until(edge.is_ready, "ready again")


if __name__ == "__main__":
    unittest.main()
