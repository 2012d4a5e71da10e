"""slowhttptest, which holds servers up by taking its time, against the client port."""

import os
import shutil
import statistics
import subprocess
import threading
import time
import unittest

import rawhttp
from harness import TestCase, memory_kib, metrics_of, sanitized, wait_until

CONNECTIONS = 300
SECONDS = 6


@unittest.skipUnless(shutil.which("slowhttptest"), "slowhttptest is not installed")
class SlowHttp(TestCase):
    expected_seconds = 3 * SECONDS

    def setUp(self):
        super().setUp()
        self.cluster = self.start_cluster(edges=1, edge={"handshake_timeout": "2s"})
        self.edge = self.cluster.edges[0]
        self.others = [self.cluster.connect(user=user) for user in ("alice", "bob")]
        for client in self.others:
            client.join("room")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.edge.popen.pid}/fd"))

    def refused(self):
        """Handshakes that came to nothing."""
        return sum(value for name, value in metrics_of(self.edge.ops).items()
                   if name.startswith("weir_edge_handshakes_total") and '"ok"' not in name)

    def attack(self, *how):
        """Lets it do its worst while others talk and come in."""
        host, port = self.edge.address
        files, memory = self.descriptors(), memory_kib(self.edge)
        attacker = subprocess.Popen(
            ["slowhttptest", "-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-l", str(SECONDS),
             "-i", "1", "-u", f"http://{host}:{port}/", *how],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        printed = []
        reader = threading.Thread(target=lambda: printed.append(attacker.stdout.read()))
        reader.start()
        self.addCleanup(attacker.kill)
        refused = self.refused()
        times = []
        while attacker.poll() is None:
            n = len(times)
            started = time.monotonic()
            late = self.cluster.connect(user="late")
            late.join("room")
            self.others[0].publish("room", str(n))
            for client in (self.others[1], late):
                self.assertEqual(client.expect("chat")["text"], str(n))
            times.append(time.monotonic() - started)
            late.close()
        reader.join()
        self.assertLess(statistics.median(times), 1 * rawhttp.SLOW)
        self.assertLess(max(times), 5 * rawhttp.SLOW)
        wait_until(lambda: self.refused() - refused > CONNECTIONS / 10, "it came at all")
        wait_until(lambda: self.descriptors() <= files, "all it held is given back")
        if not sanitized():
            self.assertLess(memory_kib(self.edge) - memory, 4096)
        self.assertNotIn("service available:   NO", printed[0])

    def test_slow_heads(self):
        self.attack("-H", "-x", "10")

    def test_slow_bodies(self):
        self.attack("-B", "-t", "POST", "-s", "8192", "-x", "10")

    def test_answers_that_are_read_slowly(self):
        self.attack("-X", "-w", "1", "-y", "2", "-n", "1", "-z", "1")


if __name__ == "__main__":
    unittest.main()
