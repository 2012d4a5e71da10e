"""weirctl memory tells nearly all that a process has: what no pool tells is a tenth at most."""

import resource
import subprocess
import unittest

import rawhttp
from harness import BUILD, TestCase, environment, sanitized, wait_until

CLIENTS = 10000
LARGE = "x" * 50000
DESCRIPTORS = CLIENTS + 1000


@unittest.skipIf(sanitized(), "a sanitizer's memory is its own")
class Memory(TestCase):
    expected_seconds = 10

    def memory(self):
        """{process: {pool: row}}."""
        found = {}
        for row in self.cluster.rows("memory"):
            found.setdefault(row["process"], {})[row["pool"]] = row
        return found

    def assert_told(self, process):
        pools = self.memory()[process]
        rest, resident = pools["unaccounted"]["bytes"], pools["resident"]["bytes"]
        self.assertLessEqual(rest, 0.1 * resident,
                             {name: row["bytes"] for name, row in pools.items()})
        # Nor do the pools tell more than there is.
        told = sum(row["bytes"] for name, row in pools.items()
                   if name not in ("resident", "unaccounted"))
        self.assertLessEqual(told, 1.1 * resident)

    @unittest.skipIf(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DESCRIPTORS,
                     "too few descriptors")
    def test_with_ten_thousand_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.cluster = self.start_cluster(edges=1, router={"name": "router"})
        host, port = self.cluster.edges[0].address
        bench = subprocess.Popen(
            [f"{BUILD}/tests/bench/weir-bench", "idle", "--edge", f"{host}:{port}", "--key",
             f"{self.cluster.folder}/jwt.key", "--clients", str(CLIENTS), "--duration", "60s"],
            env=environment(self.cluster.folder), stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: (self.memory()["router"]["clients"]["objects"] or 0) >= CLIENTS,
                       "all are connected", 30 * rawhttp.SLOW)
            self.assert_told("router")
            self.assert_told("edge-1")
        finally:
            bench.terminate()
            bench.wait()

    def test_with_full_queues(self):
        self.cluster = self.start_cluster(edges=1, edge={"slow_timeout": "600s"})
        sender = self.cluster.connect(0, "sender")
        for i in range(30):
            slow = self.cluster.connect(0, f"slow-{i}", receive_buffer=4096)
            slow.join(f"room-{i}")
            for _ in range(18):
                sender.publish(f"room-{i}", LARGE)
        pools = self.memory()["edge-1"]
        self.assertGreater(pools["queues"]["bytes"], 10 << 20)
        self.assert_told("edge-1")


if __name__ == "__main__":
    unittest.main()
