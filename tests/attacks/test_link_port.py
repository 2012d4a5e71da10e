"""Connections at the link port that say nothing."""

import resource
import socket
import sys
import time
import unittest

from attack import Attack
from harness import parse_address
from rawhttp import SLOW

IDLE = 3000
READY_S = 1.5 * SLOW


class LinkPort(Attack):
    def test_an_edge_comes_in_past_thousands_that_say_nothing(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(
            resource.RLIMIT_NOFILE)[1]))
        address = parse_address(self.cluster.router.link_url.removeprefix("tcp://"))
        self.quiet()
        idle = []
        self.addCleanup(lambda: [one.close() for one in idle])
        end = time.monotonic() + 20 * SLOW
        while len(idle) < IDLE and time.monotonic() < end:
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(address)
            idle.append(one)
            if len(idle) % 100 == 0:
                time.sleep(0.02)
        begun = time.monotonic()
        edge = self.cluster.start_edge("late")
        took = time.monotonic() - begun
        self.judge()
        print(f"the edge took {took:.2f} s", file=sys.stderr)
        self.assertLess(took, READY_S)
        self.assertNotIn("link_lost", edge.text())


if __name__ == "__main__":
    unittest.main()
