"""What the programs tell a supervisor that speaks systemd's notification protocol."""

import os
import signal
import socket
import tempfile
import time
import unittest

from harness import DEADLINE_S, TestCase


class Supervisor:
    """A unix datagram socket that programs started from now on are told of."""

    def __init__(self, address, watchdog_us=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(DEADLINE_S)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        os.environ["NOTIFY_SOCKET"] = address
        if watchdog_us is not None:
            os.environ["WATCHDOG_USEC"] = str(watchdog_us)

    def hear(self):
        return self.socket.recv(4096).decode()

    def hear_other_than(self, text):
        """The next message that is not `text`."""
        while True:
            said = self.hear()
            if said != text:
                return said

    def close(self):
        self.socket.close()
        os.environ.pop("NOTIFY_SOCKET", None)
        os.environ.pop("WATCHDOG_USEC", None)


class Supervised(TestCase):
    expected_seconds = 3

    def supervise(self, watchdog_us=None, abstract=False):
        folder = tempfile.TemporaryDirectory(prefix="weir-test-")
        self.addCleanup(folder.cleanup)
        address = ("@" if abstract else "") + os.path.join(folder.name, "notify")
        supervisor = Supervisor(address, watchdog_us)
        self.addCleanup(supervisor.close)
        return supervisor

    def reload(self, supervisor, process):
        """SIGHUP is answered in two steps, with the supervisor's own clock in the first."""
        before = time.monotonic_ns() // 1000
        process.signal(signal.SIGHUP)
        word, _, microseconds = supervisor.hear_other_than("WATCHDOG=1").partition("\n")
        self.assertEqual(word, "RELOADING=1")
        self.assertGreaterEqual(int(microseconds.removeprefix("MONOTONIC_USEC=")), before)
        self.assertEqual(supervisor.hear_other_than("WATCHDOG=1"), "READY=1")

    def test_an_edge_says_that_it_serves_lives_and_stops(self):
        cluster = self.start_cluster(edges=0)
        supervisor = self.supervise(watchdog_us=400000)
        edge = cluster.spawn_edge("edge", threads=3).wait_ready()
        self.assertEqual(supervisor.hear_other_than("WATCHDOG=1"), "READY=1")
        for _ in range(3):
            self.assertEqual(supervisor.hear(), "WATCHDOG=1")
        self.reload(supervisor, edge)
        edge.signal(signal.SIGTERM)
        self.assertEqual(supervisor.hear_other_than("WATCHDOG=1"), "STOPPING=1")
        self.assertEqual(edge.wait(), 0)

    def test_a_router_says_that_it_serves_lives_and_stops(self):
        supervisor = self.supervise(watchdog_us=400000, abstract=True)
        cluster = self.start_cluster(edges=0)
        self.assertEqual(supervisor.hear_other_than("WATCHDOG=1"), "READY=1")
        for _ in range(3):
            self.assertEqual(supervisor.hear(), "WATCHDOG=1")
        self.reload(supervisor, cluster.router)
        cluster.router.signal(signal.SIGTERM)
        self.assertEqual(supervisor.hear_other_than("WATCHDOG=1"), "STOPPING=1")
        self.assertEqual(cluster.router.wait(), 0)

    def test_a_reload_that_fails_is_over_too(self):
        cluster = self.start_cluster(edges=0)
        supervisor = self.supervise()
        edge = cluster.spawn_edge("edge").wait_ready()
        self.assertEqual(supervisor.hear(), "READY=1")
        os.unlink(os.path.join(cluster.folder, "jwt.key"))
        self.reload(supervisor, edge)
        edge.wait_for_line("error reload_failed")

    def test_a_program_that_cannot_start_never_says_that_it_serves(self):
        cluster = self.start_cluster(edges=0)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            supervisor = self.supervise()
            edge = self.start_process(cluster.spawn_edge(
                "edge", listen="127.0.0.1:%d" % taken.getsockname()[1]))
            cluster.processes.remove(edge)
            self.assertEqual(edge.wait(), 1)
        supervisor.socket.setblocking(False)
        self.assertRaises(BlockingIOError, supervisor.hear)

    def test_a_supervisor_that_cannot_be_reached_stops_nobody(self):
        os.environ["NOTIFY_SOCKET"] = "nonsense"
        self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
        cluster = self.start_cluster(edges=1)
        for process in cluster.processes:
            process.wait_for_line("warn notify_unusable variable=NOTIFY_SOCKET value=nonsense")
        cluster.connect().join("room")


if __name__ == "__main__":
    unittest.main()
