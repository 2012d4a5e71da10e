"""A client that does not read is closed, and delays nobody."""

import time
import unittest

import rawhttp
from harness import ClusterTestCase, metrics_of, wait_until

LARGE = "x" * 50000


class SlowConsumers(ClusterTestCase):
    edge_options = {"queue_limit": "256KiB", "slow_timeout": "1s"}
    expected_seconds = 5

    def closes(self, edge):
        sample = 'weir_edge_closes_total{reason="slow_consumer"}'
        return metrics_of(self.cluster.edges[edge].ops).get(sample, 0)

    def test_the_queue_limit_closes_and_others_miss_nothing(self):
        sender, reader = self.connect(0, "sender"), self.connect(1, "reader")
        slow = self.connect(1, "slow", receive_buffer=4096)
        for client in (sender, reader, slow):
            client.join(self.room)
        before = self.closes(1)
        longest, n = 0, 0
        while self.closes(1) == before:
            n += 1
            self.assertLess(n, 400, "20 MB later it is still there")
            started = time.monotonic()
            sender.publish(self.room, LARGE)
            sender.expect("chat", seq=n)
            reader.expect("chat", seq=n)
            longest = max(longest, time.monotonic() - started)
        self.assertLess(longest, 1 * rawhttp.SLOW)
        said = slow.expect_close(4008, "slow_consumer")
        self.assertTrue(said["reconnect"])
        wait_until(lambda: sender.publish(self.room)["members"] == 2, "the slow one is gone")

    def test_no_progress_for_the_slow_timeout_closes_too(self):
        sender = self.connect(0, "sender")
        slow = self.connect(1, "slow", receive_buffer=4096)
        slow.join(self.room)
        before = self.closes(1)
        deadline = time.monotonic() + rawhttp.DEADLINE_S
        while self.closes(1) == before:
            self.assertLess(time.monotonic(), deadline)
            # Fills the kernel's buffers, then stays below the limit of the queue.
            if metrics_of(self.cluster.edges[1].ops)["weir_edge_queue_bytes"] < 60000:
                sender.publish(self.room, LARGE)
        slow.expect_close(4008, "slow_consumer")

    def test_one_who_reads_slowly_but_steadily_stays(self):
        sender = self.connect(0, "sender")
        steady = self.connect(1, "steady", receive_buffer=4096)
        steady.join(self.room)
        for n in range(100):
            sender.publish(self.room, LARGE)
            steady.expect("chat", seq=n + 1)
        steady.ask_for("pong", type="ping")


if __name__ == "__main__":
    unittest.main()
