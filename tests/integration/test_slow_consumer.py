"""A client that does not read is closed, and delays nobody."""

import resource
import time
import unittest

import rawhttp
from harness import (ClusterTestCase, TestCase, memory_kib, metrics_of, sanitized, wait_until)

LARGE = "x" * 50000


class SlowConsumerTestCase(ClusterTestCase):
    def closes(self, edge):
        sample = 'weir_edge_closes_total{reason="slow_consumer"}'
        return metrics_of(self.cluster.edges[edge].ops).get(sample, 0)

    def queued(self, edge):
        return metrics_of(self.cluster.edges[edge].ops)["weir_edge_queue_bytes"]


class QueueLimit(SlowConsumerTestCase):
    LIMIT = 256 << 10
    edge_options = {"queue_limit": str(LIMIT), "slow_timeout": "600s"}
    expected_seconds = 2

    def test_the_queue_limit_closes_and_others_miss_nothing(self):
        sender, reader = self.connect(0, "sender"), self.connect(1, "reader")
        slow = self.connect(1, "slow", receive_buffer=4096)
        for client in (sender, reader, slow):
            client.join(self.room)
        longest, most, n = 0, 0, 0
        while self.closes(1) == 0:
            most = max(most, self.queued(1))
            n += 1
            self.assertLess(n, 200, "10 MB later it is still there")
            started = time.monotonic()
            sender.publish(self.room, LARGE)
            sender.expect("chat", seq=n)
            reader.expect("chat", seq=n)
            longest = max(longest, time.monotonic() - started)
        # Usual are 3 ms. Whoever waited for the slow one would wait for slow-timeout.
        self.assertLess(longest, 0.5 * rawhttp.SLOW)
        self.assertGreater(most, self.LIMIT - 2 * len(LARGE))
        self.assertLessEqual(most, self.LIMIT)
        said = slow.expect_close(4008, "slow_consumer")
        self.assertTrue(said["reconnect"])
        wait_until(lambda: sender.publish(self.room)["members"] == 2, "the slow one is gone")


class SlowTimeout(SlowConsumerTestCase):
    SLOW_S = 1 * rawhttp.SLOW
    edge_options = {"queue_limit": "1MiB", "slow_timeout": f"{SLOW_S * 1000:.0f}ms"}
    expected_seconds = 8

    def fill(self, sender):
        """Keeps something waiting at the second edge, far below the limit."""
        if self.queued(1) < 5 * len(LARGE):
            sender.publish(self.room, LARGE)

    def test_no_progress_for_the_slow_timeout_closes(self):
        sender = self.connect(0, "sender")
        slow = self.connect(1, "slow", receive_buffer=4096)
        slow.join(self.room)
        before = self.closes(1)
        time.sleep(self.SLOW_S)  # while nothing waits; that does not count
        began = time.monotonic()
        while self.closes(1) == before:
            self.assertLess(time.monotonic(), began + rawhttp.DEADLINE_S)
            self.fill(sender)
        # Nothing waited before `began`, so no clock of the edge can have started earlier.
        self.assertGreater(time.monotonic() - began, 0.9 * self.SLOW_S)
        slow.expect_close(4008, "slow_consumer")

    def test_one_who_reads_slowly_but_steadily_stays(self):
        sender = self.connect(0, "sender")
        steady = self.connect(1, "steady", receive_buffer=4096)
        steady.join(self.room)
        deadline = time.monotonic() + 3 * rawhttp.DEADLINE_S
        since = time.monotonic()
        while time.monotonic() - since < 2 * self.SLOW_S:
            self.fill(sender)
            data = steady.stream.socket.recv(4096)
            self.assertTrue(data, "it was closed")
            steady.stream.buffer += data
            if self.queued(1) == 0:
                since = time.monotonic()  # the kernel has taken it all; it will not for ever
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        published = sender.publish(self.room)["seq"]
        for seq in range(1, published + 1):
            steady.expect("chat", seq=seq)
        steady.ask_for("pong", type="ping")


class ManyAtOnce(TestCase):
    """A thousand who stop reading, each of them far below its own limit."""

    expected_seconds = 10
    N = 1000
    TOTAL = 8 << 20
    TEXT = "x" * 20000

    def setUp(self):
        super().setUp()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * self.N + 100, limits[1]), limits[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        self.cluster = self.start_cluster(edges=1, edge={
            "queue_total": str(self.TOTAL), "queue_limit": "64MiB", "slow_timeout": "600s"})
        self.edge = self.cluster.edges[0]
        self.sender = self.cluster.connect(user="sender")
        self.reader = self.cluster.connect(user="reader")
        self.steady = self.cluster.connect(user="steady", receive_buffer=4096)
        for client in (self.reader, self.steady):
            client.join("room")

    def closed(self):
        return self.metrics().get('weir_edge_closes_total{reason="slow_consumer"}', 0)

    def metrics(self):
        return metrics_of(self.edge.ops)

    def publish(self, n):
        started = time.monotonic()
        self.sender.publish("room", self.TEXT)
        self.reader.expect("chat", seq=n)
        took = time.monotonic() - started
        self.steady.expect("chat", seq=n)
        return took

    def test_the_total_closes_them_and_nobody_else_waits(self):
        slow = [self.cluster.connect(user=f"slow-{i}", receive_buffer=4096) for i in range(self.N)]
        for client in slow:
            client.join("room")
        before = memory_kib(self.edge)
        longest, queued, n = 0, 0, 0
        while self.closed() < self.N:
            n += 1
            self.assertLess(n, 2000, "40 MB later some are still there")
            longest = max(longest, self.publish(n))
            queued = max(queued, self.metrics()["weir_edge_queue_bytes"])
        # Whoever waited for one of them would wait until slow-timeout, ten minutes.
        self.assertLess(longest, 5 * rawhttp.SLOW)
        self.assertGreater(queued, self.TOTAL / 4)
        # Of each that is about to end, the rest of one message and the Close.
        self.assertLess(queued, self.TOTAL + self.N * (len(self.TEXT) + 1000))
        if not sanitized():
            self.assertLess(memory_kib(self.edge) - before, 2 * self.TOTAL / 1024)
        wait_until(lambda: self.sender.publish("room", "")["members"] == 2, "they have left")

    def test_who_takes_something_now_and_then_is_not_the_one_to_go(self):
        slow = self.cluster.connect(user="slow", receive_buffer=4096)
        slow.join("room")
        n = 0
        while self.closed() == 0:
            n += 1
            self.assertLess(n, 2000)
            self.publish(n)
        slow.expect_close(4008, "slow_consumer")
        self.steady.ask_for("pong", type="ping")

    def test_weirctl_shows_how_much_waits_for_whom(self):
        slow = self.cluster.connect(user="slow", receive_buffer=4096)
        slow.join("room")
        for n in range(1, 31):
            self.publish(n)

        def queue_of(user):
            return self.cluster.rows("clients", "--user", user)[0]["queueBytes"]

        wait_until(lambda: queue_of("slow") > 10 * len(self.TEXT), "the router has been told")
        self.assertEqual(queue_of("reader"), 0)
        for n in range(1, 31):
            slow.expect("chat", seq=n)
        wait_until(lambda: queue_of("slow") == 0, "it has caught up")


if __name__ == "__main__":
    unittest.main()
